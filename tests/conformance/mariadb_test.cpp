// What only MariaDB does, or does its own way.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mysql.h>
#include <soci/soci.h>

#include "database.h"
#include "eventually.h"
#include "sandbox.h"
#include "verbs.h"
#include "xa_tm/error.h"
#include "xa_tm/mysql/datasource.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Mariadb : public testing::Test {
protected:
    void SetUp() override {
        outside_.execute("drop table if exists only_mariadb");
        outside_.execute("create table only_mariadb (id int primary key) engine = innodb");
    }

    std::unique_ptr<Connection> start(const Xid& xid) {
        auto connection = datasource_.connect({});
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }

    /// A branch that inserts row 1 and gives up waiting for a lock of the server after 1 s.
    std::unique_ptr<Connection> start_impatiently(const Xid& xid) {
        auto connection = start(xid);
        sql(*connection) << "set lock_wait_timeout = 1";
        sql(*connection) << "insert into only_mariadb values (1)";
        return connection;
    }

    static soci::session& sql(Connection& connection) {
        return mysql::Datasource::sql_of(connection);
    }
    static MYSQL* native_handle(Connection& connection) {
        return mysql::Datasource::native_handle_of(connection);
    }

    std::int64_t rows() { return outside_.number("select count(*) from only_mariadb"); }

    mysql::Datasource datasource_{"points", sandbox::uri("mariadb")};
    Database outside_{sandbox::uri("mariadb")};
    Database admin_{sandbox::admin_uri("mariadb")};
};

TEST_F(Mariadb, BranchesAreNamedAsOneWritesThemInAStatement) {
    const Xid xid{kFormatId, "tm", ""};
    const auto connection = start(xid);
    sql(*connection) << "insert into only_mariadb values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    const auto listed = run(*datasource_.connect({}), Verb::recover).listed;
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed.front().name, "x'746d',x'',1480676429");
    EXPECT_EQ(listed.front().prepared_at, std::nullopt);
}

