// What every resource manager must do, whatever server is behind it: one suite for the fake and
// every server of the matrix.

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "xa_tm/conformance/suite.h"

namespace xa_tm::conformance {
namespace {

using test::eventually;

using testing::AnyOf;
using testing::Contains;
using testing::UnorderedElementsAreArray;

TEST_P(Conformance, CommitMakesThePreparedWorkVisible) {
    const auto xid = unique_xid();
    const auto connection = prepare(xid, 1);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, RollbackBeforePrepareUndoesTheWork) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, RollbackAfterPrepareUndoesTheWork) {
    const auto xid = unique_xid();
    const auto connection = prepare(xid, 1);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, OnePhaseCommitMakesTheWorkVisible) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, ABranchThatWroteNothingMayFinishDuringPrepare) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->read(*connection);
    const auto vote = run(*connection, Verb::prepare, xid).code;
    ASSERT_THAT(vote, AnyOf(XaCode::ok, XaCode::rdonly));
    EXPECT_EQ(run(*connection, Verb::commit, xid).code,
              vote == XaCode::ok ? XaCode::ok : XaCode::nota);
}

TEST_P(Conformance, OneConnectionServesManyTransactions) {
    const auto connection = subject_->connect();
    for (int id = 1; id <= 100; ++id) {
        const auto xid = unique_xid();
        ASSERT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        subject_->insert(*connection, id);
        ASSERT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        ASSERT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
        ASSERT_TRUE(connection->is_reusable());
    }
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(subject_->has_row(100));
}

TEST_P(Conformance, EveryVerbIsAnsweredAfterOneWaitPerStatementAtMost) {
    const auto xid = unique_xid();
    const auto connection = subject_->connect();
    EXPECT_LE(run_counted(*connection, Verb::start, xid).waits, 1);
    subject_->insert(*connection, 1);
    // Two statements go out together, but a server may answer them one by one.
    EXPECT_LE(run_counted(*connection, Verb::prepare, xid).waits, 2);
    EXPECT_LE(run_counted(*connection, Verb::commit, xid).waits, 1);
}

TEST_P(Conformance, TheConnectionIsTheApplicationsOnlyWhileItsBranchIsOpen) {
    const auto xid = unique_xid();
    const auto connection = subject_->connect();
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_THROW(subject_->insert(*connection, 1), std::exception);
    run(*connection, Verb::start, xid);
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_FALSE(connection->is_reusable());
    run(*connection, Verb::rollback, xid);
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_THROW(subject_->insert(*connection, 1), std::exception);
}

class LateStatement : public Conformance {
protected:
    /// A statement made ready in the branch and run after `verbs` must fail and write nothing.
    void expect_refused_after(std::initializer_list<Verb> verbs) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        subject_->insert(*connection, 1);
        const auto late_insert = subject_->late_insert(*connection, 2);
        for (const auto verb : verbs) {
            ASSERT_EQ(run(*connection, verb, xid).code, XaCode::ok);
            EXPECT_THROW(late_insert(), std::exception) << "after " << to_string(verb);
        }
        EXPECT_FALSE(subject_->has_row(2));
    }
};

TEST_P(LateStatement, IsRefusedAfterPrepareAndAfterCommit) {
    expect_refused_after({Verb::prepare, Verb::commit});
}

TEST_P(LateStatement, IsRefusedAfterPrepareAndAfterRollback) {
    expect_refused_after({Verb::prepare, Verb::rollback});
}

TEST_P(LateStatement, IsRefusedAfterOnePhaseCommit) {
    expect_refused_after({Verb::commit_one_phase});
}

TEST_P(LateStatement, IsRefusedAfterRollback) {
    expect_refused_after({Verb::rollback});
}

