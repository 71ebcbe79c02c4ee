// One-shot transactions on real servers: bound arguments, results, hot rows by conflict keys and
// combined, and a stranger that knows nothing of the keys.

#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "shop.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

/// Accounts on both servers, two of which everybody wants.
class OneShot : public Shop {
protected:
    OneShot() {
        for (auto* database : {&users_database_, &points_database_}) {
            database->execute("drop table if exists account");
            database->execute(
                "create table account (id int primary key, balance bigint not null, note text)");
            database->execute("insert into account values (1, 0, ''), (2, 0, '')");
        }
    }
    ~OneShot() override {
        close();
        for (auto* database : {&users_database_, &points_database_}) {
            database->execute("drop table if exists account");
        }
    }

    /// One more on the account, on both servers.
    [[nodiscard]] std::vector<Statement> deposit(int id) {
        return {users_->statement("update account set balance = balance + $1 where id = $2", 1, id)
                    .expect_rows(1),
                points_->statement("update account set balance = balance + ? where id = ?", 1, id)
                    .expect_rows(1)};
    }
    /// That, and then what can't be done, because the account is there already.
    [[nodiscard]] std::vector<Statement> failing_deposit(int id, bool is_at_users) {
        auto statements = deposit(id);
        statements.push_back(is_at_users
                                 ? users_->statement("insert into account values ($1, 0, '')", id)
                                 : points_->statement("insert into account values (?, 0, '')", id));
        return statements;
    }
    void expect_balances(int id, std::int64_t balance) {
        const auto query = fmt::format("select balance from account where id = {}", id);
        EXPECT_EQ(users_database_.number(query), balance);
        EXPECT_EQ(points_database_.number(query), balance);
    }
    /// Calls that in each of so many threads.
    template <class Call>
    static void in_threads(int threads, const Call& call) {
        std::vector<std::jthread> running;
        for (int thread = 0; thread < threads; ++thread) {
            running.emplace_back([&call, thread] { call(thread); });
        }
    }
};

