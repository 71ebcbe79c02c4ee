#include "page_view.h"

#include <algorithm>
#include <string_view>
#include <system_error>

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

/// What is wrong with one copy in its place; empty when nothing is.
std::string flaw_of(const PageCopy& copy, const PagePlace& place) {
    if (copy.error_number != 0) {
        return fmt::format("can't be read: {} (errno {})",
                           std::generic_category().message(copy.error_number), copy.error_number);
    }
    const auto verdict = classify_page(copy.bytes);
    return verdict.state == PageState::valid ? misplacement_of(*verdict.header, place)
                                             : flaw_of(verdict);
}

PageCondition condition_of(const PageCopy& copy, const PagePlace& place) {
    if (copy.error_number != 0) {
        return PageCondition::unreadable;
    }
    const auto condition = condition_of(classify_page(copy.bytes).state);
    const bool is_misplaced = condition == PageCondition::intact && !flaw_of(copy, place).empty();
    return is_misplaced ? PageCondition::damaged : condition;
}

/// The page that two copies are together; nothing when neither can be read.
std::optional<MergedPage> put_together(const PageCopy& first, const PageCopy& second,
                                       const PagePlace& place) {
    if (first.error_number != 0 && second.error_number != 0) {
        return std::nullopt;
    }
    const auto& one = first.error_number == 0 ? first : second;
    const auto& other = second.error_number == 0 ? second : first;
    // A write that went astray may have hit the first copy.
    const bool is_second_better = condition_of(one, place) != PageCondition::intact &&
                                  condition_of(other, place) == PageCondition::intact;
    return is_second_better ? merge_copies(other.bytes, one.bytes)
                            : merge_copies(one.bytes, other.bytes);
}

void take_header(InspectedPage& page, const PageHeader& header) {
    page.has_header = true;
    page.page_no = header.page_no;
    page.flush_first = header.flush_first;
    page.flush_pages = header.flush_pages;
    page.is_seal = (header.flags & page_flags::kSeal) != 0;
    page.is_clean_shutdown = (header.flags & page_flags::kCleanShutdown) != 0;
}

/// Judges the page that its copies are together.
void take_whole(InspectedPage& page, const MergedPage& whole, const PagePlace& place) {
    page.condition = condition_of(whole.verdict.state);
    if (page.condition != PageCondition::zero) {
        page.problem = flaw_of(whole.verdict);
    }
    if (whole.verdict.header) {
        take_header(page, *whole.verdict.header);
    }
    if (page.condition == PageCondition::intact) {
        page.problem = misplacement_of(*whole.verdict.header, place);
        page.condition = page.problem.empty() ? PageCondition::intact : PageCondition::damaged;
    }
    if (page.has_header || place.page_no) {
        page.records = records_of(page, whole.bytes);
    }
}

/// Tells what is wrong with the copies of a page that is good as a whole.
void compare_copies(InspectedPage& page, std::span<const PageCopy> copies, const PagePlace& place) {
    constexpr std::string_view kWhich[] = {"first", "second"};
    for (std::size_t i = 0; i < copies.size(); ++i) {
        const auto flaw = flaw_of(copies[i], place);
        const auto condition = i == 0 ? page.first_copy : *page.second_copy;
        if (condition != page.condition && !flaw.empty()) {
            page.problem += fmt::format("{}in the {} copy: {}", page.problem.empty() ? "" : "; ",
                                        kWhich[i], flaw);
        }
    }
    if (page.problem.empty() && !std::ranges::equal(copies.front().bytes, copies.back().bytes)) {
        page.second_copy = PageCondition::damaged;
        page.problem = "in the second copy: another page, whole and in its place";
    }
}

}  // namespace

InspectedPage describe_page(const PagePlace& place, std::span<const PageCopy> copies) {
    InspectedPage page{};
    page.index = place.index;
    page.offset = place.index * kPageBytes;
    page.page_no = place.page_no.value_or(0);
    page.first_copy = condition_of(copies.front(), place);
    if (copies.size() > 1) {
        page.second_copy = condition_of(copies.back(), place);
    }
    if (const auto whole = put_together(copies.front(), copies.back(), place)) {
        take_whole(page, *whole, place);
    } else {
        page.condition = PageCondition::unreadable;
        page.problem = flaw_of(copies.front(), place);
    }
    if (page.condition == PageCondition::intact || page.condition == PageCondition::zero) {
        compare_copies(page, copies, place);
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
