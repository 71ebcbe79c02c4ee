// Callbacks, set_rollback_only(), the lock-hold budget and what a destructor can't roll back.

#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"
#include "messages.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Callbacks : public ManagerFixture {
protected:
    void SetUp() override { life_ = start(); }

    /// A transaction that has written to users and points.
    [[nodiscard]] Transaction written(const TransactionOptions& options = {}) {
        auto tx = life_->tm.begin(options);
        auto [users, points] = tx.enlist(life_->users, life_->points);
        users.write("ada");
        points.write("ada:100");
        return tx;
    }
    [[nodiscard]] bool has_any_row() const {
        return users_.has_row("ada") || points_.has_row("ada:100");
    }
    /// Notes each outcome that a callback is told.
    void note_completion(Transaction& tx) {
        tx.after_completion(
            [this](const CommitReport& report) { told_.push_back(report.outcome()); });
    }

    std::unique_ptr<Life> life_;
    std::vector<Outcome> told_;
};

TEST_F(Callbacks, RunBeforePrepareInOrderAndMayRunStatements) {
    auto tx = written();
    std::string order;
    tx.before_prepare([&] { order += 'a'; });
    tx.before_prepare([&] {
        order += 'b';
        tx.enlist(life_->audit).write("entry");
        EXPECT_EQ(verbs(users_, tx.gtrid()), "start");
    });
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_EQ(order, "ab");
    EXPECT_TRUE(audit_.has_row("entry"));
}

TEST_F(Callbacks, MayAskForFurtherOnesBeforePrepare) {
    auto tx = written();
    bool has_run = false;
    tx.before_prepare([&] { tx.before_prepare([&] { has_run = true; }); });
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(has_run);
}

TEST_F(Callbacks, RollBackByWhatTheyThrowBeforePrepare) {
    auto tx = written();
    bool has_run = false;
    tx.before_prepare([] { throw std::runtime_error{"the basket is empty"}; });
    tx.before_prepare([&] { has_run = true; });
    note_completion(tx);
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_EQ(report.reason(), "the basket is empty");
    EXPECT_FALSE(has_run);
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start rollback");
    EXPECT_FALSE(has_any_row());
    EXPECT_THAT(told_, ElementsAre(Outcome::rolled_back));
}

TEST_F(Callbacks, AreNotRunBeforeARollback) {
    for (const bool is_marked : {true, false}) {
        auto tx = written();
        bool has_run = false;
        tx.before_prepare([&] { has_run = true; });
        if (is_marked) {
            tx.set_rollback_only("the basket is empty");
            EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
        } else {
            tx.rollback();
        }
        EXPECT_FALSE(has_run);
    }
}

TEST_F(Callbacks, MayEndTheTransactionBeforePrepare) {
    auto committed = written();
    committed.before_prepare([&] { EXPECT_EQ(committed.commit().outcome(), Outcome::committed); });
    EXPECT_EQ(committed.commit().outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, committed.gtrid()), "start prepare commit");
    auto failed = written();
    failed.before_prepare([&] {
        EXPECT_EQ(failed.commit().outcome(), Outcome::committed);
        throw std::runtime_error{"too late"};
    });
    const auto report = failed.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(report.reason(), "");
}

TEST_F(Callbacks, AreToldTheOutcomeOnce) {
    auto tx = written();
    note_completion(tx);
    tx.after_completion([&](const CommitReport& report) {
        EXPECT_EQ(report.gtrid(), tx.gtrid());
        EXPECT_THAT(error_of([&] { tx.after_completion({}); }), HasCode(ErrorCode::invalid_state));
    });
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    tx.rollback();
    EXPECT_THAT(told_, ElementsAre(Outcome::committed));
}

TEST_F(Callbacks, AreToldOfAnEarlyReturnWhenTheReportIsGiven) {
    auto tx = written();
    note_completion(tx);
    const auto report = tx.commit(Return::when_decided);
    EXPECT_THAT(told_, ElementsAre(Outcome::committed));
    EXPECT_EQ(report.completion().get().outcome(), Outcome::committed);
    EXPECT_THAT(told_, ElementsAre(Outcome::committed));
}

TEST_F(Callbacks, AreToldOfTheRollbackAtTheEndOfTheScope) {
    {
        auto tx = written();
        note_completion(tx);
    }
    EXPECT_THAT(told_, ElementsAre(Outcome::rolled_back));
}

TEST_F(Callbacks, ChangeNothingByWhatTheyThrowAfterCompletion) {
    Messages messages;
    auto tx = written();
    tx.after_completion([](const CommitReport&) { throw std::runtime_error{"no mail today"}; });
    tx.after_completion([](const CommitReport&) { throw 42; });
    note_completion(tx);
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_THAT(told_, ElementsAre(Outcome::committed));
    EXPECT_THAT(messages.texts(),
                testing::Contains(HasSubstr("callback after completion threw")).Times(2));
}

