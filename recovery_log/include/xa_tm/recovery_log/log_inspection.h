#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/recovery_log/recovery_log.h"

/// Looking at a log as it lies on disk, for people and for tools: beside its live owner as well as
/// after its death, without owning, locking or changing it. Damage is what it reports, and never
/// what it fails with.
namespace xa_tm::recovery_log {

/// What a page is, judged by itself and by its place.
enum class PageCondition {
    zero,          ///< never written
    intact,        ///< every sector as it was written
    torn,          ///< some sectors as they were written, the others zero: a crash can do this
    damaged,       ///< anything else, or an intact page that does not belong there
    newer_format,  ///< intact, of a format that this version does not know
    unreadable,    ///< the disk refused to read it
};

[[nodiscard]] std::string_view to_string(PageCondition condition) noexcept;

/// Which part of a record a page holds; a long one goes on in the next pages of its flush.
enum class RecordPart { whole, first, middle, last };

[[nodiscard]] std::string_view to_string(RecordPart part) noexcept;

/// One record, or one part of it, as it stands in a page.
struct InspectedRecord {
    std::uint8_t type;
    EntryId id;  ///< its sequence number; that of an ENTRY is the entry's id
    RecordPart part;
    std::uint64_t offset;  ///< of its header in the file, in the first copy
    std::vector<std::byte> body;
    /// What a whole one says, for a person; empty for an ENTRY, which only its writer understands.
    std::string text;
};

/// The name that docs/recovery_log_format.md gives a type of records; "UNKNOWN" for another one.
[[nodiscard]] std::string_view record_type_name(std::uint8_t type) noexcept;

/// One page of a segment, put together from its copies.
struct InspectedPage {
    std::uint64_t index;   ///< in the segment, from 0
    std::uint64_t offset;  ///< of the first copy in the file, in bytes
    PageCondition condition;
    PageCondition first_copy;
    std::optional<PageCondition> second_copy;  ///< nothing in a segment with one copy
    std::uint64_t page_no;  ///< as it says, else as its place says; 0 when that is not known
    /// Its first sector is intact in one of the copies. Otherwise the next four are 0 and false.
    bool has_header;
    std::uint64_t flush_first;  ///< number of the first page of its flush
    std::uint16_t flush_pages;
    bool is_seal;            ///< written when idle, to stand behind the last entries
    bool is_clean_shutdown;  ///< belongs to the last flush of an owner that closed the log
    std::string problem;     ///< what is wrong with it, or with a copy of it; empty when nothing is
    /// Its intact records, in order.
    std::vector<InspectedRecord> records;

    /// True when every copy is as it was written.
    [[nodiscard]] bool is_whole() const noexcept;
};

enum class SegmentRole {
    in_use,      ///< the log is read from it
    spare,       ///< all zeros, ready for use
    replaced,    ///< older than the one in use: it says nothing any more
    incomplete,  ///< newer than the one in use, but its owner died while taking over
};

[[nodiscard]] std::string_view to_string(SegmentRole role) noexcept;

struct InspectedSegment {
    std::string file;  ///< its name in the directory
    std::uint32_t epoch;
    std::uint32_t number;
    SegmentRole role;
    std::uint64_t size_bytes;
    unsigned copies;           ///< of each page
    std::uint64_t pages;       ///< it has room for these
    std::uint64_t pages_used;  ///< up to the last one that is not zero
    /// Numbers of its first and last page; 0 in a segment without pages.
    std::uint64_t first_page_no;
    std::uint64_t last_page_no;
    std::uint64_t flushes;
    bool is_sealed;           ///< its last flush is one that stands behind all entries
    bool is_closed_cleanly;   ///< its last flush was that of an owner that closed the log
    std::string node;         ///< for which it was made; empty when its head can't be read
    std::string writer;       ///< version of the program that made it
    std::string predecessor;  ///< file that it took over from; empty after a birth or a repair

    /// Pages of the last flush that a crash cut off: nobody was told that they are durable.
    std::uint64_t torn_pages;
    /// Pages with a bad copy, whole all the same: nothing is lost.
    std::uint64_t single_copy_pages;
    /// Pages that are whole in no copy, and that no crash explains.
    std::uint64_t damaged_pages;
    /// All of these pages, without their records.
    std::vector<InspectedPage> bad_pages;
    /// Why an opening refuses this segment; empty when it does not.
    std::string damage;
};

/// What a person has done to the log.
struct InspectedNote {
    std::chrono::sys_time<std::chrono::microseconds> at;
    std::string text;
};

/// Everything about a log but its pages.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
struct LogInspection {
    std::filesystem::path directory;
    std::optional<LogId> id;  ///< nothing when the file ident can't be read
    std::string node;
    /// Who owns the log now; nothing when its owner is dead or it was closed.
    std::optional<LogOwner> owner;
    std::vector<InspectedSegment> segments;  ///< oldest first
    /// See RecoveryLog::quarantined_through().
    std::uint32_t quarantined_through = 0;
    std::vector<InspectedNote> notes;  ///< oldest first
    /// What an opening would find; nothing when it would be refused.
    std::optional<LogImage> image;
    /// The error that an opening would meet; nothing when it would find the log sound.
    std::optional<LogError> error;

    /// The segment in use; null when there is none.
    [[nodiscard]] const InspectedSegment* in_use() const noexcept;
};

/// Reads all of a log. Beside a live owner a page that is just being written is read again, and the
/// entries of the last flush are those not yet known to be durable (LogImage::first_unconfirmed).
/// Throws LogError when there is no log (not_found), or the system refuses a call (io).
[[nodiscard]] LogInspection inspect_log(const std::filesystem::path& directory);

/// Shows every page of a segment that is not zero, in order; `file` is its name in the directory.
/// Throws LogError when there is no such segment (not_found), or the system refuses a call (io).
void inspect_pages(const std::filesystem::path& directory, std::string_view file,
                   const std::function<void(const InspectedPage&)>& visit);

}  // namespace xa_tm::recovery_log
