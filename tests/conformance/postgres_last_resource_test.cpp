// A last resource on PostgreSQL: what the application may set, and which tables are no place for a
// decision.

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <soci/soci.h>

#include "postgres_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class PostgresLastResource : public OnPostgres {
protected:
    void SetUp() override {
        OnPostgres::SetUp();
        admin_.execute("drop table if exists xa_tm_decision");
        last_.set_up_decision_table();
    }
    void TearDown() override { admin_.execute("drop table if exists xa_tm_decision"); }

    Answer commit(Connection& connection, const Xid& xid) {
        return run(connection, std::vector{Request{.verb = Verb::commit_with_decision,
                                                   .xid = xid,
                                                   .log = "somelog",
                                                   .decision = "committed"}})
            .front();
    }

    std::int64_t decisions() {
        return outside_.number("select count(*) from public.xa_tm_decision");
    }

    Error error_of_connect() {
        try {
            std::ignore = last_.connect({});
        } catch (const Error& error) {
            return error;
        }
        throw std::runtime_error("connected");
    }

    postgres::Datasource last_{"users", sandbox::uri(GetParam()), {.is_last_resource = true}};
    const Xid xid_ = unique_xid();
};

TEST_P(PostgresLastResource, WritesToItsOwnTableWhateverSearchPathTheApplicationSets) {
    const auto connection = start_on(last_, xid_);
    sql(*connection) << "insert into only_postgres values (1)";
    sql(*connection) << "set search_path to pg_temp, pg_catalog";
    EXPECT_EQ(commit(*connection, xid_).code, XaCode::ok);
    EXPECT_EQ(decisions(), 1);
    EXPECT_EQ(rows(), 1);
    const auto answer =
        run(*connection, std::vector{Request{.verb = Verb::list_decisions, .log = "somelog"}})
            .front();
    EXPECT_EQ(answer.decisions.size(), 1U) << answer.message;
}

TEST_P(PostgresLastResource, CommitsAfterWorkOverTheNativeHandle) {
    const auto connection = start_on(last_, xid_);
    auto* const handle = postgres::Datasource::native_handle_of(*connection);
    ::PQclear(::PQexec(handle, "insert into only_postgres values (1)"));
    EXPECT_EQ(commit(*connection, xid_).code, XaCode::ok);
    EXPECT_EQ(decisions(), 1);
    EXPECT_EQ(rows(), 1);
    EXPECT_TRUE(serves_again(*connection));
}

// A commit that is not durable would be a decision that a crash takes back.
TEST_P(PostgresLastResource, CommitsDurablyAlsoWhereTheApplicationNeedNotHaveIt) {
    outside_.execute("drop table if exists settings_seen");
    outside_.execute("create table settings_seen (setting text)");
    outside_.execute(
        "create or replace function see_setting() returns trigger language plpgsql as $$ begin "
        "insert into settings_seen select current_setting('synchronous_commit'); return null; "
        "end $$");
    outside_.execute(
        "create constraint trigger at_commit after insert on only_postgres deferrable initially "
        "deferred for each row execute function see_setting()");
    for (const auto* setting : {"off", "remote_apply"}) {
        const auto xid = unique_xid();
        const auto connection = start_on(last_, xid);
        sql(*connection) << fmt::format("set synchronous_commit = {}", setting);
        sql(*connection) << "insert into only_postgres select count(*) from only_postgres";
        EXPECT_EQ(commit(*connection, xid).code, XaCode::ok);
    }
    EXPECT_THAT(outside_.column("select setting from settings_seen order by 1"),
                ElementsAre("on", "remote_apply"));
    outside_.execute("drop table settings_seen");
    outside_.execute("drop function see_setting cascade");
}

