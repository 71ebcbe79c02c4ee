// What only PostgreSQL does, or does its own way.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <soci/soci.h>

#include "eventually.h"
#include "postgres_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Postgres : public OnPostgres {};

TEST_P(Postgres, ABranchThatWroteNothingIsFinishedDuringPrepare) {
    const auto vote = vote_after({"select count(*) from only_postgres"});
    EXPECT_EQ(vote.code, XaCode::rdonly);
    EXPECT_EQ(vote.evidence, "");
    EXPECT_EQ(vote_after({"update only_postgres set id = 2 where id = 1"}).code, XaCode::rdonly);
}

TEST_P(Postgres, ABranchThatTookRowLocksOrNumbersHasNotFinishedDuringPrepare) {
    outside_.execute("insert into only_postgres values (1)");
    EXPECT_EQ(vote_after({"select from only_postgres for update"}).code, XaCode::ok);
    EXPECT_EQ(vote_after({"select nextval('only_postgres_numbers')"}).code, XaCode::ok);
}

TEST_P(Postgres, TheVoteCarriesTheTransactionIdAsEvidence) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (1)";
    const auto vote = run(*connection, Verb::prepare, xid);
    ASSERT_THAT(vote.evidence, StartsWith("pg_xid="));
    const auto is_committed = fmt::format("select (pg_xact_status('{}'::xid8) = 'committed')::int",
                                          vote.evidence.substr(7, vote.evidence.find(';') - 7));
    EXPECT_EQ(outside_.number(is_committed), 0);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(outside_.number(is_committed), 1);
}

