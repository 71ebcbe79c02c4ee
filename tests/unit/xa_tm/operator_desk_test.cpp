#include "xa_tm/operator_desk.h"

#include <algorithm>
#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decision_log.h"
#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Orders over fake servers, given by the owner of a log whose application has died.
class Desk : public ManagerFixture {
protected:
    /// The application's last words: what it decided, and nothing else.
    Desk() {
        const auto log =
            recovery_log::RecoveryLog::open({.directory = directory_.path(),
                                             .node = "shop-1",
                                             .segment_size_bytes = std::size_t{64} << 10,
                                             .allow_volatile_file_system = true});
        log_id_ = log->id();
    }

    void keep(const LogRecord& record) {
        DecisionLog log{
            recovery_log::RecoveryLog::open({.directory = directory_.path(),
                                             .node = "shop-1",
                                             .segment_size_bytes = std::size_t{64} << 10,
                                             .allow_volatile_file_system = true})};
        ASSERT_TRUE(log.record(record));
    }
    void decide() {
        keep(Decision{gtrid(), {}, {{"users", "users:1", "", ""}, {"points", "points:2", "", ""}}});
    }

    [[nodiscard]] std::string gtrid() const { return to_gtrid({"shop-1", log_id_, 1, 7}); }
    void prepare(FakeResourceManager& server, const std::string& bqual) {
        server.add_prepared({.xid = Xid{kFormatId, gtrid(), bqual}, .name = {}});
    }
    void prepare_both() {
        prepare(users_, "users:1");
        prepare(points_, "points:2");
    }

    [[nodiscard]] Order order(OrderVerb verb, const std::string& resource = "") const {
        return {.verb = verb,
                .gtrid = gtrid(),
                .resource = resource,
                .reason = "outage of Friday",
                .who = "ann@shop"};
    }
    /// As the owner of the log for a moment.
    OrderResult carry_out(const Order& given) {
        const auto life = open();
        return OperatorDesk{life->tm}.carry_out(given);
    }
    /// With what the verdict asks for.
    OrderResult insist(Order given) {
        given.is_forced = true;
        const auto shown = carry_out(given);
        if (shown.is_carried_out) {
            return shown;
        }
        given.confirmation = shown.verdict.confirmation;
        return carry_out(given);
    }
    /// What an application does that starts afterwards.
    void recover() {
        const auto life = open();
        std::ignore = life->tm.recover({.timeout = std::chrono::seconds{5}});
    }
    template <class Record>
    [[nodiscard]] std::vector<Record> kept() const {
        std::vector<Record> found;
        for (const auto& record : records()) {
            if (const auto* one = std::get_if<Record>(&record)) {
                found.push_back(*one);
            }
        }
        return found;
    }

    recovery_log::LogId log_id_;
};

std::vector<RecoveredState> states_of(const OrderResult& result) {
    std::vector<RecoveredState> states;
    for (const auto& branch : result.branches) {
        states.push_back(branch.state);
    }
    return states;
}

TEST_F(Desk, DoesNothingWithoutPermission) {
    prepare_both();
    const auto result = carry_out(order(OrderVerb::commit));
    EXPECT_FALSE(result.is_carried_out);
    EXPECT_EQ(result.verdict.permission, Permission::needs_force);
    EXPECT_THAT(operator_acts(directory_.path()), IsEmpty());
    EXPECT_EQ(verbs(users_, gtrid()), "");
    EXPECT_THAT(users_.prepared(), SizeIs(1));
}

TEST_F(Desk, WantsAReasonAndAName) {
    prepare_both();
    auto given = order(OrderVerb::rollback);
    given.reason.clear();
    EXPECT_THAT(error_of([&] { std::ignore = carry_out(given); }),
                HasCode(ErrorCode::invalid_configuration));
    given.reason.assign(1001, 'x');
    EXPECT_THAT(error_of([&] { std::ignore = carry_out(given); }),
                HasCode(ErrorCode::invalid_configuration));
    EXPECT_THAT(users_.prepared(), SizeIs(1));
}

TEST_F(Desk, RollsBackWhatPresumesAbortAndKeepsTheOrder) {
    prepare_both();
    const auto result = carry_out(order(OrderVerb::rollback));
    EXPECT_TRUE(result.is_carried_out);
    EXPECT_THAT(states_of(result),
                ElementsAre(RecoveredState::rolled_back, RecoveredState::rolled_back));
    const auto acts = operator_acts(directory_.path());
    ASSERT_THAT(acts, SizeIs(1));
    EXPECT_EQ(acts[0].who, "ann@shop");
    EXPECT_EQ(acts[0].verb, OrderVerb::rollback);
    EXPECT_EQ(acts[0].gtrid, gtrid());
    EXPECT_EQ(acts[0].reason, "outage of Friday");
    EXPECT_EQ(acts[0].overridden, "");
}

