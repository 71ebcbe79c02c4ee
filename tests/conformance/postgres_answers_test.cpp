// PostgreSQL's less common answers, each given by a real server.

#include <csignal>

#include <fmt/format.h>

#include "eventually.h"
#include "postgres_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PostgresAnswers : public OnPostgres {
protected:
    void TearDown() override { wait_for_standbys(""); }

    /// From now on every commit and prepare waits for these standbys, after it was written.
    void wait_for_standbys(const std::string& names) {
        admin_.execute("alter system set synchronous_standby_names = '" + names + "'");
        std::ignore = admin_.number("select pg_reload_conf()::int");
        ASSERT_TRUE(eventually([&] {
            return Database{sandbox::admin_uri(GetParam())}.number(
                       "select (current_setting('synchronous_standby_names') = '" + names +
                       "')::int") == 1;
        }));
    }

    std::pair<std::unique_ptr<Connection>, Xid> prepare() {
        const auto xid = unique_xid();
        auto connection = start(xid);
        sql(*connection) << "insert into only_postgres values (1)";
        EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        return {std::move(connection), xid};
    }

    void wait_until_stalled(const Connection& connection) {
        ASSERT_TRUE(eventually([&] {
            return admin_.number(fmt::format("select count(*) from pg_stat_activity where "
                                             "wait_event = 'SyncRep' and pid = {}",
                                             connection.session_id().number)) == 1;
        }));
    }

    void signal(const char* function, const Connection& connection) {
        EXPECT_EQ(admin_.number(
                      fmt::format("select {}({})::int", function, connection.session_id().number)),
                  1);
    }

    /// After the server was away.
    void reconnect() {
        outside_ = Database{sandbox::uri(GetParam())};
        admin_ = Database{sandbox::admin_uri(GetParam())};
    }

    static Answer answer_of(Connection& connection) {
        std::optional<Answer> answer;
        EXPECT_TRUE(eventually([&] { return (answer = connection.receive()).has_value(); }));
        return answer.value_or(Answer{});
    }
};

TEST_P(PostgresAnswers, Trap42ACommitWhoseWaitForAStandbyWasCancelledIsACommitWithAWarning) {
    auto [connection, xid] = prepare();
    wait_for_standbys("nobody");
    connection->send(Verb::commit, xid);
    wait_until_stalled(*connection);
    signal("pg_cancel_backend", *connection);
    const auto answer = answer_of(*connection);
    EXPECT_EQ(answer.code, XaCode::ok);
    EXPECT_THAT(answer.message, HasSubstr("canceling wait for synchronous replication"));
    EXPECT_EQ(rows(), 1);
}