TEST_P(PostgresLastResource, WritesNoRowWhenADeferredConstraintFailsInTheCommit) {
    outside_.execute(
        "alter table only_postgres add constraint twice unique (id) deferrable initially deferred");
    const auto connection = start_on(last_, xid_);
    sql(*connection) << "alter table only_postgres drop constraint only_postgres_pkey";
    sql(*connection) << "insert into only_postgres values (1), (1)";
    const auto answer = commit(*connection, xid_);
    EXPECT_EQ(answer.code, XaCode::rbintegrity) << answer.message;
    EXPECT_EQ(decisions(), 0);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresLastResource, SaysWhichGrantIsMissing) {
    admin_.execute("drop table xa_tm_decision");
    admin_.execute(
        "create table xa_tm_decision (gtrid text, log_id text, decision text, "
        "decided_at timestamptz default now())");
    admin_.execute("grant select on xa_tm_decision to app");
    const auto connection = start_on(last_, xid_);
    sql(*connection) << "insert into only_postgres values (1)";
    const auto answer = commit(*connection, xid_);
    EXPECT_EQ(answer.code, XaCode::rbrollback);
    EXPECT_THAT(answer.message,
                AllOf(HasSubstr("permission denied"), HasSubstr("grant this user insert")));
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(serves_again(*connection));
    const auto facts = last_.describe().last_resource;
    const auto fact = [](const char* name, Severity severity) {
        return AllOf(Field(&ServerFact::name, name), Field(&ServerFact::severity, severity));
    };
    EXPECT_THAT(facts, Contains(fact("insert on the decision table", Severity::bad)));
    EXPECT_THAT(facts, Contains(fact("select on the decision table", Severity::good)));
    EXPECT_THAT(facts, Contains(fact("delete on the decision table", Severity::bad)));
}

TEST_P(PostgresLastResource, RefusesATableThatACrashEmpties) {
    outside_.execute("alter table xa_tm_decision set unlogged");
    const auto error = error_of_connect();
    EXPECT_EQ(error.code(), ErrorCode::resource_refused);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("unlogged"), HasSubstr("set logged")));
    EXPECT_THROW(last_.set_up_decision_table(), Error);
    outside_.execute("alter table xa_tm_decision set logged");
    EXPECT_NE(last_.connect({}), nullptr);
}

TEST_P(PostgresLastResource, RefusesAViewInTheTablesPlace) {
    admin_.execute("drop table xa_tm_decision");
    outside_.execute("create view xa_tm_decision as select 1 as gtrid");
    EXPECT_THAT(error_of_connect().what(), HasSubstr("no plain table"));
    outside_.execute("drop view xa_tm_decision");
}

TEST_P(PostgresLastResource, SaysWhoMayCreateTheTableWhenThisUserMustNot) {
    admin_.execute("drop table xa_tm_decision");
    admin_.execute("create schema if not exists closed");
    postgres::Datasource closed{"users",
                                sandbox::uri(GetParam()) + "&options=-csearch_path%3Dclosed",
                                {.is_last_resource = true}};
    admin_.execute("grant usage on schema closed to app");
    try {
        closed.set_up_decision_table();
        FAIL() << "created";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr("permission denied"),
                                        HasSubstr("create table if not exists closed.xa_tm")));
    }
    admin_.execute("drop schema closed cascade");
}

TEST_P(PostgresLastResource, DescribesItsTable) {
    const auto connection = start_on(last_, xid_);
    EXPECT_EQ(commit(*connection, xid_).code, XaCode::ok);
    auto facts = last_.describe().last_resource;
    EXPECT_THAT(facts, Contains(AllOf(Field(&ServerFact::name, "decision table"),
                                      Field(&ServerFact::value, "public.xa_tm_decision"),
                                      Field(&ServerFact::severity, Severity::good))));
    EXPECT_THAT(facts, Contains(AllOf(Field(&ServerFact::name, "rows in the decision table"),
                                      Field(&ServerFact::value, HasSubstr("1, the oldest of")))));
    outside_.execute("update xa_tm_decision set decided_at = now() - interval '2 days'");
    EXPECT_THAT(last_.describe().last_resource,
                Contains(AllOf(Field(&ServerFact::name, "rows in the decision table"),
                               Field(&ServerFact::severity, Severity::notice))));
    outside_.execute("drop table xa_tm_decision");
    EXPECT_THAT(
        last_.describe().last_resource,
        Contains(AllOf(
            Field(&ServerFact::name, "decision table"), Field(&ServerFact::severity, Severity::bad),
            Field(&ServerFact::remedy, HasSubstr("xa-recover setup-last-resource users")))));
    EXPECT_THAT(datasource_.describe().last_resource, IsEmpty());
}

TEST_P(PostgresLastResource, TakesNoDecisionsOnAConnectionOfAnotherDatasource) {
    const auto connection = start(xid_);
    EXPECT_EQ(commit(*connection, xid_).code, XaCode::rmerr);
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(On, PostgresLastResource, testing::ValuesIn(kPostgresServers),
                         name_of_server);

}  // namespace
}  // namespace xa_tm::test
