#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "global_id.h"
#include "xa_tm/operator_desk.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

const recovery_log::LogId kLog{0x9f2c4e0d11a0b3c7};
const std::string kGtrid = to_gtrid({"shop-1", kLog, 4, 42});

RecoveryBranch branch(const std::string& resource, int ordinal, RecoveredState state,
                      RecoveryAction action = RecoveryAction::none) {
    return {.resource = resource,
            .xid = Xid{kFormatId, kGtrid, to_bqual({resource, static_cast<unsigned>(ordinal)})},
            .name = "name-at-" + resource,
            .state = state,
            .action = action,
            .reason = "the reason of recovery"};
}

RecoveryBranch heuristic(const std::string& resource, int ordinal, XaCode code) {
    auto ended = branch(resource, ordinal, RecoveredState::heuristic);
    ended.name.clear();
    ended.heuristic = code;
    return ended;
}

/// Two resources, `points` and `users`, and one transaction.
RecoveryReport report_of(TransactionState state, std::vector<RecoveryBranch> branches) {
    RecoveryReport report{};
    report.log.path = "/var/lib/shop/xa";
    report.log.node = "shop-1";
    report.log.id = kLog;
    report.log.incarnation = 5;
    for (const auto* name : {"points", "users"}) {
        report.resources.push_back(
            {.name = name, .kind = "fake", .is_reachable = true, .error = ""});
    }
    report.transactions.push_back(
        {.gtrid = kGtrid, .state = state, .age = {}, .branches = std::move(branches)});
    return report;
}

RecoveryReport decided() {
    return report_of(TransactionState::commit_decided,
                     {branch("points", 2, RecoveredState::prepared, RecoveryAction::commit),
                      branch("users", 1, RecoveredState::absent, RecoveryAction::confirm)});
}

RecoveryReport undecided() {
    return report_of(TransactionState::presumed_abort,
                     {branch("points", 2, RecoveredState::prepared, RecoveryAction::rollback),
                      branch("users", 1, RecoveredState::prepared, RecoveryAction::rollback)});
}

RecoveryReport of_state(TransactionState state) {
    return report_of(state, {branch("points", 2, RecoveredState::prepared)});
}

void lose(RecoveryReport& report, const std::string& resource) {
    auto& lost = *std::ranges::find(report.resources, resource, &RecoveryResource::name);
    lost.is_reachable = false;
    lost.error = "connection refused";
}

Order order(OrderVerb verb, const std::string& resource = "") {
    return {
        .verb = verb, .gtrid = kGtrid, .resource = resource, .reason = "outage", .who = "ann@shop"};
}

std::vector<std::string> resources_of(const Verdict& verdict) {
    std::vector<std::string> names;
    for (const auto& branch : verdict.branches) {
        names.push_back(branch.resource);
    }
    return names;
}

TEST(OrderJudgement, GrantsWhatRecoveryWouldDoByItself) {
    const auto commit = judge(order(OrderVerb::commit), decided());
    EXPECT_EQ(commit.permission, Permission::granted);
    EXPECT_THAT(resources_of(commit), ElementsAre("points"));
    EXPECT_EQ(commit.why, "the reason of recovery");

    const auto rollback = judge(order(OrderVerb::rollback), undecided());
    EXPECT_EQ(rollback.permission, Permission::granted);
    EXPECT_THAT(resources_of(rollback), ElementsAre("points", "users"));
}

TEST(OrderJudgement, KnowsNoTransactionThatTheReportDoesNotKnow) {
    auto report = undecided();
    report.transactions.clear();
    const auto verdict = judge(order(OrderVerb::commit), report);
    EXPECT_EQ(verdict.permission, Permission::refused);
    EXPECT_THAT(verdict.why, AllOf(HasSubstr("no transaction " + kGtrid), Not(HasSubstr("hide"))));
    lose(report, "users");
    EXPECT_THAT(judge(order(OrderVerb::commit), report).why,
                HasSubstr("resource users could not be read and may hide it"));
}

