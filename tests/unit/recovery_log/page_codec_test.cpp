#include "page_codec.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "byte_order.h"
#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

using Page = std::array<std::byte, kPageBytes>;

PageHeader some_header() {
    PageHeader header;
    header.flags = page_flags::kSegmentHead;
    header.log_id = LogId{0x0123456789ABCDEFU};
    header.epoch = 3;
    header.segment_no = 4;
    header.page_no = 17;
    header.flush_first = 16;
    header.flush_pages = 2;
    header.record_count = 1;
    header.used_bytes = kPageRoomBytes;
    header.prev_crc = 0xDEADBEEFU;
    return header;
}

Page full_page() {
    Page page{};
    std::ranges::copy(bytes_of(text_of_length(kPageRoomBytes, 1)), page.begin() + kPageHeaderBytes);
    seal_page(page, some_header());
    return page;
}

void zero_sector(Page& page, std::size_t sector) {
    std::ranges::fill(std::span{page}.subspan(sector * kSectorBytes, kSectorBytes), std::byte{0});
}

TEST(PageCodec, ReadsBackAHeader) {
    const auto verdict = classify_page(full_page());
    EXPECT_EQ(verdict.state, PageState::valid);
    EXPECT_EQ(verdict.header, some_header());
    EXPECT_FALSE(verdict.bad_sector);
}

TEST(PageCodec, KnowsAPageThatWasNeverWritten) {
    EXPECT_EQ(classify_page(Page{}).state, PageState::zero);
}

TEST(PageCodec, FindsEverySingleFlippedBit) {
    auto page = full_page();
    for (std::size_t bit = 0; bit < kPageBytes * 8; ++bit) {
        page[bit / 8] ^= std::byte{1} << (bit % 8);
        ASSERT_EQ(classify_page(page).state, PageState::damaged) << "bit " << bit;
        page[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST(PageCodec, TakesEverySubsetOfMissingSectorsForATornPage) {
    const auto whole = full_page();
    for (unsigned missing = 1; missing < 255; ++missing) {
        auto page = whole;
        for (unsigned sector = 0; sector < kSectorsPerPage; ++sector) {
            if ((missing & (1U << sector)) != 0) {
                zero_sector(page, sector);
            }
        }
        const auto verdict = classify_page(page);
        EXPECT_EQ(verdict.state, PageState::torn) << missing;
        EXPECT_EQ(verdict.header.has_value(), (missing & 1U) == 0) << missing;
    }
}

TEST(PageCodec, NamesTheBadSectorWithBothItsCrcs) {
    auto page = full_page();
    page[5 * kSectorBytes + 100] ^= std::byte{4};
    const auto verdict = classify_page(page);
    ASSERT_TRUE(verdict.bad_sector);
    EXPECT_EQ(verdict.bad_sector->sector, 5U);
    EXPECT_NE(verdict.bad_sector->expected_crc, verdict.bad_sector->found_crc);
}

TEST(PageCodec, FindsTwoSectorsThatChangedPlaces) {
    auto page = full_page();
    std::swap_ranges(page.begin() + 2 * kSectorBytes, page.begin() + 3 * kSectorBytes,
                     page.begin() + 3 * kSectorBytes);
    EXPECT_EQ(classify_page(page).state, PageState::damaged);
}

TEST(PageCodec, TellsANewerFormatFromDamage) {
    Page page{};
    auto header = some_header();
    header.format_major = kFormatMajor + 1;
    seal_page(page, header);
    EXPECT_EQ(classify_page(page).state, PageState::newer);
}

TEST(PageCodec, RefusesAHeaderThatTheWriterNeverMakes) {
    for (const auto change : {+[](PageHeader& h) { h.used_bytes = kPageRoomBytes + 1; },
                              +[](PageHeader& h) { h.flush_pages = 0; },
                              +[](PageHeader& h) { h.flush_first = h.page_no + 1; },
                              +[](PageHeader& h) { h.flush_first = h.page_no - 2; }}) {
        Page page{};
        auto header = some_header();
        change(header);
        seal_page(page, header);
        EXPECT_EQ(classify_page(page).state, PageState::damaged);
    }
}

TEST(PageCodec, RefusesBytesOfAnotherProgram) {
    Page page{};
    std::ranges::fill(page, std::byte{0x5A});
    const auto verdict = classify_page(page);
    EXPECT_EQ(verdict.state, PageState::damaged);
    EXPECT_FALSE(verdict.header);
}

}  // namespace
}  // namespace xa_tm::recovery_log