TEST_F(Mariadb, APreparedBranchKeepsTheConnectionFromBeingReused) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_mariadb values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_F(Mariadb, APrepareThatWaitsTooLongForABackupRollsTheBranchBack) {
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

TEST_F(Mariadb, AOnePhaseCommitThatWaitsTooLongForABackupRollsTheBranchBack) {
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

TEST_F(Mariadb, ACommitThatWaitsTooLongForABackupCanBeRetried) {
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

TEST_F(Mariadb, ClosingDoesNotWaitForTheServerAndLocateTellsWhenItIsDone) {
    const auto xid = unique_xid();
    auto connection = start(xid);
    sql(*connection) << "insert into only_mariadb values (1)";
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

TEST_F(Mariadb, TheApplicationCanNotEndTheBranchItself) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_mariadb values (1)";
    EXPECT_THROW(sql(*connection).commit(), soci::soci_error);
    EXPECT_THROW(sql(*connection) << "alter table only_mariadb add points int", soci::soci_error);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 0);
}

TEST_F(Mariadb, AResultLeftUnreadOnTheNativeHandleMakesTheVoteANo) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    ASSERT_EQ(::mysql_query(native_handle(*connection), "select 1"), 0);
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::rbproto);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_F(Mariadb, ASessionThatTheApplicationClosedOrReconnectedMakesTheVoteANo) {
    const auto xid = unique_xid();
    auto connection = start(xid);
    sql(*connection) << "insert into only_mariadb values (1)";
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

TEST_F(Mariadb, AStaleSessionThatIsReconnectedDoesNotGetTheNextBranch) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    auto& stale = sql(*connection);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    stale.reconnect();
    EXPECT_EQ(run(*connection, Verb::start, unique_xid()).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
}

TEST_F(Mariadb, TheNativeHandleRunsStatementsOfTheBranch) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    ASSERT_EQ(::mysql_query(native_handle(*connection), "insert into only_mariadb values (1)"), 0);
    EXPECT_NE(::mysql_query(native_handle(*connection), "select 1; select 2"), 0)
        << "several statements in one are switched off";
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_F(Mariadb, TheSessionsMarkIsANamedLockWithTheConnectionsNumber) {
    const std::string holders =
        "select count(*) from information_schema.processlist "
        "where is_used_lock(concat('xa_tm/it''s/7/', id)) = id";
    auto connection = datasource_.connect({"xa_tm/it's/7"});
    EXPECT_EQ(admin_.number(holders), 1);
    const auto xid = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
    sql(*connection) << "insert into only_mariadb values (1)";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(admin_.number(holders), 1);
    connection.reset();
    EXPECT_TRUE(eventually([&] { return admin_.number(holders) == 0; }));
}

TEST_F(Mariadb, TextIsExchangedInUtf8) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    EXPECT_STREQ(::mysql_character_set_name(native_handle(*connection)), "utf8mb4");
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

/// The code that connecting fails with, and its message.
std::pair<ErrorCode, std::string> connect_error(const std::string& uri) {
    try {
        mysql::Datasource datasource{"points", uri};
        std::ignore = datasource.connect({});
    } catch (const Error& error) {
        EXPECT_EQ(error.resource(), "points");
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
    return AllOf(StartsWith("resource points: "), HasSubstr(words), Not(HasSubstr("\n")),
                 Not(HasSubstr("secret")));
}

TEST(MariadbConnect, SaysThatThePasswordIsWrong) {
    const auto uri = replaced(sandbox::tcp_uri("mariadb"), "app-secret", "wrong-secret");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::authentication_failed);
    EXPECT_THAT(message, one_line_with("Access denied for user 'app'"));
}

TEST(MariadbConnect, SaysThatTheHostIsUnknown) {
    const auto [code, message] =
        connect_error("mysql://app:secret@no-such-host.invalid/xa_tm_test");
    EXPECT_EQ(code, ErrorCode::resource_unreachable);
    EXPECT_THAT(message, one_line_with("no-such-host.invalid"));
}

TEST(MariadbConnect, SaysThatNoServerListens) {
    const auto [code, message] = connect_error("mysql://app:secret@127.0.0.1:1/xa_tm_test");
    EXPECT_EQ(code, ErrorCode::resource_unreachable);
    EXPECT_THAT(message, one_line_with("127.0.0.1"));
    EXPECT_EQ(connect_error("mysql:///xa_tm_test?socket=/nonexistent").first,
              ErrorCode::resource_unreachable);
}

TEST(MariadbConnect, SaysThatTheDatabaseIsUnknown) {
    const auto uri = replaced(sandbox::admin_uri("mariadb"), "xa_tm_test", "no_such_database");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::resource_refused);
    EXPECT_THAT(message, one_line_with("Unknown database 'no_such_database'"));
}

TEST(MariadbConnect, SaysThatTheDatabaseIsNotGranted) {
    const auto uri = replaced(sandbox::uri("mariadb"), "xa_tm_test", "not_granted");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::authentication_failed);
    EXPECT_THAT(message, one_line_with("not_granted"));
}

TEST(MariadbConnect, TakesPasswordsWithAnyCharacter) {
    Database admin{sandbox::admin_uri("mariadb")};
    admin.execute("drop user if exists 'awkward'@'%'");
    admin.execute(R"(create user 'awkward'@'%' identified by 'a b\'c\\d"=%&')");
    auto uri = replaced(sandbox::tcp_uri("mariadb"), "app:app-secret",
                        "awkward:a%20b%27c%5Cd%22%3D%25%26");
    uri = replaced(uri, "/xa_tm_test", "/");
    mysql::Datasource datasource{"points", uri};
    EXPECT_TRUE(datasource.connect({})->is_reusable());
}

}  // namespace
}  // namespace xa_tm::test
