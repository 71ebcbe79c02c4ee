#include "recovery_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "global_id.h"

namespace xa_tm {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const recovery_log::LogId kLog{0x9f2c4e0d11a0b3c7};
const recovery_log::LogId kOtherLog{0x9f2c4e0d11a0b3c8};
constexpr std::uint32_t kIncarnation = 5;

Xid xid_of(const GlobalId& id, const BranchId& branch = {"users", 1}) {
    return {kFormatId, to_gtrid(id), to_bqual(branch)};
}

GlobalId of_incarnation(std::uint32_t incarnation) {
    return {"tm1", kLog, incarnation, 41};
}

ListedBranch listed(const Xid& xid) {
    return {.xid = xid, .name = xid.gtrid + "/" + xid.bqual};
}

PlanInput input_with(std::vector<ListedBranch> prepared, LogView view = LogView::owner) {
    return {.view = view,
            .node = "tm1",
            .log = kLog,
            .incarnation = kIncarnation,
            .sequences_issued = 41,
            .resource = "users",
            .resources = {"users", "points"},
            .server = "server-1",
            .before = prepared,
            .known = {},
            .after = prepared};
}

void decide(PlanInput& input, const std::string& gtrid) {
    input.known.decisions.emplace(
        gtrid, PendingDecision::fresh(
                   {gtrid, {}, {{"users", "users:1", "", ""}, {"points", "points:2", "", ""}}}, 1));
}

/// The log has it that this branch did not end as decided, concluded from this server.
void keep_heuristic(PlanInput& input, const Xid& xid, XaCode code, const std::string& server) {
    input.known.heuristics.insert_or_assign(
        {xid.gtrid, xid.bqual},
        Kept<Heuristic>{{xid.gtrid, xid.bqual, code, "users", {}, "it was so", server}, 9});
}

constexpr recovery_log::EntryId kDoubtEntry = 5;

void doubt_server(PlanInput& input, const std::string& server,
                  std::uint32_t incarnation = kIncarnation - 1, std::uint64_t sequence = 1000) {
    input.known.server_doubts = {
        {ServerDoubt{"users", server, incarnation, sequence, "the server was put back"},
         kDoubtEntry}};
}

PlannedBranch only_branch(const PlanInput& input) {
    const auto plan = plan_recovery(input);
    EXPECT_THAT(plan, SizeIs(1));
    return plan.empty() ? PlannedBranch{} : plan.front();
}

void expect_judged(const PlanInput& input, TransactionState state, RecoveryAction action) {
    const auto branch = only_branch(input);
    EXPECT_EQ(branch.state, state) << branch.reason;
    EXPECT_EQ(branch.action, action) << branch.reason;
    EXPECT_FALSE(branch.reason.empty());
}

TEST(RecoveryPlan, CommitsWhatTheLogHasDecided) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({listed(xid)});
    decide(input, xid.gtrid);
    for (const auto view : {LogView::owner, LogView::beside_the_owner, LogView::ownerless}) {
        input.view = view;
        expect_judged(input, TransactionState::commit_decided, RecoveryAction::commit);
    }
}

TEST(RecoveryPlan, PresumesAbortWhenNoDecisionIsLoggedAndTheIncarnationHasEnded) {
    const auto input = input_with({listed(xid_of(of_incarnation(4)))});
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
}

TEST(RecoveryPlan, Trap01NeverRollsBackATransactionThatMayStillCommit) {
    const auto xid = xid_of(of_incarnation(kIncarnation));
    auto input = input_with({listed(xid)});
    input.known.live.insert(xid.gtrid);
    expect_judged(input, TransactionState::live, RecoveryAction::none);
    // Even a decision is the live transaction's own to carry out.
    decide(input, xid.gtrid);
    expect_judged(input, TransactionState::live, RecoveryAction::none);
    // From outside, everything of the owner's incarnation may be live.
    expect_judged(input_with({listed(xid)}, LogView::beside_the_owner), TransactionState::live,
                  RecoveryAction::none);
}

TEST(RecoveryPlan, RollsBackWhatThisProcessHasItselfAborted) {
    expect_judged(input_with({listed(xid_of(of_incarnation(kIncarnation)))}),
                  TransactionState::presumed_abort, RecoveryAction::rollback);
}

