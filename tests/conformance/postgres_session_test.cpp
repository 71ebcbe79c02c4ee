// Sessions at PostgreSQL: what they are, and how those of dead processes are ended.

#include "eventually.h"
#include "postgres_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class PostgresSession : public OnPostgres {
protected:
    /// Over a connection of a later life of the same transaction manager.
    Answer end(const SessionId& session, std::vector<std::string> ended = {kDead}) {
        const auto connection = datasource_.connect({"xa_tm:log:2:node", std::move(ended)});
        auto answer = run(*connection, {{.verb = Verb::end_session, .session = session}}).front();
        EXPECT_TRUE(serves_again(*connection));
        return answer;
    }

    bool is_there(const SessionId& session) {
        return admin_.number("select count(*) from pg_stat_activity where pid = " +
                             std::to_string(session.number)) == 1;
    }

    static constexpr const char* kDead = "xa_tm:log:1:node";
};

TEST_P(PostgresSession, IsNamedByItsProcessAndItsBeginning) {
    const auto connection = datasource_.connect({kDead});
    const auto session = connection->session_id();
    EXPECT_EQ(outside_.number("select pid from pg_stat_activity where application_name = '" +
                              std::string{kDead} + "'"),
              static_cast<std::int64_t>(session.number));
    EXPECT_EQ(session.since.size(), 16U) << "microseconds: " << session.since;
    EXPECT_NE(datasource_.connect({kDead})->session_id(), session);
}

TEST_P(PostgresSession, Trap36AfterItsEndAPrepareThatWasUnderwayIsDoneOrUndone) {
    const auto dead = datasource_.connect({kDead});
    const auto xid = unique_xid();
    outside_.execute("insert into only_postgres values (1)");
    outside_.execute("begin");
    outside_.execute("delete from only_postgres");
    // The reply will never be read, and the prepare stands behind a lock.
    dead->send({{.verb = Verb::start, .xid = xid},
                execute(xid, "insert into only_postgres values (1)"),
                {.verb = Verb::prepare, .xid = xid}});
    ASSERT_TRUE(eventually([&] {
        return admin_.number(
                   "select count(*) from pg_stat_activity where wait_event_type = "
                   "'Lock' and pid = " +
                   std::to_string(dead->session_id().number)) == 1;
    }));
    EXPECT_EQ(end(dead->session_id()).code, XaCode::ok);
    EXPECT_FALSE(is_there(dead->session_id()));
    outside_.execute("commit");
    EXPECT_THAT(outside_.prepared(), IsEmpty());
    EXPECT_EQ(rows(), 0);
    EXPECT_EQ(end(dead->session_id()).code, XaCode::ok) << "it may be asked again";
}

TEST_P(PostgresSession, Trap36WhatIsPreparedOutlivesItsSession) {
    const auto dead = datasource_.connect({kDead});
    const auto xid = unique_xid();
    const auto answers = run(*dead, {{.verb = Verb::start, .xid = xid},
                                     execute(xid, "insert into only_postgres values (1)"),
                                     {.verb = Verb::prepare, .xid = xid}});
    ASSERT_EQ(answers.back().code, XaCode::ok);
    EXPECT_EQ(end(dead->session_id()).code, XaCode::ok);
    EXPECT_EQ(run(*datasource_.connect({}), Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(run(*dead, Verb::recover).code, XaCode::rmfail);
    EXPECT_FALSE(dead->is_reusable());
}

TEST_P(PostgresSession, IsNotEndedWhenItsNumberBelongsToALaterOne) {
    const auto later = datasource_.connect({kDead});
    auto session = later->session_id();
    session.since = "1600000000000000";
    EXPECT_EQ(end(session).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*later));
}

TEST_P(PostgresSession, IsNotEndedWithoutTheMarkOfAnEndedProcess) {
    const auto other = datasource_.connect({"somebody else"});
    const auto answer = end(other->session_id());
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_THAT(answer.message, HasSubstr("application_name was changed"));
    EXPECT_TRUE(serves_again(*other));
}

TEST_P(PostgresSession, IsKnownByAMarkThatTheServerHasCut) {
    const auto mark = "xa_tm:log:1:" + std::string(60, 'n');
    const auto dead = datasource_.connect({mark});
    EXPECT_EQ(end(dead->session_id(), {"xa_tm:log:0:x", mark}).code, XaCode::ok);
    EXPECT_FALSE(is_there(dead->session_id()));
}

TEST_P(PostgresSession, OfAnotherRoleNeedsTheGrantsThatTheAnswerNames) {
    postgres::Datasource admins{"admins", sandbox::admin_uri(GetParam())};
    const auto dead = admins.connect({kDead});
    auto answer = end(dead->session_id());
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_THAT(answer.message, HasSubstr("grant pg_read_all_stats to app"));
    admin_.execute("grant pg_read_all_stats to app");
    answer = end(dead->session_id());
    admin_.execute("revoke pg_read_all_stats from app");
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(answer.sqlstate, "42501");
    EXPECT_THAT(answer.message, HasSubstr("grant pg_signal_backend to app"));
    EXPECT_TRUE(serves_again(*dead));
}

TEST_P(PostgresSession, OfEndedProcessesAreKnownByMarksThatTheServerHasCut) {
    const auto mark = "xa_tm:log:1:" + std::string(60, 'n');
    const auto dead = datasource_.connect({mark});
    const auto other = datasource_.connect({"xa_tm:log:1:n"});
    const auto recovery = datasource_.connect({"xa_tm:log:2:node", {"xa_tm:log:0:x", mark}});
    EXPECT_EQ(run(*recovery, Verb::end_ended_sessions).code, XaCode::ok);
    EXPECT_FALSE(is_there(dead->session_id()));
    EXPECT_TRUE(serves_again(*other));
}

TEST_P(PostgresSession, OfEndedProcessesOfAnotherRoleNeedAGrantThatTheAnswerNames) {
    postgres::Datasource admins{"admins", sandbox::admin_uri(GetParam())};
    const auto of_admin = admins.connect({kDead});
    const auto own = datasource_.connect({kDead});
    const auto recovery = datasource_.connect({"xa_tm:log:2:node", {kDead}});
    const auto answer = run(*recovery, Verb::end_ended_sessions);
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(answer.sqlstate, "42501");
    EXPECT_THAT(answer.message, HasSubstr("grant pg_signal_backend to app"));
    EXPECT_TRUE(eventually([&] { return !is_there(own->session_id()); }))
        << "those that it may end come first";
    EXPECT_TRUE(serves_again(*of_admin) && serves_again(*recovery));
}

TEST_P(PostgresSession, Trap31AStatementOfAnEndedSessionIsALostConnection) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    ASSERT_EQ(admin_.number("select pg_terminate_backend(" +
                            std::to_string(connection->session_id().number) + ", 10000)::int"),
              1);
    const auto answer = run(*connection, {execute(xid, "select 1")}).front();
    EXPECT_EQ(answer.code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_FALSE(connection->is_open_to_application());
}

TEST_P(PostgresSession, ADescriptionSaysHowTheServerIsSet) {
    const auto description = datasource_.describe();
    EXPECT_THAT(description.product, StartsWith("PostgreSQL 1"));
    const auto good = [](std::string name, std::string value) {
        return Contains(ServerFact{std::move(name), std::move(value)});
    };
    EXPECT_THAT(description.facts, AllOf(good("fsync", "on"), good("full_page_writes", "on"),
                                         good("standbys", "none connected"),
                                         good("timeline", "00000001"), good("pooler", "none")));
}

INSTANTIATE_TEST_SUITE_P(On, PostgresSession, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
