#include "segment_summary.h"

#include <algorithm>

#include "page_codec.h"

// Invariants:
// - bad_pages holds every page up to pages_used that is not whole in all copies, in order, and
//   those behind it of which one copy holds something.
namespace xa_tm::recovery_log {

SegmentSummary::SegmentSummary(SegmentName name) : joiner_{file_name(name)} {
    segment_.file = file_name(name);
    segment_.epoch = name.epoch;
    segment_.number = name.segment_no;
}

void SegmentSummary::add_missing_pages(std::uint64_t end) {
    for (; segment_.pages_used < end; ++segment_.pages_used) {
        InspectedPage missing{};
        missing.index = segment_.pages_used;
        missing.offset = missing.index * kPageBytes;
        missing.condition = missing.first_copy = PageCondition::zero;
        missing.problem = "all zeros";
        segment_.bad_pages.push_back(std::move(missing));
    }
}

void SegmentSummary::take_place(const InspectedPage& page) {
    if (segment_.last_page_no == 0) {
        segment_.first_page_no = page.page_no - page.index;
    }
    if (segment_.flushes == 0 || page.index >= last_flush_end_) {
        ++segment_.flushes;
        last_flush_begin_ = page.index - (page.page_no - page.flush_first);
        last_flush_end_ = last_flush_begin_ + page.flush_pages;
    }
    segment_.last_page_no = page.page_no;
    segment_.is_sealed = page.is_seal;
    segment_.is_closed_cleanly = page.is_clean_shutdown;
}

void SegmentSummary::add(InspectedPage&& page) {
    if (page.condition != PageCondition::zero) {
        add_missing_pages(page.index);
        segment_.pages_used = page.index + 1;
    }
    joiner_.add(page, [&](const LoggedRecord& record) { take_record(record); });
    if (page.has_header && page.condition != PageCondition::damaged) {
        take_place(page);
    }
    if (!page.is_whole()) {
        page.records.clear();
        segment_.bad_pages.push_back(std::move(page));
    }
}

void SegmentSummary::take_record(const LoggedRecord& record) {
    switch (static_cast<RecordType>(record.type)) {
        case RecordType::entry:
            if (!is_complete_) {
                ++checkpoint_.count;
                checkpoint_.set_crc = extend_set_crc(checkpoint_.set_crc, record.id, record.body);
            }
            return;
        case RecordType::segment_head:
            if (const auto head = decode_segment_head(record.body)) {
                is_head_seen_ = true;
                segment_.node = head->node;
                segment_.writer = head->writer;
                segment_.predecessor =
                    head->predecessor.epoch == 0 ? "" : file_name(head->predecessor);
            }
            return;
        case RecordType::checkpoint_end:
            is_complete_ = is_head_seen_ && decode_checkpoint_end(record.body) == checkpoint_;
            return;
        case RecordType::quarantine:
            quarantined_through_ =
                std::max(quarantined_through_, decode_quarantine(record.body).value_or(0));
            return;
        case RecordType::operator_note:
            if (const auto note = decode_operator_note(record.body)) {
                notes_.push_back({.at = note->at, .text = note->text});
            }
            return;
        case RecordType::forgotten: return;
    }
}

/// A flush begins only when the one before it is on disk.
std::uint64_t SegmentSummary::acknowledged_pages() const noexcept {
    return segment_.pages_used > last_flush_end_ ? last_flush_end_ : last_flush_begin_;
}

std::uint64_t& SegmentSummary::count_of(const InspectedPage& page, std::uint64_t acknowledged) {
    const auto can_be_cut_off = [](PageCondition condition) {
        return condition == PageCondition::zero || condition == PageCondition::torn ||
               condition == PageCondition::intact;
    };
    if (page.index >= acknowledged && can_be_cut_off(page.condition) &&
        can_be_cut_off(page.first_copy) &&
        can_be_cut_off(page.second_copy.value_or(PageCondition::zero))) {
        return segment_.torn_pages;
    }
    const bool was_never_written = page.index >= segment_.pages_used;
    const auto whole = was_never_written ? PageCondition::zero : PageCondition::intact;
    return page.condition == whole ? segment_.single_copy_pages : segment_.damaged_pages;
}

InspectedSegment SegmentSummary::finish() {
    const auto acknowledged = acknowledged_pages();
    for (const auto& page : segment_.bad_pages) {
        ++count_of(page, acknowledged);
    }
    if (last_flush_end_ > segment_.pages_used) {
        segment_.torn_pages += last_flush_end_ - segment_.pages_used;
    }
    return std::move(segment_);
}

}  // namespace xa_tm::recovery_log
