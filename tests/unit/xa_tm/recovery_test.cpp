#include "recovery.h"

#include <optional>
#include <stdexcept>

#include <boost/log/core.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const recovery_log::LogId kLog{0x9f2c4e0d11a0b3c7};

std::string gtrid_of(std::uint32_t incarnation, std::uint64_t sequence = 1,
                     const std::string& node = "tm1", recovery_log::LogId log = kLog) {
    return to_gtrid({node, log, incarnation, sequence});
}

/// One resource's recovery over a real log, pass by pass, without threads.
class Recovery : public testing::Test {
protected:
    Recovery() { boost::log::core::get()->set_logging_enabled(false); }

    [[nodiscard]] static std::unique_ptr<recovery_log::RecoveryLog> open_log(
        const std::filesystem::path& directory) {
        return recovery_log::RecoveryLog::open({.directory = directory,
                                                .node = "tm1",
                                                .segment_size_bytes = std::size_t{64} << 10,
                                                .allow_volatile_file_system = true});
    }

    /// Decides to commit users:1 and points:2 of a transaction that has ended.
    std::string decide(std::uint64_t sequence = 1) {
        Decision decision{gtrid_of(4, sequence),
                          {},
                          {{"users", "users:1", "", ""}, {"points", "points:2", "", ""}}};
        auto forced = log_.force(log_.reserve(decision).value(), decision);
        EXPECT_EQ(forced.result, recovery_log::ForceResult::durable);
        auto gtrid = decision.gtrid;
        table_.hand_over(PendingDecision::fresh(std::move(decision), forced.id));
        return gtrid;
    }
    static void prepare(FakeResourceManager& server, const std::string& gtrid,
                        const std::string& bqual) {
        server.add_prepared({.xid = Xid{kFormatId, gtrid, bqual}, .name = {}});
    }

    [[nodiscard]] KnownTransactions known() const {
        return {.view = LogView::owner,
                .log = {.path = directory_.path(),
                        .node = "tm1",
                        .id = kLog,
                        .incarnation = 5,
                        .owner = std::nullopt},
                .sequences_issued = 1,
                .transactions = table_.snapshot()};
    }
    ResourcePass pass(ResourceRecovery& recovery) {
        return recovery.recover([this] { return known(); }, table_, log_);
    }
    [[nodiscard]] std::size_t live_entries() const { return log_.log().status().live_entries; }

    TemporaryDirectory directory_;
    DecisionLog log_{open_log(directory_.path())};
    TransactionTable table_;
    FakeResourceManager users_{"users"};
    FakeResourceManager points_{"points"};
    FakeLink users_link_{"users", users_};
    FakeLink points_link_{"points", points_};
    ResourceRecovery users_recovery_{
        users_link_, {"users", "points"}, {}, std::chrono::milliseconds{50}};
    ResourceRecovery points_recovery_{
        points_link_, {"users", "points"}, {}, std::chrono::milliseconds{50}};
};

TEST_F(Recovery, ForgetsADecisionOnlyAfterEveryBranchIsFinished) {
    const auto gtrid = decide();
    prepare(users_, gtrid, "users:1");
    prepare(points_, gtrid, "points:2");
    const auto first = pass(users_recovery_);
    EXPECT_TRUE(first.is_done());
    EXPECT_THAT(first.states, ElementsAre(RecoveredState::committed));
    EXPECT_EQ(verbs(users_, gtrid), "commit");
    EXPECT_EQ(live_entries(), 1U);
    EXPECT_THAT(pass(points_recovery_).states, ElementsAre(RecoveredState::committed));
    EXPECT_EQ(live_entries(), 0U);
    EXPECT_THAT(pass(users_recovery_).planned, IsEmpty());
    EXPECT_EQ(verbs(users_, gtrid), "commit");
}

TEST_F(Recovery, Trap23RecognisesACrashBetweenTheLastCommitAndTheForget) {
    const auto gtrid = decide();
    for (auto* recovery : {&users_recovery_, &points_recovery_}) {
        const auto found = pass(*recovery);
        EXPECT_TRUE(found.is_done());
        EXPECT_THAT(found.states, ElementsAre(RecoveredState::finished));
    }
    EXPECT_EQ(verbs(users_, gtrid), "locate");
    EXPECT_EQ(verbs(points_, gtrid), "locate");
    EXPECT_EQ(live_entries(), 0U);
}

TEST_F(Recovery, RollsBackWhatAnEndedIncarnationLeftUndecided) {
    prepare(users_, gtrid_of(4), "users:1");
    const auto found = pass(users_recovery_);
    EXPECT_TRUE(found.is_done());
    EXPECT_THAT(found.states, ElementsAre(RecoveredState::rolled_back));
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_EQ(log_.log().status().forces, 0U);
}

