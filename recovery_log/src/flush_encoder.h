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

/// What happens to a record that does not fit in what is left of a page.
enum class Packing {
    /// It starts a page, unless it is longer than one: a torn page then costs whole records only.
    whole,
    /// It is split, so that n bytes of records take no more than dense_pages_max(n) pages.
    dense,
};

/// Packs records into the fresh pages of one flush. Pure: what comes out is what is to be written.
///
/// Ownership: copies what is added.
/// Thread safety: one thread at a time.
class FlushEncoder {
public:
    FlushEncoder() = default;

    /// Starts a flush; the memory of the one before is used again.
    void begin(const FlushPosition& position, Packing packing);

    /// Adds one record, in fragments where it can't be whole.
    void add(RecordType type, std::uint64_t seq, std::span<const std::byte> body);

    /// The room left in the last page.
    [[nodiscard]] std::size_t room_bytes() const noexcept { return kPageBytes - end_; }
    [[nodiscard]] std::size_t pages() const noexcept { return headers_.size(); }
    /// pages(), once a record with a body of this length is added. For Packing::whole.
    [[nodiscard]] std::size_t pages_with(std::size_t body_bytes) const noexcept;
    [[nodiscard]] bool is_empty() const noexcept { return is_empty_; }

    /// Seals the pages; nothing can be added afterwards. `flags` are page_flags, set on every page.
    [[nodiscard]] std::span<const std::byte> finish(std::uint16_t flags);
    /// page_crc() of the last page, once finished.
    [[nodiscard]] std::uint32_t last_crc() const noexcept { return last_crc_; }

private:
    void start_page();
    [[nodiscard]] bool starts_page(std::size_t record_bytes) const noexcept;
    void add_fragment(const Record& record);
    [[nodiscard]] PageBytes page(std::size_t index);

    FlushPosition position_;
    Packing packing_ = Packing::whole;
    bool is_empty_ = true;
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

/// How many pages records of so many bytes (each as record_bytes() says) take at most when they are
/// packed densely: a page loses the header of a continued record, and less than that at its end.
[[nodiscard]] constexpr std::size_t dense_pages_max(std::size_t bytes) noexcept {
    return bytes / (kPageRoomBytes - 2 * kRecordHeaderBytes) + 1;
}

}  // namespace xa_tm::recovery_log