TEST_P(Postgres, OurBranchesAreReadableInPgPreparedXacts) {
    const Xid xid{kFormatId, "shop-1.0af3.7.12", "users.1"};
    const auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    const auto answer = run(*datasource_.connect({}), Verb::recover);
    ASSERT_EQ(answer.listed.size(), 1U);
    EXPECT_EQ(answer.listed.front().name, "xa_tm:shop-1.0af3.7.12/users.1");
    EXPECT_EQ(answer.listed.front().owner, "app");
    const auto age = std::chrono::system_clock::now() - answer.listed.front().prepared_at.value();
    EXPECT_LT(age, std::chrono::minutes{1});
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(Postgres, APreparedTransactionThatIsNoXidIsListedByItsNameOnly) {
    outside_.execute("begin");
    outside_.execute("insert into only_postgres values (1)");
    outside_.execute("prepare transaction 'made by hand'");
    const auto answer = run(*datasource_.connect({}), Verb::recover);
    outside_.execute("rollback prepared 'made by hand'");
    ASSERT_EQ(answer.listed.size(), 1U);
    EXPECT_EQ(answer.listed.front().xid, std::nullopt);
    EXPECT_EQ(answer.listed.front().name, "made by hand");
}

TEST_P(Postgres, ADeferredConstraintIsToldByTheVote) {
    outside_.execute("alter table only_postgres drop constraint only_postgres_pkey");
    outside_.execute("alter table only_postgres add unique (id) deferrable initially deferred");
    const auto vote = vote_after({"insert into only_postgres values (1), (1)"});
    EXPECT_EQ(vote.code, XaCode::rbintegrity);
    EXPECT_EQ(vote.sqlstate, "23505");
    EXPECT_THAT(vote.message, HasSubstr("only_postgres_id_key"));
    EXPECT_THAT(vote.message, Not(HasSubstr("(1)"))) << "row data";
    EXPECT_EQ(rows(), 0);
}

TEST_P(Postgres, Trap43WhatABranchMustNotUseIsNamedByTheVote) {
    const auto vote = vote_after({"create temporary table scratch (id int)"});
    EXPECT_EQ(vote.code, XaCode::rbrollback);
    EXPECT_EQ(vote.sqlstate, "0A000");
    EXPECT_THAT(vote.message, HasSubstr("temporary"));
    EXPECT_EQ(vote_after({"notify users"}).sqlstate, "0A000");
    EXPECT_EQ(
        vote_after({"declare all_users cursor with hold for select * from only_postgres"}).sqlstate,
        "0A000");
}

TEST_P(Postgres, Trap39ABranchOfAnotherDatabaseIsNeitherListedNorFinished) {
    outside_.execute("drop database if exists xa_tm_elsewhere");
    outside_.execute("create database xa_tm_elsewhere");
    auto elsewhere_uri = sandbox::uri(GetParam());
    elsewhere_uri.replace(elsewhere_uri.find("xa_tm_test"), 10, "xa_tm_elsewhere");
    postgres::Datasource elsewhere{"elsewhere", elsewhere_uri};
    const auto xid = unique_xid();
    const auto owner = start_on(elsewhere, xid);
    sql(*owner) << "create table only_elsewhere (id int)";
    EXPECT_EQ(run(*owner, Verb::prepare, xid).code, XaCode::ok);

    const auto connection = datasource_.connect({});
    EXPECT_TRUE(run(*connection, Verb::recover).listed.empty());
    for (const auto verb : {Verb::commit, Verb::rollback}) {
        const auto refused = run(*connection, verb, xid);
        EXPECT_EQ(refused.code, XaCode::rmerr);
        EXPECT_THAT(refused.message, HasSubstr("connect to the database"));
        EXPECT_TRUE(serves_again(*connection));
    }
    EXPECT_EQ(run(*connection, Verb::locate, xid).code, XaCode::retry);
    EXPECT_EQ(run(*owner, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(Postgres, Trap30ABranchOfAnotherRoleIsListedWithItsOwnerAndTheRefusalNamesTheRole) {
    postgres::Datasource admins{"admins", sandbox::admin_uri(GetParam())};
    const auto xid = unique_xid();
    const auto owner = start_on(admins, xid);
    sql(*owner) << "insert into only_postgres values (1)";
    EXPECT_EQ(run(*owner, Verb::prepare, xid).code, XaCode::ok);

    const auto connection = datasource_.connect({});
    const auto listed = run(*connection, Verb::recover).listed;
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed.front().owner, "postgres");
    const auto refused = run(*connection, Verb::commit, xid);
    EXPECT_EQ(refused.code, XaCode::rmerr);
    EXPECT_EQ(refused.sqlstate, "42501");
    EXPECT_THAT(refused.message, HasSubstr("prepared by the role postgres"));
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(run(*owner, Verb::commit, xid).code, XaCode::ok);
}

TEST_P(Postgres, ATransactionThatTheApplicationEndedItselfIsNoVoteForCommit) {
    for (const auto* statement : {"commit", "rollback"}) {
        for (const auto verb : {Verb::prepare, Verb::commit_one_phase}) {
            const auto xid = unique_xid();
            const auto connection = start(xid);
            ::PQclear(::PQexec(postgres::Datasource::native_handle_of(*connection), statement));
            const auto vote = run(*connection, verb, xid);
            EXPECT_EQ(vote.code, XaCode::heurhaz) << "nobody knows which of the two it was";
            EXPECT_THAT(vote.message, HasSubstr("COMMIT or ROLLBACK"));
            EXPECT_TRUE(serves_again(*connection));
        }
    }
}

TEST_P(Postgres, AQueryLeftRunningOnTheNativeHandleMakesTheVoteANo) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    PGconn* handle = postgres::Datasource::native_handle_of(*connection);
    ASSERT_EQ(::PQsendQuery(handle, "insert into only_postgres values (1)"), 1);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbproto);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_P(Postgres, APipelineLeftOpenButIdleOnTheNativeHandleDoesNoHarm) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    ASSERT_EQ(::PQenterPipelineMode(postgres::Datasource::native_handle_of(*connection)), 1);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rdonly);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Postgres, ASessionThatTheApplicationClosedOrReconnectedMakesTheVoteANo) {
    const auto xid = unique_xid();
    auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (1)";
    sql(*connection).reconnect();
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbproto);
    EXPECT_FALSE(connection->is_reusable());

    connection = start(xid);
    sql(*connection).close();
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::rbproto);
    EXPECT_EQ(run(*connection, Verb::recover).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(rows(), 0);
}

TEST_P(Postgres, AStaleSessionThatIsReconnectedDoesNotGetTheNextBranch) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    auto& stale = sql(*connection);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rdonly);
    stale.reconnect();
    EXPECT_EQ(run(*connection, Verb::start, unique_xid()).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_P(Postgres, StatementsPreparedThroughSociMayOutliveTheBranch) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    {
        const int id = 1;
        soci::statement statement =
            (sql(*connection).prepare << "insert into only_postgres values (:id)", soci::use(id));
        statement.execute(true);
        EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
        EXPECT_THROW(statement.execute(true), soci::soci_error);
    }
    EXPECT_EQ(rows(), 1);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Postgres, AConnectionIsNotReusedForeverWhenStatementsStayBehindAtTheServer) {
    const auto connection = datasource_.connect({});
    int transactions = 0;
    do {
        const auto xid = unique_xid();
        ASSERT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        for (int i = 0; i < 100; ++i) {
            const soci::statement statement = (sql(*connection).prepare << "select 1");
        }
        ASSERT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        ASSERT_LT(++transactions, 100);
    } while (connection->is_reusable());
    EXPECT_EQ(transactions, 10);
}

