// Statements and batches over PostgreSQL's pipeline: what goes in one trip, and what never may.

#include <fmt/format.h>
#include <libpq-fe.h>

#include "eventually.h"
#include "postgres_fixture.h"
#include "wire_proxy.h"

namespace xa_tm::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class PostgresBatch : public OnPostgres {
protected:
    std::vector<std::string> prepared() { return outside_.prepared(); }
};

TEST_P(PostgresBatch, CommitOfTheOldAndAllOfTheNewBranchGoInOneBatch) {
    const auto connection = datasource_.connect({});
    Xid old;
    for (int id = 1; id <= 3; ++id) {
        const auto xid = unique_xid();
        std::vector<Request> batch;
        if (id > 1) {
            batch.push_back({.verb = Verb::commit, .xid = old});
        }
        batch.push_back({.verb = Verb::start, .xid = xid});
        batch.push_back(execute(xid, fmt::format("insert into only_postgres values ({})", id)));
        batch.push_back({.verb = Verb::prepare, .xid = xid});
        for (const auto& answer : run(*connection, std::move(batch))) {
            EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        }
        EXPECT_EQ(rows(), id - 1);
        old = xid;
    }
    EXPECT_EQ(run(*connection, Verb::commit, old).code, XaCode::ok);
    EXPECT_EQ(rows(), 3);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresBatch, AllStatementsOfABranchGoInOneTripUpToItsVote) {
    auto uri = sandbox::tcp_uri(GetParam());
    const auto at = uri.rfind(':') + 1;
    const auto port = uri.substr(at, uri.find('/', at) - at);
    WireProxy proxy{{{Wire::postgresql, static_cast<std::uint16_t>(std::stoi(port))}}};
    uri.replace(at, port.size(), std::to_string(proxy.port(0)));
    postgres::Datasource datasource{"users", uri};
    const auto connection = datasource.connect({});
    const auto xid = unique_xid();
    auto insert = execute(xid, "insert into only_postgres values ($1)");
    insert.arguments = {std::int64_t{1}};
    const auto before = proxy.trips(0);
    const auto answers = run(*connection, {{.verb = Verb::start, .xid = xid},
                                           execute(xid, "savepoint a"),
                                           insert,
                                           execute(xid, "rollback to savepoint a"),
                                           insert,
                                           execute(xid, "select id from only_postgres"),
                                           {.verb = Verb::prepare, .xid = xid}});
    EXPECT_EQ(answers.back().code, XaCode::ok) << answers.back().message;
    EXPECT_EQ(proxy.trips(0), before + 1);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(PostgresBatch, ACommitIsAnsweredThoughTheStatementBehindItWaitsForALock) {
    const auto old = unique_xid();
    const auto connection = start(old);
    sql(*connection) << "insert into only_postgres values (2)";
    ASSERT_EQ(run(*connection, Verb::prepare, old).code, XaCode::ok);
    outside_.execute("begin");
    outside_.execute("insert into only_postgres values (1)");
    const auto xid = unique_xid();
    connection->send({{.verb = Verb::commit, .xid = old},
                      {.verb = Verb::start, .xid = xid},
                      execute(xid, "insert into only_postgres values (1)")});
    std::optional<Answer> first;
    ASSERT_TRUE(eventually([&] { return (first = connection->receive()).has_value(); }));
    EXPECT_EQ(first->code, XaCode::ok);
    EXPECT_EQ(connection->receive().has_value(), false);
    outside_.execute("rollback");
    for (int left = 2; left > 0;) {
        std::optional<Answer> answer;
        ASSERT_TRUE(eventually([&] { return (answer = connection->receive()).has_value(); }));
        EXPECT_EQ(answer->code, XaCode::ok) << answer->message;
        --left;
    }
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(PostgresBatch, NothingIsPreparedBehindAStatementThatFailed) {
    outside_.execute("insert into only_postgres values (1)");
    const auto connection = datasource_.connect({});
    const auto xid = unique_xid();
    const auto answers = run(*connection, {{.verb = Verb::start, .xid = xid},
                                           execute(xid, "insert into only_postgres values (1)"),
                                           {.verb = Verb::prepare, .xid = xid}});
    EXPECT_EQ(answers.at(0).code, XaCode::ok);
    EXPECT_EQ(answers.at(1).code, XaCode::rmerr);
    EXPECT_EQ(answers.at(1).sqlstate, "23505");
    EXPECT_EQ(answers.at(2).message, not_carried_out().message);
    EXPECT_THAT(prepared(), IsEmpty());
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresBatch, NothingIsBegunBehindACommitThatFailed) {
    const auto connection = datasource_.connect({});
    const auto xid = unique_xid();
    const auto answers = run(*connection, {{.verb = Verb::commit, .xid = unique_xid()},
                                           {.verb = Verb::start, .xid = xid},
                                           execute(xid, "insert into only_postgres values (1)"),
                                           {.verb = Verb::prepare, .xid = xid}});
    EXPECT_EQ(answers.at(0).code, XaCode::nota);
    for (std::size_t i = 1; i < 4; ++i) {
        EXPECT_EQ(answers.at(i).message, not_carried_out().message);
    }
    EXPECT_EQ(rows(), 0);
    EXPECT_THAT(prepared(), IsEmpty());
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresBatch, AStatementThatWouldEndTheTransactionIsNotSent) {
    for (const auto* statement : {"commit", "ROLLBACK", "end", "abort", "/* a /* b */ */ commit",
                                  "-- why\ncommit and chain", "prepare transaction 'other'", ";end",
                                  "rollback work", "begin"}) {
        const auto connection = datasource_.connect({});
        const auto xid = unique_xid();
        auto answers = run(*connection, {{.verb = Verb::start, .xid = xid},
                                         execute(xid, "insert into only_postgres values (1)")});
        ASSERT_EQ(answers.back().code, XaCode::ok);
        answers = run(*connection, {execute(xid, statement), {.verb = Verb::prepare, .xid = xid}});
        EXPECT_EQ(answers.at(0).code, XaCode::rmerr) << statement;
        EXPECT_EQ(answers.at(1).message, not_carried_out().message);
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        EXPECT_EQ(rows(), 0) << statement;
        EXPECT_THAT(prepared(), IsEmpty());
    }
}

TEST_P(PostgresBatch, TwoStatementsInOneAreRefusedByTheServer) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    const auto answer = run(*connection, {execute(xid, "select 1; commit")}).front();
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(answer.sqlstate, "42601");
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbrollback);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresBatch, AStatementTellsItsRows) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    const auto rows_of = [&](const char* statement) {
        return run(*connection, {execute(xid, statement)}).front().rows;
    };
    EXPECT_EQ(rows_of("insert into only_postgres select generate_series(1, 7)"), 7U);
    EXPECT_EQ(rows_of("select id from only_postgres where id > 2"), 5U);
    EXPECT_EQ(rows_of("update only_postgres set id = -id"), 7U);
    EXPECT_EQ(rows_of("show server_version"), 1U);
    EXPECT_EQ(rows_of("create table scratch_of_branch (id int)"), 0U);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(PostgresBatch, NothingAtAllIsAStatementAndHalfOfOneIsNot) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    for (const auto* statement : {"", ";", "-- nothing"}) {
        EXPECT_EQ(run(*connection, {execute(xid, statement)}).front().code, XaCode::ok);
    }
    const std::string two{"delete from only_postgres\0 where id = 1", 39};
    EXPECT_EQ(run(*connection, {execute(xid, two)}).front().code, XaCode::inval);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rdonly);
}