TEST_F(Recovery, Trap01TouchesNoLiveTransaction) {
    prepare(users_, gtrid_of(5), "users:1");
    table_.enter(gtrid_of(5));
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(pass(users_recovery_).is_done());
    }
    EXPECT_EQ(verbs(users_, gtrid_of(5)), "");
    table_.leave(gtrid_of(5));  // it ended without a decision
    static_cast<void>(pass(users_recovery_));
    EXPECT_EQ(verbs(users_, gtrid_of(5)), "rollback");
}

TEST_F(Recovery, Trap02JudgesNothingThatEndsWhileItLooks) {
    const auto gtrid = gtrid_of(5);
    prepare(users_, gtrid, "users:1");
    table_.enter(gtrid);
    // Between the two lists the transaction commits, and everything about it is forgotten.
    const auto found = users_recovery_.recover(
        [&] {
            users_.drop({kFormatId, gtrid, "users:1"});
            table_.leave(gtrid);
            return known();
        },
        table_, log_);
    EXPECT_THAT(found.planned, IsEmpty());
    EXPECT_EQ(verbs(users_, gtrid), "");
}

TEST_F(Recovery, Trap03ConcludesNothingFromAListThatDidNotArriveWhole) {
    const auto gtrid = decide();
    for (const std::size_t skip : {0U, 1U}) {  // the first list, then the second one
        users_.answer_next(Verb::recover, Answer{.code = XaCode::rmerr, .message = "denied"}, skip);
        const auto found = pass(users_recovery_);
        EXPECT_FALSE(found.resource.is_reachable);
        EXPECT_FALSE(found.is_done());
        EXPECT_THAT(found.resource.error, HasSubstr("denied"));
        EXPECT_THAT(found.planned, IsEmpty());
    }
    EXPECT_EQ(verbs(users_, gtrid), "");
    EXPECT_EQ(live_entries(), 1U);
}

TEST_F(Recovery, AsksOverANewConnectionWhenTheKeptOneHasDied) {
    EXPECT_TRUE(pass(users_recovery_).is_done());
    EXPECT_EQ(users_.connects(), 1U);
    EXPECT_TRUE(pass(users_recovery_).is_done());
    EXPECT_EQ(users_.connects(), 1U);
    users_.set_reachable(false);
    users_.set_reachable(true);
    EXPECT_TRUE(pass(users_recovery_).is_done());
    EXPECT_EQ(users_.connects(), 2U);
}

TEST_F(Recovery, Trap11TouchesNoBranchOfANodeWhoseNameBeginsLikeOurs) {
    for (const auto* node : {"tm", "tm10", "tm1."}) {
        prepare(users_, gtrid_of(1, 1, node, recovery_log::LogId{7}), "users:1");
    }
    prepare(users_, gtrid_of(1), "users2:1");
    const auto found = pass(users_recovery_);
    EXPECT_TRUE(found.is_done());
    EXPECT_THAT(found.planned, SizeIs(4));
    EXPECT_THAT(users_.prepared(), SizeIs(4));
}

TEST_F(Recovery, Trap15TouchesNoForeignBranch) {
    const std::vector<Xid> foreign{
        {1, gtrid_of(1), "users:1"},
        {-1, "a", "b"},
        {kFormatId, std::string(64, '\0'), std::string(64, '\'')},
        {kFormatId, gtrid_of(1, 1, "tm1", recovery_log::LogId{7}), "users:1"}};
    for (const auto& xid : foreign) {
        users_.add_prepared({.xid = xid, .name = {}});
    }
    users_.add_prepared({.xid = std::nullopt, .name = "free form"});
    EXPECT_THAT(pass(users_recovery_).planned, SizeIs(5));
    EXPECT_THAT(users_.prepared(), testing::UnorderedElementsAreArray(foreign));
}

TEST_F(Recovery, Trap47KeepsTheDecisionWhileAListedBranchIsNotKnown) {
    const auto gtrid = decide();
    for (const auto code : {XaCode::nota, XaCode::retry, XaCode::rmerr, XaCode::proto}) {
        prepare(users_, gtrid, "users:1");
        users_.answer_next(Verb::commit, code);
        const auto found = pass(users_recovery_);
        EXPECT_FALSE(found.is_done()) << to_string(code);
        EXPECT_THAT(found.states, ElementsAre(RecoveredState::prepared));
        EXPECT_THAT(found.planned[0].reason, HasSubstr(std::string{to_string(code)}));
        EXPECT_EQ(live_entries(), 1U);
    }
    prepare(users_, gtrid, "users:1");
    EXPECT_THAT(pass(users_recovery_).states, ElementsAre(RecoveredState::committed));
}

