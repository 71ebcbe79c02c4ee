// Timeouts, callbacks, threads, several datasources at one server and savepoints, as
// docs/embedding.md tells of them.

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <soci/soci.h>

#include "sandbox.h"
#include "shop.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::Each;
using testing::Field;
using testing::HasSubstr;

constexpr auto kTimeout = 800ms;
/// What may pass between the deadline and a lock that is free, on a busy machine.
constexpr auto kSlack = 8s;

/// The Error that the action throws, or nothing.
template <class Action>
std::optional<Error> error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

MATCHER_P(HasCode, code, "") {
    if (arg) {
        *result_listener << arg->what();
    }
    return arg && arg->code() == code;
}

class Deadline : public Shop {
protected:
    void SetUp() override {
        users_database_.execute("insert into users values (7)");
        points_database_.execute("insert into points values (7)");
    }

    /// Asks for the lock on row 7 at both servers, in sessions of their own, and waits for it.
    void expect_locks_are_free_by(steady_clock::time_point deadline) {
        auto users = std::async(std::launch::async, [this] {
            users_database_.execute("update users set id = id where id = 7");
        });
        auto points = std::async(std::launch::async, [this] {
            points_database_.execute("update points set id = id where id = 7");
        });
        users.get();
        points.get();
        EXPECT_LT(steady_clock::now(), deadline);
    }

    static void lock_users(const postgres::Branch& users) {
        users.sql() << "update users set id = id where id = 7";
    }
    static void lock_points(const mysql::Branch& points) {
        points.sql() << "update points set id = id where id = 7";
    }

    /// Every way to use the branch is refused with words that say why.
    template <class D>
    static void expect_refused(Transaction& transaction, D& datasource,
                               const typename D::Branch& branch) {
        const auto is_timed_out = HasCode(ErrorCode::timed_out);
        const auto error = error_of([&] { std::ignore = branch.sql(); });
        ASSERT_THAT(error, is_timed_out);
        EXPECT_THAT(error->what(),
                    AllOf(HasSubstr(transaction.gtrid()),
                          HasSubstr(fmt::format("timed out after {} ms", kTimeout.count())),
                          HasSubstr("begin a new one")));
        EXPECT_TRUE(error->is_retryable());
        EXPECT_THAT(error_of([&] { std::ignore = branch.native_handle(); }), is_timed_out);
        EXPECT_THAT(error_of([&] { branch.execute("insert into users values (8)"); }),
                    is_timed_out);
        EXPECT_THAT(error_of([&] { std::ignore = transaction.enlist(datasource); }), is_timed_out);
    }

    void expect_rolled_back_for_time(Transaction& transaction) {
        const auto report = transaction.commit();
        EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
        EXPECT_THAT(report.reason(), HasSubstr("timed out after"));
        EXPECT_TRUE(is_settled_eventually());
        EXPECT_EQ(count_rows(7), 2);
        EXPECT_EQ(count_rows(8), 0) << "nothing ran in autocommit";
    }
};