TEST_F(Desk, TouchesOnlyTheTransactionOfTheOrder) {
    prepare_both();
    const Xid other{kFormatId, to_gtrid({"shop-1", log_id_, 1, 8}), "users:1"};
    users_.add_prepared({.xid = other, .name = {}});
    std::ignore = carry_out(order(OrderVerb::rollback));
    EXPECT_THAT(users_.prepared(), ElementsAre(other));
    EXPECT_EQ(verbs(users_, other.gtrid), "");
}

TEST_F(Desk, TouchesOnlyTheBranchOfTheOrder) {
    prepare_both();
    const auto result = carry_out(order(OrderVerb::rollback, "users"));
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::rolled_back));
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_THAT(points_.prepared(), SizeIs(1));
    EXPECT_EQ(operator_acts(directory_.path())[0].resource, "users");
}

TEST_F(Desk, CommitsWhatIsDecidedAsRecoveryWould) {
    decide();
    prepare_both();
    const auto result = carry_out(order(OrderVerb::commit));
    EXPECT_THAT(states_of(result),
                ElementsAre(RecoveredState::committed, RecoveredState::committed));
    EXPECT_THAT(kept<Decision>(), IsEmpty());
    EXPECT_THAT(operator_acts(directory_.path()), SizeIs(1));
}

TEST_F(Desk, CommitsWhatIsUndecidedByADecisionThatOutlivesIt) {
    prepare_both();
    // The verbs are lost, and the process with them.
    users_.answer_next(Verb::commit, Answer{.code = XaCode::rmerr, .message = "disk full"});
    points_.answer_next(Verb::commit, Answer{.code = XaCode::rmerr, .message = "disk full"});
    answer_timeout_ = std::chrono::milliseconds{30};
    auto forced = order(OrderVerb::commit);
    forced.is_forced = true;
    const auto result = carry_out(forced);
    EXPECT_TRUE(result.is_carried_out);
    ASSERT_THAT(result.branches, SizeIs(2));
    EXPECT_EQ(result.branches[0].state, RecoveredState::prepared);
    EXPECT_THAT(result.branches[0].reason, HasSubstr("disk full"));
    const std::vector<std::string> both{"users", "points"};
    EXPECT_THAT(records(), Contains(IsDecision(gtrid(), both)));
    EXPECT_THAT(operator_acts(directory_.path())[0].overridden, HasSubstr("law 3"));

    answer_timeout_ = std::chrono::minutes{1};
    recover();
    EXPECT_EQ(verbs(users_, gtrid()), "commit commit");
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_THAT(points_.prepared(), IsEmpty());
    EXPECT_THAT(kept<Decision>(), IsEmpty());
}

TEST_F(Desk, WritesTheOrderBeforeTheFirstVerb) {
    prepare_both();
    std::atomic<std::size_t> acts_at_first_verb = 0;  // each server is told by a thread of its own
    {
        const auto life = open();
        for (auto* link : {&life->users, &life->points}) {
            link->watch([&](FakeLink::Event event, Verb verb) {
                if (event == FakeLink::Event::sending && verb == Verb::rollback) {
                    acts_at_first_verb = operator_acts(directory_.path()).size();
                }
            });
        }
        std::ignore = OperatorDesk{life->tm}.carry_out(order(OrderVerb::rollback));
    }
    EXPECT_EQ(acts_at_first_verb, 1U);
}

TEST_F(Desk, SendsTheVerbItselfForAForeignBranch) {
    const Xid foreign{1, std::string("\0\1'", 3), "b"};
    users_.add_prepared({.xid = foreign, .name = {}});
    auto given = order(OrderVerb::rollback);
    given.gtrid = to_hex(foreign.gtrid);
    EXPECT_FALSE(carry_out(given).is_carried_out);
    const auto result = insist(given);
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::rolled_back));
    EXPECT_THAT(users_.prepared(), IsEmpty());
    const auto acts = operator_acts(directory_.path());
    ASSERT_THAT(acts, SizeIs(1));
    EXPECT_EQ(acts[0].format_id, 1);
    EXPECT_EQ(acts[0].gtrid, foreign.gtrid);
    EXPECT_THAT(acts[0].overridden, HasSubstr("law 4"));
}

