// Timeouts, callbacks, threads, several datasources at one server and savepoints, as
// docs/embedding.md tells of them.

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
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

/// Two datasources at one server, of either kind.
template <class D>
class OneServer : public Deadline {
protected:
    static constexpr bool kIsPostgres = std::is_same_v<D, postgres::Datasource>;

    void open_two() {
        const auto uri =
            sandbox::uri(kIsPostgres ? sandbox::postgres_server() : sandbox::mysql_server());
        manager_.emplace(Config{.node = "shop",
                                .log_directory = log_directory_.path(),
                                .log_segment_size_bytes = 1 << 16});
        orders_ = &manager_->add<D>("orders", uri);
        stock_ = &manager_->add<D>("stock", uri);
        manager_->start();
    }
    [[nodiscard]] static std::string lock_row(int id) {
        return fmt::format("update {} set id = id where id = {}", table(), id);
    }
    [[nodiscard]] static std::string insert_row(int id) {
        return fmt::format("insert into {} values ({})", table(), id);
    }
    [[nodiscard]] static std::string table() { return kIsPostgres ? "users" : "points"; }

    D* orders_ = nullptr;
    D* stock_ = nullptr;
};
using BothKinds = testing::Types<postgres::Datasource, mysql::Datasource>;
struct KindName {
    template <class D>
    static std::string GetName(int) {
        return std::is_same_v<D, postgres::Datasource> ? "Postgres" : "MySql";
    }
};
TYPED_TEST_SUITE(OneServer, BothKinds, KindName);

TYPED_TEST(OneServer, HasABranchOfItsOwnForEachDatasource) {
    this->open_two();
    auto transaction = this->manager_->begin();
    const auto [orders, stock] = transaction.enlist(*this->orders_, *this->stock_);
    orders.execute_last(this->insert_row(1));
    stock.execute_last(this->insert_row(2));
    EXPECT_EQ(this->count_prepared(), 2U);
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_THAT(report.branches(), Each(Field(&BranchReport::state, BranchState::committed)));
    EXPECT_EQ(this->count_rows(1) + this->count_rows(2), 2);
    EXPECT_EQ(this->count_prepared(), 0U);
}

TYPED_TEST(OneServer, DeadlineEndsTheWaitOfOneBranchForTheOther) {
    this->open_two();
    auto transaction = this->manager_->begin({.timeout = kTimeout});
    const auto [orders, stock] = transaction.enlist(*this->orders_, *this->stock_);
    orders.execute(this->lock_row(7));
    const auto error = error_of([&, &stock = stock] { stock.execute(this->lock_row(7)); });
    ASSERT_THAT(error, HasCode(ErrorCode::timed_out));
    EXPECT_THAT(error->what(), AllOf(HasSubstr("branches orders and stock are at the same server"),
                                     HasSubstr("use one datasource for both")));
    this->expect_rolled_back_for_time(transaction);
}

TYPED_TEST(OneServer, DeadlockOfTwoTransactionsIsAConflictThatMayBeTriedAgain) {
    this->open_two();
    auto& database = this->kIsPostgres ? this->users_database_ : this->points_database_;
    database.execute(this->insert_row(8));
    std::vector<Transaction> transactions;
    for (const int own : {7, 8}) {
        transactions.push_back(this->manager_->begin());
        transactions.back().enlist(*this->orders_).execute(this->lock_row(own));
    }
    auto waiting = std::async(std::launch::async, [&] {
        return error_of([&] { transactions[0].enlist(*this->orders_).execute(this->lock_row(8)); });
    });
    auto error =
        error_of([&] { transactions[1].enlist(*this->orders_).execute(this->lock_row(7)); });
    const int victim = error ? 1 : 0;
    if (const auto other = waiting.get(); !error) {
        error = other;
    }
    ASSERT_THAT(error, HasCode(ErrorCode::conflict));
    EXPECT_TRUE(error->is_retryable());
    EXPECT_THAT(error->what(), AllOf(HasSubstr("run the transaction again"), HasSubstr("orders")));
    EXPECT_TRUE(error->sqlstate() == "40P01" || error->native_error() == 1213) << error->what();
    transactions[static_cast<std::size_t>(victim)].rollback();
    EXPECT_EQ(transactions[static_cast<std::size_t>(1 - victim)].commit().outcome(),
              Outcome::committed);
}

