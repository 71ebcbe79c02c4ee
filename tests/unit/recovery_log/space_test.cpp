#include "space.h"

#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

Promised promised_entries(std::size_t count, std::size_t body_bytes) {
    Promised promised;
    for (std::size_t i = 0; i < count; ++i) {
        promised = promised.with_entry(body_bytes);
    }
    return promised;
}

TEST(Space, PromisesAPageForEachEntryBecauseEachMayBeAFlushByItself) {
    EXPECT_TRUE(holds(promised_entries(10, 200), 10, 0));
    EXPECT_FALSE(holds(promised_entries(11, 200), 10, 0));
}

TEST(Space, CountsTheSpareLessTheCheckpointThatItStartsWith) {
    const auto promised = promised_entries(20, 200);
    const auto needed = promised.checkpoint_pages_max() + promised.longest_entry_pages + 10;
    EXPECT_TRUE(holds(promised, 10, needed));
    EXPECT_FALSE(holds(promised, 10, needed - 1));
}

TEST(Space, ExpectsALongEntryNotToFitInTheRestOfASegment) {
    auto promised = promised_entries(10, 200).with_entry(kEntryBytesMax);
    EXPECT_EQ(promised.longest_entry_pages, pages_for(kEntryBytesMax));
    const auto needed =
        promised.pages + pages_for(kEntryBytesMax) + promised.checkpoint_pages_max();
    EXPECT_TRUE(holds(promised, 12, needed - 12));
    EXPECT_FALSE(holds(promised, 12, needed - 13));
}

TEST(Space, KeepsItsPromisesInTheSpareThatItAsksFor) {
    for (const std::size_t entries : {std::size_t{0}, std::size_t{1}, std::size_t{10'000}}) {
        const auto promised = promised_entries(entries, 300);
        EXPECT_TRUE(holds(promised, 0, spare_pages_wanted(promised, 16))) << entries;
    }
    EXPECT_EQ(spare_pages_wanted(promised_entries(1, 300), 16'384), 16'384U);
}

TEST(Space, LimitsTheLiveEntriesToOneCheckpoint) {
    EXPECT_TRUE(promised_entries(1'000'000, 200).fits_a_checkpoint());
    EXPECT_FALSE(promised_entries(2'000'000, 200).fits_a_checkpoint());
}

}  // namespace
}  // namespace xa_tm::recovery_log
