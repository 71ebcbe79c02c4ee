#include "next_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::string kCommitByHand =
    std::string{"xa-recover commit "} + kGtrid + " --force --reason '…'";
const std::string kRollBackByHand =
    std::string{"xa-recover rollback "} + kGtrid + " --force --reason '…'";

std::vector<std::string> commands_of(const NextStep& step) {
    std::vector<std::string> commands;
    for (const auto& choice : step.choices) {
        commands.push_back(choice.command);
    }
    return commands;
}

/// The next step for the only transaction of the report.
NextStep step_of(const RecoveryReport& report) {
    return next_step(report, report.transactions.front());
}

/// A report of kGtrid in this state, prepared at users.
RecoveryReport in_state(TransactionState state, RecoveryAction action = RecoveryAction::none) {
    auto report = calm_report();
    report.transactions.push_back(
        {.gtrid = kGtrid,
         .state = state,
         .age = std::nullopt,
         .branches = {branch_at("users", RecoveredState::prepared, action, "because")}});
    return report;
}

void give_owner(RecoveryReport& report) {
    report.log.owner = recovery_log::LogOwner{.pid = 4711, .host = "db-1"};
}

void take_down(RecoveryReport& report, std::size_t resource) {
    report.resources[resource].is_reachable = false;
    report.resources[resource].error =
        "resource " + report.resources[resource].name + ": connection refused";
}

TEST(NextStep, ResolvesWhatWasDecided) {
    const auto step = step_of(decided_report());

    EXPECT_EQ(step.command, "xa-recover resolve");
    EXPECT_EQ(step.why, "It commits what is prepared; starting the application does the same.");
    EXPECT_THAT(step.choices, IsEmpty());
}

TEST(NextStep, ResolvesWhatWasNeverDecided) {
    const auto step = step_of(in_state(TransactionState::presumed_abort, RecoveryAction::rollback));

    EXPECT_EQ(step.command, "xa-recover resolve");
    EXPECT_EQ(step.why, "It rolls back what is prepared; starting the application does the same.");
}

TEST(NextStep, ResolvesWhatItCanWhileAServerIsDown) {
    auto report = decided_report();
    take_down(report, 0);

    const auto step = step_of(report);

    EXPECT_EQ(step.command, "xa-recover resolve");
    EXPECT_THAT(step.why,
                EndsWith(" The branch at points waits for its server: Connection refused."));
}

TEST(NextStep, WaitsWhenEveryServerOfTheTransactionIsDown) {
    auto report = decided_report();
    take_down(report, 0);
    take_down(report, 1);

    const auto step = step_of(report);

    EXPECT_EQ(step.command, "");
    EXPECT_THAT(step.why, AllOf(StartsWith("Nothing yet: then `xa-recover resolve` commits what is "
                                           "prepared."),
                                HasSubstr("The branch at points waits for its server"),
                                HasSubstr("The branch at users waits for its server")));
}

TEST(NextStep, AsksForAResourceThatWasNotGiven) {
    auto report = decided_report();
    report.resources.clear();

    const auto step = step_of(report);

    EXPECT_EQ(step.command, "");
    EXPECT_THAT(step.why, HasSubstr("Give resource users as well: --resource users=URI."));
}

TEST(NextStep, NamesTheSessionThatHasNotEnded) {
    auto report = in_state(TransactionState::presumed_abort, RecoveryAction::rollback);
    report.resources[1].unended_session = "grant pg_signal_backend to shop";

    EXPECT_THAT(step_of(report).why, EndsWith("The branch at users waits until an old session has "
                                              "ended: Grant pg_signal_backend to shop."));
}

TEST(NextStep, LeavesEverythingToALiveOwner) {
    for (auto report :
         {decided_report(), in_state(TransactionState::presumed_abort, RecoveryAction::rollback)}) {
        give_owner(report);

        const auto step = step_of(report);

        EXPECT_EQ(step.command, "");
        EXPECT_THAT(step.why, StartsWith("Nothing: pid 4711 on db-1 owns the log and "));
        EXPECT_THAT(step.choices, IsEmpty());
    }
}

TEST(NextStep, LeavesALiveTransactionAlone) {
    auto report = in_state(TransactionState::live);
    give_owner(report);

    EXPECT_EQ(step_of(report),
              (NextStep{.why = "Nothing: it may still be running in pid 4711 on db-1, which "
                               "finishes it."}));
}