/// Trap 15: formats, lengths and bytes of other transaction managers.
std::vector<Xid> awkward_xids() {
    std::mt19937 random{15};
    const auto bytes = [&random](std::size_t size) {
        std::string text(size, '\0');
        std::ranges::generate(text, [&random] { return static_cast<char>(random()); });
        return text;
    };
    using namespace std::string_literals;
    return {
        {1, bytes(64), bytes(64)}, {kFormatId, bytes(64), bytes(64)},
        {0, "\0"s, "\0\0"s},       {2147483647, "quote'\"\\`;--", "%_$1$$"},
        {131077, bytes(28), ""},   {kFormatId, "xa_tm:a/b", "c/d"},
        {kFormatId, "plain", ""},  unique_xid(),
    };
}

TEST_P(Conformance, Trap15RecoverListsExactlyWhatIsPreparedByteForByte) {
    const auto xids = awkward_xids();
    std::vector<std::unique_ptr<Connection>> connections;
    connections.reserve(xids.size());
    int id = 0;
    for (const auto& xid : xids) {
        connections.push_back(prepare(xid, ++id));
    }
    const auto active = start(unique_xid());
    EXPECT_THAT(listed(), UnorderedElementsAreArray(xids));
    for (std::size_t i = 0; i < xids.size(); ++i) {
        EXPECT_EQ(run(*connections[i], Verb::rollback, xids[i]).code, XaCode::ok);
    }
    EXPECT_EQ(listed(), std::vector<Xid>{});
}

TEST_P(Conformance, Trap15XidsWithOneBytesDifferenceAreDifferentBranches) {
    const Xid one{kFormatId, "tm1", "r"};
    const Xid ten{kFormatId, "tm10", "r"};
    const auto first = prepare(one, 1);
    const auto second = prepare(ten, 2);
    EXPECT_EQ(run(*first, Verb::commit, one).code, XaCode::ok);
    EXPECT_EQ(listed(), std::vector{ten});
    EXPECT_EQ(run(*second, Verb::rollback, ten).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
}

TEST_P(Conformance, AnXidThatIsTooLongIsRefused) {
    const auto connection = subject_->connect();
    const Xid too_long{kFormatId, std::string(65, 'g'), "b"};
    EXPECT_EQ(run(*connection, Verb::start, too_long).code, XaCode::inval);
    EXPECT_EQ(run(*connection, Verb::start, {kFormatId, "", "b"}).code, XaCode::inval);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, ASecondBranchWithTheSameXidFailsAndTheFirstIsUnharmed) {
    const auto xid = unique_xid();
    const auto first = prepare(xid, 1);
    const auto second = subject_->connect();
    if (subject_->traits().names_active_branches) {
        EXPECT_EQ(run(*second, Verb::start, xid).code, XaCode::dupid);
    } else {
        EXPECT_EQ(run(*second, Verb::start, xid).code, XaCode::ok);
        subject_->insert(*second, 2);
        EXPECT_EQ(run(*second, Verb::prepare, xid).code, XaCode::rbother);
    }
    EXPECT_TRUE(serves_again(*second));
    EXPECT_EQ(run(*first, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
}

TEST_P(Conformance, AnUnknownXidIsAnsweredWithNota) {
    const auto connection = subject_->connect();
    EXPECT_EQ(run(*connection, Verb::commit, unique_xid()).code, XaCode::nota);
    EXPECT_EQ(run(*connection, Verb::rollback, unique_xid()).code, XaCode::nota);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, ASecondCommitIsAnsweredWithNota) {
    const auto xid = unique_xid();
    const auto connection = prepare(xid, 1);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::nota);
    EXPECT_TRUE(subject_->has_row(1));
}

TEST_P(Conformance, AVerbThatDoesNotFitIsRefusedAndTheBranchStaysAsItWas) {
    const auto xid = unique_xid();
    const auto connection = subject_->connect();
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::proto);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::proto);
    run(*connection, Verb::start, xid);
    subject_->insert(*connection, 1);
    EXPECT_EQ(run(*connection, Verb::start, unique_xid()).code, XaCode::proto);
    EXPECT_EQ(run(*connection, Verb::rollback, unique_xid()).code, XaCode::proto);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
}