TEST_F(Desk, CommitsABranchOfALostLog) {
    const Xid lost{kFormatId, to_gtrid({"shop-1", recovery_log::LogId{7}, 3, 1}), "users:1"};
    users_.add_prepared({.xid = lost, .name = {}});
    auto given = order(OrderVerb::commit);
    given.gtrid = lost.gtrid;
    const auto result = insist(given);
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::committed));
    EXPECT_THAT(kept<Decision>(), IsEmpty());
    recover();
    EXPECT_EQ(verbs(users_, lost.gtrid), "commit");
}

TEST_F(Desk, TellsALostReplyAsNotKnown) {
    const Xid foreign{1, "other", "b"};
    users_.add_prepared({.xid = foreign, .name = {}});
    users_.fail_next(Verb::commit, Fault::lose_answer);
    auto given = order(OrderVerb::commit);
    given.gtrid = to_hex(foreign.gtrid);
    const auto result = insist(given);
    EXPECT_TRUE(result.is_carried_out);
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::unreachable));
    EXPECT_THAT(result.branches[0].reason, HasSubstr("may be done or not"));
}

TEST_F(Desk, TellsWhatTheServerRefused) {
    const Xid foreign{1, "other", "b"};
    users_.add_prepared({.xid = foreign, .name = {}});
    users_.answer_next(Verb::rollback,
                       Answer{.code = XaCode::rmerr, .message = "permission denied"});
    auto given = order(OrderVerb::rollback);
    given.gtrid = to_hex(foreign.gtrid);
    const auto result = insist(given);
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::prepared));
    EXPECT_THAT(result.branches[0].reason,
                AllOf(HasSubstr("not done"), HasSubstr("permission denied")));
}

TEST_F(Desk, RollsBackAgainstTheDecisionOnlyWithTheCodeAndKeepsAHeuristic) {
    decide();
    prepare(points_, "points:2");  // users has committed
    auto given = order(OrderVerb::rollback);
    given.is_forced = true;
    const auto shown = carry_out(given);
    EXPECT_FALSE(shown.is_carried_out);
    EXPECT_EQ(shown.verdict.permission, Permission::needs_confirmation);
    EXPECT_EQ(verbs(points_, gtrid()), "");

    given.confirmation = shown.verdict.confirmation;
    const auto result = carry_out(given);
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::rolled_back));
    EXPECT_EQ(verbs(points_, gtrid()), "rollback");
    const auto heuristics = kept<Heuristic>();
    ASSERT_THAT(heuristics, SizeIs(1));
    EXPECT_EQ(heuristics[0].code, XaCode::heurrb);
    EXPECT_EQ(heuristics[0].bqual, "points:2");
    EXPECT_THAT(heuristics[0].words, HasSubstr("ann@shop"));
    EXPECT_THAT(kept<Decision>(), SizeIs(1));

    // Neither recovery nor a restart loses it: only a person does.
    recover();
    EXPECT_THAT(kept<Heuristic>(), SizeIs(1));
    const auto forgotten = carry_out(order(OrderVerb::forget));
    EXPECT_TRUE(forgotten.is_carried_out);
    EXPECT_THAT(states_of(forgotten), ElementsAre(RecoveredState::finished));
    EXPECT_THAT(kept<Heuristic>(), IsEmpty());
    EXPECT_THAT(kept<Decision>(), IsEmpty());
    EXPECT_THAT(operator_acts(directory_.path()), SizeIs(2));
}

TEST_F(Desk, KeepsTheHeuristicWhenTheReplyToARollbackAgainstTheDecisionIsLost) {
    decide();
    prepare(points_, "points:2");
    points_.fail_next(Verb::rollback, Fault::lose_request);
    const auto result = insist(order(OrderVerb::rollback));
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::unreachable));
    recover();
    EXPECT_EQ(verbs(points_, gtrid()), "rollback");  // and no commit behind the person's back
    EXPECT_FALSE(carry_out(order(OrderVerb::forget)).is_carried_out);
    EXPECT_THAT(states_of(insist(order(OrderVerb::rollback))),
                ElementsAre(RecoveredState::rolled_back));
    recover();
    EXPECT_THAT(kept<Heuristic>(), SizeIs(1));
    EXPECT_TRUE(carry_out(order(OrderVerb::forget)).is_carried_out);
    EXPECT_THAT(kept<Heuristic>(), IsEmpty());
    EXPECT_THAT(kept<Decision>(), IsEmpty());
}

