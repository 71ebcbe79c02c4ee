#pragma once

#include <cstdint>
#include <vector>

#include "record_format.h"
#include "record_joiner.h"
#include "segment_name.h"
#include "xa_tm/recovery_log/log_inspection.h"

namespace xa_tm::recovery_log {

/// What the pages of one segment say together, but for its role and its damage, which only all
/// segments tell. Pure.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class SegmentSummary {
public:
    explicit SegmentSummary(SegmentName name);

    /// The pages that are not zero, in order.
    void add(InspectedPage&& page);
    /// To be called once, behind the last page. Size, copies and room are for the caller to fill.
    [[nodiscard]] InspectedSegment finish();

    /// The list of entries that it starts with is whole.
    [[nodiscard]] bool is_complete() const noexcept { return is_complete_; }
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept {
        return quarantined_through_;
    }
    [[nodiscard]] const std::vector<InspectedNote>& notes() const noexcept { return notes_; }

private:
    void add_missing_pages(std::uint64_t end);
    void take_place(const InspectedPage& page);
    void take_record(const LoggedRecord& record);
    [[nodiscard]] std::uint64_t acknowledged_pages() const noexcept;
    /// The number of the pages that are bad in the same way as this one.
    [[nodiscard]] std::uint64_t& count_of(const InspectedPage& page, std::uint64_t acknowledged);

    InspectedSegment segment_{};
    RecordJoiner joiner_;
    /// The last page with a header: where it stands, and where its flush does.
    std::uint64_t last_flush_begin_ = 0;
    std::uint64_t last_flush_end_ = 0;
    bool is_head_seen_ = false;
    bool is_complete_ = false;
    CheckpointEnd checkpoint_{};  ///< as the entries say
    std::uint32_t quarantined_through_ = 0;
    std::vector<InspectedNote> notes_;
};

}  // namespace xa_tm::recovery_log