TEST_P(Conformance, APreparedBranchOutlivesItsSessionAndIsFinishedByAnother) {
    const auto committed = unique_xid();
    const auto rolled_back = unique_xid();
    prepare(committed, 1).reset();
    prepare(rolled_back, 2).reset();
    const auto other = subject_->connect();
    EXPECT_EQ(run_until_known(*other, Verb::commit, committed).code, XaCode::ok);
    EXPECT_EQ(run_until_known(*other, Verb::rollback, rolled_back).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
}

TEST_P(Conformance, AnUnpreparedBranchEndsWithItsSession) {
    const auto xid = unique_xid();
    auto connection = start(xid);
    subject_->insert(*connection, 1);
    connection.reset();
    const auto other = subject_->connect();
    auto located = run(*other, Verb::locate, xid);
    while (located.code == XaCode::retry) {
        located = run(*other, Verb::locate, xid);
    }
    EXPECT_EQ(located.code, XaCode::nota);
    EXPECT_FALSE(subject_->has_row(1));
}

TEST_P(Conformance, Trap47AServerThatTiesABranchToItsSessionAnswersNotaUntilThatHasEnded) {
    const auto xid = unique_xid();
    auto owner = prepare(xid, 1);
    const auto other = subject_->connect();
    if (subject_->traits().keeps_prepared_branch_in_session) {
        EXPECT_THAT(run(*other, Verb::commit, xid).code, AnyOf(XaCode::nota, XaCode::retry));
        EXPECT_EQ(listed(), std::vector{xid});
        EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::retry);
        EXPECT_FALSE(owner->is_reusable());
    }
    owner.reset();
    EXPECT_EQ(run_until_known(*other, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
}

/// What two sessions are answered that send the verb at the same time.
std::vector<XaCode> answers_to_both(Connection& one, Connection& other, Verb verb, const Xid& xid) {
    one.send(verb, xid);
    other.send(verb, xid);
    std::vector<XaCode> codes;
    for (auto* connection : {&one, &other}) {
        std::optional<Answer> answer;
        EXPECT_TRUE(eventually([&] { return (answer = connection->receive()).has_value(); }));
        codes.push_back(answer.value_or(Answer{.code = XaCode::rmerr}).code);
    }
    return codes;
}

TEST_P(Conformance, OfTwoWhoFinishABranchAtOnceOneSucceedsAndTheOtherIsNotMisled) {
    constexpr int kRounds = 5;
    for (int id = 1; id <= kRounds; ++id) {
        const auto xid = unique_xid();
        prepare(xid, id).reset();
        const auto first = subject_->connect();
        const auto second = subject_->connect();
        ASSERT_TRUE(
            eventually([&] { return run(*first, Verb::locate, xid).code == XaCode::retry; }));
        std::vector<XaCode> codes;
        // A server that keeps branches lets go of one a moment after its session has ended.
        ASSERT_TRUE(eventually([&] {
            codes = answers_to_both(*first, *second, Verb::commit, xid);
            return std::ranges::count(codes, XaCode::ok) > 0;
        }));
        EXPECT_EQ(std::ranges::count(codes, XaCode::ok), 1) << "both have finished one branch";
        EXPECT_THAT(codes, Contains(AnyOf(XaCode::nota, XaCode::retry)));
        EXPECT_TRUE(subject_->has_row(id));
        EXPECT_TRUE(
            eventually([&] { return run(*second, Verb::locate, xid).code == XaCode::nota; }));
        EXPECT_TRUE(serves_again(*first) && serves_again(*second));
    }
}

TEST_P(Conformance, Trap32AFailedStatementIsToldByTheVote) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    subject_->fail_statement(*connection);
    const auto vote = run(*connection, Verb::prepare, xid);
    EXPECT_EQ(vote.code, subject_->traits().vote_after_failed_statement);
    if (vote.code == XaCode::ok) {
        EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    } else {
        EXPECT_FALSE(vote.message.empty());
    }
    EXPECT_EQ(subject_->has_row(1), vote.code == XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Conformance, Trap32AFailedStatementIsToldByTheOnePhaseCommit) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    subject_->fail_statement(*connection);
    const auto code = run(*connection, Verb::commit_one_phase, xid).code;
    EXPECT_EQ(code, subject_->traits().vote_after_failed_statement);
    EXPECT_EQ(subject_->has_row(1), code == XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

class DeadlockVictim : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        if (!subject_->traits().has_locks) {
            GTEST_SKIP() << kNoLocks;
        }
    }

    /// Ends a victim's branch with `verb` and commits the survivor's.
    Answer end_victim_with(Verb verb) {
        const auto xid_one = unique_xid();
        const auto xid_other = unique_xid();
        const auto one = start(xid_one);
        const auto other = start(xid_other);
        subject_->insert(*one, 1);
        subject_->insert(*other, 2);
        auto& victim = subject_->make_deadlock(*one, *other);
        const bool one_is_victim = &victim == one.get();
        auto answer = run(victim, verb, one_is_victim ? xid_one : xid_other);
        EXPECT_TRUE(serves_again(victim));
        auto& survivor = one_is_victim ? *other : *one;
        const auto& xid = one_is_victim ? xid_other : xid_one;
        EXPECT_EQ(run(survivor, Verb::prepare, xid).code, XaCode::ok);
        EXPECT_EQ(run(survivor, Verb::commit, xid).code, XaCode::ok);
        EXPECT_EQ(subject_->has_row(1), !one_is_victim);
        EXPECT_EQ(subject_->has_row(2), one_is_victim);
        return answer;
    }
};

TEST_P(DeadlockVictim, Trap34VotesThatItIsRolledBack) {
    EXPECT_EQ(end_victim_with(Verb::prepare).code, subject_->traits().vote_of_deadlock_victim);
}

TEST_P(DeadlockVictim, Trap34AnswersOnePhaseCommitThatItIsRolledBack) {
    EXPECT_EQ(end_victim_with(Verb::commit_one_phase).code,
              subject_->traits().vote_of_deadlock_victim);
}

TEST_P(DeadlockVictim, CanBeRolledBack) {
    EXPECT_EQ(end_victim_with(Verb::rollback).code, XaCode::ok);
}

TEST_P(Conformance, LocateTellsWhetherAnythingMayStillHappenToABranch) {
    const auto xid = unique_xid();
    const auto other = subject_->connect();
    EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::nota);
    const auto connection = start(xid);
    subject_->insert(*connection, 1);
    EXPECT_EQ(run(*other, Verb::locate, xid).code,
              subject_->traits().names_active_branches ? XaCode::retry : XaCode::nota);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::retry);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::nota);
    EXPECT_TRUE(serves_again(*other));
}