TEST(OrderJudgement, RefusesAResourceWithoutABranch) {
    const auto verdict = judge(order(OrderVerb::commit, "audit"), undecided());
    EXPECT_EQ(verdict.permission, Permission::refused);
    EXPECT_THAT(verdict.why, AllOf(HasSubstr("no branch at audit"), HasSubstr("points, users")));
}

TEST(OrderJudgement, RefusesWhatWouldConcernTwoTransactionsOfOneName) {
    auto report = of_state(TransactionState::foreign);
    report.transactions.push_back(report.transactions.front());
    report.transactions.back().branches.front().xid->format_id = 1;
    const auto verdict = judge(order(OrderVerb::rollback), report);
    EXPECT_EQ(verdict.permission, Permission::refused);
    EXPECT_THAT(verdict.why, HasSubstr("different transactions show as"));
}

TEST(OrderJudgement, RefusesWhatIsNoXid) {
    auto report = of_state(TransactionState::foreign);
    report.transactions.front().branches.front().xid = std::nullopt;
    const auto verdict = judge(order(OrderVerb::rollback), report);
    EXPECT_EQ(verdict.permission, Permission::refused);
    EXPECT_THAT(verdict.why, HasSubstr("no xid"));
}

TEST(OrderJudgement, RefusesABranchOfAResourceThatIsNotConfigured) {
    auto report = of_state(TransactionState::presumed_abort);
    report.transactions.front().branches.front().xid->bqual = "audit:1";
    const auto verdict = judge(order(OrderVerb::rollback), report);
    EXPECT_EQ(verdict.permission, Permission::refused);
    EXPECT_THAT(verdict.why, HasSubstr("belongs to resource audit, which is not configured here"));
    // Of another log's branch nothing is said about the resources here.
    report.transactions.front().state = TransactionState::lost_log;
    EXPECT_EQ(judge(order(OrderVerb::rollback), report).permission, Permission::needs_force);
}

TEST(OrderJudgement, Trap09RefusesToTouchALiveTransaction) {
    for (const auto verb : {OrderVerb::commit, OrderVerb::rollback, OrderVerb::forget}) {
        auto live = of_state(TransactionState::live);
        live.log.owner = recovery_log::LogOwner{.pid = 7, .host = "vm"};
        const auto verdict = judge(order(verb), live);
        EXPECT_EQ(verdict.permission, Permission::refused);
        EXPECT_THAT(verdict.why, HasSubstr("law 5"));
        EXPECT_THAT(verdict.branches, IsEmpty());
    }
}

TEST(OrderJudgement, LeavesEverythingToTheLogsOwner) {
    for (const auto state : {TransactionState::commit_decided, TransactionState::presumed_abort,
                             TransactionState::lost_log, TransactionState::quarantined,
                             TransactionState::restored, TransactionState::foreign}) {
        auto report = of_state(state);
        report.log.owner = recovery_log::LogOwner{.pid = 7, .host = "vm"};
        const auto verdict = judge(order(OrderVerb::rollback), report);
        EXPECT_EQ(verdict.permission, Permission::refused) << to_string(state);
        EXPECT_THAT(verdict.why, HasSubstr("pid 7 on vm owns the log"));
    }
}

TEST(OrderJudgement, WantsForceForACommitWithoutADecision) {
    for (const auto& [state, rule] : {std::pair{TransactionState::presumed_abort, "law 3"},
                                      {TransactionState::restored, "law 7"},
                                      {TransactionState::quarantined, "law 3 does not hold"},
                                      {TransactionState::lost_log, "law 4"},
                                      {TransactionState::foreign, "law 4"}}) {
        const auto verdict = judge(order(OrderVerb::commit), of_state(state));
        EXPECT_EQ(verdict.permission, Permission::needs_force) << to_string(state);
        EXPECT_THAT(verdict.why, HasSubstr(rule));
        EXPECT_THAT(resources_of(verdict), ElementsAre("points"));
        EXPECT_THAT(verdict.consequences,
                    Contains(HasSubstr("branch points:2 at points is committed")));
        EXPECT_THAT(verdict.consequences,
                    Contains(HasSubstr("branch number 1 of it is prepared nowhere")));
    }
}

