#include "recovery_rule.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

// Invariants:
// - The prefix is replayed while it is read, because whatever the verdict will be, a valid page
// behind
//   nothing but valid pages counts. So only the tail, which is short, is kept in memory.
// - A flush begins only after the one before it was acknowledged. So whatever stands behind a flush
//   proves that the whole of it was durable.
// - Both copies of a page are written by the same flush, with the same bytes.
namespace xa_tm::recovery_log {
namespace {

constexpr std::string_view kNoCrashDoesThis =
    "a write that a crash cuts off leaves each sector either as it was written or zero";
constexpr std::string_view kWrittenElsewhere = "it was written whole, elsewhere";

std::string count_of_missing(const PageVerdict& verdict) {
    if (!verdict.header) {
        return "How many records of it may be missing is not known";
    }
    return fmt::format("Up to {} records of it may be missing", verdict.header->record_count);
}

}  // namespace

/// A page that was written. Its copies are put together.
struct SegmentScan::ScannedPage {
    std::size_t index = 0;
    PageVerdict verdict{};
    std::span<const std::byte> bytes{};  ///< whoever scanned it has them
    std::uint32_t crc = 0;               ///< page_crc()
    bool copies_differ = false;
    int error_number = 0;  ///< when no copy could be read

    [[nodiscard]] bool is_valid() const noexcept { return verdict.state == PageState::valid; }
};

/// Applies the records of a segment in order.
class SegmentScan::Replay {
public:
    explicit Replay(const SegmentScan& scan) : scan_{scan} {}

    /// All three: nothing, or why the segment must not be used.
    std::optional<Damage> take_prefix(const ScannedPage& page, std::uint64_t page_no);
    std::optional<Damage> take_tail(const ScannedPage& page, std::uint64_t page_no);
    [[nodiscard]] std::optional<Damage> finish(bool is_used);

    SegmentContent content;

private:
    void note_place(const ScannedPage& page, std::uint64_t page_no);
    std::optional<Damage> join(const Record& record, const ScannedPage& page, bool is_tail);
    std::optional<Damage> drop_partial(const ScannedPage& page, bool is_tail);
    std::optional<Damage> apply(std::uint8_t type, EntryId seq, std::span<const std::byte> body,
                                const ScannedPage& page, bool is_tail);
    std::optional<Damage> end_checkpoint(std::span<const std::byte> body, const ScannedPage& page,
                                         bool is_tail);
    [[nodiscard]] Damage too_short(const ScannedPage& page, std::string_view record) const;

