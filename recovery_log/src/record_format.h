#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "segment_name.h"
#include "xa_tm/recovery_log/recovery_log.h"

/// Records: what stands in a page. Bytes in, values out; no I/O (docs/recovery_log_format.md).
namespace xa_tm::recovery_log {

inline constexpr std::size_t kRecordHeaderBytes = 16;
/// Records start at multiples of this, so that a torn page can be searched for its intact ones.
inline constexpr std::size_t kRecordAlignment = 8;

/// The numbers are on disk: never change one, never use one again.
enum class RecordType : std::uint8_t {
    entry = 1,
    forgotten = 2,
    checkpoint_end = 4,
    quarantine = 5,
    segment_head = 6,
    operator_note = 136,
};

/// Set in a type that a version which does not know it may skip; without it such a version must
/// refuse.
inline constexpr std::uint8_t kIgnorableType = 0x80;

/// An entry longer than the rest of its page goes on in the next pages of the same flush.
enum class Fragment : std::uint8_t { full = 0, first = 1, middle = 2, last = 3 };

/// One record, or one fragment of it, as it lies in a page.
struct Record {
    std::uint8_t type;
    Fragment fragment;
    std::uint64_t seq;
    std::span<const std::byte> body;
};

/// The space a record takes in a page, with its header and the gap to the next boundary.
[[nodiscard]] constexpr std::size_t record_bytes(std::size_t body_bytes) noexcept {
    return (kRecordHeaderBytes + body_bytes + kRecordAlignment - 1) / kRecordAlignment *
           kRecordAlignment;
}

/// Writes header and body to the front of `out`, bound to the page by its number.
void encode_record(std::span<std::byte> out, const Record& record, std::uint64_t page_no) noexcept;

/// The record at the front of `in`, whose body points into `in`; nothing unless every bit of it is
/// as it was written, and written for this page.
[[nodiscard]] std::optional<Record> decode_record(std::span<const std::byte> in,
                                                  std::uint64_t page_no) noexcept;

/// First record of a segment.
struct SegmentHead {
    std::uint32_t segment_pages = 0;
    /// The segment that this one took over from; epoch 0 at the birth of a log.
    SegmentName predecessor{};
    std::uint64_t predecessor_last_page = 0;
    std::uint32_t predecessor_last_crc = 0;
    /// Torn pages that this opening met in the predecessor.
    std::uint32_t torn_pages = 0;
    /// The oldest segment that still matters once this one's checkpoint is complete.
    SegmentName first_needed{};
    std::string node;
    std::string writer;  ///< version of the program, for people

    friend bool operator==(const SegmentHead&, const SegmentHead&) = default;
};

/// Closes the list of entries that a segment starts with.
struct CheckpointEnd {
    std::uint64_t count = 0;
    std::uint32_t set_crc = 0;

    friend bool operator==(const CheckpointEnd&, const CheckpointEnd&) = default;
};

/// What a person has done to the log.
struct OperatorNote {
    std::chrono::sys_time<std::chrono::microseconds> at{};
    std::string text;

    friend bool operator==(const OperatorNote&, const OperatorNote&) = default;
};

[[nodiscard]] std::vector<std::byte> encode_body(const SegmentHead& head);
[[nodiscard]] std::vector<std::byte> encode_body(const CheckpointEnd& end);
[[nodiscard]] std::vector<std::byte> encode_body(const OperatorNote& note);
[[nodiscard]] std::array<std::byte, sizeof(EntryId)> encode_forgotten(EntryId id) noexcept;
/// Of the incarnations up to `epoch`.
[[nodiscard]] std::vector<std::byte> encode_quarantine(std::uint32_t epoch);

[[nodiscard]] std::optional<SegmentHead> decode_segment_head(std::span<const std::byte> body);
[[nodiscard]] std::optional<CheckpointEnd> decode_checkpoint_end(std::span<const std::byte> body);
[[nodiscard]] std::optional<OperatorNote> decode_operator_note(std::span<const std::byte> body);
[[nodiscard]] std::optional<EntryId> decode_forgotten(std::span<const std::byte> body);
[[nodiscard]] std::optional<std::uint32_t> decode_quarantine(std::span<const std::byte> body);

/// One step of CheckpointEnd::set_crc: the CRC of the entries so far, and one more.
[[nodiscard]] std::uint32_t extend_set_crc(std::uint32_t crc, EntryId id,
                                           std::span<const std::byte> body) noexcept;

}  // namespace xa_tm::recovery_log