TEST_F(Desk, CommitsAfterAllWhatWasToBeRolledBack) {
    decide();
    prepare(points_, "points:2");
    points_.answer_next(Verb::rollback, Answer{.code = XaCode::rmerr, .message = "not allowed"});
    std::ignore = insist(order(OrderVerb::rollback));
    const auto result = insist(order(OrderVerb::commit));
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::committed));
    recover();
    EXPECT_THAT(kept<Heuristic>(), IsEmpty());
    EXPECT_THAT(kept<Decision>(), IsEmpty());
}

TEST_F(Desk, RefusesAnOldCodeWhenTheStateHasChanged) {
    decide();
    prepare_both();
    auto given = order(OrderVerb::rollback, "points");
    given.confirmation = carry_out(given).verdict.confirmation;
    users_.drop({kFormatId, gtrid(), "users:1"});  // it has committed meanwhile
    const auto result = carry_out(given);
    EXPECT_FALSE(result.is_carried_out);
    EXPECT_NE(result.verdict.confirmation, given.confirmation);
    EXPECT_THAT(points_.prepared(), SizeIs(1));
}

TEST_F(Desk, Trap10LeavesAHeuristicForForgetAlone) {
    decide();
    keep(Heuristic{gtrid(), "users:1", XaCode::heurrb, "users", {}, "the server says so"});
    keep(Heuristic{gtrid(), "points:2", XaCode::heurhaz, "points", {}, "nobody knows"});
    EXPECT_FALSE(carry_out(order(OrderVerb::forget)).is_carried_out);
    EXPECT_FALSE(carry_out(order(OrderVerb::commit)).is_carried_out);
    const auto result = insist(order(OrderVerb::forget));
    EXPECT_THAT(states_of(result), SizeIs(2));
    EXPECT_THAT(kept<Heuristic>(), IsEmpty());
    EXPECT_THAT(kept<Decision>(), IsEmpty());
}

TEST_F(Desk, ForgetsNothingWhileABranchCanNotBeConfirmed) {
    decide();
    keep(Heuristic{gtrid(), "points:2", XaCode::heurrb, "points", {}, "the server says so"});
    answer_timeout_ = std::chrono::milliseconds{30};
    users_.answer_next(Verb::locate,
                       Answer{.code = XaCode::retry, .message = "a session is at it"});
    const auto result = carry_out(order(OrderVerb::forget));
    EXPECT_TRUE(result.is_carried_out);
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::heuristic));
    EXPECT_THAT(result.branches[0].reason,
                AllOf(HasSubstr("not forgotten"), HasSubstr("users:1 at users")));
    EXPECT_THAT(kept<Heuristic>(), SizeIs(1));
    EXPECT_THAT(kept<Decision>(), SizeIs(1));
}

TEST_F(Desk, ForgetsNoHeuristicThatThePersonHasNotSeen) {
    decide();
    keep(Heuristic{gtrid(), "points:2", XaCode::heurrb, "points", {}, "the server says so"});
    users_.answer_next(Verb::locate, Answer{.code = XaCode::heurrb, .message = "it was aborted"});
    const auto result = carry_out(order(OrderVerb::forget));
    EXPECT_THAT(states_of(result), ElementsAre(RecoveredState::heuristic));
    EXPECT_THAT(result.branches[0].reason, HasSubstr("it was aborted"));
    EXPECT_THAT(kept<Heuristic>(), SizeIs(2));
    EXPECT_TRUE(carry_out(order(OrderVerb::forget)).is_carried_out);
    EXPECT_THAT(kept<Heuristic>(), IsEmpty());
}

TEST_F(Desk, Trap59ForgetsNoBranchThatIsNotHeuristicallyCompleted) {
    decide();
    prepare_both();
    auto given = order(OrderVerb::forget);
    given.is_forced = true;
    const auto result = carry_out(given);
    EXPECT_EQ(result.verdict.permission, Permission::refused);
    EXPECT_THAT(kept<Decision>(), SizeIs(1));
    EXPECT_THAT(operator_acts(directory_.path()), IsEmpty());
}

TEST_F(Desk, ChangesNothingWhenAServerOfTheOrderIsGone) {
    prepare_both();
    users_.set_reachable(false);
    answer_timeout_ = std::chrono::milliseconds{30};
    const auto result = carry_out(order(OrderVerb::rollback, "users"));
    EXPECT_EQ(result.verdict.permission, Permission::refused);
    EXPECT_THAT(operator_acts(directory_.path()), IsEmpty());
}

TEST_F(Desk, ShowsItsActsBesideTheOwner) {
    prepare_both();
    const auto life = open();
    std::ignore = OperatorDesk{life->tm}.carry_out(order(OrderVerb::rollback));
    EXPECT_THAT(operator_acts(directory_.path()), SizeIs(1));
}

}  // namespace
}  // namespace xa_tm::test