TEST_F(Recovery, KeepsTheDecisionWhileASessionMayStillBeAtTheBranch) {
    const auto gtrid = decide();
    users_.answer_next(Verb::locate, Answer{.code = XaCode::retry});
    const auto found = pass(users_recovery_);
    EXPECT_FALSE(found.is_done());
    EXPECT_THAT(found.states, ElementsAre(RecoveredState::absent));
    EXPECT_THAT(table_.waiting_for("users"), SizeIs(1));
    prepare(users_, gtrid, "users:1");  // now it shows up
    EXPECT_THAT(pass(users_recovery_).states, ElementsAre(RecoveredState::committed));
    EXPECT_EQ(verbs(users_, gtrid), "locate commit");
}

TEST_F(Recovery, KeepsTheDecisionWhenTheReplyToItsCommitIsLost) {
    const auto gtrid = decide();
    prepare(users_, gtrid, "users:1");
    users_.fail_next(Verb::commit, Fault::lose_answer);
    const auto found = pass(users_recovery_);
    EXPECT_FALSE(found.resource.is_reachable);
    EXPECT_EQ(live_entries(), 1U);
    EXPECT_THAT(pass(users_recovery_).states, ElementsAre(RecoveredState::finished));
    EXPECT_EQ(verbs(users_, gtrid), "commit locate");
}

TEST_F(Recovery, MakesAHeuristicAnswerDurableAndNeverForgetsIt) {
    const auto gtrid = decide();
    prepare(users_, gtrid, "users:1");
    users_.answer_next(Verb::commit, XaCode::heurrb);
    const auto found = pass(users_recovery_);
    EXPECT_TRUE(found.is_done());
    EXPECT_THAT(found.states, ElementsAre(RecoveredState::heuristic));
    static_cast<void>(pass(points_recovery_));
    EXPECT_EQ(live_entries(), 2U);
    EXPECT_THAT(pass(users_recovery_).planned[0].action, RecoveryAction::none);
    EXPECT_EQ(verbs(users_, gtrid), "commit");
    std::vector<LogRecord> records;
    for (const auto& entry : recovery_log::read_log(directory_.path()).entries) {
        records.push_back(decode(entry.body).value());
    }
    EXPECT_THAT(records, testing::Contains(IsHeuristicRecord(gtrid, "users:1", XaCode::heurrb)));
}

TEST_F(Recovery, ActsOnNoLookWhoseConnectionWasLost) {
    const auto gtrid = decide();
    const auto known_while_lost = [this] {
        users_.set_reachable(false);
        users_.set_reachable(true);
        return known();
    };
    const auto found = users_recovery_.recover(known_while_lost, table_, log_);
    EXPECT_FALSE(found.resource.is_reachable) << "the server may have been put back meanwhile";
    EXPECT_EQ(verbs(users_, gtrid), "");
    EXPECT_THAT(pass(users_recovery_).states, ElementsAre(RecoveredState::finished));
}

TEST_F(Recovery, GoesOnWithTheOtherBranchesWhenOneIsNotFinished) {
    const auto first = decide(1);
    const auto second = decide(2);
    prepare(users_, first, "users:1");
    prepare(users_, second, "users:1");
    users_.answer_next(Verb::commit, Answer{.code = XaCode::retry});
    EXPECT_FALSE(pass(users_recovery_).is_done());
    EXPECT_EQ(verbs(users_, second), "commit");
    EXPECT_FALSE(table_.snapshot().decisions.at(second).is_finished());
    EXPECT_TRUE(pass(users_recovery_).is_done());
}

TEST_F(Recovery, SurvivesADriverThatThrowsWhatItShouldNot) {
    users_link_.fail_to_connect(std::make_exception_ptr(std::runtime_error{"out of sockets"}));
    const auto found = pass(users_recovery_);
    EXPECT_FALSE(found.resource.is_reachable);
    EXPECT_EQ(found.resource.error, "out of sockets");
    users_link_.fail_to_connect(nullptr);
    EXPECT_TRUE(pass(users_recovery_).is_done());
}

TEST_F(Recovery, AsksNothingOnceItIsInterrupted) {
    prepare(users_, gtrid_of(4), "users:1");
    Interrupt interrupt;
    interrupt.raise();
    users_recovery_.stop_at(interrupt);
    EXPECT_FALSE(pass(users_recovery_).resource.is_reachable);
    EXPECT_THAT(users_.sent(), IsEmpty());
}

}  // namespace
}  // namespace xa_tm::test
