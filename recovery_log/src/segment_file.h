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

/// A new segment of zeros, which durably has its size and its name when this returns. On failure it
/// is removed again if possible; what may be left of it is zero, and the next open passes over it.
[[nodiscard]] std::unique_ptr<File> create_segment(FileSystem& file_system,
                                                   const std::filesystem::path& directory,
                                                   SegmentName name, std::size_t pages);

/// Makes durable what an owner that was killed may have left in memory only.
void sync_segment(FileSystem& file_system, const std::filesystem::path& directory,
                  SegmentName name);

/// Reads the whole segment and judges it.
[[nodiscard]] SegmentVerdict scan_segment(FileSystem& file_system,
                                          const std::filesystem::path& directory, SegmentName name,
                                          std::optional<LogId> log_id);

/// Removes a segment that a later one has replaced. Never throws: a later open removes what stays.
void remove_replaced_segment(FileSystem& file_system, const std::filesystem::path& directory,
                             SegmentName name);

}  // namespace xa_tm::recovery_log
