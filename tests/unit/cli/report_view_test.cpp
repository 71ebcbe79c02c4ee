#include "report_view.h"

#include <gtest/gtest.h>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

TEST(ReportView, ExitsWith0WhenNothingIsInDoubt) {
    EXPECT_EQ(exit_code_of(calm_report()), 0);
    EXPECT_EQ(exit_code_of(resolved_report()), 0);
}

TEST(ReportView, ExitsWith1WhenSomethingIsInDoubt) {
    EXPECT_EQ(exit_code_of(decided_report()), 1);
}

TEST(ReportView, ExitsWith1ForALostLogAnd0ForForeignAndLive) {
    for (const auto& [state, code] :
         {std::pair{TransactionState::lost_log, 1}, std::pair{TransactionState::foreign, 0},
          std::pair{TransactionState::live, 0}}) {
        auto report = decided_report();
        report.transactions[0].state = state;

        EXPECT_EQ(exit_code_of(report), code) << to_string(state);
    }
}

TEST(ReportView, ExitsWith3WhenAResourceCouldNotBeRead) {
    for (auto report : {calm_report(), decided_report()}) {
        report.resources[0].is_reachable = false;

        EXPECT_EQ(exit_code_of(report), 3);
    }
}

TEST(ReportView, TellsTheActionThatWasDoneOrElseIsToBeDone) {
    EXPECT_EQ(done_or_to_do(decided_report().transactions[0]), RecoveryAction::commit);
    EXPECT_EQ(done_or_to_do(resolved_report().transactions[0]), RecoveryAction::commit);

    auto half = resolved_report().transactions[0];
    half.branches[1].state = RecoveredState::finished;
    EXPECT_EQ(done_or_to_do(half), RecoveryAction::confirm);

    half.branches[0].state = RecoveredState::rolled_back;
    half.branches[1].state = RecoveredState::rolled_back;
    EXPECT_EQ(done_or_to_do(half), RecoveryAction::rollback);
}

TEST(ReportView, FindsTheResourceThatABranchWasMadeFor) {
    auto transaction = decided_report().transactions[0];
    transaction.branches[0].resource = "listed-by-another";

    EXPECT_EQ(home_of(transaction.state, transaction.branches[0]), "points");

    transaction.state = TransactionState::foreign;
    EXPECT_EQ(home_of(transaction.state, transaction.branches[0]), "");
    transaction.state = TransactionState::presumed_abort;
    transaction.branches[0].xid.reset();
    EXPECT_EQ(home_of(transaction.state, transaction.branches[0]), "");
}

/// What the server of `resource` alone lists: kGtrid's branch that was made for `home`.
RecoveryReport alone_at(const std::string& resource, const std::string& home) {
    auto report = calm_report();
    std::erase_if(report.resources, [&](const auto& other) { return other.name != resource; });
    auto branch = branch_at(home, RecoveredState::prepared, RecoveryAction::none, "not given");
    branch.resource = resource;
    report.transactions.push_back({.gtrid = kGtrid,
                                   .state = TransactionState::commit_decided,
                                   .age = std::nullopt,
                                   .branches = {branch}});
    return report;
}

TEST(ReportView, FindsABranchThatOnlyAnotherResourcesServerLists) {
    // decided_report() has the branch of points absent at points.
    const auto alone = alone_at("users", "points");

    const auto* misplaced = find_misplaced(decided_report(), alone);

    ASSERT_NE(misplaced, nullptr);
    EXPECT_EQ(misplaced->xid->bqual, "points:1");
}

TEST(ReportView, AllowsTwoResourcesOnOneServerWhichListsTheBranchesOfBoth) {
    EXPECT_EQ(find_misplaced(decided_report(), alone_at("points", "users")), nullptr);
    EXPECT_EQ(find_misplaced(decided_report(), alone_at("users", "users")), nullptr);
}

TEST(ReportView, CannotTellWhereABranchBelongsWhileItsServerIsDown) {
    auto all = decided_report();
    all.resources[0].is_reachable = false;

    EXPECT_EQ(find_misplaced(all, alone_at("users", "points")), nullptr);
}

TEST(ReportView, PicksTheTransactionsOfOneGtrid) {
    EXPECT_EQ(only(decided_report(), kGtrid).transactions.size(), 1U);
    EXPECT_EQ(only(decided_report(), "shop-1:91b52e0c7a14d3f8:7:4").transactions.size(), 0U);
}

}  // namespace
}  // namespace xa_tm::cli
