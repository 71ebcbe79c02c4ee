#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "page_codec.h"
#include "record_format.h"

namespace xa_tm::recovery_log {

/// Where a flush goes: its segment, and what was written before it.
struct FlushPosition {
    LogId log_id;
    SegmentName segment;
    std::uint64_t first_page_no = 0;
    std::uint32_t prev_crc = 0;  ///< page_crc() of page first_page_no - 1
};

/// Packs records into the fresh pages of one flush. Pure: what comes out is what is to be written.
///
/// Ownership: copies what is added.
/// Thread safety: one thread at a time.
class FlushEncoder {
public:
    explicit FlushEncoder(const FlushPosition& position);

    /// Adds one record; in fragments when it is longer than a page, on a page of its own when it is
    /// not longer than that but than what is left of this one.
    void add(RecordType type, std::uint64_t seq, std::span<const std::byte> body);

    /// The room left in the last page.
    [[nodiscard]] std::size_t room_bytes() const noexcept { return kPageBytes - end_; }
    [[nodiscard]] std::size_t pages() const noexcept { return bytes_.size() / kPageBytes; }

    /// Seals the pages; nothing can be added afterwards. `flags` are page_flags, set on every page.
    [[nodiscard]] std::span<const std::byte> finish(std::uint16_t flags);
    /// page_crc() of the last page, once finished.
    [[nodiscard]] std::uint32_t last_crc() const noexcept { return last_crc_; }

private:
    void start_page();
    void add_fragment(const Record& record);
    [[nodiscard]] PageBytes page(std::size_t index);

    FlushPosition position_;
    std::vector<std::byte> bytes_;
    std::vector<PageHeader> headers_;
    std::size_t end_ = kPageBytes;  ///< of the records in the last page
    std::uint32_t last_crc_ = 0;
};

/// How many pages a flush takes whose first record has a body of this length.
[[nodiscard]] constexpr std::size_t pages_for(std::size_t body_bytes) noexcept {
    constexpr std::size_t kBodyPerPage = kPageRoomBytes - kRecordHeaderBytes;
    static_assert(kBodyPerPage % kRecordAlignment == 0, "a fragment fills its page exactly");
    return body_bytes == 0 ? 1 : (body_bytes + kBodyPerPage - 1) / kBodyPerPage;
}

}  // namespace xa_tm::recovery_log
