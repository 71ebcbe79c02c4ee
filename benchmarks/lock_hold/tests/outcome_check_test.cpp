#include "outcome_check.h"

#include <gtest/gtest.h>

namespace xa_tm::bench {
namespace {

TEST(OutcomeCheck, AcceptsExactlyWhatCommitted) {
    const Cell three{.servers = {"a"}, .branches = 3};
    EXPECT_FALSE(wrong_in({-20, 10, 10}, 10, three));
    EXPECT_TRUE(wrong_in({-18, 9, 9}, 10, three));
    EXPECT_TRUE(wrong_in({-20, 10, 9}, 10, three));
    const Cell one{.servers = {"a"}, .branches = 1};
    EXPECT_FALSE(wrong_in({10}, 10, one));
    EXPECT_TRUE(wrong_in({11}, 10, one));
}

TEST(OutcomeCheck, LetsTransactionsThatOnlyReadLeaveAllOtherBranchesAlike) {
    const Cell cell{.servers = {"a"}, .branches = 3, .read_only_share = 0.5};
    EXPECT_FALSE(wrong_in({-20, 4, 4}, 10, cell));
    EXPECT_TRUE(wrong_in({-20, 4, 5}, 10, cell));
    EXPECT_TRUE(wrong_in({-20, 11, 11}, 10, cell));
}

}  // namespace
}  // namespace xa_tm::bench
