#include "page_codec.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "byte_order.h"
#include "crc32c.h"

namespace xa_tm::recovery_log {
namespace {

constexpr std::uint32_t kMagic = 0x504C4458;  // "XDLP" in the order of the bytes

constexpr std::size_t kMajorOffset = 4;
constexpr std::size_t kMinorOffset = 5;
constexpr std::size_t kFlagsOffset = 6;
constexpr std::size_t kLogIdOffset = 8;  // 8 bytes, and 8 zero bytes
constexpr std::size_t kEpochOffset = 24;
constexpr std::size_t kSegmentNoOffset = 28;
constexpr std::size_t kPageNoOffset = 32;
constexpr std::size_t kFlushFirstOffset = 40;
constexpr std::size_t kFlushPagesOffset = 48;
constexpr std::size_t kRecordCountOffset = 50;
constexpr std::size_t kUsedBytesOffset = 52;
constexpr std::size_t kPrevCrcOffset = 56;
constexpr std::size_t kSectorCrcsOffset = 64;

constexpr std::array<std::byte, kPageBytes> kZeroPage{};

template <std::size_t Extent>
std::span<const std::byte, kSectorBytes> sector_of(std::span<const std::byte, Extent> page,
                                                   unsigned sector) noexcept {
    return page.subspan(sector * kSectorBytes).template first<kSectorBytes>();
}

bool is_zero(std::span<const std::byte> bytes) noexcept {
    return std::memcmp(bytes.data(), kZeroPage.data(), bytes.size()) == 0;
}

constexpr std::size_t stored_crc_offset(unsigned sector) noexcept {
    return kSectorCrcsOffset + sector * sizeof(std::uint32_t);
}

/// Seeded with the sector's index, so that two sectors that changed places are found.
std::uint32_t sector_crc(ConstPageBytes page, unsigned sector) noexcept {
    const std::span<const std::byte> bytes = sector_of(page, sector);
    if (sector != 0) {
        return crc32c(bytes, sector);
    }
    // The first sector holds its own CRC, which counts as zero.
    constexpr std::array<std::byte, sizeof(std::uint32_t)> kZeroField{};
    const auto before = bytes.first(kSectorCrcsOffset);
    const auto after = bytes.subspan(kSectorCrcsOffset + sizeof(std::uint32_t));
    return crc32c(after, crc32c(kZeroField, crc32c(before)));
}

PageHeader decode_header(ConstPageBytes page) noexcept {
    return {.format_major = load_le<std::uint8_t>(page, kMajorOffset),
            .format_minor = load_le<std::uint8_t>(page, kMinorOffset),
            .flags = load_le<std::uint16_t>(page, kFlagsOffset),
            .log_id = LogId{load_le<std::uint64_t>(page, kLogIdOffset)},
            .epoch = load_le<std::uint32_t>(page, kEpochOffset),
            .segment_no = load_le<std::uint32_t>(page, kSegmentNoOffset),
            .page_no = load_le<std::uint64_t>(page, kPageNoOffset),
            .flush_first = load_le<std::uint64_t>(page, kFlushFirstOffset),
            .flush_pages = load_le<std::uint16_t>(page, kFlushPagesOffset),
            .record_count = load_le<std::uint16_t>(page, kRecordCountOffset),
            .used_bytes = load_le<std::uint32_t>(page, kUsedBytesOffset),
            .prev_crc = load_le<std::uint32_t>(page, kPrevCrcOffset)};
}

/// What the writer never does: such a header is not ours, whatever its CRC says.
bool is_plausible(const PageHeader& header) noexcept {
    return header.used_bytes <= kPageRoomBytes && header.flush_pages != 0 &&
           header.page_no >= header.flush_first &&
           header.page_no - header.flush_first < header.flush_pages;
}

}  // namespace

void seal_page(PageBytes page, const PageHeader& header) noexcept {
    std::ranges::fill(page.first<kPageHeaderBytes>(), std::byte{0});
    store_le(page, 0, kMagic);
    store_le(page, kMajorOffset, header.format_major);
    store_le(page, kMinorOffset, header.format_minor);
    store_le(page, kFlagsOffset, header.flags);
    store_le(page, kLogIdOffset, header.log_id.value());
    store_le(page, kEpochOffset, header.epoch);
    store_le(page, kSegmentNoOffset, header.segment_no);
    store_le(page, kPageNoOffset, header.page_no);
    store_le(page, kFlushFirstOffset, header.flush_first);
    store_le(page, kFlushPagesOffset, header.flush_pages);
    store_le(page, kRecordCountOffset, header.record_count);
    store_le(page, kUsedBytesOffset, header.used_bytes);
    store_le(page, kPrevCrcOffset, header.prev_crc);
    // The first sector last: its CRC covers the fields of the others.
    for (unsigned sector = kSectorsPerPage; sector-- > 0;) {
        store_le(page, stored_crc_offset(sector), sector_crc(page, sector));
    }
}

std::uint32_t page_crc(ConstPageBytes page) noexcept {
    return crc32c(page);
}

bool is_zero_page(ConstPageBytes page) noexcept {
    return is_zero(page);
}

bool has_intact_sector(ConstPageBytes page, unsigned sector) noexcept {
    return sector_crc(page, sector) == load_le<std::uint32_t>(page, stored_crc_offset(sector));
}

PageVerdict classify_page(ConstPageBytes page) noexcept {
    if (is_zero_page(page)) {
        return {.state = PageState::zero, .header = {}, .bad_sector = {}};
    }
    if (is_zero(sector_of(page, 0))) {
        // Without the first sector nothing tells what the others should be; they came with the same
        // flush.
        return {.state = PageState::torn, .header = {}, .bad_sector = {}};
    }
    PageVerdict verdict{.state = PageState::valid, .header = {}, .bad_sector = {}};
    for (unsigned sector = 0; sector < kSectorsPerPage && verdict.state != PageState::damaged;
         ++sector) {
        const auto expected = load_le<std::uint32_t>(page, stored_crc_offset(sector));
        const auto found = sector_crc(page, sector);
        if (found == expected) {
            continue;
        }
        const bool was_never_written = is_zero(sector_of(page, sector));
        if (!verdict.bad_sector || !was_never_written) {
            verdict.bad_sector = BadSector{sector, expected, found};
        }
        verdict.state = was_never_written ? PageState::torn : PageState::damaged;
    }
    const bool first_sector_is_intact = !verdict.bad_sector || verdict.bad_sector->sector != 0;
    if (first_sector_is_intact && load_le<std::uint32_t>(page, 0) == kMagic) {
        verdict.header = decode_header(page);
        if (verdict.header->format_major != kFormatMajor) {
            verdict.state = PageState::newer;
        } else if (!is_plausible(*verdict.header)) {
            verdict.state = PageState::damaged;
        }
    } else {
        verdict.state = PageState::damaged;
    }
    return verdict;
}

}  // namespace xa_tm::recovery_log
