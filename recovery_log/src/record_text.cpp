#include "record_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "record_format.h"
#include "xa_tm/recovery_log/log_inspection.h"

namespace xa_tm::recovery_log {
namespace {

constexpr std::string_view kTooShort = "too short to be understood";

std::string describe(const SegmentHead& head) {
    const auto before = head.predecessor.epoch == 0
                            ? std::string{"without a predecessor"}
                            : fmt::format("after {}", file_name(head.predecessor));
    return fmt::format("node {}, made by version {}, {} pages in the file, {}", head.node,
                       head.writer, head.segment_pages, before);
}

std::string describe(const CheckpointEnd& end) {
    return fmt::format("{} live {}", end.count, end.count == 1 ? "entry" : "entries");
}

std::string describe(const OperatorNote& note) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC: {}",
                       std::chrono::floor<std::chrono::seconds>(note.at), note.text);
}

template <class Content, class Describe>
std::string described(const std::optional<Content>& content, Describe describe_content) {
    return content ? describe_content(*content) : std::string{kTooShort};
}

}  // namespace

std::string describe_record(std::uint8_t type, std::span<const std::byte> body) {
    const auto to_text = [](const auto& content) { return describe(content); };
    switch (static_cast<RecordType>(type)) {
        case RecordType::entry: return "";
        case RecordType::forgotten:
            return described(decode_forgotten(body),
                             [](EntryId id) { return fmt::format("entry {}", id); });
        case RecordType::checkpoint_end: return described(decode_checkpoint_end(body), to_text);
        case RecordType::quarantine:
            return described(decode_quarantine(body), [](std::uint32_t epoch) {
                return fmt::format("entries of the incarnations up to {} may be missing", epoch);
            });
        case RecordType::segment_head: return described(decode_segment_head(body), to_text);
        case RecordType::operator_note: return described(decode_operator_note(body), to_text);
    }
    return "";
}

std::string_view record_type_name(std::uint8_t type) noexcept {
    switch (static_cast<RecordType>(type)) {
        case RecordType::entry: return "ENTRY";
        case RecordType::forgotten: return "FORGOTTEN";
        case RecordType::checkpoint_end: return "CHECKPOINT_END";
        case RecordType::quarantine: return "QUARANTINE";
        case RecordType::segment_head: return "SEGMENT_HEAD";
        case RecordType::operator_note: return "OPERATOR_NOTE";
    }
    return "UNKNOWN";
}

}  // namespace xa_tm::recovery_log