TEST_P(PostgresBatch, SqlAndStatementsOfOursTakeTurns) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (1)";
    EXPECT_EQ(run(*connection, {execute(xid, "insert into only_postgres values (2)")}).front().code,
              XaCode::ok);
    EXPECT_TRUE(connection->is_open_to_application());
    sql(*connection) << "insert into only_postgres values (3)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 3);
}

TEST_P(PostgresBatch, CopyThroughExecuteEndsTheSessionAndNotTheProgram) {
    for (const auto* statement :
         {"copy only_postgres from stdin", "copy only_postgres to stdout"}) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        const auto answer = run(*connection, {execute(xid, statement)}).front();
        EXPECT_EQ(answer.code, XaCode::rmfail);
        EXPECT_THAT(answer.message, HasSubstr("native handle"));
        EXPECT_FALSE(connection->is_reusable());
    }
}

TEST_P(PostgresBatch, AStatementThatRunsTooLongEndsByItsTimeout) {
    postgres::Datasource impatient{
        "users", sandbox::uri(GetParam()), {.statement_timeout = std::chrono::milliseconds{50}}};
    const auto xid = unique_xid();
    const auto connection = start_on(impatient, xid);
    const auto answer = run(*connection, {execute(xid, "select pg_sleep(60)")}).front();
    EXPECT_EQ(answer.sqlstate, "57014");
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbtimeout);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(outside_.number("select count(*) from pg_settings where name = 'statement_timeout' "
                              "and setting = '0'"),
              1);
}

