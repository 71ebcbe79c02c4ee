#include "transaction_table.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "global_id.h"

namespace xa_tm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

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
    EXPECT_THAT(table.finish("g", "users:1"), IsEmpty());
    EXPECT_THAT(table.waiting_for("users"), IsEmpty());
    EXPECT_THAT(table.waiting_for("points"), ElementsAre(Pair("g", "points:2")));
    EXPECT_THAT(table.finish("g", "points:2"), ElementsAre(5U));
    EXPECT_TRUE(table.snapshot().decisions.empty());
}

TEST(TransactionTable, NeverForgetsADecisionWithAHeuristicBranch) {
    TransactionTable table;
    table.hand_over(pending("g"));
    table.add({Heuristic{"g", "points:2", XaCode::heurrb}, 6});
    EXPECT_THAT(table.finish("g", "users:1"), IsEmpty());
    EXPECT_TRUE(table.snapshot().decisions.contains("g"));
    EXPECT_THAT(table.waiting_for("points"), IsEmpty());
}

TEST(TransactionTable, ForgetsHeuristicsWithTheirDecisionOnlyWhenNoBranchIsOpen) {
    TransactionTable table;
    table.hand_over(pending("g"));
    table.add({Heuristic{"g", "points:2", XaCode::heurrb}, 6});
    EXPECT_EQ(table.forget("g"), std::nullopt);
    EXPECT_EQ(table.snapshot().heuristics.size(), 1U);
    static_cast<void>(table.finish("g", "users:1"));
    EXPECT_THAT(table.forget("g").value(), ElementsAre(6U, 5U));
    EXPECT_TRUE(table.snapshot().decisions.empty());
    EXPECT_TRUE(table.snapshot().heuristics.empty());
}

TEST(TransactionTable, ForgetsOnlyTheHeuristicsOfOneTransaction) {
    TransactionTable table;
    table.add({Heuristic{"g", "users:1", XaCode::heurmix}, 1});
    table.add({Heuristic{"g", "points:2", XaCode::heurhaz}, 2});
    table.add({Heuristic{"g2", "users:1", XaCode::heurmix}, 3});
    EXPECT_THAT(table.forget("g").value(), UnorderedElementsAre(1U, 2U));
    EXPECT_EQ(table.counts().heuristics, 1U);
}

TEST(TransactionTable, TakesAHazardThatProvedToBeNoneOutOfTheLog) {
    TransactionTable table;
    table.hand_over(pending("g"));
    table.add({Heuristic{"g", "points:2", XaCode::heurhaz}, 6});
    EXPECT_THAT(table.finish("g", "points:2"), ElementsAre(6U));
    EXPECT_THAT(table.finish("g", "users:1"), ElementsAre(5U));
}

TEST(TransactionTable, MarksTheHeuristicBranchesOfALoadedLog) {
    TransactionTable table;
    LoggedState logged;
    logged.decisions = {pending("g")};
    logged.decisions[0].progress[1] = PendingDecision::Progress::heuristic;
    logged.heuristics = {{Heuristic{"g", "points:2", XaCode::heurrb}, 6}};
    logged.log_doubts = {{LogDoubt{"too old"}, 7}};
    EXPECT_THAT(table.load(std::move(logged)), IsEmpty());
    EXPECT_EQ(table.log_doubt(), "too old");
    EXPECT_EQ(table.counts().open_decisions, 1U);
    static_cast<void>(table.finish("g", "users:1"));
    EXPECT_EQ(table.counts().open_decisions, 0U);
    EXPECT_THAT(table.forget("g").value(), ElementsAre(6U, 5U));
}

TEST(TransactionTable, KeepsOneSightingAServerAndGivesTheEntryOfTheOneBefore) {
    TransactionTable table;
    EXPECT_EQ(table.note({{"users", "a", {"1", 10}}, 1}), std::nullopt);
    EXPECT_EQ(table.note({{"users", "b", {"1", 5}}, 2}), std::nullopt);
    EXPECT_EQ(table.note({{"points", "a", {"1", 7}}, 3}), std::nullopt);
    EXPECT_EQ(table.note({{"users", "a", {"1", 20}}, 4}), 1U);
    const auto sightings = table.snapshot().sightings;
    ASSERT_EQ(sightings.size(), 3U);
    EXPECT_EQ(sightings.back().record.position.flushed, 20U);
    EXPECT_EQ(sightings.back().entry, 4U);
}

