// What a server still knows of branches when it comes back: after a crash, and from a backup.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sandbox.h"
#include "subjects.h"

namespace xa_tm::test {
namespace {

using testing::UnorderedElementsAreArray;

class Restart : public Conformance {
protected:
    [[nodiscard]] static bool is_postgres() {
        return std::string_view{GetParam().name}.starts_with("postgres");
    }

    void insert_outside(int id) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        subject_->insert(*connection, id);
        ASSERT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    }

    void crash() {
        sandbox::kill(GetParam().name);
        sandbox::restart(GetParam().name);
        subject_ = GetParam().make();
    }

    ServerPosition position() {
        const auto answer = run(*subject_->connect(), Verb::recover);
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        return answer.position;
    }

    /// More than what a server writes when it starts.
    void work(int first_id) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        for (int id = first_id; id < first_id + 1000; ++id) {
            subject_->insert(*connection, id);
        }
        ASSERT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    }

    Answer ask(Connection& connection, Verb verb, const Xid& xid, const std::string& evidence) {
        return run(connection, {{.verb = verb, .xid = xid, .evidence = evidence}}).front();
    }
};

TEST_P(Restart, BringsBackWhatWasWrittenAndNotWhatWasOnlyLockedWhereTheServerDoesNotLogLocks) {
    insert_outside(1);
    const auto writing = unique_xid();
    const auto locking = unique_xid();
    const auto writer = prepare(writing, 2);
    const auto locker = start(locking);
    const auto answers =
        run(*locker, {{.verb = Verb::execute,
                       .xid = locking,
                       .statement = "select * from conformance where id = 1 for update"},
                      {.verb = Verb::prepare, .xid = locking}});
    ASSERT_EQ(answers.back().code, XaCode::ok);
    crash();
    EXPECT_EQ(run(*writer, Verb::commit, writing).code, XaCode::rmfail);
    const auto expected = is_postgres() ? std::vector{writing, locking} : std::vector{writing};
    EXPECT_THAT(listed(), UnorderedElementsAreArray(expected));
    const auto connection = subject_->connect();
    EXPECT_EQ(run(*connection, Verb::commit, writing).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, locking).code,
              is_postgres() ? XaCode::ok : XaCode::nota);
    EXPECT_EQ(run(*connection, Verb::locate, locking).code, XaCode::nota);
    EXPECT_TRUE(subject_->has_row(2));
}

TEST_P(Restart, BringsBackTheDecisionsOfALastResourceWithTheirWork) {
    subject_->drop_decision_table();
    subject_->set_up_decision_table();
    const auto xid = unique_xid();
    const auto connection = subject_->connect_last_resource();
    EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
    subject_->insert(*connection, 1);
    const auto committed =
        run(*connection,
            {{.verb = Verb::commit_with_decision, .xid = xid, .log = "somelog", .decision = "d"}});
    EXPECT_EQ(committed.front().code, XaCode::ok) << committed.front().message;
    crash();
    EXPECT_TRUE(subject_->has_row(1));
    const auto listed =
        run(*subject_->connect_last_resource(), {{.verb = Verb::list_decisions, .log = "somelog"}});
    EXPECT_EQ(listed.front().decisions, (std::vector{DecisionRow{xid.gtrid, "d"}}))
        << listed.front().message;
}

TEST_P(Restart, NeverMakesTheServersPositionSmaller) {
    auto last = position();
    EXPECT_GT(last.flushed, 0U);
    int id = 0;
    const auto expect_no_smaller = [&](const char* when) {
        const auto now = position();
        EXPECT_GE(now.flushed, last.flushed) << when;
        EXPECT_EQ(now.history, last.history) << when;
        last = now;
    };
    for (int round = 0; round < 2; ++round) {
        const auto prepared = unique_xid();
        const auto owner = prepare(prepared, ++id);
        insert_outside(++id);
        expect_no_smaller("after work");
        crash();
        expect_no_smaller("after a crash");
        EXPECT_EQ(run(*subject_->connect(), Verb::commit, prepared).code, XaCode::ok);
        expect_no_smaller("after recovery");
        sandbox::restart(GetParam().name);
        subject_ = GetParam().make();
        expect_no_smaller("after a clean restart");
        crash();
        expect_no_smaller("after a crash of an idle server");
    }
}

