#include "recovery_rule.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

// Invariants:
// - pages_ holds every page that is not zero, in the order of the file, so a gap in the indexes is
// a page that
//   was never written.
// - A flush begins only after the one before it was acknowledged. So whatever stands behind a flush
// proves that
//   the whole of it was durable.
namespace xa_tm::recovery_log {
namespace {

constexpr std::string_view kNoCrashDoesThis =
    "a write that a crash cuts off leaves each sector either as it was written or zero";

std::string count_of_missing(const PageVerdict& verdict) {
    if (!verdict.header) {
        return "How many records of it may be missing is not known";
    }
    return fmt::format("Up to {} records of it may be missing", verdict.header->record_count);
}

}  // namespace

/// Applies the records of a segment in order.
class SegmentScan::Replay {
public:
    Replay(const SegmentScan& scan, const Extent& extent) : scan_{scan}, extent_{extent} {
        content_.is_used = extent.acknowledged_pages > 0;
    }

    /// False when the segment must not be used; verdict() then says why.
    bool take(const ScannedPage& page);
    SegmentVerdict verdict() &&;

private:
    bool take_intact_records(const ScannedPage& page, std::uint64_t page_no);
    bool take_surviving_records(const ScannedPage& page, std::uint64_t page_no);
    bool join(const Record& record, const ScannedPage& page);
    bool apply(std::uint8_t type, EntryId seq, std::span<const std::byte> body,
               const ScannedPage& page);
    bool end_checkpoint(std::span<const std::byte> body, const ScannedPage& page);
    bool drop_partial(const ScannedPage& page);
    bool fail(const ScannedPage& page, std::string_view what, std::string_view why_not_torn);
    [[nodiscard]] bool was_acknowledged(const ScannedPage& page) const {
        return page.index < extent_.acknowledged_pages;
    }