TEST(OrderJudgement, WantsForceForARollbackThatOnlyAPersonCanAnswerFor) {
    for (const auto state : {TransactionState::restored, TransactionState::quarantined,
                             TransactionState::lost_log, TransactionState::foreign}) {
        const auto verdict = judge(order(OrderVerb::rollback), of_state(state));
        EXPECT_EQ(verdict.permission, Permission::needs_force) << to_string(state);
        EXPECT_EQ(verdict.confirmation, "");
    }
}

TEST(OrderJudgement, TellsWhyAServerIsDoubted) {
    auto report = of_state(TransactionState::restored);
    report.resources.front().doubt = "it was put back to an old copy";
    EXPECT_THAT(judge(order(OrderVerb::commit), report).why,
                HasSubstr("it was put back to an old copy"));
}

TEST(OrderJudgement, WantsForceWhereRecoveryWouldNotDoItByItself) {
    auto report = decided();
    report.transactions.front().branches.front().action = RecoveryAction::none;
    const auto commit = judge(order(OrderVerb::commit), report);
    EXPECT_EQ(commit.permission, Permission::needs_force);
    EXPECT_EQ(commit.why, "the reason of recovery");
    report = undecided();
    report.transactions.front().branches.front().action = RecoveryAction::none;
    EXPECT_EQ(judge(order(OrderVerb::rollback), report).permission, Permission::needs_force);
}

TEST(OrderJudgement, SpellsOutEveryConsequenceOfARollbackAgainstTheDecision) {
    auto report = decided();
    report.resources.push_back(
        {.name = "audit", .kind = "fake", .is_reachable = false, .error = "connection refused"});
    const auto verdict = judge(order(OrderVerb::rollback), report);
    EXPECT_EQ(verdict.permission, Permission::needs_confirmation);
    EXPECT_THAT(verdict.why, HasSubstr("law 1"));
    EXPECT_THAT(resources_of(verdict), ElementsAre("points"));
    EXPECT_THAT(
        verdict.consequences,
        ElementsAre(HasSubstr("the application may have been told"),
                    AllOf(HasSubstr("points:2 at points"), HasSubstr("lost for good")),
                    AllOf(HasSubstr("users:1 at users"), HasSubstr("most likely it has committed")),
                    HasSubstr("resource audit could not be read: it may hold another branch"),
                    HasSubstr("law 1 is broken"),
                    AllOf(HasSubstr("XA_HEURRB"), HasSubstr("until `forget`"))));
    EXPECT_THAT(verdict.confirmation, MatchesRegex("[0-9a-f]{4}-[0-9a-f]{4}"));
}

TEST(OrderJudgement, ChangesTheCodeWhenTheStateChanges) {
    auto report = decided();
    const auto shown = judge(order(OrderVerb::rollback), report).confirmation;
    EXPECT_EQ(judge(order(OrderVerb::rollback), decided()).confirmation, shown);
    EXPECT_NE(judge(order(OrderVerb::rollback, "points"), decided()).confirmation, shown);

    auto other_incarnation = decided();
    ++other_incarnation.log.incarnation;
    EXPECT_EQ(judge(order(OrderVerb::rollback), other_incarnation).confirmation, shown);

    report.transactions.front().branches.back() =
        branch("users", 1, RecoveredState::prepared, RecoveryAction::commit);
    EXPECT_NE(judge(order(OrderVerb::rollback), report).confirmation, shown);
    lose(report, "users");
    report.transactions.front().branches.back().state = RecoveredState::unreachable;
    EXPECT_NE(judge(order(OrderVerb::rollback), report).confirmation, shown);
}

