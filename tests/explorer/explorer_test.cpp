// Every order of votes, answers, losses and crashes of one transaction, with recovery beside it:
// the product's own decisions against a world that does what it likes. The last tests take one
// guard away each, to see that the explorer would have noticed.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exploration.h"

namespace xa_tm::explorer {
namespace {

using testing::HasSubstr;

void expect_that_no_law_is_broken(const Setup& setup, std::size_t states_min) {
    const auto found = explore(setup);
    fmt::print("{} branches, {} crashes: {} states, {} transitions, {} settled\n", setup.branches,
               setup.crashes, found.states, found.transitions, found.settled);
    EXPECT_EQ(found.violation, "") << fmt::format("{}", fmt::join(found.trace, "\n"));
    EXPECT_GT(found.settled, 0U);
    // A world in which nothing goes wrong any more would satisfy every law.
    EXPECT_GE(found.states, states_min);
}

TEST(Explorer, FindsNoLawBrokenWithOneBranch) {
    expect_that_no_law_is_broken({.branches = 1}, 100);
}

TEST(Explorer, FindsNoLawBrokenWithTwoBranches) {
    expect_that_no_law_is_broken({.branches = 2}, 10'000);
}

TEST(Explorer, FindsNoLawBrokenWhereOneOfTwoKeepsBranchesWithTheirSessions) {
    expect_that_no_law_is_broken({.branches = 2, .first_attaching = 1}, 10'000);
}

TEST(Explorer, FindsNoLawBrokenWithThreeBranches) {
    expect_that_no_law_is_broken({.branches = 3}, 4'000'000);
}

TEST(Explorer, FindsNoLawBrokenWhereOneOfThreeKeepsBranchesWithTheirSessions) {
    expect_that_no_law_is_broken(
        {.branches = 3, .first_attaching = 2, .recovers_side_by_side = false}, 700'000);
}

TEST(Explorer, FindsNoLawBrokenWithALastResource) {
    expect_that_no_law_is_broken({.branches = 2, .has_last_resource = true}, 10'000);
}

TEST(Explorer, FindsNoLawBrokenWithALastResourceWhereTheOtherKeepsBranchesWithTheirSessions) {
    expect_that_no_law_is_broken({.branches = 2, .first_attaching = 0, .has_last_resource = true},
                                 10'000);
}

TEST(Explorer, FindsNoLawBrokenWithALastResourceAndTwoOthers) {
    expect_that_no_law_is_broken(
        {.branches = 3, .has_last_resource = true, .recovers_side_by_side = false}, 400'000);
}

TEST(Explorer, FindsNoLawBrokenWhereTwoMembersAreCombined) {
    expect_that_no_law_is_broken({.branches = 2, .members = 2}, 10'000);
}

TEST(Explorer, FindsNoLawBrokenWhereThreeMembersAreCombined) {
    expect_that_no_law_is_broken(
        {.branches = 2, .first_attaching = 1, .members = 3, .recovers_side_by_side = false},
        10'000);
}

TEST(Explorer, FindsNoLawBrokenWhereMembersAreCombinedAtALastResource) {
    expect_that_no_law_is_broken({.branches = 2,
                                  .crashes = 1,
                                  .has_last_resource = true,
                                  .members = 2,
                                  .recovers_side_by_side = false},
                                 10'000);
}

void expect_that_it_is_noticed(const Setup& setup, std::string_view law) {
    const auto found = explore(setup);
    EXPECT_THAT(found.violation, HasSubstr(law));
    EXPECT_FALSE(found.trace.empty());
    fmt::print("{}:\n{}\n", found.violation, fmt::join(found.trace, "\n"));
}

TEST(ExplorerNotices, ACommitBeforeTheDecisionIsDurable) {
    expect_that_it_is_noticed({.waits_for_force = false}, "law 2");
}

TEST(ExplorerNotices, AJudgementByOneList) {
    expect_that_it_is_noticed({.judges_by_both_lists = false}, "law 5");
}

TEST(ExplorerNotices, ARecoveryThatDoesNotKnowWhatIsLive) {
    expect_that_it_is_noticed({.reads_live_set = false}, "law 5");
}

TEST(ExplorerNotices, ARecoveryThatDoesNotKnowWhatIsDecided) {
    expect_that_it_is_noticed({.reads_decisions = false}, "law 5");
}

TEST(ExplorerNotices, ADecisionThatIsForgottenTooEarly) {
    expect_that_it_is_noticed({.forgets_last = false}, "law 6");
}

TEST(ExplorerNotices, ALostAnswerThatIsTakenForAGoodOne) {
    expect_that_it_is_noticed({.takes_silence_for_unknown = false}, "law");
}

TEST(ExplorerNotices, AnIncarnationThatGoesOnAfterAFailedForce) {
    expect_that_it_is_noticed({.stops_after_failed_force = false}, "law");
}

TEST(ExplorerNotices, AnAbortThatIsPresumedBeforeTheRowsAreRead) {
    expect_that_it_is_noticed({.has_last_resource = true, .waits_for_rows = false}, "law");
}

TEST(ExplorerNotices, RowsThatAreReadWhileASessionMayStillCommitOne) {
    expect_that_it_is_noticed({.has_last_resource = true, .ends_sessions_before_rows = false},
                              "law");
}

TEST(ExplorerNotices, AFailedMemberThatIsUndoneInOneBranchOnly) {
    expect_that_it_is_noticed({.members = 2, .undoes_in_every_branch = false}, "law 11");
}

TEST(ExplorerNotices, ARowThatIsRemovedTooEarly) {
    expect_that_it_is_noticed({.has_last_resource = true, .keeps_rows_to_the_end = false}, "law");
}

}  // namespace
}  // namespace xa_tm::explorer