class LostSession : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        if (!subject_->traits().is_server) {
            GTEST_SKIP() << kNoServer;
        }
    }

    void expect_rmfail_from(Verb verb) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        subject_->insert(*connection, 1);
        subject_->end_session(*connection);
        const auto answer = run(*connection, verb, xid);
        EXPECT_EQ(answer.code, XaCode::rmfail) << answer.message;
        EXPECT_FALSE(answer.message.empty());
        EXPECT_FALSE(connection->is_reusable());
        EXPECT_FALSE(connection->is_open_to_application());
        EXPECT_FALSE(subject_->has_row(1));
        // Whatever is asked next, the answer is the same and comes at once.
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::rmfail);
        EXPECT_EQ(run(*connection, Verb::recover).code, XaCode::rmfail);
    }
};

TEST_P(LostSession, Trap31IsToldByPrepare) {
    expect_rmfail_from(Verb::prepare);
}

TEST_P(LostSession, Trap31IsToldByOnePhaseCommit) {
    expect_rmfail_from(Verb::commit_one_phase);
}

TEST_P(LostSession, Trap31IsToldByRollback) {
    expect_rmfail_from(Verb::rollback);
}

INSTANTIATE_TEST_SUITE_P(Of, Conformance, testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, LateStatement, testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, DeadlockVictim, testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, LostSession, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace xa_tm::conformance
