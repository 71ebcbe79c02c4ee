// What recovery asks of every resource manager besides listing and finishing: how far the server
// has come, that the sessions of dead processes end, and what a prepared branch keeps from others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "xa_tm/conformance/suite.h"

namespace xa_tm::conformance {
namespace {

using test::eventually;

using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RecoveryVerbs : public Conformance {
protected:
    /// A connection of a process that has ended by now, with an open branch.
    std::unique_ptr<Connection> start_as(const std::string& mark, const Xid& xid) {
        auto connection = subject_->connect({.text = mark});
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }

    static Answer end_ended_sessions(Connection& connection) {
        Answer answer;
        EXPECT_TRUE(eventually([&] {
            answer = run(connection, Verb::end_ended_sessions);
            return answer.code != XaCode::retry;
        }));
        return answer;
    }

    static constexpr const char* kDead = "xa_tm:log:1:node";
    static constexpr const char* kAlive = "xa_tm:log:11:node";
};

TEST_P(RecoveryVerbs, RecoverTellsHowFarTheServerHasCome) {
    if (!subject_->traits().is_server) {
        GTEST_SKIP() << kNoServer;
    }
    const auto connection = subject_->connect();
    const auto first = run(*connection, Verb::recover).position;
    EXPECT_GT(first.flushed, 0U);
    auto last = first;
    for (int id = 1; id <= 5; ++id) {
        const auto xid = unique_xid();
        const auto branch = prepare(xid, id);
        EXPECT_EQ(run(*branch, Verb::commit, xid).code, XaCode::ok);
        const auto now = run(*branch, Verb::recover).position;
        // MySQL's binary log makes a branch durable before its engine does.
        EXPECT_GE(now.flushed, last.flushed);
        EXPECT_EQ(now.history, last.history);
        last = now;
    }
    EXPECT_GT(last.flushed, first.flushed);
}

TEST_P(RecoveryVerbs, RecoverTellsHowFarTheServerHasComeAlsoInTheMiddleOfABranch) {
    if (!subject_->traits().is_server) {
        GTEST_SKIP() << kNoServer;
    }
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    EXPECT_GT(run(*connection, Verb::recover).position.flushed, 0U);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    const auto answer = run(*connection, Verb::recover);
    EXPECT_EQ(answer.listed.size(), 1U) << answer.message;
    if (!subject_->traits().keeps_prepared_branch_in_session) {
        EXPECT_GT(answer.position.flushed, 0U);
    }
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
}

TEST_P(RecoveryVerbs, Trap48TheSessionsOfEndedProcessesAreEndedAndNobodyElses) {
    if (!subject_->traits().is_server) {
        GTEST_SKIP() << kNoServer;
    }
    const auto dead_branch = unique_xid();
    const auto alive_branch = unique_xid();
    const auto dead = start_as(kDead, dead_branch);
    const auto idle = subject_->connect({.text = kDead});
    const auto alive = start_as(kAlive, alive_branch);
    const auto unmarked = subject_->connect({});
    subject_->insert(*dead, 1);
    subject_->insert(*alive, 2);

    const auto recovery = subject_->connect({.text = "xa_tm:log:12:node", .ended = {kDead}});
    const auto answer = end_ended_sessions(*recovery);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_EQ(run(*recovery, Verb::locate, dead_branch).code, XaCode::nota);
    EXPECT_EQ(run(*dead, Verb::prepare, dead_branch).code, XaCode::rmfail);
    EXPECT_EQ(run(*idle, Verb::recover).code, XaCode::rmfail);
    EXPECT_TRUE(serves_again(*unmarked) && serves_again(*recovery));
    EXPECT_EQ(run(*alive, Verb::commit_one_phase, alive_branch).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(subject_->has_row(2));
    EXPECT_EQ(end_ended_sessions(*recovery).code, XaCode::ok) << "it may be asked again";
}

TEST_P(RecoveryVerbs, WithoutEndedProcessesNoSessionIsEnded) {
    const auto other = subject_->connect({.text = kDead});
    const auto recovery = subject_->connect({.text = kAlive});
    EXPECT_EQ(run(*recovery, Verb::end_ended_sessions).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*other));
}

TEST_P(RecoveryVerbs, Trap47BranchesOfEndedSessionsAreFinishedWithoutAskingOnceMore) {
    constexpr int kBranches = 10;
    std::vector<Xid> xids;
    std::vector<std::unique_ptr<Connection>> dead;
    for (int id = 1; id <= kBranches; ++id) {
        xids.push_back(unique_xid());
        dead.push_back(start_as(kDead, xids.back()));
        subject_->insert(*dead.back(), id);
        EXPECT_EQ(run(*dead.back(), Verb::prepare, xids.back()).code, XaCode::ok);
    }
    const SessionMark mark{.text = kAlive, .ended = {kDead}};
    const auto recovery = subject_->connect(mark);
    EXPECT_EQ(end_ended_sessions(*recovery).code, XaCode::ok);
    const auto second = subject_->connect(mark);
    for (int id = 1; id <= kBranches; ++id) {
        const auto& xid = xids.at(static_cast<std::size_t>(id - 1));
        // Whichever connection of the resource it is: one trip a branch.
        auto& connection = id % 2 == 0 ? *recovery : *second;
        const auto committed = run_counted(connection, Verb::commit, xid);
        EXPECT_EQ(committed.answer.code, XaCode::ok) << committed.answer.message;
        EXPECT_LE(committed.waits, 1);
        EXPECT_TRUE(subject_->has_row(id));
    }
    EXPECT_THAT(listed(), IsEmpty());
}

TEST_P(RecoveryVerbs, ExamineTellsWhatABranchHoldsAndWhomItBlocks) {
    if (!subject_->traits().has_locks) {
        GTEST_SKIP() << kNoLocks;
    }
    const auto xid = unique_xid();
    {
        const auto before = unique_xid();
        const auto connection = start(before);
        subject_->insert(*connection, 1);
        EXPECT_EQ(run(*connection, Verb::commit_one_phase, before).code, XaCode::ok);
    }
    {
        const auto connection = start(xid);
        subject_->lock_row(*connection, 1);
        ASSERT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    }
    const auto waiting = subject_->wait_for_row(xid, 1);
    const auto admin = subject_->connect_as_admin();
    Answer examined;
    // A server that keeps branches tells nothing of one before it has let go of the session.
    EXPECT_TRUE(eventually([&] {
        examined = run(*admin, Verb::examine, xid);
        return !examined.holdings.blocked.empty();
    }));
    EXPECT_TRUE(serves_again(*admin));
    const auto finisher = subject_->connect();
    EXPECT_EQ(run_until_known(*finisher, Verb::commit, xid).code, XaCode::ok);

    ASSERT_EQ(examined.code, XaCode::ok) << examined.message;
    EXPECT_THAT(examined.holdings.locks,
                Contains(Field(&HeldLock::object, AnyOf(HasSubstr("conformance"), "row 1"))));
    EXPECT_THAT(examined.holdings.locks, Each(Field(&HeldLock::mode, Not(IsEmpty()))));
    EXPECT_THAT(
        examined.holdings.blocked,
        ElementsAre(AllOf(Field(&BlockedSession::number, testing::Gt(0U)),
                          Field(&BlockedSession::user, "app"),
                          Field(&BlockedSession::statement, HasSubstr("update conformance")))));
}

TEST_P(RecoveryVerbs, ExamineKnowsNoXidThatIsNotPrepared) {
    const auto admin = subject_->connect_as_admin();
    EXPECT_EQ(run(*admin, Verb::examine, unique_xid()).code, XaCode::nota);
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    EXPECT_EQ(run(*admin, Verb::examine, xid).code, XaCode::nota);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*admin));
}

INSTANTIATE_TEST_SUITE_P(Of, RecoveryVerbs, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace xa_tm::conformance