TEST_F(OneShot, BindsArgumentsAndGivesResults) {
    open();
    const std::string note = "'; drop table account; -- \\' \" ? $1 %s ä";
    const auto report = manager_->run(
        {points_->statement("insert into account values (?, ?, ?)", 7, std::int64_t{1} << 40, note),
         users_->statement("insert into account values ($1, $2, $3) returning id, note", 7, -5,
                           nullptr),
         points_->statement("select balance, note from account where id = ?", 7),
         users_->statement("select note from account where id in ($1, $2) order by id", 1, 7)});
    ASSERT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
    EXPECT_TRUE(report.commit().is_settled());
    ASSERT_THAT(report.results(), SizeIs(4));
    EXPECT_EQ(report.results()[0].rows, 1U);
    EXPECT_EQ(report.results()[1].set, (ResultSet{{"id", "note"}, {{"7", std::nullopt}}}));
    EXPECT_EQ(report.results()[2].set, (ResultSet{{"balance", "note"}, {{"1099511627776", note}}}));
    EXPECT_EQ(report.results()[3].set, (ResultSet{{"note"}, {{""}, {std::nullopt}}}));
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(OneShot, RollsBackBothWhicheverServerRefusesAStatement) {
    open();
    for (const bool is_at_users : {true, false}) {
        for (const auto& keys : {std::vector<std::string>{}, {"account:1"}}) {
            const auto report =
                manager_->run(failing_deposit(1, is_at_users), {.conflict_keys = keys});
            EXPECT_EQ(report.outcome(), Outcome::rolled_back);
            ASSERT_TRUE(report.error());
            EXPECT_EQ(report.error()->code(), ErrorCode::statement_failed);
            EXPECT_EQ(report.error()->resource(), is_at_users ? "users" : "points");
            EXPECT_EQ(report.error()->sqlstate(), is_at_users ? "23505" : "23000");
            EXPECT_THAT(report.error()->what(), HasSubstr("statement 3 of 3"));
            EXPECT_TRUE(report.results()[is_at_users ? 0 : 1].is_done);
            EXPECT_FALSE(report.results()[2].is_done);
            expect_balances(1, 0);
            EXPECT_EQ(count_prepared(), 0U);
        }
    }
}

TEST_F(OneShot, RollsBackBothWhenAStatementHasOtherRowsThanExpected) {
    open();
    const auto report = manager_->run(deposit(3));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    ASSERT_TRUE(report.error());
    EXPECT_EQ(report.error()->code(), ErrorCode::unexpected_rows);
    auto late = deposit(1);
    late.push_back(
        points_->statement("update account set balance = 9 where id > ?", 0).expect_rows(1));
    const auto second = manager_->run(std::move(late));
    EXPECT_EQ(second.outcome(), Outcome::rolled_back);
    EXPECT_EQ(second.results()[2].rows, 2U);
    expect_balances(1, 0);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(OneShot, EndsAnInteractiveTransaction) {
    open();
    auto transaction = manager_->begin();
    transaction.enlist(*users_).execute("insert into account values (7, 0, '')");
    EXPECT_EQ(transaction.finish_with({points_->statement("delete from account where id = ?", 2)})
                  .outcome(),
              Outcome::committed);
    EXPECT_EQ(users_database_.number("select count(*) from account"), 3);
    EXPECT_EQ(points_database_.number("select count(*) from account"), 1);

    auto failing = manager_->begin();
    failing.enlist(*users_).execute("delete from account");
    EXPECT_EQ(failing.finish_with({points_->statement("insert into account values (1, 0, '')")})
                  .outcome(),
              Outcome::rolled_back);
    EXPECT_EQ(users_database_.number("select count(*) from account"), 3);
}

// Whoever has the row of the first branch is alone on the others, so nobody waits crosswise.
TEST_F(OneShot, NeverDeadlocksOnAHotRowBehindTheGate) {
    open();
    in_threads(8, [this](int thread) {
        for (int i = 0; i < 10; ++i) {
            auto statements = deposit(1);
            if (thread % 2 == 0) {
                std::swap(statements[0], statements[1]);
            }
            const auto report = manager_->run(std::move(statements));
            EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
        }
    });
    expect_balances(1, 80);
}

TEST_F(OneShot, NeverDeadlocksOnHotRowsByConflictKeys) {
    open();
    in_threads(8, [this](int thread) {
        for (int i = 0; i < 10; ++i) {
            // Both rows, in either order.
            auto statements = deposit(1 + thread % 2);
            for (auto& statement : deposit(2 - thread % 2)) {
                statements.push_back(std::move(statement));
            }
            const auto report =
                manager_->run(std::move(statements), {.conflict_keys = {"account:2", "account:1"}});
            EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
        }
    });
    expect_balances(1, 80);
    expect_balances(2, 80);
}

TEST_F(OneShot, CommitsManyByFewDecisionsWhenTheyAreCombined) {
    constexpr int kThreads = 16;
    constexpr int kEach = 10;
    open();
    std::mutex mutex;
    std::set<std::string> gtrids;
    in_threads(kThreads, [&](int thread) {
        for (int i = 0; i < kEach; ++i) {
            const bool shall_fail = i % 5 == thread % 5;
            const auto report =
                manager_->run(shall_fail ? failing_deposit(1, thread % 2 == 0) : deposit(1),
                              {.conflict_keys = {"account:1"}, .combine = CombineOptions{}});
            EXPECT_EQ(report.outcome(), shall_fail ? Outcome::rolled_back : Outcome::committed)
                << to_string(report.commit());
            EXPECT_EQ(report.error().has_value(), shall_fail);
            if (shall_fail && report.error()) {
                EXPECT_EQ(report.error()->sqlstate(), thread % 2 == 0 ? "23505" : "23000");
                EXPECT_THAT(report.error()->what(), HasSubstr("statement 3 of 3"));
            }
            if (!shall_fail) {
                const std::lock_guard lock{mutex};
                gtrids.insert(report.commit().gtrid());
            }
        }
    });
    constexpr auto kCommitted = kThreads * kEach * 4 / 5;
    expect_balances(1, kCommitted);
    EXPECT_LT(gtrids.size(), std::size_t{kCommitted});
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(OneShot, RunsAloneAmongCombinedOnesWhatTheyCanNotHold) {
    open();
    in_threads(4, [this](int thread) {
        for (int i = 0; i < 5; ++i) {
            auto statements = deposit(1);
            if (thread == 0) {
                statements.push_back(users_->statement("set application_name = 'alone'"));
            }
            const auto report =
                manager_->run(std::move(statements),
                              {.conflict_keys = {"account:1"}, .combine = CombineOptions{}});
            EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
        }
    });
    expect_balances(1, 20);
}

// A stranger has the row at points and then wants the one at users, the other way round.
TEST_F(OneShot, EndsADeadlockWithAStrangerByTheLockWaitTimeoutAndTheQueueGoesOn) {
    open();
    const std::string change = "update account set balance = balance + 100 where id = 1";
    points_database_.execute("start transaction");
    points_database_.execute(change);
    const auto run = [this] {
        return manager_->run(deposit(1), {.lock_wait_timeout = 1s, .conflict_keys = {"account:1"}});
    };
    auto first = std::async(std::launch::async, run);
    ASSERT_TRUE(eventually([this] { return !users_database_.prepared().empty(); }));
    // It may come to the row before the stranger, and so meet it in a deadlock, too.
    auto second = std::async(std::launch::async, [&run] {
        auto report = run();
        for (int again = 0; again < 5 && report.error() && report.error()->is_retryable();
             ++again) {
            report = run();
        }
        return report;
    });
    users_database_.execute(change);  // waits for the first one
    points_database_.execute("commit");

    const auto report = first.get();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report.commit());
    ASSERT_TRUE(report.error());
    EXPECT_EQ(report.error()->code(), ErrorCode::conflict) << report.error()->what();
    EXPECT_TRUE(report.error()->is_retryable());
    EXPECT_THAT(report.error()->what(), HasSubstr("lock_wait_timeout of 1000 ms"));
    EXPECT_EQ(second.get().outcome(), Outcome::committed);
    // The lost session may still get its lock and prepare: recovery ends it, then it looks.
    EXPECT_TRUE(manager_->drain(std::chrono::seconds{30}).is_drained);
    EXPECT_EQ(count_prepared(), 0U);
    expect_balances(1, 101);
}

// The one in front gives up, the two behind it are combined, and wait for the stranger in vain.
TEST_F(OneShot, DissolvesABatchThatWaitsForAStrangerAndRunsEachAlone) {
    open();
    points_database_.execute("start transaction");
    points_database_.execute("update account set balance = balance where id = 1");
    const auto run = [this](std::chrono::milliseconds lock_wait_timeout) {
        return std::async(std::launch::async, [this, lock_wait_timeout] {
            return manager_->run(deposit(1), {.lock_wait_timeout = lock_wait_timeout,
                                              .conflict_keys = {"account:1"},
                                              .combine = CombineOptions{.time_max = 300ms}});
        });
    };
    auto front = run(1s);
    ASSERT_TRUE(eventually([this] { return !users_database_.prepared().empty(); }));
    auto second = run(20s);
    auto third = run(20s);
    const auto refused = front.get();
    EXPECT_EQ(refused.outcome(), Outcome::rolled_back) << to_string(refused.commit());
    // A batch is prepared behind all its statements only, so this is one that runs alone.
    EXPECT_TRUE(eventually([this] { return !users_database_.prepared().empty(); }));
    points_database_.execute("commit");

    const auto one = second.get();
    const auto other = third.get();
    EXPECT_EQ(one.outcome(), Outcome::committed) << to_string(one.commit());
    EXPECT_EQ(other.outcome(), Outcome::committed) << to_string(other.commit());
    EXPECT_NE(one.commit().gtrid(), other.commit().gtrid());
    EXPECT_TRUE(manager_->drain(std::chrono::seconds{30}).is_drained);
    EXPECT_EQ(count_prepared(), 0U);
    expect_balances(1, 2);
}

}  // namespace
}  // namespace xa_tm::test