TEST(RecoveryPlan, RollsBackTheLastIncarnationWhenNobodyOwnsTheLog) {
    expect_judged(input_with({listed(xid_of(of_incarnation(kIncarnation)))}, LogView::ownerless),
                  TransactionState::presumed_abort, RecoveryAction::rollback);
}

TEST(RecoveryPlan, Trap02JudgesOnlyWhatStandsInBothLists) {
    const auto branch = listed(xid_of(of_incarnation(4)));
    auto input = input_with({branch});
    input.after.clear();  // committed and forgotten in between
    EXPECT_THAT(plan_recovery(input), IsEmpty());
    input = input_with({branch});
    input.before.clear();  // prepared in between
    EXPECT_THAT(plan_recovery(input), IsEmpty());
}

TEST(RecoveryPlan, Trap11TakesNodeAndLogExactlyAndNeverByPrefix) {
    expect_judged(input_with({listed(xid_of({"tm10", kOtherLog, 1, 1}))}),
                  TransactionState::foreign, RecoveryAction::none);
    expect_judged(input_with({listed(xid_of({"tm", kOtherLog, 1, 1}))}), TransactionState::foreign,
                  RecoveryAction::none);
}

TEST(RecoveryPlan, ShowsBranchesOfALostLogAndNeverTouchesThem) {
    expect_judged(input_with({listed(xid_of({"tm1", kOtherLog, 1, 1}))}),
                  TransactionState::lost_log, RecoveryAction::none);
}

TEST(RecoveryPlan, TakesAnIncarnationFromTheFutureForALogRestoredFromAnOldCopy) {
    for (const auto view : {LogView::owner, LogView::beside_the_owner, LogView::ownerless}) {
        expect_judged(input_with({listed(xid_of(of_incarnation(kIncarnation + 1)))}, view),
                      TransactionState::lost_log, RecoveryAction::none);
    }
}

TEST(RecoveryPlan, PresumesNothingForIncarnationsWhoseDecisionsMayBeLost) {
    for (const auto view : {LogView::owner, LogView::beside_the_owner, LogView::ownerless}) {
        auto input = input_with({listed(xid_of(of_incarnation(2)))}, view);
        input.quarantined_through = 2;
        expect_judged(input, TransactionState::quarantined, RecoveryAction::none);
        input.quarantined_through = 1;
        expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
    }
}

TEST(RecoveryPlan, Trap15NeverTouchesForeignXids) {
    const auto ours = xid_of(of_incarnation(1));
    for (const auto& xid : {Xid{1, ours.gtrid, ours.bqual}, Xid{-1, "a", "b"},
                            Xid{4294967296, ours.gtrid, ours.bqual},
                            Xid{kFormatId, std::string(64, '\0'), std::string(64, '\'')},
                            Xid{kFormatId, ours.gtrid, ""},
                            Xid{kFormatId, ours.gtrid + " ", ours.bqual}, Xid{kFormatId, "", ""}}) {
        expect_judged(input_with({listed(xid)}), TransactionState::foreign, RecoveryAction::none);
    }
    expect_judged(input_with({{.xid = std::nullopt, .name = "free-form"}}),
                  TransactionState::foreign, RecoveryAction::none);
}

TEST(RecoveryPlan, LeavesABranchOfAnotherConfiguredResourceToThatOne) {
    EXPECT_THAT(plan_recovery(input_with({listed(xid_of(of_incarnation(1), {"points", 2}))})),
                IsEmpty());
}

TEST(RecoveryPlan, ShowsABranchOfAResourceThatIsNotConfigured) {
    const auto input = input_with({listed(xid_of(of_incarnation(1), {"bank", 2}))});
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::none);
    EXPECT_THAT(only_branch(input).reason, testing::HasSubstr("bank"));
}

TEST(RecoveryPlan, DoesNotTouchABranchThatTheDecisionDoesNotName) {
    const auto xid = xid_of(of_incarnation(3), {"users", 9});
    auto input = input_with({listed(xid)});
    decide(input, xid.gtrid);
    const auto plan = plan_recovery(input);
    ASSERT_THAT(plan, SizeIs(2));
    EXPECT_EQ(plan[0].action, RecoveryAction::none);
}

