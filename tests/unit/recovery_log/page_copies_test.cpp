#include "page_copies.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

using Page = std::array<std::byte, kPageBytes>;

Page some_page(std::uint64_t page_no = 7) {
    Page page{};
    for (std::size_t i = kPageHeaderBytes; i < page.size(); ++i) {
        page[i] = static_cast<std::byte>(i * 31 + 1);
    }
    PageHeader header;
    header.page_no = page_no;
    header.flush_first = page_no;
    header.flush_pages = 1;
    header.used_bytes = kPageRoomBytes;
    seal_page(page, header);
    return page;
}

void zero_sector(Page& page, unsigned sector) {
    std::fill_n(page.begin() + sector * kSectorBytes, kSectorBytes, std::byte{0});
}

void flip_bit(Page& page, std::size_t byte) {
    page[byte] ^= std::byte{4};
}

TEST(PageCopies, TakesThePageWhenBothAreWhole) {
    const auto page = some_page();
    const auto merged = merge_copies(page, page);
    EXPECT_EQ(merged.verdict.state, PageState::valid);
    EXPECT_FALSE(merged.copies_differ);
    EXPECT_EQ(merged.bytes, page);
}

TEST(PageCopies, SurvivesAnyFlippedBitInEitherCopy) {
    const auto page = some_page();
    for (std::size_t byte = 0; byte < kPageBytes; ++byte) {
        auto rotten = page;
        flip_bit(rotten, byte);
        for (const auto& merged : {merge_copies(rotten, page), merge_copies(page, rotten)}) {
            ASSERT_EQ(merged.verdict.state, PageState::valid) << byte;
            ASSERT_TRUE(merged.copies_differ) << byte;
            ASSERT_EQ(merged.bytes, page) << byte;
        }
    }
}

TEST(PageCopies, SurvivesDamageInBothCopiesUnlessItIsInTheSamePlace) {
    const auto page = some_page();
    for (unsigned first_bad = 0; first_bad < kSectorsPerPage; ++first_bad) {
        for (unsigned second_bad = 0; second_bad < kSectorsPerPage; ++second_bad) {
            auto first = page;
            auto second = page;
            flip_bit(first, first_bad * kSectorBytes + 100);
            flip_bit(second, second_bad * kSectorBytes + 200);
            const auto merged = merge_copies(first, second);
            EXPECT_EQ(merged.verdict.state,
                      first_bad == second_bad ? PageState::damaged : PageState::valid)
                << first_bad << ' ' << second_bad;
        }
    }
}

TEST(PageCopies, PutsATornPageTogetherFromWhatEachCopyHas) {
    const auto page = some_page();
    auto first = page;
    auto second = page;
    zero_sector(first, 0);
    zero_sector(first, 3);
    zero_sector(second, 5);
    EXPECT_EQ(merge_copies(first, second).bytes, page);
    zero_sector(second, 3);
    const auto merged = merge_copies(first, second);
    EXPECT_EQ(merged.verdict.state, PageState::torn);
    EXPECT_TRUE(merged.verdict.header);
}

TEST(PageCopies, BelievesWhatACrashCanHaveLeftRatherThanRot) {
    const Page zero{};
    auto rotten = zero;
    flip_bit(rotten, 3'000);
    flip_bit(rotten, 30);
    EXPECT_EQ(merge_copies(rotten, zero).verdict.state, PageState::zero);
    EXPECT_EQ(merge_copies(zero, rotten).verdict.state, PageState::zero);

    auto torn = some_page();
    zero_sector(torn, 6);
    auto torn_and_rotten = torn;
    flip_bit(torn_and_rotten, 6 * kSectorBytes + 9);
    EXPECT_EQ(merge_copies(torn_and_rotten, torn).verdict.state, PageState::torn);
    EXPECT_EQ(merge_copies(torn, torn_and_rotten).verdict.state, PageState::torn);

    auto headless = some_page();
    zero_sector(headless, 0);
    EXPECT_EQ(merge_copies(headless, zero).bytes, headless) << "its records may still count";
    EXPECT_EQ(merge_copies(zero, headless).bytes, headless);
    EXPECT_EQ(merge_copies(headless, rotten).verdict.state, PageState::torn);
    EXPECT_EQ(merge_copies(rotten, rotten).verdict.state, PageState::damaged);
}

TEST(PageCopies, SaysWhenTwoWholePagesDiffer) {
    const auto merged = merge_copies(some_page(7), some_page(8));
    EXPECT_EQ(merged.verdict.state, PageState::valid);
    EXPECT_TRUE(merged.copies_differ);
    EXPECT_EQ(merged.bytes, some_page(7));
}

}  // namespace
}  // namespace xa_tm::recovery_log
