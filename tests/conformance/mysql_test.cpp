// What only MySQL and MariaDB do, or do their own way.

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

class Mysql : public OnMysql {
protected:
    /// A branch that inserts row 1 and gives up waiting for a lock of the server after 1 s.
    std::unique_ptr<Connection> start_impatiently(const Xid& xid) {
        auto connection = start(xid);
        sql(*connection) << "set lock_wait_timeout = 1";
        sql(*connection) << "insert into points values (1)";
        return connection;
    }
};

TEST_P(Mysql, BranchesAreNamedAsOneWritesThemInAStatement) {
    const Xid xid{kFormatId, "tm", ""};
    const auto connection = start(xid);
    sql(*connection) << "insert into points values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    const auto listed = run(*datasource_.connect({}), Verb::recover).listed;
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed.front().name, "x'746d',x'',1480676429");
    EXPECT_EQ(listed.front().prepared_at, std::nullopt);
}

TEST_P(Mysql, APreparedBranchKeepsTheConnectionFromBeingReused) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into points values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Mysql, APrepareThatWaitsTooLongForABackupRollsTheBranchBack) {
    const auto xid = unique_xid();
    const auto connection = start_impatiently(xid);
    admin_.execute("flush tables with read lock");
    const auto vote = run(*connection, Verb::prepare, xid);
    admin_.execute("unlock tables");
    EXPECT_EQ(vote.code, XaCode::rbtimeout);
    EXPECT_EQ(vote.native_error, 1205);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(run(*datasource_.connect({}), Verb::locate, xid).code, XaCode::nota);
    EXPECT_EQ(rows(), 0);
}

TEST_P(Mysql, AOnePhaseCommitThatWaitsTooLongForABackupRollsTheBranchBack) {
    const auto xid = unique_xid();
    const auto connection = start_impatiently(xid);
    admin_.execute("flush tables with read lock");
    const auto answer = run(*connection, Verb::commit_one_phase, xid);
    admin_.execute("unlock tables");
    EXPECT_EQ(answer.code, XaCode::rbtimeout);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(run(*datasource_.connect({}), Verb::locate, xid).code, XaCode::nota);
    EXPECT_EQ(rows(), 0);
}

TEST_P(Mysql, ACommitThatWaitsTooLongForABackupCanBeRetried) {
    const auto xid = unique_xid();
    const auto connection = start_impatiently(xid);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    admin_.execute("flush tables with read lock");
    const auto answer = run(*connection, Verb::commit, xid);
    admin_.execute("unlock tables");
    EXPECT_EQ(answer.code, XaCode::retry);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(rows(), 1);
}

TEST_P(Mysql, ClosingDoesNotWaitForTheServerAndLocateTellsWhenItIsDone) {
    const auto xid = unique_xid();
    auto connection = start(xid);
    sql(*connection) << "insert into points values (1)";
    const auto id = ::mysql_thread_id(native_handle(*connection));
    admin_.execute("flush tables with read lock");
    connection->send(Verb::prepare, xid);
    EXPECT_TRUE(eventually([&] {
        return admin_.number(fmt::format("select count(*) from information_schema.processlist "
                                         "where id = {} and info like 'xa prepare%'",
                                         id)) == 1;
    }));
    EXPECT_EQ(connection->receive(), std::nullopt);
    connection.reset();

    // The process that sent the prepare is gone, its session is not.
    const auto other = datasource_.connect({});
    EXPECT_EQ(run(*other, Verb::rollback, xid).code, XaCode::nota);
    EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::retry);
    admin_.execute("unlock tables");
    EXPECT_EQ(run_until_known(*other, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_EQ(run(*other, Verb::locate, xid).code, XaCode::nota);
    EXPECT_EQ(rows(), 0);
}

TEST_P(Mysql, TheApplicationCanNotEndTheBranchItself) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into points values (1)";
    EXPECT_THROW(sql(*connection).commit(), soci::soci_error);
    EXPECT_THROW(sql(*connection) << "alter table points add name text", soci::soci_error);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 0);
}

TEST_P(Mysql, AResultLeftUnreadOnTheNativeHandleMakesTheVoteANo) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    ASSERT_EQ(::mysql_query(native_handle(*connection), "select 1"), 0);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbproto);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_P(Mysql, ASessionThatTheApplicationClosedOrReconnectedMakesTheVoteANo) {
    const auto xid = unique_xid();
    auto connection = start(xid);
    sql(*connection) << "insert into points values (1)";
    sql(*connection).reconnect();
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbproto);
    EXPECT_FALSE(connection->is_reusable());

    connection = start(unique_xid());
    sql(*connection).close();
    EXPECT_EQ(run(*connection, Verb::recover).code, XaCode::rbproto);
    EXPECT_EQ(run(*connection, Verb::recover).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(rows(), 0);
}

TEST_P(Mysql, AStaleSessionThatIsReconnectedDoesNotGetTheNextBranch) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    auto& stale = sql(*connection);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    stale.reconnect();
    EXPECT_EQ(run(*connection, Verb::start, unique_xid()).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_P(Mysql, TheNativeHandleRunsStatementsOfTheBranch) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    ASSERT_EQ(::mysql_query(native_handle(*connection), "insert into points values (1)"), 0);
    EXPECT_NE(::mysql_query(native_handle(*connection), "select 1; select 2"), 0)
        << "several statements in one are switched off";
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(Mysql, TheSessionsMarkIsANamedLockWithTheConnectionsNumber) {
    const std::string holders =
        "select count(*) from information_schema.processlist "
        "where is_used_lock(concat(_utf8mb4'xa_tm/it''s/7/', id)) = id";
    auto connection = datasource_.connect({"xa_tm/it's/7"});
    EXPECT_EQ(admin_.number(holders), 1);
    const auto xid = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
    sql(*connection) << "insert into points values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(admin_.number(holders), 1);
    connection.reset();
    EXPECT_TRUE(eventually([&] { return admin_.number(holders) == 0; }));
}

TEST_P(Mysql, TextIsExchangedInUtf8) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    EXPECT_STREQ(::mysql_character_set_name(native_handle(*connection)), "utf8mb4");
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(Of, Mysql, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