TEST(TransactionTable, LoadsTheLaterOfTwoRecordsOfOneThing) {
    TransactionTable table;
    LoggedState logged;
    logged.sightings = {{{"users", "a", {"1", 10}}, 1}, {{"users", "a", {"1", 20}}, 4}};
    logged.heuristics = {{Heuristic{"g", "users:1", XaCode::heurhaz}, 2},
                         {Heuristic{"g", "users:1", XaCode::heurrb}, 3}};
    EXPECT_THAT(table.load(std::move(logged)), UnorderedElementsAre(1U, 2U));
    const auto known = table.snapshot();
    ASSERT_EQ(known.sightings.size(), 1U);
    EXPECT_EQ(known.sightings[0].record.position.flushed, 20U);
    EXPECT_EQ(known.heuristics.at({"g", "users:1"}).record.code, XaCode::heurrb);
}

TEST(TransactionTable, PutsTheServerThatWasSeenLastBehindTheOthers) {
    TransactionTable table;
    table.note({{"users", "a", {"1", 10}}, 1});
    table.note({{"users", "b", {"1", 5}}, 2});
    EXPECT_EQ(table.note({{"users", "a", {"1", 11}}, 3}), 1U);
    EXPECT_EQ(table.snapshot().sightings.back().record.server, "a");
}

TEST(TransactionTable, WritesADoubtOnceThatTheLogHadRefused) {
    TransactionTable table;
    EXPECT_TRUE(table.add({ServerDoubt{"users", "a", 3, 0, "w"}, std::nullopt}));
    EXPECT_FALSE(table.add({ServerDoubt{"users", "a", 3, 0, "w"}, 7}));
    ASSERT_EQ(table.snapshot().server_doubts.size(), 1U);
    EXPECT_EQ(table.snapshot().server_doubts[0].entry, 7U);
    EXPECT_TRUE(table.add(LogDoubt{"old"}, false));
    EXPECT_FALSE(table.snapshot().is_log_doubt_in_log);
    EXPECT_FALSE(table.add(LogDoubt{"old"}, true));
    EXPECT_TRUE(table.snapshot().is_log_doubt_in_log);
}

TEST(TransactionTable, KeepsTheEntryOfAHeuristicWhoseSuccessorTheLogRefused) {
    TransactionTable table;
    EXPECT_EQ(table.add({Heuristic{"g", "users:1", XaCode::heurhaz}, 2}), std::nullopt);
    EXPECT_EQ(table.add({Heuristic{"g", "users:1", XaCode::heurrb}, std::nullopt}), std::nullopt);
    EXPECT_EQ(table.add({Heuristic{"g", "users:1", XaCode::heurrb}, 5}), 2U);
}

TEST(TransactionTable, DropsTheDoubtsThatNothingDependsOn) {
    TransactionTable table;
    table.add({ServerDoubt{"users", "a", 3, 0, "w"}, 1});
    table.add({ServerDoubt{"users", "a", 5, 0, "w"}, 2});
    table.add({ServerDoubt{"users", "b", 3, 0, "w"}, 3});
    table.add({ServerDoubt{"points", "a", 3, 0, "w"}, 4});
    EXPECT_THAT(table.drop_doubts("users", "a", 4), ElementsAre(1U));
    EXPECT_EQ(table.snapshot().server_doubts.size(), 3U);
}

TEST(TransactionTable, WaitsUntilNoTransactionIsLive) {
    TransactionTable table;
    table.enter("g");
    EXPECT_FALSE(table.wait_until_none_is_live(std::chrono::steady_clock::now()));
    std::thread other{[&] { table.leave("g"); }};
    EXPECT_TRUE(
        table.wait_until_none_is_live(std::chrono::steady_clock::now() + std::chrono::minutes{1}));
    other.join();
}

constexpr std::uint32_t kIncarnation = 5;

std::string gtrid_of(std::uint32_t incarnation, std::uint64_t sequence = 1) {
    return to_gtrid({"tm1", recovery_log::LogId{7}, incarnation, sequence});
}

Decision row_of(const std::string& gtrid) {
    return {gtrid, {}, {{"users", "users:1:last", "", ""}}};
}