TEST_P(PostgresBatch, TheVoteTellsWhyAStatementHadFailed) {
    const auto vote_after_failing = [&](const char* statement) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        try {
            sql(*connection) << statement;
        } catch (const soci::soci_error&) {
            auto vote = run(*connection, Verb::prepare, xid);
            EXPECT_TRUE(serves_again(*connection));
            return vote;
        }
        throw std::runtime_error("the statement succeeded");
    };
    outside_.execute("insert into only_postgres values (1)");
    const auto vote = vote_after_failing("insert into only_postgres values (1)");
    EXPECT_EQ(vote.code, XaCode::rbintegrity);
    EXPECT_EQ(vote.sqlstate, "23505");
    EXPECT_EQ(vote_after_failing("do $$ begin raise sqlstate '40001'; end $$").code,
              XaCode::rbdeadlock);
    EXPECT_EQ(vote_after_failing("do $$ begin raise sqlstate '55P03'; end $$").code,
              XaCode::rbtimeout);
    EXPECT_EQ(vote_after_failing("do $$ begin raise sqlstate '0A000'; end $$").code,
              XaCode::rbrollback);
}

TEST_P(PostgresBatch, AnErrorOfAnotherServerIsNoEndOfTheSession) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    const auto answer =
        run(*connection, {execute(xid, "do $$ begin raise sqlstate '08001'; end $$")}).front();
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(run(*connection, {execute(xid, "select $1")}).front().code, XaCode::rmerr);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresBatch, ATransactionBegunInTheBranchsPlaceIsNoVoteForCommit) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    PGconn* handle = postgres::Datasource::native_handle_of(*connection);
    for (const auto* statement :
         {"insert into only_postgres values (1)", "commit", "begin", "select 1"}) {
        ::PQclear(::PQexec(handle, statement));
    }
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::heurhaz);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_P(PostgresBatch, RollingBackToASavepointIsTheApplicationsOwnAffair) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    auto* handle = postgres::Datasource::native_handle_of(*connection);
    for (const auto* statement : {"savepoint a", "insert into only_postgres values (1)",
                                  "rollback to savepoint a", "begin"}) {
        ::PQclear(::PQexec(handle, statement));
    }
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(PostgresBatch, AFailureThatASavepointHasUndoneDecidesNoVote) {
    const auto fail_and_go_back = [&](Connection& connection, const Xid& xid) {
        EXPECT_EQ(run(connection, {{.verb = Verb::start, .xid = xid},
                                   execute(xid, "savepoint a"),
                                   execute(xid, "select 1 / 0")})
                      .back()
                      .sqlstate,
                  "22012");
        EXPECT_EQ(run(connection, {execute(xid, "select 1")}).front().sqlstate, "25P02");
        EXPECT_EQ(run(connection, {execute(xid, "rollback to savepoint a")}).front().code,
                  XaCode::ok);
    };
    const auto connection = datasource_.connect({});
    auto xid = unique_xid();
    fail_and_go_back(*connection, xid);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rdonly);
    xid = unique_xid();
    fail_and_go_back(*connection, xid);
    sql(*connection) << "insert into only_postgres values (2)";
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    xid = unique_xid();
    fail_and_go_back(*connection, xid);
    EXPECT_EQ(run(*connection, {execute(xid, "do $$ begin raise sqlstate '40001'; end $$")})
                  .front()
                  .is_conflict,
              true);
    // Trap 32
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbdeadlock);
    EXPECT_EQ(rows(), 1);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresBatch, AFailureAfterManyStatementsCarriesOutNothingBehindIt) {
    constexpr int kStatements = 500;
    const auto connection = datasource_.connect({});
    const auto xid = unique_xid();
    std::vector<Request> batch{{.verb = Verb::start, .xid = xid}};
    for (int id = 1; id <= kStatements; ++id) {
        batch.push_back(execute(xid, fmt::format("insert into only_postgres values ({})",
                                                 id == kStatements / 2 ? 1 : id)));
    }
    batch.push_back({.verb = Verb::prepare, .xid = xid});
    const auto answers = run(*connection, std::move(batch));
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (i < kStatements / 2) {
            EXPECT_EQ(answers[i].code, XaCode::ok) << answers[i].message;
        } else if (i == kStatements / 2) {
            EXPECT_EQ(answers[i].sqlstate, "23505");
        } else {
            EXPECT_EQ(answers[i].message, not_carried_out().message);
        }
    }
    EXPECT_THAT(prepared(), IsEmpty());
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(serves_again(*connection));
}

INSTANTIATE_TEST_SUITE_P(On, PostgresBatch, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
