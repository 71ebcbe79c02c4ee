#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "page_codec.h"
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
    LogId log_id{};
    LiveSet live{};
    /// The log goes on behind these.
    std::uint64_t next_page_no = 0;
    EntryId next_seq = 0;
    std::uint32_t last_crc = 0;
    std::uint32_t torn_pages = 0;
};

/// Why a segment must not be used: a message for a person, without the advice what to do.
struct Damage {
    LogErrorCode code;  ///< damaged or newer_format
    std::string text;
};

using SegmentVerdict = std::variant<SegmentContent, Damage>;

/// Takes the pages of one segment in order and judges them together:
/// R1 a page of an earlier flush that is not valid was acknowledged and is gone: damage;
/// R2 pages of the last flush may be torn or missing; every intact record in them counts;
/// R3 a page that no crash explains is damage, wherever it stands;
/// R4 so is a file shorter than its head says;
/// R5 a newer format, or a record type that must be known and is not, is refused as such.
///
/// Ownership: copies what it needs of a page.
/// Thread safety: one thread at a time.
class SegmentScan {
public:
    /// `file` names the segment in messages. Without a log id, that of the first page is taken.
    SegmentScan(std::string file, SegmentName name, std::optional<LogId> log_id);

    void add_page(ConstPageBytes page);
    [[nodiscard]] SegmentVerdict finish() const;

private:
    /// A page that was written. What was never written is not kept.
    struct ScannedPage {
        std::size_t index;
        PageVerdict verdict;
        std::uint32_t crc;
        std::vector<std::byte> bytes;  ///< up to the end of its records; all of a torn one
    };
    class Replay;

    /// Where the segment's pages stand in the life of the log, and which of them had been
    /// acknowledged.
    struct Extent {
        std::uint64_t first_page_no = 0;
        std::size_t acknowledged_pages = 0;
    };

    [[nodiscard]] std::optional<Damage> find_damaged_page() const;
    [[nodiscard]] std::optional<Damage> find_misplaced_page() const;
    [[nodiscard]] Extent measure() const;
    [[nodiscard]] std::optional<Damage> find_lost_page(const Extent& extent) const;
    [[nodiscard]] std::optional<Damage> find_broken_chain() const;
    [[nodiscard]] SegmentVerdict replay(const Extent& extent) const;
    [[nodiscard]] Damage damaged_page(const ScannedPage& page, std::string_view what,
                                      std::string_view why_not_torn) const;
    [[nodiscard]] std::string place(std::size_t index, const PageVerdict& verdict) const;

    std::string file_;
    SegmentName name_;
    std::optional<LogId> log_id_;
    std::size_t page_count_ = 0;
    std::vector<ScannedPage> pages_;
};

}  // namespace xa_tm::recovery_log
