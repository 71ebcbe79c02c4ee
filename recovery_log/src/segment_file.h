#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "file_system.h"
#include "recovery_rule.h"
#include "segment_name.h"

/// Segments as files. Everything throws IoError unless it says otherwise.
namespace xa_tm::recovery_log {

/// Those in the directory, oldest first.
[[nodiscard]] std::vector<SegmentName> list_segments(FileSystem& file_system,
                                                     const std::filesystem::path& directory);

/// A new segment of zeros, which durably has its size (in pages of the file) and its name when this
/// returns. On failure it is removed again if possible; what may be left of it is zero, and the
/// next open passes over it.
[[nodiscard]] std::unique_ptr<File> create_segment(FileSystem& file_system,
                                                   const std::filesystem::path& directory,
                                                   SegmentName name, std::size_t file_pages);

/// As create_segment(), out of one that a later one has replaced: takes no space.
[[nodiscard]] std::unique_ptr<File> recycle_segment(FileSystem& file_system,
                                                    const std::filesystem::path& directory,
                                                    SegmentFile replaced, SegmentName name);

/// As recycle_segment(), out of one that is known to be all zeros, durably.
[[nodiscard]] std::unique_ptr<File> adopt_segment(FileSystem& file_system,
                                                  const std::filesystem::path& directory,
                                                  SegmentName unused, SegmentName name);

/// Makes durable what an owner that was killed may have left in memory only.
void sync_segment(FileSystem& file_system, const std::filesystem::path& directory,
                  SegmentName name);

struct ScannedSegment {
    std::size_t file_pages;
    bool is_unused;  ///< all zeros
    /// False when no page of it is intact, so that only other segments can tell how many copies of
    /// a page it was made for.
    bool knows_copies;
    SegmentVerdict verdict;
};

/// Reads the whole segment and judges it. `copies_if_unknown` is what other segments tell; `mode`
/// is read or read_direct.
[[nodiscard]] ScannedSegment scan_segment(FileSystem& file_system,
                                          const std::filesystem::path& directory, SegmentName name,
                                          std::optional<LogId> log_id,
                                          unsigned copies_if_unknown = 1,
                                          OpenMode mode = OpenMode::read_direct);

/// Removes a segment that a later one has replaced. Never throws: a later open removes what stays.
void remove_replaced_segment(FileSystem& file_system, const std::filesystem::path& directory,
                             SegmentName name);

}  // namespace xa_tm::recovery_log