class RestoredServer : public Restart {
protected:
    void TearDown() override {
        Restart::TearDown();
        sandbox::drop_snapshot(GetParam().name);
    }

    void restore() {
        sandbox::restore(GetParam().name);
        subject_ = GetParam().make();
    }
};

TEST_P(RestoredServer, Trap29ACommitThatABackupLacksIsSeenWhereTheServerKeepsEvidence) {
    sandbox::snapshot(GetParam().name);
    const auto xid = unique_xid();
    std::string evidence;
    std::string server;
    {
        const auto connection = start(xid);
        server = connection->server_identity();
        subject_->insert(*connection, 1);
        const auto vote = run(*connection, Verb::prepare, xid);
        ASSERT_EQ(vote.code, XaCode::ok);
        evidence = vote.evidence;
        ASSERT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    }
    restore();
    const auto connection = subject_->connect();
    EXPECT_EQ(connection->server_identity(), server) << "a backup has its server's name";
    EXPECT_FALSE(subject_->has_row(1));
    const auto found = ask(*connection, Verb::locate, xid, evidence);
    const auto committed = ask(*connection, Verb::commit, xid, evidence);
    if (is_postgres()) {
        EXPECT_EQ(found.code, XaCode::heurhaz) << found.message;
        EXPECT_EQ(committed.code, XaCode::heurhaz) << committed.message;
    } else {
        // MySQL and MariaDB answer alike for what has committed and what was never there.
        EXPECT_EQ(found.code, XaCode::nota);
        EXPECT_EQ(committed.code, XaCode::nota);
    }
}

TEST_P(RestoredServer, Trap52ABackupThatHasBranchesPreparedAgainIsBehindTheServersPosition) {
    const auto finished = unique_xid();
    const auto lacking = unique_xid();
    prepare(finished, 1).reset();
    sandbox::snapshot(GetParam().name);
    subject_ = GetParam().make();
    EXPECT_EQ(run(*subject_->connect(), Verb::commit, finished).code, XaCode::ok);
    prepare(lacking, 2).reset();
    work(3);
    const auto before = position();
    const auto server = subject_->connect()->server_identity();

    restore();
    EXPECT_EQ(listed(), std::vector{finished}) << "its commit is undone, and the other is gone";
    EXPECT_EQ(subject_->connect()->server_identity(), server);
    const auto after = position();
    EXPECT_LT(after.flushed, before.flushed);
    EXPECT_EQ(after.history, before.history) << "a copy of the files has no history of its own";
    RecordProperty("behind_bytes", std::to_string(before.flushed - after.flushed));
    EXPECT_EQ(run(*subject_->connect(), Verb::rollback, finished).code, XaCode::ok);
}

class Failover : public Conformance {};

TEST_P(Failover, Trap51AnotherServerThatAnswersHasAnotherIdentityAndBothAreHeard) {
    const auto& kinds = servers();
    const auto here = std::ranges::find(kinds, std::string_view{GetParam().name}, &Kind::name);
    // The next one that speaks the same protocol.
    const bool is_postgres = std::string_view{GetParam().name}.starts_with("postgres");
    const auto other = std::ranges::find_if(kinds, [&](const Kind& kind) {
        return kind.name != here->name &&
               std::string_view{kind.name}.starts_with("postgres") == is_postgres;
    });
    const auto xid = unique_xid();
    const auto branch = prepare(xid, 1);
    const auto successor_subject = other->make();
    const auto successor = successor_subject->connect();
    EXPECT_EQ(run(*successor, Verb::locate, xid).code, XaCode::nota);
    EXPECT_EQ(run(*successor, Verb::commit, xid).code, XaCode::nota);
    EXPECT_NE(successor->server_identity(), branch->server_identity());
    EXPECT_FALSE(successor->server_identity().empty());
    EXPECT_EQ(listed(), std::vector{xid}) << "the former server still has it";
    EXPECT_EQ(run(*branch, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
}

INSTANTIATE_TEST_SUITE_P(Of, Restart, testing::ValuesIn(servers()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, RestoredServer, testing::ValuesIn(servers()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, Failover, testing::ValuesIn(servers()), name_of);

}  // namespace
}  // namespace xa_tm::test