TYPED_TEST(OneServer, LockWaitThatTheServerGivesUpIsAConflict) {
    this->open_two();
    auto holder = this->manager_->begin();
    holder.enlist(*this->orders_).execute(this->lock_row(7));
    auto transaction = this->manager_->begin();
    const auto stock = transaction.enlist(*this->stock_);
    stock.execute(this->kIsPostgres ? "set local lock_timeout = '100ms'"
                                    : "set innodb_lock_wait_timeout = 1");
    const auto error = error_of([&] { stock.execute(this->lock_row(7)); });
    ASSERT_THAT(error, HasCode(ErrorCode::conflict));
    EXPECT_TRUE(error->sqlstate() == "55P03" || error->native_error() == 1205) << error->what();
    transaction.rollback();
    EXPECT_EQ(holder.commit().outcome(), Outcome::committed);
}

TYPED_TEST(OneServer, SavepointsWorkInsideABranch) {
    this->open_two();
    for (const bool is_native : {false, true}) {
        const int id = is_native ? 20 : 10;
        auto transaction = this->manager_->begin();
        const auto orders = transaction.enlist(*this->orders_);
        const auto run = [&, &orders = orders](const std::string& statement) {
            if (is_native) {
                orders.sql() << statement;
            } else {
                orders.execute(statement);
            }
        };
        run(this->insert_row(id));
        run("savepoint before_gift");
        run(this->insert_row(id + 1));
        run("rollback to savepoint before_gift");
        run(this->insert_row(id + 2));
        run("release savepoint before_gift");
        transaction.enlist(*this->stock_).execute(this->insert_row(id / 10));
        const auto report = transaction.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
        EXPECT_EQ(this->count_rows(id), 1);
        EXPECT_EQ(this->count_rows(id + 1), 0);
        EXPECT_EQ(this->count_rows(id + 2), 1);
        EXPECT_EQ(this->count_rows(id / 10), 1);
    }
}

TYPED_TEST(OneServer, SavepointSavesABranchFromAFailedStatement) {
    this->open_two();
    auto transaction = this->manager_->begin();
    const auto [orders, stock] = transaction.enlist(*this->orders_, *this->stock_);
    orders.execute(this->insert_row(1));
    orders.execute("savepoint before_gift");
    EXPECT_THAT(
        error_of([&, &orders = orders] { orders.execute("insert into nowhere values (1)"); }),
        HasCode(ErrorCode::statement_failed));
    orders.execute("rollback to savepoint before_gift");
    stock.execute(this->insert_row(2));
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_EQ(this->count_rows(1) + this->count_rows(2), 2);
}

// Trap 43: what PostgreSQL can't prepare.
struct Unpreparable {
    std::string name;
    std::vector<std::string> statements;
    std::string words;
};
class Trap43 : public Deadline, public testing::WithParamInterface<Unpreparable> {};