TEST(RecoveryPlan, Trap23ConfirmsADecidedBranchThatIsNoLongerListed) {
    auto input = input_with({});
    decide(input, to_gtrid(of_incarnation(3)));
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::confirm);
    EXPECT_EQ(only_branch(input).listed.xid->bqual, "users:1");
}

TEST(RecoveryPlan, ConcludesNothingFromTheSilenceOfAnotherServer) {
    auto input = input_with({});
    const auto gtrid = to_gtrid(of_incarnation(3));
    decide(input, gtrid);
    input.known.decisions.at(gtrid).decision.branches[0].server = "server-2";
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::none);
    EXPECT_EQ(only_branch(input).seen, RecoveredState::heuristic);
    EXPECT_EQ(only_branch(input).heuristic, XaCode::heurhaz);
    EXPECT_TRUE(only_branch(input).is_finding);
    EXPECT_THAT(only_branch(input).reason,
                testing::AllOf(testing::HasSubstr("server-1"), testing::HasSubstr("server-2")));
    input.known.decisions.at(gtrid).decision.branches[0].server = "server-1";
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::confirm);
}

TEST(RecoveryPlan, ConcludesNothingFromABranchInOneListOnly) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({listed(xid)});
    decide(input, xid.gtrid);
    input.after.clear();
    EXPECT_THAT(plan_recovery(input), IsEmpty());
}

TEST(RecoveryPlan, AsksNoMoreForABranchThatIsFinished) {
    auto input = input_with({});
    const auto gtrid = to_gtrid(of_incarnation(3));
    decide(input, gtrid);
    input.known.decisions.at(gtrid).progress[0] = PendingDecision::Progress::finished;
    EXPECT_THAT(plan_recovery(input), IsEmpty());
}

TEST(RecoveryPlan, LeavesAHeuristicToAPerson) {
    const auto xid = xid_of(of_incarnation(3));
    for (const bool is_listed : {true, false}) {
        auto input = input_with(is_listed ? std::vector{listed(xid)} : std::vector<ListedBranch>{});
        decide(input, xid.gtrid);
        for (const auto code : {XaCode::heurrb, XaCode::heurmix}) {
            keep_heuristic(input, xid, code, "server-1");
            expect_judged(input, TransactionState::commit_decided, RecoveryAction::none);
            EXPECT_EQ(only_branch(input).seen, RecoveredState::heuristic);
            EXPECT_EQ(only_branch(input).heuristic, code);
            EXPECT_FALSE(only_branch(input).is_finding);
        }
    }
}

TEST(RecoveryPlan, HoldsOnToAHazardWhileNothingNewIsKnown) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({});
    decide(input, xid.gtrid);
    input.known.decisions.at(xid.gtrid).decision.branches[0].server = "server-1";
    keep_heuristic(input, xid, XaCode::heurhaz, "server-1");
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::none);
    EXPECT_EQ(only_branch(input).seen, RecoveredState::heuristic);
    input.server = "server-2";
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::none);
    EXPECT_FALSE(only_branch(input).is_finding);
    // Its own server answers at last, but was put back meanwhile.
    keep_heuristic(input, xid, XaCode::heurhaz, "server-2");
    input.server = "server-1";
    doubt_server(input, "server-1");
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::none);
    EXPECT_EQ(only_branch(input).seen, RecoveredState::heuristic);
    EXPECT_FALSE(only_branch(input).is_finding);
}

TEST(RecoveryPlan, TakesAHazardBackWhenTheBranchsOwnServerAnswersAtLast) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({});
    decide(input, xid.gtrid);
    input.known.decisions.at(xid.gtrid).decision.branches[0].server = "server-1";
    keep_heuristic(input, xid, XaCode::heurhaz, "server-2");
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::confirm);
    input.before = input.after = {listed(xid)};
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::commit);
}

TEST(RecoveryPlan, TakesAHazardBackWhenTheBranchIsPreparedAfterAll) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({listed(xid)});
    decide(input, xid.gtrid);
    keep_heuristic(input, xid, XaCode::heurhaz, "server-1");
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::commit);
}

