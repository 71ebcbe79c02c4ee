#include "flush_encoder.h"

#include <algorithm>

#include "xa_tm/recovery_log/check.h"

// Invariants:
// - bytes_ is a whole number of pages; each has its header in headers_, and its records start at
//   kPageHeaderBytes without gaps other than alignment.
// - What is not a record is zero, so a sector without records is the same whether it was written or
// not.
namespace xa_tm::recovery_log {

void FlushEncoder::begin(const FlushPosition& position, Packing packing) {
    position_ = position;
    packing_ = packing;
    is_empty_ = true;
    bytes_.clear();
    headers_.clear();
    start_page();
}

void FlushEncoder::start_page() {
    PageHeader header;
    header.log_id = position_.log_id;
    header.epoch = position_.segment.epoch;
    header.segment_no = position_.segment.segment_no;
    header.page_no = position_.first_page_no + headers_.size();
    header.flush_first = position_.first_page_no;
    headers_.push_back(header);
    bytes_.resize(bytes_.size() + kPageBytes);
    end_ = kPageHeaderBytes;
}

PageBytes FlushEncoder::page(std::size_t index) {
    return std::span{bytes_}.subspan(index * kPageBytes).first<kPageBytes>();
}

void FlushEncoder::add_fragment(const Record& record) {
    PageHeader& header = headers_.back();
    encode_record(page(headers_.size() - 1).subspan(end_), record, header.page_no);
    end_ += record_bytes(record.body.size());
    header.used_bytes = static_cast<std::uint32_t>(end_ - kPageHeaderBytes);
    ++header.record_count;
}

bool FlushEncoder::starts_page(std::size_t record_bytes) const noexcept {
    const bool is_split = packing_ == Packing::dense || record_bytes > kPageRoomBytes;
    return record_bytes > room_bytes() && (!is_split || room_bytes() <= kRecordHeaderBytes);
}

std::size_t FlushEncoder::pages_with(std::size_t body_bytes) const noexcept {
    const std::size_t needed = record_bytes(body_bytes);
    if (needed <= room_bytes()) {
        return pages();
    }
    if (starts_page(needed)) {
        return pages() + pages_for(body_bytes);
    }
    return pages() + pages_for(body_bytes - (room_bytes() - kRecordHeaderBytes));
}

void FlushEncoder::add(RecordType type, std::uint64_t seq, std::span<const std::byte> body) {
    const auto type_number = static_cast<std::uint8_t>(type);
    const std::size_t needed = record_bytes(body.size());
    is_empty_ = false;
    if (starts_page(needed)) {
        start_page();
    }
    if (needed <= room_bytes()) {
        add_fragment({type_number, Fragment::full, seq, body});
        return;
    }
    for (auto fragment = Fragment::first; !body.empty(); fragment = Fragment::middle) {
        if (room_bytes() <= kRecordHeaderBytes) {
            start_page();
        }
        const auto part = body.first(std::min(body.size(), room_bytes() - kRecordHeaderBytes));
        body = body.subspan(part.size());
        add_fragment({type_number, body.empty() ? Fragment::last : fragment, seq, part});
    }
}

std::span<const std::byte> FlushEncoder::finish(std::uint16_t flags) {
    XA_TM_CHECK(pages() <= UINT16_MAX,
                "flush_pages has 16 bits; reserve() keeps the live set below");
    last_crc_ = position_.prev_crc;
    for (std::size_t i = 0; i < headers_.size(); ++i) {
        headers_[i].flags = flags;
        headers_[i].flush_pages = static_cast<std::uint16_t>(headers_.size());
        headers_[i].prev_crc = last_crc_;
        seal_page(page(i), headers_[i]);
        last_crc_ = page_crc(page(i));
    }
    return bytes_;
}

}  // namespace xa_tm::recovery_log