TEST_P(Postgres, TheNativeHandleIsInBlockingModeAndIdle) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    PGconn* handle = postgres::Datasource::native_handle_of(*connection);
    EXPECT_EQ(::PQisnonblocking(handle), 0);
    EXPECT_EQ(::PQpipelineStatus(handle), PQ_PIPELINE_OFF);
    EXPECT_EQ(::PQtransactionStatus(handle), PQTRANS_INTRANS);
    const std::unique_ptr<PGresult, decltype(&::PQclear)> result{
        ::PQexec(handle, "insert into only_postgres values (1)"), &::PQclear};
    EXPECT_EQ(::PQresultStatus(result.get()), PGRES_COMMAND_OK);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(Postgres, TheSessionsMarkShowsInPgStatActivity) {
    const auto connection = datasource_.connect({"xa_tm/it's 7"});
    EXPECT_EQ(admin_.number("select count(*) from pg_stat_activity "
                            "where application_name = 'xa_tm/it''s 7'"),
              1);
}

TEST_P(Postgres, ClosingDoesNotWaitForTheServer) {
    const auto xid = unique_xid();
    outside_.execute("insert into only_postgres values (1)");
    outside_.execute("begin");
    outside_.execute("update only_postgres set id = 2");
    auto blocked = start(xid);
    PGconn* handle = postgres::Datasource::native_handle_of(*blocked);
    ASSERT_EQ(::PQsendQuery(handle, "update only_postgres set id = 3"), 1);
    blocked.reset();
    outside_.execute("rollback");
    EXPECT_TRUE(eventually([this] {
        return outside_.number(
                   "select count(*) from pg_stat_activity where pid <> pg_backend_pid() "
                   "and usename = 'app' and state <> 'idle'") == 0;
    }));
    EXPECT_EQ(outside_.number("select id from only_postgres"), 1);
}

INSTANTIATE_TEST_SUITE_P(On, Postgres, testing::ValuesIn(kPostgresServers), name_of_server);

/// The code that connecting fails with, and its message.
std::pair<ErrorCode, std::string> connect_error(const std::string& uri) {
    try {
        postgres::Datasource datasource{"users", uri};
        std::ignore = datasource.connect({});
    } catch (const Error& error) {
        EXPECT_EQ(error.resource(), "users");
        return {error.code(), error.what()};
    }
    ADD_FAILURE() << "connected";
    return {};
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    text.replace(text.find(what), what.size(), by);
    return text;
}

auto one_line_with(const std::string& words) {
    return AllOf(StartsWith("resource users: "), HasSubstr(words), Not(HasSubstr("\n")),
                 Not(HasSubstr("secret")));
}

TEST(PostgresConnect, SaysThatThePasswordIsWrong) {
    const auto uri = replaced(sandbox::tcp_uri("postgres"), "app-secret", "wrong-secret");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::authentication_failed);
    EXPECT_THAT(message, one_line_with("password authentication failed for user \"app\""));
}

TEST(PostgresConnect, SaysThatTheHostIsUnknown) {
    const auto [code, message] =
        connect_error("postgresql://app:secret@no-such-host.invalid/xa_tm_test");
    EXPECT_EQ(code, ErrorCode::resource_unreachable);
    EXPECT_THAT(message, one_line_with("no-such-host.invalid"));
}

TEST(PostgresConnect, SaysThatNoServerListens) {
    const auto [code, message] = connect_error("postgresql://app:secret@127.0.0.1:1/xa_tm_test");
    EXPECT_EQ(code, ErrorCode::resource_unreachable);
    EXPECT_THAT(message, one_line_with("port 1"));
    EXPECT_EQ(connect_error("postgresql:///xa_tm_test?host=/nonexistent").first,
              ErrorCode::resource_unreachable);
}

TEST(PostgresConnect, SaysThatTheDatabaseIsUnknown) {
    const auto uri = replaced(sandbox::tcp_uri("postgres"), "xa_tm_test", "no_such_database");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::resource_refused);
    EXPECT_THAT(message, one_line_with("\"no_such_database\" does not exist"));
}

TEST(PostgresConnect, TakesPasswordsWithAnyCharacter) {
    Database admin{sandbox::admin_uri("postgres")};
    admin.execute("drop role if exists awkward");
    admin.execute(R"(create role awkward login password 'a b''c\d"=%&')");
    const auto uri = replaced(sandbox::tcp_uri("postgres"), "app:app-secret",
                              "awkward:a%20b%27c%5Cd%22%3D%25%26");
    postgres::Datasource datasource{"users", uri};
    EXPECT_TRUE(datasource.connect({})->is_reusable());
}

}  // namespace
}  // namespace xa_tm::test