TEST(TransactionTable, TakesTheRowsThatEarlierIncarnationsHaveLeftForDecisions) {
    TransactionTable table;
    EXPECT_TRUE(table.add_last_resource("bank"));
    EXPECT_FALSE(table.add_last_resource("bank"));
    EXPECT_THAT(table.snapshot().last_resources, ElementsAre(Pair("bank", false)));
    table.settle_by_rows("bank", {row_of(gtrid_of(4))}, {}, kIncarnation);
    EXPECT_THAT(table.snapshot().last_resources, ElementsAre(Pair("bank", true)));
    EXPECT_THAT(table.waiting_for("users"), ElementsAre(Pair(gtrid_of(4), "users:1:last")));
}

TEST(TransactionTable, LeavesTheRowsOfItsOwnTransactionsToThem) {
    TransactionTable table;
    table.enter(gtrid_of(kIncarnation));
    table.settle_by_rows("bank", {row_of(gtrid_of(kIncarnation))}, {}, kIncarnation);
    EXPECT_TRUE(table.snapshot().decisions.empty());
}

// Trap 38.
TEST(TransactionTable, LearnsFromTheRowHowATransactionWasDecidedWhoseLastResourceDidNotAnswer) {
    TransactionTable table;
    const auto committed = gtrid_of(kIncarnation, 1);
    const auto lost = gtrid_of(kIncarnation, 2);
    const auto later = gtrid_of(kIncarnation, 3);
    for (const auto& gtrid : {committed, lost}) {
        table.enter(gtrid);
        table.wait_for_row(gtrid, "bank");
        EXPECT_FALSE(table.snapshot().live.contains(gtrid));
    }
    const auto waited_for = table.waiting_for_rows_of("bank");
    EXPECT_THAT(waited_for, UnorderedElementsAre(committed, lost));
    table.wait_for_row(later, "bank");  // its session has not been seen to have ended
    table.settle_by_rows("bank", {row_of(committed)}, waited_for, kIncarnation);
    const auto snapshot = table.snapshot();
    EXPECT_TRUE(snapshot.decisions.contains(committed));
    EXPECT_FALSE(snapshot.decisions.contains(lost));
    EXPECT_THAT(snapshot.waiting_for_row, ElementsAre(Pair(later, "bank")));
    EXPECT_EQ(table.counts().waiting_for_row, 1U);
}

TEST(TransactionTable, GivesARowBackOnlyWhenTheLastBranchIsFinished) {
    TransactionTable table;
    const auto gtrid = gtrid_of(4);
    table.settle_by_rows("bank", {row_of(gtrid)}, {}, kIncarnation);
    EXPECT_THAT(table.take_needless_rows("bank", 10), IsEmpty());
    EXPECT_THAT(table.finish(gtrid, "users:1:last"), IsEmpty()) << "it had no entry in the log";
    EXPECT_THAT(table.take_needless_rows("users", 10), IsEmpty());
    EXPECT_THAT(table.take_needless_rows("bank", 10), ElementsAre(gtrid));
    EXPECT_THAT(table.take_needless_rows("bank", 10), IsEmpty());
}

// Trap 37.
TEST(TransactionTable, LearnsFromItsRowWhatBecameOfAnOnlyBranch) {
    TransactionTable table;
    const auto committed = gtrid_of(kIncarnation, 1);
    const auto lost = gtrid_of(kIncarnation, 2);
    const auto first = table.wait_for_row(committed, "bank");
    const auto second = table.wait_for_row(lost, "bank");
    table.settle_by_rows("bank", {{committed, {}, {}}, {gtrid_of(4), {}, {}}},
                         table.waiting_for_rows_of("bank"), kIncarnation);
    EXPECT_EQ(first->is_committed(), true);
    EXPECT_EQ(second->is_committed(), false);
    EXPECT_TRUE(table.snapshot().decisions.empty()) << "no branch is left to commit";
    EXPECT_THAT(table.take_needless_rows("bank", 10), UnorderedElementsAre(committed, gtrid_of(4)));
}

