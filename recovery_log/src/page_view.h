#pragma once

#include <cstdint>
#include <optional>

#include "page_codec.h"
#include "segment_name.h"
#include "xa_tm/recovery_log/log_inspection.h"

/// Pages as people are shown them. Bytes in, values out; no I/O.
namespace xa_tm::recovery_log {

/// One copy of a page as it was read.
struct PageCopy {
    ConstPageBytes bytes;
    int error_number = 0;  ///< of the read that failed; `bytes` are zeros then
};

/// Where a page stands, and what it should say there.
struct PagePlace {
    SegmentName segment;
    std::uint64_t index;
    /// Nothing while it is not known.
    std::optional<LogId> log_id;
    std::optional<std::uint64_t> page_no;
};

[[nodiscard]] InspectedPage describe_page(const PagePlace& place, const PageCopy& first,
                                          const std::optional<PageCopy>& second);

}  // namespace xa_tm::recovery_log
