#include "salvage.h"

#include <algorithm>

namespace xa_tm::recovery_log {

void Salvage::take(const LoggedRecord& record) {
    next_seq_ = std::max(next_seq_, record.id + 1);
    switch (static_cast<RecordType>(record.type)) {
        case RecordType::entry: entries_.insert_or_assign(record.id, record.body); return;
        case RecordType::forgotten:
            if (record.entry) {
                forgotten_.insert(*record.entry);
            }
            return;
        case RecordType::quarantine:
            quarantined_through_ =
                std::max(quarantined_through_, decode_quarantine(record.body).value_or(0));
            return;
        case RecordType::operator_note:
            if (auto note = decode_operator_note(record.body);
                note && std::ranges::find(notes_, *note) == notes_.end()) {
                notes_.push_back(std::move(*note));
            }
            return;
        case RecordType::checkpoint_end:
        case RecordType::segment_head: return;
    }
}

LiveSet Salvage::live() const {
    auto live = entries_;
    for (const auto id : forgotten_) {
        live.erase(id);
    }
    return live;
}

}  // namespace xa_tm::recovery_log
