#include "time_limit.h"

#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connection_pool.h"
#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Timeout : public ManagerFixture {
protected:
    void SetUp() override {
        options_.pool_size_max = 1;
        life_ = start();
    }

    std::unique_ptr<Life> life_;
};

TEST_F(Timeout, EndsTheSessionsAndRollsBackWhatIsPreparedWithoutTheTransactionsThread) {
    auto tx = life_->tm.begin({.timeout = 50ms});
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute_last("ada");
    points.execute("ada:100");
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
    EXPECT_FALSE(life_->tm.recovery_status().live_transactions > 0);
    EXPECT_TRUE(eventually([&] { return life_->points.pool().lost_sessions().empty(); }));
    const auto error = error_of([&points = points] { points.execute("late"); });
    EXPECT_THAT(error, HasCode(ErrorCode::timed_out));
    EXPECT_THAT(error.what(), HasSubstr("timed out after 50 ms"));
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_THAT(states(report), ElementsAre(BranchState::unknown, BranchState::rolled_back));
    EXPECT_EQ(verbs(points_, tx.gtrid()), "start execute");
    EXPECT_FALSE(users_.has_row("ada") || points_.has_row("ada:100") || points_.has_row("late"));
}

TEST_F(Timeout, CutsOffTheWaitForAStatement) {
    users_.fail_next(Verb::execute, Fault::stall_request);
    auto tx = life_->tm.begin({.timeout = 50ms});
    const auto users = tx.enlist(life_->users);
    EXPECT_THAT(error_of([&] { users.execute("ada"); }), HasCode(ErrorCode::timed_out));
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
}

TEST_F(Timeout, CutsOffTheWaitForABranchToOpen) {
    users_.fail_next(Verb::start, Fault::stall_request);
    auto tx = life_->tm.begin({.timeout = 50ms});
    const auto users = tx.enlist(life_->users);
    EXPECT_THAT(error_of([&] { users.open(); }), HasCode(ErrorCode::timed_out));
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
}

TEST_F(Timeout, CutsOffTheWaitForAConnection) {
    auto busy = life_->tm.begin();
    busy.enlist(life_->users).write("bob");
    auto tx = life_->tm.begin({.timeout = 50ms});
    const auto users = tx.enlist(life_->users);
    EXPECT_THAT(error_of([&] { users.open(); }), HasCode(ErrorCode::timed_out));
    auto other = life_->tm.begin({.timeout = 50ms});
    EXPECT_THAT(error_of([&] { other.enlist(life_->users).execute("ada"); }),
                HasCode(ErrorCode::timed_out));
    EXPECT_EQ(busy.commit().outcome(), Outcome::committed);
}

TEST_F(Timeout, EndsAfterItWhatWasSentAlongWithAnothersCommit) {
    auto before = life_->tm.begin();
    auto [users, points] = before.enlist(life_->users, life_->points);
    users.execute("bob");
    points.execute("bob:100");
    // The waiter is chosen while the commit is under way, and gets its connection too late.
    std::promise<void> is_waiting;
    auto waiter = std::async(std::launch::async, [&] {
        auto tx = life_->tm.begin({.timeout = 200ms});
        const auto branch = tx.enlist(life_->users);
        is_waiting.set_value();
        EXPECT_THAT(error_of([&] { branch.execute_last("ada"); }), HasCode(ErrorCode::timed_out));
        return tx.commit().outcome();
    });
    is_waiting.get_future().get();
    life_->users.watch([](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::received && verb == Verb::commit) {
            std::this_thread::sleep_for(400ms);  // a slow answer
        }
    });
    EXPECT_EQ(before.commit().outcome(), Outcome::committed);
    EXPECT_EQ(waiter.get(), Outcome::rolled_back);
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
    EXPECT_FALSE(users_.has_row("ada"));
}

