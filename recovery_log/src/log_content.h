#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>

#include "file_system.h"
#include "recovery_rule.h"
#include "segment_file.h"
#include "segment_name.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// What all segments of a log say together.
struct LogContent {
    /// The newest segment that starts with a whole list of entries, and what it holds.
    SegmentFile base{};
    SegmentContent content{};
    /// Above every page in any segment, also in those that do not count.
    std::uint64_t next_page_no = 1;
    /// A later segment of zeros, ready for use, if there is one.
    std::optional<SegmentFile> spare{};
};

/// Judges the segments, newest first, until one is complete. `segments` are oldest first. Throws
/// LogError (damaged, newer_format) and IoError.
[[nodiscard]] LogContent load_content(FileSystem& file_system,
                                      const std::filesystem::path& directory, LogId log_id,
                                      std::span<const SegmentName> segments);

/// Reads and judges a segment, as scan_segment() does for one in a directory.
using ScanSegment = std::function<ScannedSegment(SegmentName name, std::optional<LogId> log_id,
                                                 unsigned copies_if_unknown)>;

/// The same of segments that are read otherwise; `directory` is for messages.
[[nodiscard]] LogContent load_content(const ScanSegment& scan,
                                      const std::filesystem::path& directory, LogId log_id,
                                      std::span<const SegmentName> segments);

/// Without an identity a log is new. Throws LogError (damaged) when the segments are more than what
/// a birth that was cut off leaves behind, because then the identity was lost. Throws IoError.
void check_unborn(FileSystem& file_system, const std::filesystem::path& directory,
                  std::span<const SegmentName> segments);

}  // namespace xa_tm::recovery_log
