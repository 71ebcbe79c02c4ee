#include "transaction_table.h"

#include <gtest/gtest.h>

namespace xa_tm {
namespace {

PendingDecision pending(const std::string& gtrid) {
    return PendingDecision::fresh(
        {gtrid, {}, {{"users", "users:1", "", ""}, {"points", "points:2", "", ""}}}, 5);
}

TEST(TransactionTable, KeepsATransactionLiveUntilItLeaves) {
    TransactionTable table;
    table.enter("g");
    EXPECT_TRUE(table.snapshot().live.contains("g"));
    table.leave("g");
    EXPECT_FALSE(table.snapshot().live.contains("g"));
}

TEST(TransactionTable, TurnsALiveTransactionIntoADecisionInOneStep) {
    TransactionTable table;
    table.enter("g");
    table.hand_over(pending("g"));
    const auto snapshot = table.snapshot();
    EXPECT_FALSE(snapshot.live.contains("g"));
    EXPECT_TRUE(snapshot.decisions.contains("g"));
}

TEST(TransactionTable, GivesADecisionBackOnlyWhenItsLastBranchIsFinished) {
    TransactionTable table;
    table.hand_over(pending("g"));
    EXPECT_FALSE(table.finish("g", "users:1").has_value());
    EXPECT_FALSE(table.is_waiting_for("users"));
    EXPECT_TRUE(table.is_waiting_for("points"));
    const auto finished = table.finish("g", "points:2");
    ASSERT_TRUE(finished.has_value());
    EXPECT_EQ(finished->entry, 5U);
    EXPECT_TRUE(table.snapshot().decisions.empty());
}

TEST(TransactionTable, NeverForgetsADecisionWithAHeuristicBranch) {
    TransactionTable table;
    table.hand_over(pending("g"));
    table.mark_heuristic("g", "points:2");
    EXPECT_FALSE(table.finish("g", "users:1").has_value());
    EXPECT_TRUE(table.snapshot().decisions.contains("g"));
    EXPECT_FALSE(table.is_waiting_for("points"));
}

}  // namespace
}  // namespace xa_tm
