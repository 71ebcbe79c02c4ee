// docs/embedding.md, "Pools" and "Your own connection": what an application may rely on.

#include <future>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include "eventually.h"
#include "sandbox.h"
#include "shop.h"
#include "xa_tm/error.h"
#include "xa_tm/mysql/session_condition.h"
#include "xa_tm/session_mark.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

PGconn* handle_of_postgres(soci::session& session) {
    return static_cast<soci::postgresql_session_backend*>(session.get_backend())->conn_;
}

MYSQL* handle_of_mysql(soci::session& session) {
    return static_cast<soci::mysql_session_backend*>(session.get_backend())->conn_;
}

std::string text(soci::session& session, const std::string& query) {
    std::string value;
    session << query, soci::into(value);
    return value;
}

template <class Call>
std::optional<Error> error_of(Call&& call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

/// A shop whose pools have these options.
class Pools : public Shop {
protected:
    void open_pools(const DatasourceOptions& options, milliseconds recovery_interval) {
        manager_.emplace(Config{.node = "shop",
                                .log_directory = log_directory_.path(),
                                .recovery_interval = recovery_interval,
                                .log_segment_size_bytes = 1 << 16});
        users_ = &manager_->add<postgres::Datasource>(
            "users", sandbox::uri(sandbox::postgres_server()), options);
        points_ = &manager_->add<mysql::Datasource>("points", sandbox::uri(sandbox::mysql_server()),
                                                    options);
        manager_->start();
    }
    void open_pools(const DatasourceOptions& options) { open_pools(options, milliseconds{10000}); }

    std::unique_ptr<soci::session> own_users_ =
        sandbox::open_session(sandbox::uri(sandbox::postgres_server()));
    std::unique_ptr<soci::session> own_points_ =
        sandbox::open_session(sandbox::uri(sandbox::mysql_server()));
};

TEST_F(Pools, AreFilledToTheirMinimumByTheStart) {
    open_pools({.pool_size_max = 4, .pool_size_min = 3});
    EXPECT_EQ(users_->pool_status().idle, 3U);
    EXPECT_EQ(points_->pool_status().idle, 3U);
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    EXPECT_EQ(users_->pool_status().in_use, 1U);
    EXPECT_EQ(users_->pool_status().opened, 3U);
}

TEST_F(Pools, CloseWhatIsIdleForTooLongButKeepTheirMinimum) {
    open_pools({.pool_size_min = 1, .idle_timeout = milliseconds{1}}, milliseconds{20});
    {
        auto first = manager_->begin();
        auto second = manager_->begin();
        register_user(first, 1);
        register_user(second, 2);
    }
    for (const auto* datasource :
         {static_cast<Datasource*>(users_), static_cast<Datasource*>(points_)}) {
        EXPECT_TRUE(eventually([&] { return datasource->pool_status().closed == 1; }));
        EXPECT_EQ(datasource->pool_status().idle, 1U);
    }
}

TEST_F(Pools, ReplaceConnectionsThatHaveReachedTheirLifetime) {
    open_pools({.pool_size_min = 1, .connection_lifetime_max = milliseconds{1}}, milliseconds{20});
    EXPECT_TRUE(eventually([&] { return users_->pool_status().closed > 2; }));
    EXPECT_TRUE(eventually([&] { return points_->pool_status().closed > 2; }));
    EXPECT_TRUE(eventually([&] { return users_->pool_status().idle == 1; }));
}

TEST_F(Pools, NoticeBeforeTheyGiveItOutThatTheServerHasClosedAConnection) {
    open_pools({.pool_size_min = 1});
    std::string users_session;
    std::string points_session;
    {
        auto transaction = manager_->begin();
        auto [users, points] = transaction.enlist(*users_, *points_);
        users_session = text(users.sql(), "select pg_backend_pid()");
        points_session = text(points.sql(), "select connection_id()");
    }
    users_database_.execute(fmt::format("select pg_terminate_backend({}, 5000)", users_session));
    points_database_.execute(fmt::format("kill {}", points_session));
    EXPECT_TRUE(eventually([&] {
        return points_database_.number(
                   fmt::format("select count(*) from information_schema.processlist where id = {}",
                               points_session)) == 0;
    }));
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    EXPECT_EQ(users_->pool_status().found_dead, 1U);
    EXPECT_EQ(points_->pool_status().found_dead, 1U);
}

TEST_F(Pools, SayWhoHoldsTheConnectionsWhenTheyAreExhausted) {
    open_pools({.pool_size_max = 2, .pool_timeout = milliseconds{50}});
    auto idle = manager_->begin();
    idle.enlist(*users_).execute("insert into users values (1)");
    auto own = manager_->begin();
    own.enlist(*users_).sql() << "insert into users values (2)";
    auto third = manager_->begin();
    const auto error = error_of([&] { third.enlist(*users_).execute("select 1"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::pool_exhausted);
    EXPECT_THAT(error->what(), testing::MatchesRegex(fmt::format(
                                   ".*held by {} for [0-9]+ ms \\(between statements\\), {} for "
                                   "[0-9]+ ms \\(in the application's hands\\)",
                                   idle.gtrid(), own.gtrid())));
    EXPECT_EQ(users_->pool_status().timed_out, 1U);
    EXPECT_GE(users_->pool_status().waited_longest, milliseconds{50});
    idle.rollback();
}

TEST_F(Pools, SayThatAStatementIsRunningWhereOneIs) {
    open_pools({.pool_size_max = 1, .pool_timeout = milliseconds{50}});
    auto slow = std::async(std::launch::async, [&] {
        auto transaction = manager_->begin();
        transaction.enlist(*users_).execute("select pg_sleep(2)");
    });
    ASSERT_TRUE(eventually([&] {
        return users_database_.number(
                   "select count(*) from pg_stat_activity where state = "
                   "'active' and query = 'select pg_sleep(2)'") == 1;
    }));
    auto transaction = manager_->begin();
    const auto error = error_of([&] { transaction.enlist(*users_).execute("select 1"); });
    ASSERT_TRUE(error);
    EXPECT_THAT(error->what(), HasSubstr("(a statement is running)"));
    slow.get();
}

// Trap 53
TEST_F(Pools, Trap53NeverGiveTheNextBorrowerATransactionThatIsOpenOrEnded) {
    open_pools({.pool_size_max = 1});
    {
        auto transaction = manager_->begin();
        auto [users, points] = transaction.enlist(*users_, *points_);
        users.sql() << "insert into users values (1)";
        points.sql() << "insert into points values (1)";
        // By the bare handles, which nobody can guard: another transaction in the branch's place,
        // and a branch that is ended (IDLE) but neither prepared nor rolled back.
        PQclear(PQexec(users.native_handle(), "rollback"));
        PQclear(PQexec(users.native_handle(), "begin"));
        PQclear(PQexec(users.native_handle(), "insert into users values (2)"));
        std::string listed = transaction.gtrid();
        EXPECT_EQ(mysql_query(points.native_handle(),
                              fmt::format("xa end '{}','points:2',{}", listed, kFormatId).c_str()),
                  0)
            << mysql_error(points.native_handle());
    }
    auto transaction = manager_->begin();
    auto [users, points] = transaction.enlist(*users_, *points_);
    EXPECT_EQ(text(users.sql(), "select coalesce(pg_current_xact_id_if_assigned()::text, 'none')"),
              "none");
    EXPECT_EQ(text(users.sql(), "select count(*)::text from users"), "0");
    points.sql() << "insert into points values (2)";
    users.sql() << "insert into users values (3)";
    EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(count_rows(2), 1);
    EXPECT_EQ(count_rows(3), 1);
}

TEST_F(Pools, KeepWhatASessionWasSetToAsPoolsDo) {
    open_pools({.pool_size_max = 1});
    {
        auto transaction = manager_->begin();
        auto users = transaction.enlist(*users_);
        users.sql() << "set work_mem = '5MB'";
        EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    }
    auto transaction = manager_->begin();
    EXPECT_EQ(text(transaction.enlist(*users_).sql(), "show work_mem"), "5MB");
}

TEST_F(Pools, CommitOverConnectionsThatTheApplicationLends) {
    open();
    PGconn* users_handle = handle_of_postgres(*own_users_);
    MYSQL* points_handle = handle_of_mysql(*own_points_);
    {
        auto transaction = manager_->begin();
        auto users = transaction.enlist(*users_, users_handle);
        auto points = transaction.enlist(*points_, points_handle);
        PQclear(PQexec(users.native_handle(), "insert into users values (1)"));
        EXPECT_EQ(users.native_handle(), users_handle);
        EXPECT_EQ(mysql_query(points.native_handle(), "insert into points values (1)"), 0);
        EXPECT_EQ(points.execute("insert into points values (2)"), 1U);
        EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    }
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_EQ(text(*own_users_, "select count(*)::text from users"), "1");
    EXPECT_EQ(text(*own_points_, "select count(*) from points"), "2");
    EXPECT_EQ(users_->pool_status().opened, 0U);
}

TEST_F(Pools, CommitOverSociSessionsThatTheApplicationLends) {
    open();
    for (int id = 1; id <= 3; ++id) {  // lent again and again
        {
            auto transaction = manager_->begin();
            auto users = transaction.enlist(*users_, *own_users_);
            auto points = transaction.enlist(*points_, *own_points_);
            EXPECT_EQ(&users.sql(), own_users_.get());
            users.sql() << "insert into users values (:id)", soci::use(id);
            points.sql() << "insert into points values (:id)", soci::use(id);
            EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
            // Law 10: nothing of this scope runs in autocommit.
            EXPECT_THROW(*own_users_ << "insert into users values (9)", soci::soci_error);
            EXPECT_THROW(*own_points_ << "insert into points values (9)", soci::soci_error);
        }
        EXPECT_EQ(count_rows(id), 2);
    }
    *own_users_ << "insert into users values (9)";
    *own_points_ << "insert into points values (9)";
    EXPECT_EQ(count_rows(9), 2);
}

TEST_F(Pools, GiveALentConnectionBackAsItWas) {
    open();
    *own_users_ << "set application_name = 'own''s'";
    *own_points_ << "select get_lock('own', 0)";
    PGconn* users_handle = handle_of_postgres(*own_users_);
    MYSQL* points_handle = handle_of_mysql(*own_points_);
    ASSERT_EQ(mysql_set_server_option(points_handle, MYSQL_OPTION_MULTI_STATEMENTS_ON), 0);
    ASSERT_EQ(PQsetnonblocking(users_handle, 1), 0);
    const auto log = manager_->log_summary();
    const auto mark = session_mark_of(log.id, log.incarnation, log.node).text;
    const auto marked_points = [&] {
        return points_database_.number(
            fmt::format("select count(*) from information_schema.processlist where id = {} and {}",
                        mysql_thread_id(points_handle), mysql::session_condition(mark)));
    };
    const auto tracking = text(*own_points_, "select @@session_track_transaction_info");
    {
        auto transaction = manager_->begin();
        auto users = transaction.enlist(*users_, users_handle);
        auto points = transaction.enlist(*points_, points_handle);
        users.execute("insert into users values (1)");
        points.execute("insert into points values (1)");
        // The marks by which recovery would find the sessions are there while the branches are.
        EXPECT_THAT(users_database_.column(
                        fmt::format("select application_name from pg_stat_activity where pid = {}",
                                    PQbackendPID(users_handle))),
                    testing::ElementsAre(mark));
        EXPECT_EQ(marked_points(), 1);
        EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    }
    EXPECT_EQ(PQisnonblocking(users_handle), 1);
    EXPECT_EQ(text(*own_users_, "select current_setting('application_name')"), "own's");
    EXPECT_EQ(text(*own_points_, "select @@session_track_transaction_info"), tracking);
    EXPECT_EQ(marked_points(), 0);
    EXPECT_EQ(text(*own_points_, "select is_used_lock('own') = connection_id()"), "1");
    EXPECT_EQ(mysql_query(points_handle, "do 0; do 0"), 0) << "many statements a packet again";
    while (mysql_next_result(points_handle) == 0) {
    }
}

TEST_F(Pools, RollALentConnectionsBranchBackAtTheEndOfTheScope) {
    open();
    {
        auto transaction = manager_->begin();
        transaction.enlist(*users_, *own_users_).sql() << "insert into users values (1)";
        transaction.enlist(*points_, *own_points_).sql() << "insert into points values (1)";
    }
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(text(*own_users_, "select count(*)::text from users"), "0");
    EXPECT_EQ(text(*own_points_, "select count(*) from points"), "0");
}

TEST_F(Pools, RefuseToBorrowWhatIsNotFitForIt) {
    open();
    *own_users_ << "begin";
    *own_points_ << "begin";
    auto transaction = manager_->begin();
    auto users = transaction.enlist(*users_, *own_users_);
    auto points = transaction.enlist(*points_, *own_points_);
    for (const auto& error : {error_of([&] { users.execute("select 1"); }),
                              error_of([&] { points.execute("select 1"); })}) {
        ASSERT_TRUE(error);
        EXPECT_EQ(error->code(), ErrorCode::invalid_state);
        EXPECT_THAT(error->what(), HasSubstr("in a transaction"));
    }
    *own_users_ << "rollback";
    *own_points_ << "rollback";
    users.execute("insert into users values (1)");
    points.execute("insert into points values (1)");

    auto second = manager_->begin();
    auto again = second.enlist(*users_, *own_users_);
    EXPECT_EQ(error_of([&] { again.execute("select 1"); }).value().code(),
              ErrorCode::invalid_state);
    EXPECT_EQ(error_of([&] { static_cast<void>(transaction.enlist(*users_, *own_users_)); })
                  .value()
                  .code(),
              ErrorCode::invalid_state);
    EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
}

TEST_F(Pools, RefuseToBorrowAConnectionWhoseBranchRecoveryWouldNotFind) {
    open();
    const auto admin = sandbox::open_session(sandbox::admin_uri(sandbox::postgres_server()));
    auto transaction = manager_->begin();
    auto users = transaction.enlist(*users_, *admin);
    const auto error = error_of([&] { users.execute("select 1"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::invalid_configuration);
    EXPECT_EQ(text(*admin, "select 'as before'"), "as before");
}

TEST_F(Pools, EndTheSessionOfALentConnectionWhoseBranchIsInDoubtOnMysql) {
    open_through_proxy();
    const auto own = sandbox::open_session(
        with_port(sandbox::tcp_uri(sandbox::mysql_server()), proxy_->port(1)));
    {
        auto transaction = manager_->begin();
        transaction.enlist(*users_).execute("insert into users values (1)");
        transaction.enlist(*points_, *own).execute("insert into points values (1)");
        proxy_->lose_reply_to(1, "xa commit");
        const auto report = transaction.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    }
    EXPECT_THROW(*own << "do 0", soci::soci_error) << "the caller is told by the handle";
    EXPECT_TRUE(is_settled_eventually());
    EXPECT_EQ(count_rows(1), 2);
}

TEST_F(Pools, EndTheSessionOfALentConnectionWhoseBranchIsInDoubtOnPostgres) {
    open_through_proxy();
    const auto own = sandbox::open_session(
        with_port(sandbox::tcp_uri(sandbox::postgres_server()), proxy_->port(0)));
    {
        auto transaction = manager_->begin();
        transaction.enlist(*users_, handle_of_postgres(*own))
            .execute("insert into users values (1)");
        transaction.enlist(*points_).execute("insert into points values (1)");
        proxy_->lose_reply_to(0, "commit prepared");
        const auto report = transaction.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    }
    EXPECT_THROW(*own << "select 1", soci::soci_error) << "the caller is told by the handle";
    EXPECT_TRUE(is_settled_eventually());
    EXPECT_EQ(count_rows(1), 2);
}

}  // namespace
}  // namespace xa_tm::test
