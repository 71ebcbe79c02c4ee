#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "recovery_rule.h"
#include "segment_name.h"
#include "xa_tm/recovery_log/log_inspection.h"

/// Pages as people are shown them. Bytes in, values out; no I/O.
namespace xa_tm::recovery_log {

/// Where a page stands, and what it should say there.
struct PagePlace {
    SegmentName segment;
    std::uint64_t index;
    /// Nothing while it is not known.
    std::optional<LogId> log_id;
    std::optional<std::uint64_t> page_no;
};

/// `copies` are one or two.
[[nodiscard]] InspectedPage describe_page(const PagePlace& place, std::span<const PageCopy> copies);

}  // namespace xa_tm::recovery_log