TEST_F(Deadline, Trap56EndsARunningStatementOnPostgresAndRefusesAllLaterOnes) {
    open();
    auto transaction = manager_->begin({.timeout = kTimeout});
    const auto due = steady_clock::now() + kTimeout;
    const auto users = transaction.enlist(*users_);
    lock_users(users);
    auto& kept_sql = users.sql();
    auto* const kept = users.native_handle();
    auto other = std::async(std::launch::async, [&] { expect_locks_are_free_by(due + kSlack); });
    EXPECT_THROW(users.sql() << "select pg_sleep(60)", soci::soci_error);
    EXPECT_GE(steady_clock::now(), due);
    other.get();
    PGresult* const result = PQexec(kept, "insert into users values (8)");
    EXPECT_NE(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    EXPECT_EQ(PQstatus(kept), CONNECTION_BAD) << "nothing connects anew by itself";
    EXPECT_THROW(kept_sql << "insert into users values (8)", soci::soci_error);
    expect_refused(transaction, *users_, users);
    EXPECT_THROW(kept_sql << "insert into users values (8)", soci::soci_error);
    expect_rolled_back_for_time(transaction);
}

TEST_F(Deadline, Trap56EndsARunningStatementOnMySqlAndRefusesAllLaterOnes) {
    open();
    auto transaction = manager_->begin({.timeout = kTimeout});
    const auto due = steady_clock::now() + kTimeout;
    const auto points = transaction.enlist(*points_);
    lock_points(points);
    auto& kept_sql = points.sql();
    auto* const kept = points.native_handle();
    auto other = std::async(std::launch::async, [&] { expect_locks_are_free_by(due + kSlack); });
    EXPECT_THROW(points.sql() << "do sleep(60)", soci::soci_error);
    EXPECT_GE(steady_clock::now(), due);
    other.get();
    EXPECT_NE(mysql_query(kept, "insert into points values (8)"), 0);
    EXPECT_NE(mysql_query(kept, "insert into points values (8)"), 0)
        << "nothing connects anew by itself";
    EXPECT_THROW(kept_sql << "insert into points values (8)", soci::soci_error);
    expect_refused(transaction, *points_, points);
    EXPECT_THROW(kept_sql << "insert into points values (8)", soci::soci_error);
    expect_rolled_back_for_time(transaction);
}

TEST_F(Deadline, Trap56EndsTheWaitForAStatementThatWasGivenToTheBranch) {
    open();
    const auto began = steady_clock::now();
    for (const bool is_users : {true, false}) {
        auto transaction = manager_->begin({.timeout = kTimeout});
        const auto [users, points] = transaction.enlist(*users_, *points_);
        const auto error = error_of([&, &users = users, &points = points] {
            std::ignore =
                is_users ? users.execute("select pg_sleep(60)") : points.execute("do sleep(60)");
        });
        EXPECT_THAT(error, HasCode(ErrorCode::timed_out));
        expect_rolled_back_for_time(transaction);
    }
    EXPECT_LT(steady_clock::now() - began, 2 * (kTimeout + kSlack));
}

TEST_F(Deadline, ReleasesTheLocksOfAnApplicationThatDoesNothing) {
    open();
    auto transaction = manager_->begin({.timeout = kTimeout});
    const auto due = steady_clock::now() + kTimeout;
    const auto [users, points] = transaction.enlist(*users_, *points_);
    lock_users(users);
    lock_points(points);
    expect_locks_are_free_by(due + kSlack);
    EXPECT_GE(steady_clock::now(), due);
    expect_refused(transaction, *users_, users);
    expect_refused(transaction, *points_, points);
    expect_rolled_back_for_time(transaction);
}

TEST_F(Deadline, ReleasesTheLocksOfBranchesThatAreAlreadyPrepared) {
    open();
    auto transaction = manager_->begin({.timeout = kTimeout});
    const auto due = steady_clock::now() + kTimeout;
    const auto [users, points] = transaction.enlist(*users_, *points_);
    users.execute_last("update users set id = id where id = 7");
    points.execute_last("update points set id = id where id = 7");
    EXPECT_EQ(count_prepared(), 2U);
    expect_locks_are_free_by(due + kSlack);
    expect_rolled_back_for_time(transaction);
}

TEST_F(Deadline, LeavesTheNextTransactionsAlone) {
    open();
    for (int round = 0; round < 3; ++round) {
        {
            auto late = manager_->begin({.timeout = 200ms});
            const auto [users, points] = late.enlist(*users_, *points_);
            lock_users(users);
            lock_points(points);
            expect_locks_are_free_by(steady_clock::now() + kSlack);
        }
        for (int id = 100 * round + 101; id < 100 * round + 111; ++id) {
            auto transaction = manager_->begin();
            register_user(transaction, id);
            const auto report = transaction.commit();
            EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
        }
    }
}

TEST_F(Deadline, DoesNothingOnceTheTransactionIsDecided) {
    open_through_proxy();
    {
        auto warm = manager_->begin();
        register_user(warm, 1);
        ASSERT_EQ(warm.commit().outcome(), Outcome::committed);
    }
    auto transaction = manager_->begin({.timeout = 1500ms});
    const auto due = steady_clock::now() + 1500ms;
    register_user(transaction, 8);
    transaction.before_prepare([this] { proxy_->set_round_trip(1s); });
    const auto report = transaction.commit();
    EXPECT_GE(steady_clock::now(), due) << "the deadline passed during phase two";
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(count_rows(8), 2);
}

TEST_F(Deadline, Trap8BringsNoEndedTransactionBackToLife) {
    open();
    auto transaction = manager_->begin();
    register_user(transaction, 8);
    transaction.rollback();
    const auto is_refused = HasCode(ErrorCode::invalid_state);
    EXPECT_THAT(error_of([&] { std::ignore = transaction.enlist(*users_); }), is_refused);
    EXPECT_EQ(transaction.commit().outcome(), Outcome::rolled_back);
    auto late = manager_->begin({.timeout = 200ms});
    const auto [users, points] = late.enlist(*users_, *points_);
    lock_users(users);
    lock_points(points);
    register_user(late, 8);
    expect_locks_are_free_by(steady_clock::now() + kSlack);
    EXPECT_THAT(error_of([&] { std::ignore = late.enlist(*users_); }),
                HasCode(ErrorCode::timed_out));
    EXPECT_THAT(error_of([&] { std::ignore = late.enlist(*points_); }),
                HasCode(ErrorCode::timed_out));
    EXPECT_EQ(count_rows(8), 0);
    EXPECT_TRUE(is_settled_eventually());
}

}  // namespace
}  // namespace xa_tm::test
