#include "branch_history.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

constexpr int kNotInGlobalTransaction = 1399;
constexpr int kDuplicateKey = 1062;

TEST(BranchHistory, LetsABranchBePreparedWhoseStatementsFailedWhole) {
    BranchHistory history;
    history.add_lent_statement(0);
    history.add_lent_statement(kDuplicateKey);
    const Reply refused{.error = kDuplicateKey};
    history.add_refused({&refused, 1});
    EXPECT_EQ(history.why_rollback_only(), "");
}

TEST(BranchHistory, ForbidsToPrepareAfterAStatementThatEndsTransactions) {
    BranchHistory lent;
    lent.add_lent_statement(kNotInGlobalTransaction);
    EXPECT_NE(lent.why_rollback_only(), "");

    BranchHistory sent;
    const Reply refused{.error = kNotInGlobalTransaction};
    sent.add_refused({&refused, 1});
    EXPECT_EQ(sent.why_rollback_only(), lent.why_rollback_only());
}

TEST(BranchHistory, ForbidsToPrepareWhatWasCarriedOutInPart) {
    BranchHistory partial;
    const std::vector<Reply> results{{.is_ok = true}, {.error = kDuplicateKey}};
    partial.add_refused(results);
    EXPECT_NE(partial.why_rollback_only(), "");

    BranchHistory swallowing;
    swallowing.add_swallowing();
    EXPECT_NE(swallowing.why_rollback_only(), "");
}

TEST(BranchHistory, KeepsTheFirstReasonThatALentSessionGave) {
    BranchHistory history;
    history.add_swallowing();
    const auto why = history.why_rollback_only();
    history.add_lent_statement(kNotInGlobalTransaction);
    EXPECT_EQ(history.why_rollback_only(), why);
}

TEST(BranchHistory, RemembersAChangeThatCanNotBeRolledBack) {
    BranchHistory history;
    history.add_state("T_______");
    EXPECT_EQ(history.caveat(), "");
    history.add_state("T__w____");
    history.add_state("");
    EXPECT_EQ(history.caveat(), kChangedForGood);
}

}  // namespace
}  // namespace xa_tm::mysql