TEST_P(PostgresAnswers, Trap31ACommitWhoseSessionWasEndedMeanwhileIsALostReply) {
    auto [connection, xid] = prepare();
    wait_for_standbys("nobody");
    connection->send(Verb::commit, xid);
    wait_until_stalled(*connection);
    signal("pg_terminate_backend", *connection);
    EXPECT_EQ(answer_of(*connection).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(rows(), 1) << "it had been written already";
}

TEST_P(PostgresAnswers, ABranchThatAnotherSessionIsBusyWithIsAskedForAgain) {
    wait_for_standbys("nobody");
    const auto xid = unique_xid();
    const auto owner = start(xid);
    sql(*owner) << "insert into only_postgres values (1)";
    owner->send(Verb::prepare, xid);
    wait_until_stalled(*owner);
    const auto other = datasource_.connect({});
    for (const auto verb : {Verb::commit, Verb::rollback}) {
        const auto answer = run(*other, verb, xid);
        EXPECT_EQ(answer.code, XaCode::retry);
        EXPECT_EQ(answer.sqlstate, "55000");
    }
    EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::retry);
    signal("pg_cancel_backend", *owner);
    EXPECT_EQ(answer_of(*owner).code, XaCode::ok);
    wait_for_standbys("");
    EXPECT_EQ(run(*other, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(PostgresAnswers, Trap30AShutdownOfTheServerIsALostConnectionAndTheBranchStays) {
    auto [connection, xid] = prepare();
    signal("pg_terminate_backend", *connection);
    ASSERT_TRUE(eventually([&, pid = connection->session_id().number] {
        return admin_.number(
                   fmt::format("select count(*) from pg_stat_activity where pid = {}", pid)) == 0;
    }));
    const auto answer = run(*connection, Verb::commit, xid);
    EXPECT_EQ(answer.code, XaCode::rmfail);
    EXPECT_THAT(outside_.prepared(), SizeIs(1));
    EXPECT_EQ(run(*datasource_.connect({}), Verb::commit, xid).code, XaCode::ok);
}

TEST_P(PostgresAnswers, Trap30ACommitThatOutlastsTheStatementTimeoutIsACommitWithAWarning) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "set statement_timeout = '500ms'";
    sql(*connection) << "insert into only_postgres values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    wait_for_standbys("nobody");
    const auto answer = run(*connection, Verb::commit, xid);
    EXPECT_EQ(answer.code, XaCode::ok);
    EXPECT_THAT(answer.message, HasSubstr("canceling wait for synchronous replication"));
    EXPECT_EQ(rows(), 1);
    EXPECT_THAT(outside_.prepared(), IsEmpty());
}

TEST_P(PostgresAnswers, Trap31ACrashOfAnotherBackendIsALostConnectionAndTheBranchStays) {
    auto [connection, xid] = prepare();
    const auto other = unique_xid();
    const auto working = start(other);
    sql(*working) << "insert into only_postgres values (2)";
    const auto victim = datasource_.connect({});
    const auto bystander = datasource_.connect({});
    ASSERT_EQ(::kill(static_cast<pid_t>(victim->session_id().number), SIGKILL), 0);
    // The server ends all its sessions then (57P02), and takes new ones when all have ended.
    ASSERT_TRUE(eventually([&] { return run(*bystander, Verb::recover).code == XaCode::rmfail; }));
    std::unique_ptr<Connection> again;
    EXPECT_TRUE(eventually([&] {
        try {
            again = datasource_.connect({});
        } catch (const Error& error) {  // in recovery (57P03)
            EXPECT_EQ(error.code(), ErrorCode::resource_unreachable) << error.what();
        }
        return again != nullptr;
    }));
    for (const auto& answer :
         {run(*connection, Verb::commit, xid), run(*working, Verb::prepare, other)}) {
        EXPECT_EQ(answer.code, XaCode::rmfail);
        EXPECT_THAT(answer.sqlstate, AnyOf("57P02", ""));
    }
    reconnect();
    EXPECT_EQ(run(*again, Verb::locate, other).code, XaCode::nota);
    EXPECT_EQ(run(*again, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(PostgresAnswers, Trap30AServerThatShutsDownTakesNoNewSessionsAndFinishesWhatItHas) {
    auto [connection, xid] = prepare();
    const auto postmaster =
        admin_.number("select split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int");
    ASSERT_EQ(::kill(static_cast<pid_t>(postmaster), SIGTERM), 0);  // waits for the sessions
    std::string refusal;
    EXPECT_TRUE(eventually([&] {
        try {
            std::ignore = datasource_.connect({});
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::resource_unreachable);
            EXPECT_TRUE(error.is_retryable());
            refusal = error.what();
        }
        return !refusal.empty();
    }));
    EXPECT_THAT(refusal, HasSubstr("shutting down"));
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
    sandbox::restart(GetParam());
    reconnect();
}

TEST_P(PostgresAnswers, AWriteSkewOfSerializableBranchesIsToldByTheVoteOfTheSecond) {
    const auto first_xid = unique_xid();
    const auto second_xid = unique_xid();
    const auto first = start(first_xid);
    const auto second = start(second_xid);
    int count = 0;
    for (auto* connection : {first.get(), second.get()}) {
        sql(*connection) << "set transaction isolation level serializable";
        sql(*connection) << "select count(*) from only_postgres", soci::into(count);
    }
    sql(*first) << "insert into only_postgres values (1)";
    sql(*second) << "insert into only_postgres values (2)";
    EXPECT_EQ(run(*first, Verb::prepare, first_xid).code, XaCode::ok);
    const auto vote = run(*second, Verb::prepare, second_xid);
    EXPECT_EQ(vote.code, XaCode::rbdeadlock);
    EXPECT_EQ(vote.sqlstate, "40001");
    EXPECT_EQ(run(*first, Verb::commit, first_xid).code, XaCode::ok) << "what was promised is kept";
    EXPECT_EQ(rows(), 1);
    EXPECT_TRUE(serves_again(*second));
}

TEST_P(PostgresAnswers, Trap31AnIdleTransactionThatTheServerEndedIsALostConnection) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (1)";
    sql(*connection) << "set local idle_in_transaction_session_timeout = '10ms'";
    ASSERT_TRUE(eventually([&, pid = connection->session_id().number] {
        return admin_.number(
                   fmt::format("select count(*) from pg_stat_activity where pid = {}", pid)) == 0;
    }));
    const auto vote = run(*connection, Verb::prepare, xid);
    EXPECT_EQ(vote.code, XaCode::rmfail);
    EXPECT_THAT(vote.sqlstate, AnyOf("25P03", ""));
    EXPECT_EQ(rows(), 0);
}

TEST_P(PostgresAnswers, Trap41AFullServerVotesNoAndNamesTheSetting) {
    const auto limit = outside_.number("select current_setting('max_prepared_transactions')::int");
    for (std::int64_t i = 0; i < limit; ++i) {
        outside_.execute("begin");
        outside_.execute(fmt::format("prepare transaction 'filler {}'", i));
    }
    const auto vote = vote_after({"insert into only_postgres values (1)"});
    for (std::int64_t i = 0; i < limit; ++i) {
        outside_.execute(fmt::format("rollback prepared 'filler {}'", i));
    }
    EXPECT_EQ(vote.code, XaCode::rbrollback);
    EXPECT_EQ(vote.sqlstate, "53200");
    EXPECT_THAT(vote.message, HasSubstr("raise max_prepared_transactions"));
}

TEST_P(PostgresAnswers, Trap43TheCauseIsNamedForEveryThingThatCantBePrepared) {
    const auto cause_of = [&](std::initializer_list<const char*> statements) {
        const auto vote = vote_after(statements);
        EXPECT_EQ(vote.code, XaCode::rbrollback) << vote.message;
        EXPECT_EQ(vote.sqlstate, "0A000");
        return vote.message;
    };
    EXPECT_THAT(cause_of({"create temporary table scratch (id int)"}), HasSubstr("temporary"));
    EXPECT_THAT(cause_of({"listen users"}), HasSubstr("LISTEN"));
    EXPECT_THAT(cause_of({"notify users"}), HasSubstr("NOTIFY"));
    EXPECT_THAT(cause_of({"declare c cursor with hold for select 1"}), HasSubstr("WITH HOLD"));
    EXPECT_THAT(cause_of({"insert into only_postgres values (1)", "select pg_export_snapshot()"}),
                HasSubstr("exported snapshots"));
    EXPECT_THAT(cause_of({"insert into only_postgres values (1)", "select pg_advisory_lock(1)",
                          "select pg_advisory_xact_lock(1)"}),
                HasSubstr("session-level and transaction-level locks"));
}

TEST_P(PostgresAnswers, Trap32AFailedTransactionVotesNoThoughTheServerCallsItNoError) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    EXPECT_THROW(sql(*connection) << "select 1/0", soci::soci_error);
    const auto vote = run(*connection, Verb::prepare, xid);
    EXPECT_EQ(vote.code, XaCode::rbrollback);
    EXPECT_EQ(vote.sqlstate, "22012");
    EXPECT_THAT(outside_.prepared(), IsEmpty());
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresAnswers, ANameInUseVotesNoAndLeavesTheOtherBranchAlone) {
    auto [owner, xid] = prepare();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (2)";
    const auto vote = run(*connection, Verb::prepare, xid);
    EXPECT_EQ(vote.code, XaCode::rbother);
    EXPECT_EQ(vote.sqlstate, "42710");
    EXPECT_EQ(run(*owner, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(outside_.number("select max(id) from only_postgres"), 1);
}

INSTANTIATE_TEST_SUITE_P(On, PostgresAnswers, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