TEST(NextStep, DoesNothingWithALogThatIsAnOldCopy) {
    for (auto report :
         {decided_report(), in_state(TransactionState::presumed_abort, RecoveryAction::rollback)}) {
        report.log.doubt = "incarnation 9 is prepared at users";

        const auto step = step_of(report);

        EXPECT_EQ(step.command, "");
        EXPECT_EQ(step.why,
                  "Nothing yet: the log is an old copy of itself. Incarnation 9 is prepared at "
                  "users. Put its newest copy back.");
    }
}

TEST(NextStep, LetsAPersonFinishWhatRecoveryNeverWill) {
    for (const auto state : {TransactionState::quarantined, TransactionState::restored,
                             TransactionState::lost_log, TransactionState::foreign}) {
        const auto step = step_of(in_state(state));

        EXPECT_EQ(step.command, "") << to_string(state);
        EXPECT_THAT(step.why, HasSubstr("ompare the data of ")) << to_string(state);
        EXPECT_THAT(commands_of(step), ElementsAre(kCommitByHand, kRollBackByHand))
            << to_string(state);
    }
}

TEST(NextStep, LooksForTheLogThatMadeTheTransaction) {
    auto report = in_state(TransactionState::lost_log);
    report.transactions.front().gtrid = "shop-1:0123456789abcdef:1:1";

    EXPECT_THAT(step_of(report).why, HasSubstr("the folder with id 0123456789abcdef"));
}

TEST(NextStep, PutsTheNewestCopyOfThisLogBack) {
    EXPECT_THAT(step_of(in_state(TransactionState::lost_log)).why,
                StartsWith("This log is an old copy of itself"));
}

TEST(NextStep, ForgetsAHeuristicOnlyAfterTheDataWasMended) {
    for (auto report : {in_state(TransactionState::heuristic), decided_report()}) {
        for (auto& branch : report.transactions.front().branches) {
            branch.state = RecoveredState::heuristic;
            branch.action = RecoveryAction::none;
        }

        const auto step = step_of(report);

        EXPECT_EQ(step.command, "");
        EXPECT_THAT(commands_of(step),
                    ElementsAre(std::string{"xa-recover forget "} + kGtrid + " --reason '…'"));
    }
}

TEST(NextStep, FinishesTheOtherBranchesBeforeAPersonComparesThem) {
    auto report = decided_report();
    auto& branch = report.transactions.front().branches.front();
    branch.state = RecoveredState::heuristic;
    branch.action = RecoveryAction::none;

    const auto step = step_of(report);

    EXPECT_EQ(step.command, "xa-recover resolve");
    EXPECT_THAT(step.why, EndsWith(" Explain it again then: a branch did not end as it was to."));
}

TEST(NextStep, SaysThatOrdersNeedTheLogOfTheLiveOwner) {
    for (const auto state :
         {TransactionState::quarantined, TransactionState::restored, TransactionState::lost_log,
          TransactionState::foreign, TransactionState::heuristic}) {
        auto report = in_state(state);
        give_owner(report);

        EXPECT_THAT(step_of(report).why,
                    EndsWith(" These commands need the log: stop pid 4711 on db-1 first."))
            << to_string(state);
    }
}

TEST(NextStep, LeavesAForeignTransactionToItsMaker) {
    auto report = in_state(TransactionState::foreign);
    report.transactions.front().gtrid = "citus_0_4242_17_1";
    auto& branch = report.transactions.front().branches.front();
    branch.xid = std::nullopt;
    branch.name = "citus_0_4242_17_1";

    EXPECT_THAT(step_of(report).why, StartsWith("Nothing here: leave it to Citus, whose log "));

    branch.name = "by hand";
    EXPECT_THAT(step_of(report).why, HasSubstr("the transaction manager that made it"));
}

TEST(NextStep, QuotesAGtridForTheShell) {
    auto report = in_state(TransactionState::foreign);
    report.transactions.front().gtrid = "it's; rm\n";

    EXPECT_THAT(commands_of(step_of(report)).front(),
                StartsWith(R"(xa-recover commit 'it'\''s; rm\x0a' --force)"));
}

TEST(NextStep, HasNothingToDoWithWhatIsFinished) {
    EXPECT_EQ(step_of(resolved_report()), (NextStep{.why = "Nothing: it is finished."}));
}

TEST(NextStep, GivesTheReasonWhenADecidedBranchCanNotBeFinished) {
    auto report = in_state(TransactionState::commit_decided);

    const auto step = step_of(report);

    EXPECT_EQ(step.why, "Because.");
    EXPECT_THAT(commands_of(step), ElementsAre(kCommitByHand, kRollBackByHand));
}

}  // namespace
}  // namespace xa_tm::cli
