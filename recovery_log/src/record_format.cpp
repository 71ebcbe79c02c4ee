#include "record_format.h"

#include <algorithm>
#include <array>

#include "byte_order.h"
#include "crc32c.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::recovery_log {
namespace {

// Record header: crc 0..3, length of the body 4..5, type 6, fragment 7, seq 8..15.
constexpr std::size_t kLengthOffset = 4;
constexpr std::size_t kTypeOffset = 6;
constexpr std::size_t kFragmentOffset = 7;
constexpr std::size_t kSeqOffset = 8;

// Segment head: fixed part, then node and writer, each after a byte with its length.
constexpr std::size_t kHeadFixedBytes = 36;
constexpr std::size_t kCheckpointEndBytes = 12;
constexpr std::size_t kForgottenBytes = 8;
constexpr std::size_t kQuarantineBytes = 4;
/// When; the text is the rest.
constexpr std::size_t kNoteFixedBytes = 8;

std::array<std::byte, 8> little_endian(std::uint64_t value) noexcept {
    std::array<std::byte, 8> bytes{};
    store_le(std::span{bytes}, 0, value);
    return bytes;
}

/// The page number is not stored in the record, only mixed into its CRC: a record read from a page
/// it was not written for fails.
std::uint32_t record_crc(std::span<const std::byte> covered, std::uint64_t page_no) noexcept {
    return crc32c(little_endian(page_no), crc32c(covered));
}

void append_text(std::vector<std::byte>& out, const std::string& text) {
    XA_TM_CHECK(text.size() <= 255, "its length is stored in one byte");
    out.push_back(static_cast<std::byte>(text.size()));
    std::ranges::transform(text, std::back_inserter(out),
                           [](char c) { return static_cast<std::byte>(c); });
}

std::optional<std::string> take_text(std::span<const std::byte>& in) {
    if (in.empty() || in.size() - 1 < std::to_integer<std::size_t>(in[0])) {
        return std::nullopt;
    }
    const auto bytes = in.subspan(1, std::to_integer<std::size_t>(in[0]));
    in = in.subspan(1 + bytes.size());
    std::string text(bytes.size(), '\0');
    std::ranges::transform(bytes, text.begin(), [](std::byte b) { return static_cast<char>(b); });
    return text;
}

}  // namespace

void encode_record(std::span<std::byte> out, const Record& record, std::uint64_t page_no) noexcept {
    const std::size_t length = kRecordHeaderBytes + record.body.size();
    XA_TM_CHECK(record_bytes(record.body.size()) <= out.size(), "the caller measured the room");
    store_le(out, kLengthOffset, static_cast<std::uint16_t>(record.body.size()));
    out[kTypeOffset] = std::byte{record.type};
    out[kFragmentOffset] = static_cast<std::byte>(record.fragment);
    store_le(out, kSeqOffset, record.seq);
    std::ranges::copy(record.body, out.subspan(kRecordHeaderBytes).begin());
    store_le(out, 0, record_crc(out.first(length).subspan(kLengthOffset), page_no));
}

std::optional<Record> decode_record(std::span<const std::byte> in, std::uint64_t page_no) noexcept {
    if (in.size() < kRecordHeaderBytes) {
        return std::nullopt;
    }
    const std::size_t body_bytes = load_le<std::uint16_t>(in, kLengthOffset);
    const auto type = std::to_integer<std::uint8_t>(in[kTypeOffset]);
    const auto fragment = std::to_integer<std::uint8_t>(in[kFragmentOffset]);
    if (type == 0 || fragment > static_cast<std::uint8_t>(Fragment::last) ||
        record_bytes(body_bytes) > in.size()) {
        return std::nullopt;
    }
    const auto covered = in.first(kRecordHeaderBytes + body_bytes).subspan(kLengthOffset);
    if (load_le<std::uint32_t>(in, 0) != record_crc(covered, page_no)) {
        return std::nullopt;
    }
    return Record{.type = type,
                  .fragment = static_cast<Fragment>(fragment),
                  .seq = load_le<std::uint64_t>(in, kSeqOffset),
                  .body = in.subspan(kRecordHeaderBytes, body_bytes)};
}