TEST_P(Trap43, RollsBackAndNamesTheCauseAndWhatToDo) {
    open();
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    users.sql() << "insert into users values (8)";
    points.sql() << "insert into points values (8)";
    for (const auto& statement : GetParam().statements) {
        users.sql() << statement;
    }
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
    EXPECT_THAT(report.reason(), AllOf(HasSubstr("users"), HasSubstr(GetParam().words),
                                       HasSubstr("a branch must not use temporary tables")));
    EXPECT_THAT(report.branches()[0].message, HasSubstr(GetParam().words));
    EXPECT_EQ(count_rows(8), 0);
    EXPECT_EQ(count_prepared(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Of, Trap43,
    testing::Values(
        Unpreparable{"TemporaryTable",
                     {"create temporary table basket (id int)", "insert into basket values (1)"},
                     "temporary"},
        Unpreparable{"Listen", {"listen news"}, "LISTEN"},
        Unpreparable{"Notify", {"notify news"}, "NOTIFY"},
        Unpreparable{"CursorWithHold",
                     {"declare held cursor with hold for select id from users"},
                     "WITH HOLD"},
        Unpreparable{"AdvisoryLockOfSessionAndTransaction",
                     {"select pg_advisory_lock(43)", "select pg_advisory_xact_lock(43)"},
                     "session-level and transaction-level locks"}),
    [](const auto& param) { return param.param.name; });

// What docs/embedding.md shows.

CommitReport within_its_time(TransactionManager& tm, postgres::Datasource& users,
                             mysql::Datasource& points) {
    auto tx = tm.begin({.timeout = 5s, .lock_hold_budget = 2s});
    auto [u, p] = tx.enlist(users, points);
    u.execute("insert into users values (8)");
    p.execute("insert into points values (8)");
    return tx.commit();
}

CommitReport with_callbacks(TransactionManager& tm, postgres::Datasource& users,
                            mysql::Datasource& points, bool is_empty, std::vector<Outcome>& told) {
    auto tx = tm.begin();
    tx.enlist(users).execute("insert into users values (8)");
    tx.before_prepare([&] { tx.enlist(points).execute("insert into points values (8)"); });
    tx.after_completion([&](const CommitReport& report) { told.push_back(report.outcome()); });
    if (is_empty) {
        tx.set_rollback_only("the basket is empty");
    }
    return tx.commit();
}

CommitReport resumed_elsewhere(TransactionManager& tm, postgres::Datasource& users,
                               mysql::Datasource& points) {
    auto tx = tm.begin();
    tx.enlist(users).execute("insert into users values (8)");
    return std::async(std::launch::async,
                      [&points, resumed = std::move(tx)]() mutable {
                          resumed.enlist(points).execute("insert into points values (8)");
                          return resumed.commit();
                      })
        .get();
}

TEST_F(Deadline, SnippetsOfTheManualWork) {
    open();
    const auto expect_both = [this](const CommitReport& report) {
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
        EXPECT_EQ(count_rows(8), 2);
        users_database_.execute("delete from users where id = 8");
        points_database_.execute("delete from points where id = 8");
    };
    expect_both(within_its_time(*manager_, *users_, *points_));
    std::vector<Outcome> told;
    expect_both(with_callbacks(*manager_, *users_, *points_, false, told));
    expect_both(resumed_elsewhere(*manager_, *users_, *points_));
    const auto report = with_callbacks(*manager_, *users_, *points_, true, told);
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
    EXPECT_EQ(report.reason(), "the basket is empty");
    EXPECT_EQ(count_rows(8), 0);
    EXPECT_THAT(told, testing::ElementsAre(Outcome::committed, Outcome::rolled_back));
}

TEST_F(Deadline, ThreeTransactionsOfOneThreadAtOnceEndEachInItsOwnWay) {
    open();
    std::vector<Transaction> transactions;
    for (int i = 0; i < 3; ++i) {
        transactions.push_back(manager_->begin());
    }
    for (const int first : {10, 20}) {
        for (int i = 0; i < 3; ++i) {
            register_user(transactions[static_cast<std::size_t>(i)], first + i);
        }
    }
    EXPECT_EQ(transactions[2].commit().outcome(), Outcome::committed);
    transactions[0].rollback();
    EXPECT_EQ(transactions[1].commit().outcome(), Outcome::committed);
    for (const int first : {10, 20}) {
        EXPECT_EQ(count_rows(first), 0);
        EXPECT_EQ(count_rows(first + 1), 2);
        EXPECT_EQ(count_rows(first + 2), 2);
    }
}

}  // namespace
}  // namespace xa_tm::test