TEST(RecoveryPlan, Trap52PresumesNothingAtAServerThatWasPutBack) {
    auto input = input_with({listed(xid_of(of_incarnation(3)))});
    doubt_server(input, "server-1");
    expect_judged(input, TransactionState::restored, RecoveryAction::none);
    EXPECT_THAT(only_branch(input).reason, testing::HasSubstr("put back"));
    EXPECT_THAT(never_decided_by(plan_recovery(input)), IsEmpty());
}

TEST(RecoveryPlan, DoubtsNoOtherServerAndNothingThatBeganLater) {
    auto input = input_with({listed(xid_of(of_incarnation(3)))});
    doubt_server(input, "server-2");
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
    input = input_with({listed(xid_of(of_incarnation(kIncarnation)))});
    doubt_server(input, "server-1", kIncarnation, 40);
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
    doubt_server(input, "server-1", kIncarnation, 41);
    expect_judged(input, TransactionState::restored, RecoveryAction::none);
}

TEST(RecoveryPlan, CommitsWhatIsDecidedAlsoAtAServerThatWasPutBack) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({listed(xid)});
    decide(input, xid.gtrid);
    doubt_server(input, "server-1");
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::commit);
}

TEST(RecoveryPlan, Trap52TakesTheSilenceOfAServerThatWasPutBackForAHazard) {
    const auto xid = xid_of(of_incarnation(3));
    auto input = input_with({});
    decide(input, xid.gtrid);
    doubt_server(input, "server-1");
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::none);
    EXPECT_EQ(only_branch(input).heuristic, XaCode::heurhaz);
    EXPECT_TRUE(only_branch(input).is_finding);
    // The transaction began behind the doubt, so it was prepared at the server as it is now.
    doubt_server(input, "server-1", 3, 40);
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::confirm);
}

TEST(RecoveryPlan, RollsBackAtAServerThatWasPutBackWhatWasProvablyNeverDecided) {
    const auto xid = xid_of(of_incarnation(3));
    auto sound = input_with({listed(xid_of(of_incarnation(3), {"points", 2}))});
    sound.resource = "points";
    const auto proofs = never_decided_by(plan_recovery(sound));
    EXPECT_THAT(proofs, testing::ElementsAre(xid.gtrid));
    auto input = input_with({listed(xid)});
    doubt_server(input, "server-1");
    input.known.never_decided = std::make_shared<TransactionTable::GtridSet>(proofs);
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
    input.known.never_decided = std::make_shared<TransactionTable::GtridSet>();
    auto plan = plan_recovery(input);
    apply_never_decided(plan, proofs);
    EXPECT_EQ(plan.at(0).action, RecoveryAction::rollback);
}

TEST(RecoveryPlan, PresumesNothingWhenTheLogIsAnOldCopyOfItself) {
    for (const auto incarnation : {3U, kIncarnation}) {
        auto input = input_with({listed(xid_of(of_incarnation(incarnation)))});
        input.known.log_doubt = "points holds a later branch";
        expect_judged(input, TransactionState::lost_log, RecoveryAction::none);
        EXPECT_THAT(only_branch(input).reason, testing::HasSubstr("points holds a later branch"));
    }
}

TEST(RecoveryPlan, PresumesNothingForATransactionThatThisIncarnationHasNotBegun) {
    auto input = input_with({listed(xid_of(of_incarnation(kIncarnation)))});
    input.sequences_issued = 40;
    expect_judged(input, TransactionState::lost_log, RecoveryAction::none);
}