TEST(TransactionTable, GivesNeedlessRowsInBatchesAndTakesThemBack) {
    TransactionTable table;
    table.add_needless_row("bank", "a");
    table.add_needless_row("bank", "b");
    table.add_needless_row("bank", "c");
    EXPECT_THAT(table.take_needless_rows("bank", 2), UnorderedElementsAre("b", "c"));
    table.add_needless_row("bank", "b");
    EXPECT_THAT(table.take_needless_rows("bank", 2), UnorderedElementsAre("a", "b"));
}

TEST(TransactionTable, KeepsWhatTheLogSaysOfADecisionThatIsARowAsWell) {
    TransactionTable table;
    const auto gtrid = gtrid_of(4);
    auto logged = PendingDecision::fresh(row_of(gtrid), 5);
    table.hand_over(std::move(logged));
    table.settle_by_rows("bank", {row_of(gtrid)}, {}, kIncarnation);
    EXPECT_THAT(table.finish(gtrid, "users:1:last"), ElementsAre(5U));
    EXPECT_THAT(table.take_needless_rows("bank", 10), ElementsAre(gtrid));
}

Decision witnessed(const std::string& gtrid, std::string evidence = "w1") {
    return {gtrid,
            {},
            {{"users", "users:1", "", std::move(evidence)}, {"points", "points:2", "", "other"}}};
}

TEST(TransactionTable, GivesWitnessRowsBackOfResourcesThatLeaveThem) {
    TransactionTable table;
    table.add_witness_resource("users");
    table.leave(PendingDecision::fresh(witnessed("a"), std::nullopt));
    table.leave(PendingDecision::fresh(witnessed("b", ""), std::nullopt));
    EXPECT_THAT(table.take_needless_witnesses("points", 10), IsEmpty());
    EXPECT_THAT(table.take_needless_witnesses("users", 10), ElementsAre("w1"));
    EXPECT_THAT(table.take_needless_witnesses("users", 10), IsEmpty());
    table.add_needless_witness("users", "w1");
    EXPECT_THAT(table.take_needless_witnesses("users", 10), ElementsAre("w1"));
}

TEST(TransactionTable, GivesWitnessRowsBackWithTheDecisionThatIsFinishedOrForgotten) {
    TransactionTable table;
    table.add_witness_resource("users");
    table.hand_over(PendingDecision::fresh(witnessed("g"), 5));
    std::ignore = table.finish("g", "users:1");
    EXPECT_THAT(table.take_needless_witnesses("users", 10), IsEmpty());
    std::ignore = table.finish("g", "points:2");
    EXPECT_THAT(table.take_needless_witnesses("users", 10), ElementsAre("w1"));

    table.hand_over(PendingDecision::fresh(witnessed("h", "w2"), 6));
    std::ignore = table.finish("h", "users:1");
    table.add({Heuristic{"h", "points:2", XaCode::heurrb}, 7});
    std::ignore = table.forget("h");
    EXPECT_THAT(table.take_needless_witnesses("users", 10), ElementsAre("w2"));
}

TEST(TransactionTable, GivesNoWitnessRowBackWhileADecisionWaitsForABranchThere) {
    TransactionTable table;
    table.add_witness_resource("users");
    table.leave(PendingDecision::fresh(witnessed("done"), std::nullopt));
    table.hand_over(PendingDecision::fresh(witnessed("open", "w2"), 5));
    EXPECT_THAT(table.take_needless_witnesses("users", 10), IsEmpty());
    table.add({Heuristic{"open", "users:1", XaCode::heurrb}, 6});
    EXPECT_THAT(table.take_needless_witnesses("users", 10), ElementsAre("w1"));
}

TEST(TransactionTable, TakesOfTheWitnessRowsThatAreThereWhatEarlierIncarnationsHaveLeft) {
    TransactionTable table;
    table.add_witness_resource("users");
    auto decided = PendingDecision::fresh(witnessed(gtrid_of(4, 2)), 5);
    table.hand_over(std::move(decided));
    table.add({Heuristic{gtrid_of(4, 2), "users:1", XaCode::heurrb}, 6});
    table.add_left_witnesses("users",
                             {{gtrid_of(4, 1), "left"},
                              {gtrid_of(4, 2), "of a decision"},
                              {gtrid_of(kIncarnation), "of this process"},
                              {"no gtrid of ours", "unknown"}},
                             kIncarnation);
    EXPECT_THAT(table.take_needless_witnesses("users", 10), ElementsAre("left"));
}

}  // namespace
}  // namespace xa_tm
