// What an application does with the transaction manager while everything around it works.

#include <atomic>
#include <thread>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "shop.h"
#include "undone.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Field;

TEST_F(Shop, CommitsOnBothServers) {
    open();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(report.branches(), Each(Field(&BranchReport::state, BranchState::committed)));
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_EQ(count_prepared(), 0U);
    EXPECT_EQ(count_undone(*manager_), 0U);
}

TEST_F(Shop, LeavesNothingForTheNextStartAfterACommit) {
    open();
    for (int id = 1; id <= 20; ++id) {
        auto transaction = manager_->begin();
        register_user(transaction, id);
        ASSERT_EQ(transaction.commit().outcome(), Outcome::committed);
    }
    close();
    EXPECT_EQ(count_log_entries(), 0U);
    open();
    EXPECT_EQ(manager_->log_summary().incarnation, 2U);
    EXPECT_EQ(count_rows(20), 2);
}

TEST_F(Shop, RollsBackAtTheApplicationsWish) {
    open();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    transaction.rollback();
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(transaction.commit().outcome(), Outcome::rolled_back);
}

TEST_F(Shop, RollsBackAtTheEndOfTheScope) {
    open();
    {
        auto transaction = manager_->begin();
        register_user(transaction, 1);
    }
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(Shop, RollsBackTheFirstServerWhenTheSecondRefusesADuplicateKey) {
    open();
    points_database_.execute("insert into points values (1)");
    try {
        auto transaction = manager_->begin();
        register_user(transaction, 1);
        FAIL() << "the key exists already";
    } catch (const soci::soci_error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("Duplicate entry"));
    }
    EXPECT_EQ(count_rows(1), 1) << "only the row that was there before";
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(Shop, Trap32RollsBackWhenTheApplicationHasSwallowedAFailedStatement) {
    open();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    EXPECT_THROW(transaction.enlist(*users_).sql() << "select 1 / 0", soci::soci_error);
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
    EXPECT_TRUE(report.is_settled()) << to_string(report);
    EXPECT_THAT(report.reason(), testing::HasSubstr("users"));
    EXPECT_EQ(count_rows(1), 0);
}

TEST_F(Shop, Trap33RollsBackPlainlyWhenOnePrepareFails) {
    open();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    transaction.enlist(*users_).sql()
        << "insert into users values (1)";  // deferred: fails at prepare
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(report.branches()[0].code, XaCode::rbintegrity) << to_string(report);
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(Shop, CommitsASingleBranchInOnePhaseWithoutForcingTheLog) {
    open();
    const auto forces = manager_->log_status().forces;
    auto on_points = manager_->begin();
    on_points.enlist(*points_).sql() << "insert into points values (1)";
    EXPECT_EQ(on_points.commit().outcome(), Outcome::committed);
    auto on_users = manager_->begin();
    on_users.enlist(*users_).sql() << "insert into users values (1)";
    EXPECT_EQ(on_users.commit().outcome(), Outcome::committed);
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_EQ(manager_->log_status().forces, forces);
}

TEST_F(Shop, ForcesNothingWhenOnlyOneBranchWrote) {
    open();
    const auto forces = manager_->log_status().forces;
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    int count = 0;
    users.sql() << "select count(*) from users", soci::into(count);
    points.sql() << "insert into points values (1)";
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_THAT(report.branches(),
                ElementsAre(Field(&BranchReport::state, BranchState::read_only),
                            Field(&BranchReport::state, BranchState::committed)));
    EXPECT_EQ(manager_->log_status().forces, forces);
    EXPECT_EQ(count_rows(1), 1);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(Shop, GivesTheSameBranchToAnEnlistedDatasource) {
    open();
    auto transaction = manager_->begin();
    EXPECT_EQ(transaction.enlist(*users_).native_handle(),
              transaction.enlist(*users_).native_handle());
}

TEST_F(Shop, NeverRunsAStatementBehindTheEndOfItsTransaction) {
    open();
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    soci::session& users_sql = users.sql();
    soci::session& points_sql = points.sql();
    transaction.rollback();
    EXPECT_THROW(users_sql << "insert into users values (1)", soci::soci_error);
    EXPECT_THROW(points_sql << "insert into points values (1)", soci::soci_error);
    EXPECT_THROW(std::ignore = users.sql(), Error);
    EXPECT_THROW(std::ignore = points.native_handle(), Error);
    EXPECT_THROW(std::ignore = transaction.enlist(*users_), Error);
    EXPECT_EQ(count_rows(1), 0) << "law 10";
}

TEST_F(Shop, Trap53GivesNoLeftoverOfOneTransactionToTheNext) {
    open();
    for (int id = 1; id <= 30; ++id) {
        auto transaction = manager_->begin();
        register_user(transaction, id);
        switch (id % 3) {
            case 0: EXPECT_EQ(transaction.commit().outcome(), Outcome::committed); break;
            case 1: transaction.rollback(); break;
            default:
                EXPECT_THROW(transaction.enlist(*users_).sql() << "select 1 / 0", soci::soci_error);
                break;
        }
    }
    for (int id = 1; id <= 30; ++id) {
        EXPECT_EQ(count_rows(id), id % 3 == 0 ? 2 : 0) << id;
    }
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(Shop, RunsManyTransactionsFromManyThreads) {
    open();
    std::vector<std::thread> threads;
    std::atomic<int> committed{0};
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 25; ++i) {
                auto transaction = manager_->begin();
                register_user(transaction, 1 + thread * 25 + i);
                committed += transaction.commit().outcome() == Outcome::committed ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(committed, 100);
    EXPECT_EQ(users_database_.number("select count(*) from users"), 100);
    EXPECT_EQ(points_database_.number("select count(*) from points"), 100);
}

}  // namespace
}  // namespace xa_tm::test