TEST_F(Callbacks, AreToldOfATimeoutWhenTheTransactionIsNextUsed) {
    auto tx = written({.timeout = 50ms});
    note_completion(tx);
    ASSERT_TRUE(eventually([&] { return tx.is_rollback_only(); }));
    EXPECT_THAT(told_, IsEmpty());
    EXPECT_THAT(error_of([&] { std::ignore = tx.enlist(life_->audit); }),
                HasCode(ErrorCode::timed_out));
    EXPECT_THAT(told_, ElementsAre(Outcome::rolled_back));
    const auto report = tx.commit();
    EXPECT_EQ(report.reason(), "the transaction timed out after 50 ms");
    EXPECT_THAT(told_, ElementsAre(Outcome::rolled_back));
}

TEST_F(Callbacks, SetRollbackOnlyKeepsTheFirstReasonAndLetsWorkGoOn) {
    auto tx = written();
    EXPECT_FALSE(tx.is_rollback_only());
    tx.set_rollback_only("the basket is empty");
    tx.set_rollback_only("nobody pays");
    EXPECT_TRUE(tx.is_rollback_only());
    tx.enlist(life_->users).write("bob");
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_EQ(report.reason(), "the basket is empty");
    EXPECT_TRUE(report.is_settled());
    EXPECT_FALSE(has_any_row());
    tx.set_rollback_only("it is rolled back anyhow");
}

TEST_F(Callbacks, SetRollbackOnlyIsRefusedAfterACommit) {
    auto tx = written();
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_FALSE(tx.is_rollback_only());
    EXPECT_THAT(error_of([&] { tx.set_rollback_only("too late"); }),
                HasCode(ErrorCode::invalid_state));
}

TEST_F(Callbacks, LockHoldBudgetRollsBackBeforePrepareOnceItIsUsedUp) {
    auto tx = written({.lock_hold_budget = 20ms});
    const auto opened = std::chrono::steady_clock::now();
    ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > opened + 30ms; }));
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_THAT(report.reason(), HasSubstr("more than the lock_hold_budget of 20 ms"));
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start rollback");
    EXPECT_EQ(verbs(points_, tx.gtrid()), "start rollback");
}

TEST_F(Callbacks, LockHoldBudgetCountsFromTheFirstBranchAndNotFromTheBegin) {
    auto idle = life_->tm.begin({.lock_hold_budget = 1ms});
    std::ignore = idle.enlist(life_->users, life_->points);
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > begun + 5ms; }));
    EXPECT_EQ(idle.commit().outcome(), Outcome::committed);
    auto tx = written({.lock_hold_budget = 1h});
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
}

TEST_F(Callbacks, OptionsOutOfRangeAreRefusedAtBegin) {
    for (const auto& options :
         {TransactionOptions{.timeout = -1ms}, TransactionOptions{.timeout = 25h},
          TransactionOptions{.lock_hold_budget = -1ms}}) {
        EXPECT_THAT(error_of([&] { std::ignore = life_->tm.begin(options); }),
                    HasCode(ErrorCode::invalid_configuration));
    }
    EXPECT_FALSE(life_->tm.has_work_left());
}

TEST_F(Callbacks, WhatADestructorCanNotRollBackIsLoggedAndLeftToRecovery) {
    Messages messages;
    {
        auto tx = written();
        tx.enlist(life_->users).execute_last("last");
        users_.fail_next(Verb::rollback, Fault::lose_request);
    }
    EXPECT_THAT(messages.texts(),
                testing::Contains(HasSubstr("Branch not finished; recovery will finish it")));
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
    EXPECT_FALSE(has_any_row());
}

TEST_F(Callbacks, AMoveToAnotherThreadIsSuspendAndResume) {
    auto begun = std::async(std::launch::async, [&] {
        auto tx = life_->tm.begin();
        tx.enlist(life_->users).write("ada");
        return tx;
    });
    auto worked = std::async(std::launch::async, [&, tx = begun.get()]() mutable {
        tx.enlist(life_->points).write("ada:100");
        return std::move(tx);
    });
    auto committed = std::async(std::launch::async,
                                [tx = worked.get()]() mutable { return tx.commit().outcome(); });
    EXPECT_EQ(committed.get(), Outcome::committed);
    EXPECT_TRUE(users_.has_row("ada") && points_.has_row("ada:100"));
}

TEST_F(Callbacks, OneThreadMayHaveSeveralTransactionsAtOnce) {
    std::vector<Transaction> open;
    for (int i = 0; i < 3; ++i) {
        open.push_back(life_->tm.begin());
    }
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < open.size(); ++i) {
            auto [users, points] = open[i].enlist(life_->users, life_->points);
            users.write("user" + std::to_string(i));
            points.write("points" + std::to_string(i));
        }
    }
    EXPECT_EQ(open[1].commit().outcome(), Outcome::committed);
    open[0].rollback();
    EXPECT_EQ(open[2].commit().outcome(), Outcome::committed);
    EXPECT_FALSE(users_.has_row("user0") || points_.has_row("points0"));
    EXPECT_TRUE(users_.has_row("user1") && points_.has_row("points2"));
}

}  // namespace
}  // namespace xa_tm::test
