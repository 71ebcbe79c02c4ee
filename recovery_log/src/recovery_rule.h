#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "page_codec.h"
#include "page_copies.h"
#include "record_format.h"
#include "segment_name.h"
#include "xa_tm/recovery_log/recovery_log.h"

/// The rule that tells what a segment holds, or why nobody can tell. Bytes in, values out; no I/O.
namespace xa_tm::recovery_log {

using LiveSet = std::map<EntryId, std::vector<std::byte>>;

/// What a segment holds when nothing but a crash has happened to it.
struct SegmentContent {
    /// The list of entries it starts with is whole: this segment replaces every older one.
    /// Otherwise its owner died while taking over, the older one still counts, and everything below
    /// means nothing.
    bool is_complete = false;
    /// Something stands behind that list: the log was in use with this segment.
    bool is_used = false;
    SegmentHead head{};
    unsigned copies = 1;
    LogId log_id{};
    LiveSet live{};
    /// Entries of the incarnations up to this one may be missing.
    std::uint32_t quarantined_through = 0;
    std::vector<OperatorNote> notes{};
    /// The log goes on behind these.
    std::uint64_t next_page_no = 0;
    EntryId next_seq = 0;
    std::uint32_t last_crc = 0;
    std::uint32_t torn_pages = 0;
    /// Acknowledged pages of which one copy is not as it was written; the other one is.
    std::uint32_t degraded_pages = 0;
    /// Entries from here on stand in the last flush: nothing behind them proves it durable. Those
    /// of the list that the segment starts with were so before.
    EntryId first_unconfirmed = 0;
};

/// Why a segment must not be used: a message for a person, without the advice what to do.
struct Damage {
    LogErrorCode code;  ///< damaged or newer_format
    std::string text;
};

using SegmentVerdict = std::variant<SegmentContent, Damage>;

/// One copy of a page as it was read.
struct PageCopy {
    ConstPageBytes bytes;
    int error_number = 0;  ///< of the read that failed; `bytes` are no page then
};

/// Takes the pages of one segment in order and judges them together:
/// R1 a page of an earlier flush that is not valid was acknowledged and is gone: damage;
/// R2 pages of the last flush may be torn or missing; every intact record in them counts;
/// R3 a page that no crash explains is damage, wherever it stands;
/// R4 so is a file shorter than its head says;
/// R5 a newer format, or a record type that must be known and is not, is refused as such;
/// R6 a page that is intact in one of its copies is taken from there.
///
/// Ownership: copies what it needs of a page.
/// Thread safety: one thread at a time.
class SegmentScan {
public:
    /// `file` names the segment in messages. Without a log id, that of the first page is taken.
    SegmentScan(std::string file, SegmentName name, std::optional<LogId> log_id);
    ~SegmentScan();
    SegmentScan(const SegmentScan&) = delete;
    SegmentScan& operator=(const SegmentScan&) = delete;

    /// The next page, in all its copies (one or two).
    void add_page(std::span<const PageCopy> copies);
    /// Every page is zero: the segment was never used.
    [[nodiscard]] bool is_unused() const noexcept { return !has_pages_; }
    /// To be called once, last. `file_pages` is the size of the file.
    [[nodiscard]] SegmentVerdict finish(std::size_t file_pages);

private:
    struct ScannedPage;
    class Replay;

    [[nodiscard]] ScannedPage scan(std::span<const PageCopy> copies);
    [[nodiscard]] bool belongs_here(const PageHeader& header, std::size_t index) const noexcept;
    [[nodiscard]] std::optional<Damage> find_damage(const ScannedPage& page) const;
    void note_header(const PageHeader& header, std::size_t index);
    void add_to_prefix(const ScannedPage& page);
    [[nodiscard]] std::size_t acknowledged_pages() const noexcept;
    [[nodiscard]] std::optional<Damage> judge_tail();
    [[nodiscard]] unsigned copies() const noexcept;
    [[nodiscard]] std::optional<Damage> find_missing_pages(std::size_t file_pages) const;
    [[nodiscard]] std::optional<Damage> find_broken_chain() const;
    [[nodiscard]] Damage damaged_page(const ScannedPage& page, std::string_view what,
                                      std::string_view why_not_torn) const;
    [[nodiscard]] std::string place(std::size_t index, const PageVerdict& verdict) const;

    std::string file_;
    SegmentName name_;
    std::optional<LogId> log_id_;
    std::size_t page_count_ = 0;
    bool has_pages_ = false;
    /// Number of the page at index 0, once a page has told.
    std::optional<std::uint64_t> first_page_no_;
    /// The header of the last page that has one, and where it stands.
    std::optional<PageHeader> last_header_;
    std::size_t last_index_ = 0;
    /// Where the valid pages without a gap that the segment starts with end; all are replayed.
    std::size_t prefix_pages_ = 0;
    std::uint32_t prefix_crc_ = 0;
    /// What is not zero from there on.
    std::vector<ScannedPage> tail_;
    std::deque<std::array<std::byte, kPageBytes>> tail_bytes_;
    MergedPage merged_{};  ///< the page at hand, when its copies differ
    std::uint32_t degraded_pages_ = 0;
    std::uint32_t differing_pages_of_flush_ = 0;
    std::optional<Damage> damage_;
    std::unique_ptr<Replay> replay_;
};

}  // namespace xa_tm::recovery_log