TEST(OrderJudgement, WantsACommitConfirmedThatRecoveryWouldTear) {
    // What is left out of the order is rolled back later, by recovery itself.
    const auto one = judge(order(OrderVerb::commit, "users"), undecided());
    EXPECT_EQ(one.permission, Permission::needs_confirmation);
    EXPECT_THAT(resources_of(one), ElementsAre("users"));
    EXPECT_THAT(one.consequences, Contains(AllOf(HasSubstr("points:2 at points"),
                                                 HasSubstr("recovery will roll it back"))));
    EXPECT_EQ(judge(order(OrderVerb::commit), undecided()).permission, Permission::needs_force);

    auto partial = of_state(TransactionState::presumed_abort);
    lose(partial, "users");
    const auto blind = judge(order(OrderVerb::commit), partial);
    EXPECT_EQ(blind.permission, Permission::needs_confirmation);
    EXPECT_THAT(
        blind.consequences,
        Contains(HasSubstr("resource users could not be read: it may hold another branch")));
}

TEST(OrderJudgement, TellsWhatRemainsOfAnOrderForOneResource) {
    const auto rollback = judge(order(OrderVerb::rollback, "users"), undecided());
    EXPECT_EQ(rollback.permission, Permission::granted);
    EXPECT_THAT(rollback.consequences,
                Contains(AllOf(HasSubstr("points:2"), HasSubstr("recovery will roll it back"))));
    const auto commit = judge(order(OrderVerb::commit, "points"), decided());
    EXPECT_EQ(commit.permission, Permission::granted);
    EXPECT_THAT(commit.consequences, Contains(HasSubstr("users:1")));
}

TEST(OrderJudgement, FinishesNothingThatIsNotPrepared) {
    const auto absent = judge(order(OrderVerb::commit, "users"), decided());
    EXPECT_EQ(absent.permission, Permission::refused);
    EXPECT_THAT(absent.why, AllOf(HasSubstr("none of its branches is prepared"),
                                  HasSubstr("users:1 at users is absent")));
    const auto ended =
        judge(order(OrderVerb::rollback),
              report_of(TransactionState::heuristic, {heuristic("users", 1, XaCode::heurrb)}));
    EXPECT_EQ(ended.permission, Permission::refused);
    EXPECT_THAT(ended.why, HasSubstr("`forget`"));
}

TEST(OrderJudgement, ForgetsAHeuristicOutcome) {
    for (const auto state : {TransactionState::commit_decided, TransactionState::heuristic}) {
        const auto verdict =
            judge(order(OrderVerb::forget),
                  report_of(state, {heuristic("users", 1, XaCode::heurrb),
                                    branch("points", 2, RecoveredState::finished)}));
        EXPECT_EQ(verdict.permission, Permission::granted);
        EXPECT_THAT(verdict.why, HasSubstr("XA_HEURRB"));
        EXPECT_THAT(resources_of(verdict), ElementsAre("users"));
    }
}

TEST(OrderJudgement, ForgetsOnlyBehindTheConfirmationOfWhatIsNotListed) {
    const auto verdict =
        judge(order(OrderVerb::forget),
              report_of(TransactionState::commit_decided,
                        {heuristic("points", 2, XaCode::heurrb),
                         branch("users", 1, RecoveredState::absent, RecoveryAction::confirm)}));
    EXPECT_EQ(verdict.permission, Permission::granted);
    EXPECT_THAT(verdict.consequences,
                Contains(HasSubstr("made sure first that nothing is left of the branch users:1")));
}

TEST(OrderJudgement, WantsForceToForgetWhatNobodyKnows) {
    const auto verdict = judge(
        order(OrderVerb::forget),
        report_of(TransactionState::commit_decided, {heuristic("points", 2, XaCode::heurrb),
                                                     heuristic("users", 1, XaCode::heurhaz)}));
    EXPECT_EQ(verdict.permission, Permission::needs_force);
    EXPECT_THAT(verdict.why, HasSubstr("forgetting says that you have compared the data"));
    EXPECT_THAT(verdict.branches, SizeIs(2));
}

