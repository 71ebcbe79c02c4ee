// One-shot transactions on real servers, as docs/embedding.md tells of them.

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "shop.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;

/// A user with an account, and the points of many.
class EmbeddedOneShot : public Shop {
protected:
    EmbeddedOneShot() {
        for (auto* database : {&users_database_, &points_database_}) {
            database->execute("drop table if exists account");
            database->execute("create table account (id int primary key, balance bigint not null)");
            database->execute("insert into account values (42, 100)");
        }
    }
    ~EmbeddedOneShot() override {
        close();
        for (auto* database : {&users_database_, &points_database_}) {
            database->execute("drop table if exists account");
        }
    }

    [[nodiscard]] std::vector<Statement> payment(std::int64_t amount, int id = 42) {
        auto& u = *users_;
        auto& p = *points_;
        return {u.statement("update account set balance = balance - $1 where id = $2", amount, id)
                    .expect_rows(1),
                p.statement("update account set balance = balance + ? where id = ?", amount, id)
                    .expect_rows(1),
                u.statement("select balance from account where id = $1", id)};
    }
    [[nodiscard]] std::int64_t users_balance() {
        return users_database_.number("select balance from account where id = 42");
    }
};

TEST_F(EmbeddedOneShot, GivesItsOutcomeTheRowsAndTheFirstError) {
    open();
    const auto report = manager_->run(payment(30));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(report.results()[0].rows, 1U);
    EXPECT_EQ(report.results()[2].set.rows[0][0], "70");

    const auto refused = manager_->run(payment(30, 43));
    EXPECT_EQ(refused.outcome(), Outcome::rolled_back);
    ASSERT_TRUE(refused.error());
    EXPECT_EQ(refused.error()->code(), ErrorCode::unexpected_rows);
    EXPECT_FALSE(refused.error()->is_retryable());
    EXPECT_EQ(refused.commit().reason(), refused.error()->what());
    EXPECT_EQ(users_balance(), 70);
}

TEST_F(EmbeddedOneShot, IsRunAgainWhileItsErrorIsRetryable) {
    open();
    const auto pay = [this](std::chrono::milliseconds patience) {
        const RunOptions options{.lock_wait_timeout = patience, .conflict_keys = {"account:42"}};
        auto report = manager_->run(payment(1), options);
        for (int attempt = 1; attempt < 3 && report.error() && report.error()->is_retryable();
             ++attempt) {
            report = manager_->run(payment(1), options);
        }
        return report;
    };
    // Another process has the row for as long as it likes.
    users_database_.execute("begin");
    users_database_.execute("update account set balance = 0 where id = 42");
    const auto waited = pay(200ms);
    EXPECT_EQ(waited.outcome(), Outcome::rolled_back);
    ASSERT_TRUE(waited.error());
    EXPECT_EQ(waited.error()->code(), ErrorCode::conflict) << waited.error()->what();
    users_database_.execute("rollback");
    EXPECT_EQ(pay(10s).outcome(), Outcome::committed);
    EXPECT_EQ(users_balance(), 99);
}

TEST_F(EmbeddedOneShot, IsCombinedWithOthersThatWaitForTheSameKeys) {
    open();
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 8; ++thread) {
            threads.emplace_back([this] {
                for (int i = 0; i < 5; ++i) {
                    const auto report = manager_->run(
                        payment(1), {.conflict_keys = {"account:42"}, .combine = CombineOptions{}});
                    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
                }
            });
        }
    }
    EXPECT_EQ(users_balance(), 60);
}

TEST_F(EmbeddedOneShot, EndsATransactionThatBeganInteractively) {
    open();
    auto tx = manager_->begin();
    auto u = tx.enlist(*users_);
    u.execute("insert into account values (43, 0)");
    const auto report = tx.finish_with(payment(10, 42));
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
    EXPECT_EQ(users_balance(), 90);
    EXPECT_EQ(users_database_.number("select count(*) from account"), 2);
}

}  // namespace
}  // namespace xa_tm::test
