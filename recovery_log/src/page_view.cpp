#include "page_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "page_copies.h"
#include "record_format.h"
#include "record_text.h"

namespace xa_tm::recovery_log {
namespace {

PageCondition condition_of(PageState state) noexcept {
    switch (state) {
        case PageState::zero: return PageCondition::zero;
        case PageState::valid: return PageCondition::intact;
        case PageState::torn: return PageCondition::torn;
        case PageState::damaged: return PageCondition::damaged;
        case PageState::newer: return PageCondition::newer_format;
    }
    return PageCondition::damaged;
}

RecordPart part_of(Fragment fragment) noexcept {
    switch (fragment) {
        case Fragment::full: return RecordPart::whole;
        case Fragment::first: return RecordPart::first;
        case Fragment::middle: return RecordPart::middle;
        case Fragment::last: return RecordPart::last;
    }
    return RecordPart::whole;
}

/// What is wrong with these bytes by themselves; empty when nothing is.
std::string flaw_of(const PageVerdict& verdict) {
    if (verdict.bad_sector) {
        return fmt::format(
            "sector {} is not as it was written: CRC32C {:08x} expected, {:08x} "
            "found",
            verdict.bad_sector->sector, verdict.bad_sector->expected_crc,
            verdict.bad_sector->found_crc);
    }
    switch (verdict.state) {
        case PageState::zero: return "all zeros";
        case PageState::valid: return "";
        case PageState::torn: return "its first sector is zero";
        case PageState::damaged: return "no page of a recovery log";
        case PageState::newer:
            return fmt::format("written in format {}.{}", verdict.header->format_major,
                               verdict.header->format_minor);
    }
    return "";
}

/// Why an intact page does not belong where it stands; empty when it does.
std::string misplacement_of(const PageHeader& header, const PagePlace& place) {
    if (place.log_id && header.log_id != *place.log_id) {
        return fmt::format("belongs to another log, {}", header.log_id.to_string());
    }
    if (SegmentName{header.epoch, header.segment_no} != place.segment) {
        return fmt::format("belongs to segment {}", file_name({header.epoch, header.segment_no}));
    }
    if (place.page_no && header.page_no != *place.page_no) {
        return "belongs to another place in the file";
    }
    return "";
}

/// The records of an intact page stand one behind the other; in any other page each one that is
/// intact counts.
std::vector<InspectedRecord> records_of(const InspectedPage& page, ConstPageBytes bytes) {
    std::vector<InspectedRecord> records;
    for (std::size_t at = kPageHeaderBytes; at + kRecordHeaderBytes <= kPageBytes;) {
        const auto record = decode_record(bytes.subspan(at), page.page_no);
        if (record) {
            records.push_back({.type = record->type,
                               .id = record->seq,
                               .part = part_of(record->fragment),
                               .offset = page.offset + at,
                               .body = {record->body.begin(), record->body.end()},
                               .text = record->fragment == Fragment::full
                                           ? describe_record(record->type, record->body)
                                           : ""});
        }
        at += record ? record_bytes(record->body.size()) : kRecordAlignment;
    }
    return records;
}

PageCondition condition_of(const PageCopy& copy) {
    return copy.error_number != 0 ? PageCondition::unreadable
                                  : condition_of(classify_page(copy.bytes).state);
}

void add_problem(InspectedPage& page, std::string_view what) {
    page.problem += fmt::format("{}{}", page.problem.empty() ? "" : "; ", what);
}

/// Tells what is wrong with one of two copies, where the page as a whole does not tell it.
void add_copy_problem(InspectedPage& page, std::string_view which, const PageCopy& copy) {
    if (copy.error_number != 0) {
        add_problem(page, fmt::format("the {} copy can't be read", which));
    } else if (const auto flaw = flaw_of(classify_page(copy.bytes)); !flaw.empty()) {
        add_problem(page, fmt::format("in the {} copy: {}", which, flaw));
    }
}

void take_header(InspectedPage& page, const PageHeader& header) {
    page.has_header = true;
    page.page_no = header.page_no;
    page.flush_first = header.flush_first;
    page.flush_pages = header.flush_pages;
    page.is_seal = (header.flags & page_flags::kSeal) != 0;
    page.is_clean_shutdown = (header.flags & page_flags::kCleanShutdown) != 0;
}

MergedPage merged(const PageCopy& first, const std::optional<PageCopy>& second) {
    return merge_copies(first.bytes, second ? second->bytes : first.bytes);
}

}  // namespace

InspectedPage describe_page(const PagePlace& place, const PageCopy& first,
                            const std::optional<PageCopy>& second) {
    const auto whole = merged(first, second);
    InspectedPage page{};
    page.index = place.index;
    page.offset = place.index * kPageBytes;
    page.page_no = place.page_no.value_or(0);
    page.condition = condition_of(whole.verdict.state);
    page.first_copy = condition_of(first);
    if (second) {
        page.second_copy = condition_of(*second);
    }
    if (page.condition == PageCondition::zero && first.error_number != 0 &&
        (!second || second->error_number != 0)) {
        page.condition = PageCondition::unreadable;
        page.problem = "can't be read";
        return page;
    }
    if (page.condition != PageCondition::zero) {
        page.problem = flaw_of(whole.verdict);
    }
    if (whole.verdict.header) {
        take_header(page, *whole.verdict.header);
        const auto why = page.condition == PageCondition::newer_format
                             ? std::string{}
                             : misplacement_of(*whole.verdict.header, place);
        if (!why.empty()) {
            page.condition = PageCondition::damaged;
            add_problem(page, why);
        }
    }
    if (second && page.first_copy == PageCondition::intact && whole.copies_differ &&
        page.second_copy == PageCondition::intact) {
        page.second_copy = PageCondition::damaged;
        add_problem(page, "in the second copy: another page, intact");
    } else if (second && whole.copies_differ && page.problem.empty()) {
        add_copy_problem(page, "first", first);
        add_copy_problem(page, "second", *second);
    }
    if (page.has_header || place.page_no) {
        page.records = records_of(page, whole.bytes);
    }
    return page;
}

std::string_view to_string(PageCondition condition) noexcept {
    switch (condition) {
        case PageCondition::zero: return "zero";
        case PageCondition::intact: return "intact";
        case PageCondition::torn: return "torn";
        case PageCondition::damaged: return "damaged";
        case PageCondition::newer_format: return "newer_format";
        case PageCondition::unreadable: return "unreadable";
    }
    return "not a condition";
}

std::string_view to_string(RecordPart part) noexcept {
    switch (part) {
        case RecordPart::whole: return "whole";
        case RecordPart::first: return "first";
        case RecordPart::middle: return "middle";
        case RecordPart::last: return "last";
    }
    return "not a part";
}

bool InspectedPage::is_whole() const noexcept {
    const auto is_good = [](PageCondition copy) {
        return copy == PageCondition::intact || copy == PageCondition::zero;
    };
    return is_good(condition) && first_copy == condition &&
           (!second_copy || *second_copy == condition);
}

}  // namespace xa_tm::recovery_log