TEST(OrderJudgement, Trap59ForgetsNothingThatIsNotHeuristicallyCompleted) {
    for (const auto& report : {decided(), undecided(), of_state(TransactionState::foreign),
                               report_of(TransactionState::commit_decided,
                                         {branch("users", 1, RecoveredState::finished)})}) {
        const auto verdict = judge(order(OrderVerb::forget), report);
        EXPECT_EQ(verdict.permission, Permission::refused);
        EXPECT_THAT(verdict.why, HasSubstr("nothing that waits for a person"));
    }
}

TEST(OrderJudgement, ForgetsNothingWhileABranchIsNotFinished) {
    for (const auto state :
         {RecoveredState::prepared, RecoveredState::absent, RecoveredState::unreachable}) {
        for (const auto* resource : {"", "users"}) {
            const auto verdict = judge(
                order(OrderVerb::forget, resource),
                report_of(TransactionState::commit_decided,
                          {heuristic("users", 1, XaCode::heurrb), branch("points", 2, state)}));
            EXPECT_EQ(verdict.permission, Permission::refused);
            EXPECT_THAT(verdict.why,
                        AllOf(HasSubstr("law 6"), HasSubstr("points:2 at points is ")));
        }
    }
}

TEST(OrderJudgement, TakesAListedBranchForPreparedWhateverTheLogSays) {
    // A rollback against the decision was ordered, and the server did not do it.
    auto report =
        report_of(TransactionState::commit_decided, {heuristic("users", 1, XaCode::heurrb)});
    report.transactions.front().branches.front().name = "name-at-users";
    EXPECT_EQ(judge(order(OrderVerb::rollback), report).permission, Permission::needs_confirmation);
    EXPECT_EQ(judge(order(OrderVerb::commit), report).permission, Permission::needs_force);
    const auto forget = judge(order(OrderVerb::forget), report);
    EXPECT_EQ(forget.permission, Permission::refused);
    EXPECT_THAT(forget.why, HasSubstr("users:1 at users is prepared"));
}

TEST(OrderJudgement, ForgetsATransactionAsAWhole) {
    const auto report =
        report_of(TransactionState::commit_decided,
                  {heuristic("users", 1, XaCode::heurrb), heuristic("points", 2, XaCode::heurrb)});
    const auto verdict = judge(order(OrderVerb::forget, "users"), report);
    EXPECT_EQ(verdict.permission, Permission::refused);
    EXPECT_THAT(verdict.why, HasSubstr("forgotten as a whole"));
    EXPECT_EQ(judge(order(OrderVerb::forget), report).permission, Permission::granted);
}

TEST(OrderJudgement, PermitsWhatCarriesWhatTheVerdictAsksFor) {
    auto given = order(OrderVerb::rollback);
    const Verdict forced{.permission = Permission::needs_force, .why = "law 4"};
    EXPECT_FALSE(is_permitted(given, forced));
    Verdict confirmed{
        .permission = Permission::needs_confirmation, .why = "law 1", .confirmation = "12ab-34cd"};
    given.is_forced = true;
    EXPECT_TRUE(is_permitted(given, forced));
    EXPECT_FALSE(is_permitted(given, confirmed));
    given.confirmation = "12ab-34ce";
    EXPECT_FALSE(is_permitted(given, confirmed));
    given.confirmation = "12ab-34cd";
    EXPECT_TRUE(is_permitted(given, confirmed));
    EXPECT_FALSE(is_permitted(given, {.permission = Permission::refused, .why = "law 5"}));
    EXPECT_TRUE(is_permitted(order(OrderVerb::commit),
                             {.permission = Permission::granted, .why = "decided"}));
}

}  // namespace
}  // namespace xa_tm::test