    const SegmentScan& scan_;
    bool has_head_ = false;
    std::uint32_t set_crc_ = 0;
    std::uint64_t set_count_ = 0;
    /// A record of which the first fragments were seen.
    struct Partial {
        std::uint8_t type;
        EntryId seq;
        std::vector<std::byte> body;
        std::size_t last_page;
    };
    std::optional<Partial> partial_;
    std::optional<std::uint64_t> flush_;
};

void SegmentScan::Replay::note_place(const ScannedPage& page, std::uint64_t page_no) {
    content.next_page_no = page_no + 1;
    content.last_crc = page.crc;
    if (const auto& header = page.verdict.header; header && flush_ != header->flush_first) {
        flush_ = header->flush_first;
        content.first_unconfirmed = content.next_seq;
    }
}

std::optional<Damage> SegmentScan::Replay::take_prefix(const ScannedPage& page,
                                                       std::uint64_t page_no) {
    note_place(page, page_no);
    const std::size_t end = kPageHeaderBytes + page.verdict.header->used_bytes;
    auto rest = page.bytes.first(end).subspan(kPageHeaderBytes);
    while (!rest.empty()) {
        const auto record = decode_record(rest, page_no);
        if (!record) {
            return scan_.damaged_page(page, "its sectors are intact and a record in it is not",
                                      kNoCrashDoesThis);
        }
        if (auto damage = join(*record, page, false)) {
            return damage;
        }
        rest = rest.subspan(record_bytes(record->body.size()));
    }
    return std::nullopt;
}

std::optional<Damage> SegmentScan::Replay::take_tail(const ScannedPage& page,
                                                     std::uint64_t page_no) {
    note_place(page, page_no);
    content.torn_pages += page.is_valid() ? 0 : 1;
    auto rest = page.bytes.subspan(kPageHeaderBytes);
    while (rest.size() >= kRecordHeaderBytes) {
        const auto record = decode_record(rest, page_no);
        if (!record) {
            rest = rest.subspan(kRecordAlignment);
            continue;
        }
        if (auto damage = join(*record, page, true)) {
            return damage;
        }
        rest = rest.subspan(record_bytes(record->body.size()));
    }
    return std::nullopt;
}

std::optional<Damage> SegmentScan::Replay::drop_partial(const ScannedPage& page, bool is_tail) {
    partial_.reset();
    if (is_tail) {
        return std::nullopt;
    }
    return scan_.damaged_page(page, "a fragment of a record is missing",
                              "every page before it is whole");
}

std::optional<Damage> SegmentScan::Replay::join(const Record& record, const ScannedPage& page,
                                                bool is_tail) {
    const bool continues = record.fragment == Fragment::middle || record.fragment == Fragment::last;
    if (!continues) {
        if (partial_) {
            if (auto damage = drop_partial(page, is_tail)) {
                return damage;
            }
        }
        if (record.fragment == Fragment::full) {
            return apply(record.type, record.seq, record.body, page, is_tail);
        }
        partial_ =
            Partial{record.type, record.seq, {record.body.begin(), record.body.end()}, page.index};
        return std::nullopt;
    }
    if (!partial_ || partial_->seq != record.seq || partial_->type != record.type ||
        partial_->last_page + 1 != page.index) {
        return drop_partial(page, is_tail);
    }
    partial_->body.insert(partial_->body.end(), record.body.begin(), record.body.end());
    partial_->last_page = page.index;
    if (record.fragment == Fragment::middle) {
        return std::nullopt;
    }
    const Partial whole = *std::exchange(partial_, std::nullopt);
    return apply(whole.type, whole.seq, whole.body, page, is_tail);
}

Damage SegmentScan::Replay::too_short(const ScannedPage& page, std::string_view record) const {
    return scan_.damaged_page(page, fmt::format("the {} record is too short", record),
                              kNoCrashDoesThis);
}

std::optional<Damage> SegmentScan::Replay::apply(std::uint8_t type, EntryId seq,
                                                 std::span<const std::byte> body,
                                                 const ScannedPage& page, bool is_tail) {
    content.next_seq = std::max(content.next_seq, seq + 1);
    if (type == static_cast<std::uint8_t>(RecordType::entry)) {
        content.live.insert_or_assign(content.live.end(), seq,
                                      std::vector<std::byte>{body.begin(), body.end()});
        if (!content.is_complete) {
            set_crc_ = extend_set_crc(set_crc_, seq, body);
            ++set_count_;
        }
    } else if (type == static_cast<std::uint8_t>(RecordType::forgotten)) {
        const auto id = decode_forgotten(body);
        if (!id) {
            return too_short(page, "FORGOTTEN");
        }
        content.live.erase(*id);
    } else if (type == static_cast<std::uint8_t>(RecordType::segment_head)) {
        auto head = decode_segment_head(body);
        if (!head) {
            return too_short(page, "SEGMENT_HEAD");
        }
        content.head = std::move(*head);
        has_head_ = true;
    } else if (type == static_cast<std::uint8_t>(RecordType::quarantine)) {
        const auto epoch = decode_quarantine(body);
        if (!epoch) {
            return too_short(page, "QUARANTINE");
        }
        content.quarantined_through = std::max(content.quarantined_through, *epoch);
    } else if (type == static_cast<std::uint8_t>(RecordType::operator_note)) {
        auto note = decode_operator_note(body);
        if (!note) {
            return too_short(page, "OPERATOR_NOTE");
        }
        content.notes.push_back(std::move(*note));
    } else if (type == static_cast<std::uint8_t>(RecordType::checkpoint_end)) {
        return end_checkpoint(body, page, is_tail);
    } else if ((type & kIgnorableType) == 0) {
        return Damage{
            LogErrorCode::newer_format,
            fmt::format("{}: record type {} is unknown, and may not be skipped: it was "
                        "written by a newer version than this one (format {}.{})",
                        scan_.place(page.index, page.verdict), type, kFormatMajor, kFormatMinor)};
    }
    return std::nullopt;
}

std::optional<Damage> SegmentScan::Replay::end_checkpoint(std::span<const std::byte> body,
                                                          const ScannedPage& page, bool is_tail) {
    const auto end = decode_checkpoint_end(body);
    const CheckpointEnd found{.count = set_count_, .set_crc = set_crc_};
    content.is_complete = has_head_ && end == found;
    if (content.is_complete) {
        // These entries were durable in the segment before, or this one would not list them.
        content.first_unconfirmed = content.next_seq;
        return std::nullopt;
    }
    if (is_tail) {
        return std::nullopt;
    }
    return scan_.damaged_page(
        page, "the entries that the segment starts with are not those it was made with",
        "every page before it is whole");
}

std::optional<Damage> SegmentScan::Replay::finish(bool is_used) {
    content.is_used = is_used;
    if (content.is_complete || !is_used) {
        return std::nullopt;
    }
    return Damage{LogErrorCode::damaged,
                  fmt::format("{}: the list of entries that the segment starts with has no end. "
                              "This is not a torn tail: the segment was in use afterwards. How "
                              "many records may be missing is not known",
                              scan_.file_)};
}

SegmentScan::SegmentScan(std::string file, SegmentName name, std::optional<LogId> log_id)
    : file_{std::move(file)},
      name_{name},
      log_id_{log_id},
      replay_{std::make_unique<Replay>(*this)} {}

SegmentScan::~SegmentScan() = default;

bool SegmentScan::belongs_here(const PageHeader& header, std::size_t index) const noexcept {
    // Subtractions may wrap around; they are only compared.
    return (!log_id_ || header.log_id == *log_id_) &&
           SegmentName{header.epoch, header.segment_no} == name_ &&
           (!first_page_no_ || header.page_no - index == *first_page_no_) &&
           header.page_no - header.flush_first <= index;
}

// R6
SegmentScan::ScannedPage SegmentScan::scan(std::span<const PageCopy> copies) {
    ScannedPage page{.index = page_count_};
    const auto take = [&page](ConstPageBytes bytes, const PageVerdict& verdict) {
        page.bytes = bytes;
        page.verdict = verdict;
        page.crc = page_crc(bytes);
    };
    const PageCopy& first = copies.front();
    const PageCopy& second = copies.back();
    const bool are_both_readable = first.error_number == 0 && second.error_number == 0;
    page.copies_differ = copies.size() > 1 &&
                         (!are_both_readable ||
                          std::memcmp(first.bytes.data(), second.bytes.data(), kPageBytes) != 0);
    if (!page.copies_differ || !are_both_readable) {
        const PageCopy& readable = first.error_number == 0 ? first : second;
        page.error_number = readable.error_number;
        take(readable.bytes, readable.error_number == 0 ? classify_page(readable.bytes)
                                                        : PageVerdict{PageState::damaged, {}, {}});
        return page;
    }
    merged_ = merge_copies(first.bytes, second.bytes);
    take(merged_.bytes, merged_.verdict);
    if (page.verdict.header && !belongs_here(*page.verdict.header, page.index)) {
        // A write that went astray has hit one copy. The other one still is the page, or tells that
        // none was ever acknowledged here: it would be whole.
        for (const ConstPageBytes bytes : {first.bytes, second.bytes}) {
            const auto verdict = classify_page(bytes);
            if (verdict.header ? belongs_here(*verdict.header, page.index)
                               : verdict.state != PageState::damaged) {
                take(bytes, verdict);
                break;
            }
        }
    }
    return page;
}

void SegmentScan::add_page(std::span<const PageCopy> copies) {
    const auto is_zero = [](const PageCopy& copy) {
        return copy.error_number == 0 && is_zero_page(copy.bytes);
    };
    if (damage_ || std::ranges::all_of(copies, is_zero)) {
        ++page_count_;
        return;  // most pages of most segments
    }
    ScannedPage page = scan(copies);
    ++page_count_;
    if (page.verdict.state == PageState::zero) {
        return;
    }
    has_pages_ = true;
    damage_ = find_damage(page);
    if (damage_) {
        return;
    }
    if (page.verdict.header) {
        note_header(*page.verdict.header, page.index);
    }
    // Copies of the last flush may differ after a crash; those of an earlier one may not.
    differing_pages_of_flush_ += page.copies_differ ? 1 : 0;
    if (page.is_valid() && prefix_pages_ == page.index) {
        add_to_prefix(page);
    } else {
        std::ranges::copy(page.bytes, tail_bytes_.emplace_back().begin());
        page.bytes = tail_bytes_.back();
        tail_.push_back(page);
    }
}

void SegmentScan::note_header(const PageHeader& header, std::size_t index) {
    if (!log_id_) {
        log_id_ = header.log_id;
    }
    if (!first_page_no_) {
        first_page_no_ = header.page_no - index;
    }
    if (last_header_ && last_header_->flush_first != header.flush_first) {
        degraded_pages_ += std::exchange(differing_pages_of_flush_, 0);
    }
    last_header_ = header;
    last_index_ = index;
}

void SegmentScan::add_to_prefix(const ScannedPage& page) {
    const PageHeader& header = *page.verdict.header;
    if (prefix_pages_ > 0 && header.prev_crc != prefix_crc_) {
        damage_ = damaged_page(
            page,
            fmt::format("it follows a page with CRC32C {:08x}, and the page before it has {:08x}",
                        header.prev_crc, prefix_crc_),
            "both pages are whole; one of them is not the one that was written there last");
        return;
    }
    prefix_crc_ = page.crc;
    ++prefix_pages_;
    damage_ = replay_->take_prefix(page, header.page_no);
}

// R3, R5
std::optional<Damage> SegmentScan::find_damage(const ScannedPage& page) const {
    const auto& [state, header, bad_sector] = page.verdict;
    if (state == PageState::newer) {
        return Damage{LogErrorCode::newer_format,
                      fmt::format("{}: written in format {}.{}; this version knows format {}.{}",
                                  place(page.index, page.verdict), header->format_major,
                                  header->format_minor, kFormatMajor, kFormatMinor)};
    }
    if (page.error_number != 0) {
        return damaged_page(
            page,
            fmt::format("it can't be read: {} (errno {})",
                        std::generic_category().message(page.error_number), page.error_number),
            "the disk refuses what it once held");
    }
    if (state == PageState::damaged) {
        return damaged_page(page,
                            bad_sector ? "a sector holds other bytes than were written"
                                       : "this is no page of a decision log",
                            kNoCrashDoesThis);
    }
    if (!header || belongs_here(*header, page.index)) {
        return std::nullopt;
    }
    if (log_id_ && header->log_id != *log_id_) {
        return damaged_page(
            page, fmt::format("the page belongs to another log, {}", header->log_id.to_string()),
            kWrittenElsewhere);
    }
    if (SegmentName{header->epoch, header->segment_no} != name_) {
        return damaged_page(page,
                            fmt::format("the page belongs to segment {}",
                                        file_name({header->epoch, header->segment_no})),
                            kWrittenElsewhere);
    }
    return damaged_page(page, "the page belongs to another place in the file", kWrittenElsewhere);
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

std::optional<Damage> SegmentScan::find_broken_chain() const {
    const ScannedPage* before = nullptr;
    for (const ScannedPage& page : tail_) {
        const bool follows = before != nullptr && before->is_valid() &&
                             before->index + 1 == page.index && page.verdict.header;
        if (follows && page.verdict.header->prev_crc != before->crc) {
            return damaged_page(page, "the page before it is not the one that it follows",
                                "both pages are whole; one of them is not the one that was "
                                "written there last");
        }
        before = &page;
    }
    return std::nullopt;
}

/// How many pages certainly were on disk once: those of every flush behind which another one began.
std::size_t SegmentScan::acknowledged_pages() const noexcept {
    if (!last_header_) {
        return 0;
    }
    const std::size_t flush_begin =
        last_index_ - (last_header_->page_no - last_header_->flush_first);
    const std::size_t flush_end = flush_begin + last_header_->flush_pages;
    const bool another_flush_began = !tail_.empty() && tail_.back().index >= flush_end;
    return another_flush_began ? flush_end : flush_begin;
}

/// What stands behind the first page that is not valid. R1, R2
std::optional<Damage> SegmentScan::judge_tail() {
    if (acknowledged_pages() > prefix_pages_) {
        const bool is_torn = !tail_.empty() && tail_.front().index == prefix_pages_;
        const ScannedPage missing{
            .index = prefix_pages_,
            .verdict = is_torn ? tail_.front().verdict : PageVerdict{PageState::zero, {}, {}}};
        return damaged_page(
            missing, is_torn ? "part of the page is zero" : "the page is all zeros",
            fmt::format("a later flush stands behind it, in page {}, and begins only when the "
                        "earlier ones are on disk, so this page had been acknowledged",
                        tail_.empty() ? last_index_ : tail_.back().index));
    }
    if (auto damage = find_broken_chain()) {
        return damage;
    }
    for (const ScannedPage& page : tail_) {
        if (auto damage = replay_->take_tail(page, first_page_no_.value_or(0) + page.index)) {
            return damage;
        }
    }
    return std::nullopt;
}

unsigned SegmentScan::copies() const noexcept {
    return last_header_ && (last_header_->flags & page_flags::kTwoCopies) != 0 ? 2 : 1;
}

// R4. Of two copies the first one alone has all that is needed.
std::optional<Damage> SegmentScan::find_missing_pages(std::size_t file_pages) const {
    const auto& content = replay_->content;
    const std::size_t needed = content.head.segment_pages / copies();
    if (!content.is_complete || file_pages >= needed) {
        return std::nullopt;
    }
    return Damage{LogErrorCode::damaged,
                  fmt::format("{}: the file has {} pages and was made with {}. This is not a torn "
                              "tail: a segment has its full size before it is used. Whatever stood "
                              "in the missing pages is gone",
                              file_, file_pages, content.head.segment_pages)};
}

SegmentVerdict SegmentScan::finish(std::size_t file_pages) {
    if (!damage_) {
        damage_ = judge_tail();
    }
    if (!damage_) {
        damage_ = replay_->finish(acknowledged_pages() > 0);
    }
    if (!damage_) {
        damage_ = find_missing_pages(file_pages);
    }
    if (damage_) {
        return std::move(*damage_);
    }
    auto& content = replay_->content;
    content.copies = copies();
    content.degraded_pages = degraded_pages_;
    content.log_id = log_id_.value_or(LogId{});
    return std::move(content);
}

}  // namespace xa_tm::recovery_log