TEST_F(Timeout, TakesEffectAtTheNextUseWhereNobodyElseCanEndTheSession) {
    life_->users.hide_sessions();
    std::size_t closed = 0;
    life_->users.watch(
        [&](FakeLink::Event event, Verb) { closed += event == FakeLink::Event::closed ? 1 : 0; });
    auto tx = life_->tm.begin({.timeout = 50ms});
    tx.enlist(life_->users).write("ada");
    ASSERT_TRUE(eventually([&] { return tx.is_rollback_only(); }));
    EXPECT_THAT(life_->users.pool().lost_sessions(), IsEmpty());
    EXPECT_EQ(closed, 0U);
    EXPECT_THAT(error_of([&] { std::ignore = tx.enlist(life_->users); }),
                HasCode(ErrorCode::timed_out));
    EXPECT_EQ(closed, 1U);
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
    EXPECT_FALSE(users_.has_row("ada"));
    life_->users.watch({});
}

TEST_F(Timeout, DoesNothingOnceTheOutcomeHasBeenAskedFor) {
    auto tx = life_->tm.begin({.timeout = 100ms});
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.write("ada");
    points.write("ada:100");
    const auto due = std::chrono::steady_clock::now() + 150ms;
    life_->points.watch([due](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::received && verb == Verb::commit) {
            std::this_thread::sleep_until(due);  // a slow answer
        }
    });
    const auto report = tx.commit();
    EXPECT_GE(std::chrono::steady_clock::now(), due);
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(life_->users.pool().lost_sessions(), IsEmpty());
    life_->points.watch({});
}

TEST_F(Timeout, RollsBackWhenTheVotesDoNotComeInTime) {
    auto tx = life_->tm.begin({.timeout = 100ms});
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.write("ada");
    points.write("ada:100");
    points_.fail_next(Verb::prepare, Fault::stall_answer);
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_THAT(report.reason(), HasSubstr("the transaction timed out after 100 ms; resource "
                                           "points answered XAER_RMFAIL to prepare"));
    EXPECT_TRUE(eventually([&] { return points_.prepared().empty(); }));
    EXPECT_FALSE(users_.has_row("ada") || points_.has_row("ada:100"));
}

TEST_F(Timeout, IsTheManagersWhereTheTransactionHasNone) {
    life_.reset();
    auto config = this->config();
    config.transaction_timeout = 50ms;
    Life life{config, *this};
    life.tm.start();
    auto tx = life.tm.begin();
    auto endless = life.tm.begin({.timeout = 0ms});
    ASSERT_TRUE(eventually([&] { return tx.is_rollback_only(); }));
    endless.enlist(life.users).write("ada");
    EXPECT_EQ(endless.commit().outcome(), Outcome::committed);
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_EQ(report.reason(), "the transaction timed out after 50 ms");
    config.transaction_timeout = 25h;
    EXPECT_THAT(error_of([&] { TransactionManager{config}; }),
                HasCode(ErrorCode::invalid_configuration));
}

TEST_F(Timeout, AnEarlierDeadlineIsNotHiddenByALaterOne) {
    auto late = life_->tm.begin({.timeout = 1h});
    auto early = life_->tm.begin({.timeout = 50ms});
    early.enlist(life_->users).execute_last("ada");
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }, 10s));
    EXPECT_FALSE(late.is_rollback_only());
}

TEST_F(Timeout, LeavesTheConnectionOfATransactionThatEndedInTimeToTheNext) {
    for (int i = 0; i < 20; ++i) {
        auto tx = life_->tm.begin({.timeout = 100ms});
        tx.enlist(life_->users).write("row" + std::to_string(i));
        ASSERT_EQ(tx.commit().outcome(), Outcome::committed);
    }
    std::this_thread::sleep_for(150ms);  // there is nothing to be seen when nothing is done
    EXPECT_THAT(life_->users.pool().lost_sessions(), IsEmpty());
}

}  // namespace
}  // namespace xa_tm::test