    const SegmentScan& scan_;
    Extent extent_;
    SegmentContent content_;
    bool has_head_ = false;
    std::uint32_t set_crc_ = 0;
    /// A record of which the first fragments were seen.
    struct Partial {
        std::uint8_t type;
        EntryId seq;
        std::vector<std::byte> body;
        std::size_t last_page;
    };
    std::optional<Partial> partial_;
    std::optional<Damage> damage_;
};

bool SegmentScan::Replay::fail(const ScannedPage& page, std::string_view what,
                               std::string_view why_not_torn) {
    damage_ = scan_.damaged_page(page, what, why_not_torn);
    return false;
}

bool SegmentScan::Replay::take(const ScannedPage& page) {
    const std::uint64_t page_no = extent_.first_page_no + page.index;
    content_.next_page_no = page_no + 1;
    content_.last_crc = page.crc;
    if (page.verdict.header) {
        content_.log_id = page.verdict.header->log_id;
    }
    if (page.verdict.state == PageState::valid) {
        return take_intact_records(page, page_no);
    }
    ++content_.torn_pages;
    return take_surviving_records(page, page_no);
}

bool SegmentScan::Replay::take_intact_records(const ScannedPage& page, std::uint64_t page_no) {
    auto rest = std::span<const std::byte>{page.bytes}.subspan(kPageHeaderBytes);
    while (!rest.empty()) {
        const auto record = decode_record(rest, page_no);
        if (!record) {
            return fail(page, "its sectors are intact and a record in it is not", kNoCrashDoesThis);
        }
        if (!join(*record, page)) {
            return false;
        }
        rest = rest.subspan(record_bytes(record->body.size()));
    }
    return true;
}

bool SegmentScan::Replay::take_surviving_records(const ScannedPage& page, std::uint64_t page_no) {
    auto rest = std::span<const std::byte>{page.bytes}.subspan(kPageHeaderBytes);
    while (rest.size() >= kRecordHeaderBytes) {
        const auto record = decode_record(rest, page_no);
        if (record && !join(*record, page)) {
            return false;
        }
        rest = rest.subspan(record ? record_bytes(record->body.size()) : kRecordAlignment);
    }
    return true;
}

bool SegmentScan::Replay::drop_partial(const ScannedPage& page) {
    partial_.reset();
    return !was_acknowledged(page) ||
           fail(page, "a fragment of a record is missing", "the page had been acknowledged");
}

bool SegmentScan::Replay::join(const Record& record, const ScannedPage& page) {
    const bool continues = record.fragment == Fragment::middle || record.fragment == Fragment::last;
    if (!continues) {
        if (partial_ && !drop_partial(page)) {
            return false;
        }
        if (record.fragment == Fragment::full) {
            return apply(record.type, record.seq, record.body, page);
        }
        partial_ =
            Partial{record.type, record.seq, {record.body.begin(), record.body.end()}, page.index};
        return true;
    }
    if (!partial_ || partial_->seq != record.seq || partial_->type != record.type ||
        partial_->last_page + 1 != page.index) {
        return drop_partial(page);
    }
    partial_->body.insert(partial_->body.end(), record.body.begin(), record.body.end());
    partial_->last_page = page.index;
    if (record.fragment == Fragment::middle) {
        return true;
    }
    const Partial whole = *std::exchange(partial_, std::nullopt);
    return apply(whole.type, whole.seq, whole.body, page);
}

bool SegmentScan::Replay::apply(std::uint8_t type, EntryId seq, std::span<const std::byte> body,
                                const ScannedPage& page) {
    content_.next_seq = std::max(content_.next_seq, seq + 1);
    if (type == static_cast<std::uint8_t>(RecordType::entry)) {
        content_.live.insert_or_assign(seq, std::vector<std::byte>{body.begin(), body.end()});
        if (!content_.is_complete) {
            set_crc_ = extend_set_crc(set_crc_, seq, body);
        }
    } else if (type == static_cast<std::uint8_t>(RecordType::forgotten)) {
        const auto id = decode_forgotten(body);
        if (!id) {
            return fail(page, "a FORGOTTEN record is too short", kNoCrashDoesThis);
        }
        content_.live.erase(*id);
    } else if (type == static_cast<std::uint8_t>(RecordType::segment_head)) {
        auto head = decode_segment_head(body);
        if (!head) {
            return fail(page, "the SEGMENT_HEAD record is too short", kNoCrashDoesThis);
        }
        content_.head = std::move(*head);
        has_head_ = true;
    } else if (type == static_cast<std::uint8_t>(RecordType::checkpoint_end)) {
        return end_checkpoint(body, page);
    } else if ((type & kIgnorableType) == 0) {
        damage_ = Damage{
            LogErrorCode::newer_format,
            fmt::format("{}: record type {} is unknown, and may not be skipped: it was "
                        "written by a newer version than this one (format {}.{})",
                        scan_.place(page.index, page.verdict), type, kFormatMajor, kFormatMinor)};
        return false;
    }
    return true;
}

bool SegmentScan::Replay::end_checkpoint(std::span<const std::byte> body, const ScannedPage& page) {
    const auto end = decode_checkpoint_end(body);
    const CheckpointEnd found{.count = content_.live.size(), .set_crc = set_crc_};
    content_.is_complete = has_head_ && end == found;
    if (content_.is_complete || !was_acknowledged(page)) {
        return true;
    }
    return fail(page, "the entries that the segment starts with are not those it was made with",
                "the segment was in use afterwards");
}

SegmentVerdict SegmentScan::Replay::verdict() && {
    if (!damage_ && extent_.acknowledged_pages > 0 && !content_.is_complete) {
        fail(scan_.pages_.front(), "the list of entries that the segment starts with has no end",
             "the segment was in use afterwards");
    }
    if (!damage_ && content_.is_complete && scan_.page_count_ < content_.head.segment_pages) {
        // R4
        damage_ =
            Damage{LogErrorCode::damaged,
                   fmt::format("{}: the file has {} pages and was made with {}. This is not a "
                               "torn tail: a segment has its full size before it is used. "
                               "Whatever stood in the missing pages is gone",
                               scan_.file_, scan_.page_count_, content_.head.segment_pages)};
    }
    if (damage_) {
        return std::move(*damage_);
    }
    return std::move(content_);
}

SegmentScan::SegmentScan(std::string file, SegmentName name, std::optional<LogId> log_id)
    : file_{std::move(file)}, name_{name}, log_id_{log_id} {}

void SegmentScan::add_page(ConstPageBytes page) {
    const std::size_t index = page_count_++;
    const PageVerdict verdict = classify_page(page);
    if (verdict.state == PageState::zero) {
        return;
    }
    const auto kept = verdict.state == PageState::valid
                          ? page.first(kPageHeaderBytes + verdict.header->used_bytes)
                          : std::span<const std::byte>{page};
    pages_.push_back({index, verdict, page_crc(page), {kept.begin(), kept.end()}});
    if (!log_id_ && verdict.header) {
        log_id_ = verdict.header->log_id;
    }
}

std::string SegmentScan::place(std::size_t index, const PageVerdict& verdict) const {
    auto text = fmt::format("{}: page {} (byte offset {}", file_, index, index * kPageBytes);
    if (verdict.header) {
        text += fmt::format(", page number {}", verdict.header->page_no);
    }
    text += ')';
    if (verdict.bad_sector) {
        text += fmt::format(", sector {}: CRC32C {:08x} expected, {:08x} found",
                            verdict.bad_sector->sector, verdict.bad_sector->expected_crc,
                            verdict.bad_sector->found_crc);
    }
    return text;
}

Damage SegmentScan::damaged_page(const ScannedPage& page, std::string_view what,
                                 std::string_view why_not_torn) const {
    return {LogErrorCode::damaged,
            fmt::format("{}: {}. This is not a torn tail: {}. {}", place(page.index, page.verdict),
                        what, why_not_torn, count_of_missing(page.verdict))};
}

// R3, R5
std::optional<Damage> SegmentScan::find_damaged_page() const {
    for (const ScannedPage& page : pages_) {
        if (page.verdict.state == PageState::newer) {
            return Damage{
                LogErrorCode::newer_format,
                fmt::format("{}: written in format {}.{}; this version knows format {}.{}",
                            place(page.index, page.verdict), page.verdict.header->format_major,
                            page.verdict.header->format_minor, kFormatMajor, kFormatMinor)};
        }
        if (page.verdict.state == PageState::damaged) {
            return damaged_page(page,
                                page.verdict.bad_sector
                                    ? "a sector holds other bytes than were written"
                                    : "this is no page of a decision log",
                                kNoCrashDoesThis);
        }
    }
    return std::nullopt;
}

// R3: pages that are intact, but not the pages of this log that belong here.
std::optional<Damage> SegmentScan::find_misplaced_page() const {
    const auto has_header = [](const ScannedPage& page) { return page.verdict.header.has_value(); };
    const auto first = std::ranges::find_if(pages_, has_header);
    for (const ScannedPage& page : pages_) {
        if (!has_header(page)) {
            continue;
        }
        const PageHeader& header = *page.verdict.header;
        if (header.log_id != log_id_) {
            return damaged_page(
                page, fmt::format("the page belongs to another log, {}", header.log_id.to_string()),
                "it was written whole, elsewhere");
        }
        if (SegmentName{header.epoch, header.segment_no} != name_) {
            return damaged_page(page,
                                fmt::format("the page belongs to segment {}",
                                            file_name({header.epoch, header.segment_no})),
                                "it was written whole, elsewhere");
        }
        // Subtractions may wrap around; they are only compared.
        if (header.page_no - page.index != first->verdict.header->page_no - first->index ||
            header.page_no - header.flush_first > page.index) {
            return damaged_page(page, "the page belongs to another place in the file",
                                "it was written whole, elsewhere");
        }
    }
    return std::nullopt;
}

SegmentScan::Extent SegmentScan::measure() const {
    const auto last = std::find_if(pages_.rbegin(), pages_.rend(), [](const ScannedPage& page) {
        return page.verdict.header.has_value();
    });
    if (last == pages_.rend()) {
        return {};
    }
    const PageHeader& header = *last->verdict.header;
    const std::size_t flush_begin = last->index - (header.page_no - header.flush_first);
    const std::size_t flush_end = flush_begin + header.flush_pages;
    const bool another_flush_began = pages_.back().index >= flush_end;
    return {.first_page_no = header.page_no - last->index,
            .acknowledged_pages = another_flush_began ? flush_end : flush_begin};
}

// R1
std::optional<Damage> SegmentScan::find_lost_page(const Extent& extent) const {
    for (std::size_t index = 0; index < extent.acknowledged_pages; ++index) {
        const bool is_missing = index >= pages_.size() || pages_[index].index != index;
        if (is_missing || pages_[index].verdict.state != PageState::valid) {
            const ScannedPage missing{.index = index,
                                      .verdict = is_missing ? PageVerdict{PageState::zero, {}, {}}
                                                            : pages_[index].verdict,
                                      .crc = 0,
                                      .bytes = {}};
            return damaged_page(
                missing, is_missing ? "the page is all zeros" : "part of the page is zero",
                fmt::format("a later flush stands behind it, in page {}, and begins only when the "
                            "earlier ones are on disk, so this page had been acknowledged",
                            pages_.back().index));
        }
    }
    return std::nullopt;
}

std::optional<Damage> SegmentScan::find_broken_chain() const {
    for (std::size_t i = 1; i < pages_.size(); ++i) {
        const ScannedPage& before = pages_[i - 1];
        const ScannedPage& page = pages_[i];
        if (before.verdict.state == PageState::valid && page.verdict.header &&
            before.index + 1 == page.index && page.verdict.header->prev_crc != before.crc) {
            return damaged_page(
                page,
                fmt::format(
                    "it follows a page with CRC32C {:08x}, and the page before it has {:08x}",
                    page.verdict.header->prev_crc, before.crc),
                "both pages are whole; one of them is not the one that was written there last");
        }
    }
    return std::nullopt;
}

SegmentVerdict SegmentScan::replay(const Extent& extent) const {
    Replay replay{*this, extent};
    for (const ScannedPage& page : pages_) {
        if (!replay.take(page)) {
            break;
        }
    }
    return std::move(replay).verdict();
}

SegmentVerdict SegmentScan::finish() const {
    if (auto damage = find_damaged_page()) {
        return std::move(*damage);
    }
    if (auto damage = find_misplaced_page()) {
        return std::move(*damage);
    }
    const Extent extent = measure();
    if (auto damage = find_lost_page(extent)) {
        return std::move(*damage);
    }
    if (auto damage = find_broken_chain()) {
        return std::move(*damage);
    }
    return replay(extent);
}

}  // namespace xa_tm::recovery_log
