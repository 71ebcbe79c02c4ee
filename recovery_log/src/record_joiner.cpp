#include "record_joiner.h"

#include <utility>

#include "record_format.h"
#include "record_text.h"

namespace xa_tm::recovery_log {
namespace {

bool is_type(const LoggedRecord& record, RecordType type) noexcept {
    return record.type == static_cast<std::uint8_t>(type);
}

std::optional<EntryId> entry_of(const LoggedRecord& record) {
    if (is_type(record, RecordType::entry)) {
        return record.id;
    }
    return is_type(record, RecordType::forgotten) ? decode_forgotten(record.body) : std::nullopt;
}

}  // namespace

void RecordJoiner::finish(LoggedRecord record,
                          const std::function<void(const LoggedRecord&)>& take) {
    if (is_type(record, RecordType::segment_head)) {
        is_in_checkpoint_ = true;
    }
    record.is_repeated = is_in_checkpoint_ && !is_type(record, RecordType::segment_head);
    if (is_type(record, RecordType::checkpoint_end)) {
        is_in_checkpoint_ = record.is_repeated = false;
    }
    record.entry = entry_of(record);
    record.text = describe_record(record.type, record.body);
    take(record);
}

void RecordJoiner::begin(const InspectedPage& page, const InspectedRecord& part,
                         const std::function<void(const LoggedRecord&)>& take) {
    partial_.reset();
    LoggedRecord record{.type = part.type,
                        .id = part.id,
                        .body = part.body,
                        .file = file_,
                        .page = page.index,
                        .page_no = page.page_no,
                        .offset = part.offset,
                        .is_repeated = false,
                        .entry = {},
                        .text = {}};
    if (part.part == RecordPart::whole) {
        finish(std::move(record), take);
    } else {
        partial_ = std::move(record);
        partial_page_ = page.index;
    }
}

void RecordJoiner::go_on(const InspectedPage& page, const InspectedRecord& part,
                         const std::function<void(const LoggedRecord&)>& take) {
    if (!partial_ || partial_->id != part.id || partial_->type != part.type ||
        partial_page_ + 1 != page.index) {
        partial_.reset();
        return;
    }
    partial_->body.insert(partial_->body.end(), part.body.begin(), part.body.end());
    partial_page_ = page.index;
    if (part.part == RecordPart::last) {
        finish(*std::exchange(partial_, std::nullopt), take);
    }
}

void RecordJoiner::add(const InspectedPage& page,
                       const std::function<void(const LoggedRecord&)>& take) {
    for (const auto& part : page.records) {
        const bool continues = part.part == RecordPart::middle || part.part == RecordPart::last;
        continues ? go_on(page, part, take) : begin(page, part, take);
    }
}

}  // namespace xa_tm::recovery_log