/// Every combination of what can be known of one branch of ours: the laws hold in each.
TEST(RecoveryPlan, KeepsTheLawsForEveryCombination) {
    std::size_t combinations = 0;
    for (const std::uint32_t incarnation : {1U, kIncarnation - 1, kIncarnation, kIncarnation + 1}) {
        for (const auto log : {kLog, kOtherLog}) {
            for (const auto* node : {"tm1", "tm10"}) {
                for (const auto view :
                     {LogView::owner, LogView::beside_the_owner, LogView::ownerless}) {
                    for (int bits = 0; bits < 16; ++bits) {
                        const bool is_decided = (bits & 1) != 0;
                        const bool is_live = (bits & 2) != 0;
                        const auto xid = xid_of({node, log, incarnation, 41});
                        auto input = input_with({}, view);
                        if ((bits & 4) != 0) {
                            input.before.push_back(listed(xid));
                        }
                        if ((bits & 8) != 0) {
                            input.after.push_back(listed(xid));
                        }
                        if (is_decided) {
                            decide(input, xid.gtrid);
                        }
                        if (is_live) {
                            input.known.live.insert(xid.gtrid);
                        }
                        for (const auto& branch : plan_recovery(input)) {
                            const bool is_certain_to_be_dead = incarnation < kIncarnation ||
                                                               view == LogView::ownerless ||
                                                               (view == LogView::owner && !is_live);
                            if (branch.action == RecoveryAction::rollback) {
                                EXPECT_FALSE(is_decided);  // law 1
                                EXPECT_EQ(log, kLog);      // law 4
                                EXPECT_TRUE(is_certain_to_be_dead &&
                                            incarnation <= kIncarnation);  // law 5
                                EXPECT_TRUE((bits & 12) == 12);            // law 7
                            }
                            if (branch.action == RecoveryAction::commit) {
                                EXPECT_TRUE(is_decided && !is_live && log == kLog);
                                EXPECT_TRUE((bits & 12) == 12);
                            }
                        }
                        ++combinations;
                    }
                }
            }
        }
    }
    EXPECT_EQ(combinations, 4U * 2 * 2 * 3 * 16);
}

// The last resource

PlanInput undecided_with_last_resource(std::uint32_t incarnation = 4) {
    auto input = input_with({listed(xid_of(of_incarnation(incarnation), {"users", 1, true}))});
    input.resources.insert("bank");
    input.known.last_resources = {{"bank", true}};
    return input;
}

TEST(RecoveryPlan, PresumesAbortOnlyWhenTheRowsOfEveryLastResourceHaveBeenRead) {
    auto input = undecided_with_last_resource();
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
    input.known.last_resources["bank"] = false;
    expect_judged(input, TransactionState::at_last_resource, RecoveryAction::none);
    EXPECT_THAT(only_branch(input).reason, testing::HasSubstr("could not be asked yet"));
    input.known.last_resources = {{"bank", true}, {"vault", false}};
    expect_judged(input, TransactionState::at_last_resource, RecoveryAction::none);
    EXPECT_THAT(only_branch(input).reason, testing::HasSubstr("add it"));
    input.known.last_resources.clear();
    expect_judged(input, TransactionState::at_last_resource, RecoveryAction::none);
}

TEST(RecoveryPlan, DoesNotWaitForALastResourceThatATransactionDoesNotHave) {
    auto input = input_with({listed(xid_of(of_incarnation(4)))});
    input.known.last_resources = {{"bank", false}};
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
}

// Trap 38.
TEST(RecoveryPlan, TouchesNothingWhileTheRowOfItsTransactionIsWaitedFor) {
    auto input = undecided_with_last_resource(kIncarnation);
    input.known.waiting_for_row = {{input.before.front().xid->gtrid, "bank"}};
    expect_judged(input, TransactionState::at_last_resource, RecoveryAction::none);
    input.known.waiting_for_row.clear();
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
}

TEST(RecoveryPlan, CommitsWhatARowAtTheLastResourceHasDecided) {
    auto input = undecided_with_last_resource();
    const auto& xid = *input.before.front().xid;
    auto pending =
        PendingDecision::fresh({xid.gtrid, {}, {{"users", xid.bqual, "", ""}}}, std::nullopt);
    pending.row_at = "bank";
    input.known.decisions.emplace(xid.gtrid, pending);
    expect_judged(input, TransactionState::commit_decided, RecoveryAction::commit);
    EXPECT_THAT(only_branch(input).reason, testing::HasSubstr("last resource bank"));
}

TEST(RecoveryPlan, TakesNoAbsentRowForAnAbortAtALastResourceThatWasPutBack) {
    auto input = undecided_with_last_resource();
    input.known.server_doubts = {
        {ServerDoubt{"bank", "server-2", 4, 1000, "the server was put back"}, kDoubtEntry}};
    expect_judged(input, TransactionState::restored, RecoveryAction::none);
    input.known.server_doubts.front().record.through_incarnation = 3;
    expect_judged(input, TransactionState::presumed_abort, RecoveryAction::rollback);
}

}  // namespace
}  // namespace xa_tm