std::vector<std::byte> encode_body(const SegmentHead& head) {
    std::vector<std::byte> body(kHeadFixedBytes);
    store_le(std::span{body}, 0, head.segment_pages);
    store_le(std::span{body}, 4, head.predecessor.epoch);
    store_le(std::span{body}, 8, head.predecessor.segment_no);
    store_le(std::span{body}, 12, head.predecessor_last_crc);
    store_le(std::span{body}, 16, head.predecessor_last_page);
    store_le(std::span{body}, 24, head.torn_pages);
    store_le(std::span{body}, 28, head.first_needed.epoch);
    store_le(std::span{body}, 32, head.first_needed.segment_no);
    append_text(body, head.node);
    append_text(body, head.writer);
    return body;
}

std::optional<SegmentHead> decode_segment_head(std::span<const std::byte> body) {
    if (body.size() < kHeadFixedBytes) {
        return std::nullopt;
    }
    auto texts = body.subspan(kHeadFixedBytes);
    auto node = take_text(texts);
    auto writer = take_text(texts);
    if (!node || !writer) {
        return std::nullopt;
    }
    return SegmentHead{.segment_pages = load_le<std::uint32_t>(body, 0),
                       .predecessor = {.epoch = load_le<std::uint32_t>(body, 4),
                                       .segment_no = load_le<std::uint32_t>(body, 8)},
                       .predecessor_last_page = load_le<std::uint64_t>(body, 16),
                       .predecessor_last_crc = load_le<std::uint32_t>(body, 12),
                       .torn_pages = load_le<std::uint32_t>(body, 24),
                       .first_needed = {.epoch = load_le<std::uint32_t>(body, 28),
                                        .segment_no = load_le<std::uint32_t>(body, 32)},
                       .node = std::move(*node),
                       .writer = std::move(*writer)};
}

std::vector<std::byte> encode_body(const CheckpointEnd& end) {
    std::vector<std::byte> body(kCheckpointEndBytes);
    store_le(std::span{body}, 0, end.count);
    store_le(std::span{body}, 8, end.set_crc);
    return body;
}

std::optional<CheckpointEnd> decode_checkpoint_end(std::span<const std::byte> body) {
    if (body.size() < kCheckpointEndBytes) {
        return std::nullopt;
    }
    return CheckpointEnd{.count = load_le<std::uint64_t>(body, 0),
                         .set_crc = load_le<std::uint32_t>(body, 8)};
}

std::vector<std::byte> encode_body(const OperatorNote& note) {
    std::vector<std::byte> body(kNoteFixedBytes);
    store_le(std::span{body}, 0, static_cast<std::uint64_t>(note.at.time_since_epoch().count()));
    std::ranges::transform(note.text, std::back_inserter(body),
                           [](char c) { return static_cast<std::byte>(c); });
    return body;
}

std::optional<OperatorNote> decode_operator_note(std::span<const std::byte> body) {
    if (body.size() < kNoteFixedBytes) {
        return std::nullopt;
    }
    const std::chrono::microseconds since_1970{load_le<std::uint64_t>(body, 0)};
    OperatorNote note{.at = std::chrono::sys_time<std::chrono::microseconds>{since_1970},
                      .text = {}};
    std::ranges::transform(body.subspan(kNoteFixedBytes), std::back_inserter(note.text),
                           [](std::byte b) { return static_cast<char>(b); });
    return note;
}

std::vector<std::byte> encode_quarantine(std::uint32_t epoch) {
    std::vector<std::byte> body(kQuarantineBytes);
    store_le(std::span{body}, 0, epoch);
    return body;
}

std::optional<std::uint32_t> decode_quarantine(std::span<const std::byte> body) {
    if (body.size() < kQuarantineBytes) {
        return std::nullopt;
    }
    return load_le<std::uint32_t>(body, 0);
}

std::array<std::byte, sizeof(EntryId)> encode_forgotten(EntryId id) noexcept {
    return little_endian(id);
}

std::optional<EntryId> decode_forgotten(std::span<const std::byte> body) {
    if (body.size() < kForgottenBytes) {
        return std::nullopt;
    }
    return load_le<std::uint64_t>(body, 0);
}

std::uint32_t extend_set_crc(std::uint32_t crc, EntryId id,
                             std::span<const std::byte> body) noexcept {
    return crc32c(body, crc32c(little_endian(body.size()), crc32c(little_endian(id), crc)));
}

}  // namespace xa_tm::recovery_log
