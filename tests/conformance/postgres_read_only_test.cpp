// Which branches end with their vote, because they wrote nothing, and which never may.

#include <array>
#include <vector>

#include "postgres_fixture.h"

namespace xa_tm::test {
namespace {

struct Case {
    const char* name;
    std::vector<const char*> statements;
    XaCode vote;
};

const std::array kCases{
    Case{"Nothing", {}, XaCode::rdonly},
    Case{"Select", {"select count(*) from only_postgres"}, XaCode::rdonly},
    Case{"UpdateOfNoRow", {"update only_postgres set id = 2 where id = -9"}, XaCode::rdonly},
    Case{"DeleteOfNoRow", {"delete from only_postgres where id = -9"}, XaCode::rdonly},
    Case{"InsertOfNoRow",
         {"insert into only_postgres select id from only_postgres where id = -9"},
         XaCode::rdonly},
    Case{"Savepoint", {"savepoint a", "select 1", "release a"}, XaCode::rdonly},
    Case{"Settings", {"set local work_mem = '1MB'", "show work_mem"}, XaCode::rdonly},
    Case{"Cursor",
         {"declare c cursor for select * from only_postgres", "fetch c", "close c"},
         XaCode::rdonly},
    Case{"AdvisoryLock", {"select pg_advisory_xact_lock(1)"}, XaCode::rdonly},
    Case{"ReadingBlock", {"do $$ begin perform 1; end $$"}, XaCode::rdonly},
    Case{"SelectForUpdate", {"select from only_postgres for update"}, XaCode::ok},
    Case{"SelectForShare", {"select from only_postgres for share"}, XaCode::ok},
    Case{"FirstNextval", {"select nextval('only_postgres_numbers')"}, XaCode::ok},
    Case{"Setval", {"select setval('only_postgres_numbers', 7)"}, XaCode::ok},
    Case{"WritingFunction", {"select only_postgres_write()"}, XaCode::ok},
    Case{"WritingBlock", {"do $$ begin insert into only_postgres values (2); end $$"}, XaCode::ok},
    Case{"WritingTrigger", {"insert into only_postgres_triggered values (1)"}, XaCode::ok},
    Case{"WriteInCte",
         {"with w as (insert into only_postgres values (2) returning id) select id from w"},
         XaCode::ok},
    Case{"WriteUndoneBySavepoint",
         {"savepoint a", "insert into only_postgres values (2)", "rollback to savepoint a"},
         XaCode::ok},
    Case{"Table", {"create table only_postgres_new (id int)"}, XaCode::ok},
    Case{"LargeObject", {"select lo_create(0)"}, XaCode::ok},
    Case{"PreparedStatement",
         {"prepare w as insert into only_postgres values (2)", "execute w", "deallocate w"},
         XaCode::ok},
};

class PostgresReadOnly : public OnPostgres {
protected:
    void SetUp() override {
        OnPostgres::SetUp();
        outside_.execute("insert into only_postgres values (1)");
        outside_.execute(
            "create or replace function only_postgres_write() returns int language sql as "
            "'insert into only_postgres values (2) returning id'");
        outside_.execute("create table if not exists only_postgres_triggered (id int)");
        outside_.execute(
            "create or replace function only_postgres_trigger() returns trigger language plpgsql "
            "as 'begin insert into only_postgres values (2); return null; end'");
        outside_.execute(
            "create or replace trigger writes before insert on only_postgres_triggered "
            "for each row execute function only_postgres_trigger()");
    }
};

TEST_P(PostgresReadOnly, ABranchEndsWithItsVoteOnlyWhenItWroteNothing) {
    for (const auto& each : kCases) {
        outside_.execute("delete from only_postgres where id = 2");
        outside_.execute("drop sequence only_postgres_numbers");
        outside_.execute("create sequence only_postgres_numbers");
        const auto xid = unique_xid();
        const auto connection = start(xid);
        for (const auto* statement : each.statements) {
            sql(*connection) << statement;
        }
        const auto vote = run(*connection, Verb::prepare, xid);
        EXPECT_EQ(vote.code, each.vote) << each.name << ": " << vote.message;
        EXPECT_EQ(vote.evidence.empty(), each.vote == XaCode::rdonly) << each.name;
        EXPECT_EQ(outside_.prepared().empty(), each.vote == XaCode::rdonly) << each.name;
        if (vote.code == XaCode::ok) {
            EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok) << each.name;
        }
        EXPECT_TRUE(serves_again(*connection)) << each.name;
    }
}

TEST_P(PostgresReadOnly, TheSameIsSeenWhenTheStatementsGoByOurHands) {
    for (const auto& each : kCases) {
        outside_.execute("delete from only_postgres where id = 2");
        outside_.execute("drop sequence only_postgres_numbers");
        outside_.execute("create sequence only_postgres_numbers");
        const auto xid = unique_xid();
        const auto connection = start(xid);
        for (const auto* statement : each.statements) {
            const auto answer = run(*connection, {execute(xid, statement)}).front();
            EXPECT_EQ(answer.code, XaCode::ok) << each.name << ": " << answer.message;
        }
        const auto vote = run(*connection, Verb::prepare, xid);
        EXPECT_EQ(vote.code, each.vote) << each.name << ": " << vote.message;
        if (vote.code == XaCode::ok) {
            EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok) << each.name;
        }
    }
}

TEST_P(PostgresReadOnly, ABranchThatReadOnlyIsNotPreparedOnTheWay) {
    // PREPARE TRANSACTION gives an id to a transaction that has none, and forces it to disk.
    const auto next_id = [this] {
        return admin_.number("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
    };
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "update only_postgres set id = 2 where id = -9";
    const auto before = next_id();
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rdonly);
    EXPECT_EQ(next_id(), before);
}

TEST_P(PostgresReadOnly, AForeignServerMayBeWrittenToWithoutATraceHere) {
    admin_.execute("create extension if not exists postgres_fdw");
    admin_.execute("create server elsewhere foreign data wrapper postgres_fdw");
    const auto vote = vote_after({"select 1"});
    admin_.execute("drop server elsewhere");
    EXPECT_EQ(vote.code, XaCode::ok)
        << "prepared, since PREPARE would have refused a foreign write";
}

INSTANTIATE_TEST_SUITE_P(On, PostgresReadOnly, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
