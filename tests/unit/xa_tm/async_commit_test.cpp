#include "xa_tm/async_commit.h"

#include <future>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class AsyncCommit : public ManagerFixture {
protected:
    std::unique_ptr<Life> life_ = nullptr;
    std::unique_ptr<asio::io_context> io_ = std::make_unique<asio::io_context>();
    std::optional<CommitReport> report_;

    void SetUp() override { life_ = start(); }

    [[nodiscard]] xa_tm::Transaction written(const std::string& row = "ada") {
        auto tx = life_->tm.begin();
        auto [users, points] = tx.enlist(life_->users, life_->points);
        users.write(row);
        points.write(row);
        return tx;
    }
    /// Commits to report_.
    void commit(xa_tm::Transaction& tx, Return until = Return::when_finished) {
        async_commit(tx,
                     asio::bind_executor(
                         *io_, [this](CommitReport report) { report_.emplace(std::move(report)); }),
                     until);
    }
    [[nodiscard]] bool has_rows() const { return users_.has_row("ada") && points_.has_row("ada"); }
    [[nodiscard]] bool has_any_row() const {
        return users_.has_row("ada") || points_.has_row("ada");
    }
};

TEST_F(AsyncCommit, GivesTheReportToACallbackOnItsExecutor) {
    auto tx = written();
    commit(tx);
    EXPECT_FALSE(report_.has_value());
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start prepare");
    io_->run();
    ASSERT_TRUE(report_.has_value());
    EXPECT_EQ(report_->outcome(), Outcome::committed);
    EXPECT_TRUE(report_->is_settled());
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start prepare commit");
    EXPECT_THAT(records(), ElementsAre(IsDecision(tx.gtrid(), std::array{"users", "points"})));
    EXPECT_EQ(live_entries(*life_), 0U);
    EXPECT_TRUE(has_rows());
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);  // the same report
}

TEST_F(AsyncCommit, NeverCallsTheHandlerBeforeItReturns) {
    auto ended = written();
    ended.rollback();
    auto without_branches = life_->tm.begin();
    for (auto& [tx, outcome] :
         {std::pair{&ended, Outcome::rolled_back}, {&without_branches, Outcome::committed}}) {
        report_.reset();
        asio::post(*io_, [this, tx = tx] {
            commit(*tx);
            EXPECT_FALSE(report_.has_value());
        });
        io_->run();
        io_->restart();
        EXPECT_EQ(report_->outcome(), outcome);
    }
}

asio::awaitable<void> commit_in_coroutine(xa_tm::Transaction tx,
                                          std::optional<CommitReport>& report) {
    report.emplace(co_await async_commit(tx, asio::use_awaitable));
}

TEST_F(AsyncCommit, IsAwaitedByACoroutine) {
    asio::co_spawn(*io_, commit_in_coroutine(written(), report_), asio::detached);
    io_->run();
    EXPECT_EQ(report_->outcome(), Outcome::committed);
    EXPECT_TRUE(has_rows());
}

TEST_F(AsyncCommit, GivesAFuture) {
    auto tx = written();
    auto future = async_commit(io_->get_executor(), tx, asio::use_future);
    io_->run();
    EXPECT_EQ(future.get().outcome(), Outcome::committed);
}

// Such a handler would be run by threads that the application knows nothing of.
static_assert(detail::kIsSystemExecutor<asio::system_executor>);
static_assert(!detail::kIsSystemExecutor<asio::io_context::executor_type>);
static_assert(!detail::kIsSystemExecutor<asio::any_io_executor>);

TEST_F(AsyncCommit, AnswersEarlyAndLetsTheManagerFinish) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::lose_request);
    commit(tx, Return::when_decided);
    io_->run();
    EXPECT_EQ(report_->outcome(), Outcome::committed);
    EXPECT_THAT(states(*report_), ElementsAre(BranchState::committing, BranchState::committing));
    EXPECT_THAT(states(report_->completion().get()),
                ElementsAre(BranchState::committed, BranchState::unknown));
    EXPECT_TRUE(eventually([&] { return has_rows() && live_entries(*life_) == 0; }));
}

TEST_F(AsyncCommit, DecidesAtOnceWhenEveryBranchHasVoted) {
    std::vector<xa_tm::Transaction> open;
    std::atomic<std::size_t> committed = 0;
    for (int i = 0; i < 20; ++i) {
        open.push_back(life_->tm.begin());
        open.back().enlist(life_->users).execute_last(std::to_string(i));
        open.back().enlist(life_->points).execute_last(std::to_string(i));
    }
    std::thread other{[this, work = asio::make_work_guard(*io_)] { io_->run(); }};
    for (auto& tx : open) {
        async_commit(tx, asio::bind_executor(*io_, [&](const CommitReport& report) {
                         committed += report.outcome() == Outcome::committed;
                         if (committed == open.size()) {
                             io_->stop();
                         }
                     }));
    }
    other.join();
    EXPECT_EQ(committed, open.size());
    EXPECT_TRUE(users_.has_row("19") && points_.has_row("19"));
}

TEST_F(AsyncCommit, RollsBackWhenABranchVotesNo) {
    auto tx = written();
    points_.answer_next(Verb::prepare, XaCode::rbdeadlock);
    commit(tx);
    io_->run();
    EXPECT_EQ(report_->outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report_->is_settled());
    EXPECT_FALSE(has_any_row());
}

TEST_F(AsyncCommit, GoesOnWhenTheScopeOfTheTransactionEnds) {
    {
        auto tx = written();
        commit(tx);
    }
    EXPECT_EQ(life_->tm.recovery_status().live_transactions, 1U);
    io_->run();
    EXPECT_EQ(report_->outcome(), Outcome::committed);
    EXPECT_TRUE(has_rows());
    EXPECT_TRUE(life_->tm.drain(1min).is_drained);
}

TEST_F(AsyncCommit, LendsTheBranchesToNobodyWhileItIsUnderWay) {
    auto tx = written();
    const auto branch = tx.enlist(life_->users);
    commit(tx);
    EXPECT_THAT(error_of([&] { branch.execute("late"); }), HasCode(ErrorCode::invalid_state));
    EXPECT_THAT(error_of([&] { std::ignore = tx.enlist(life_->audit); }),
                HasCode(ErrorCode::invalid_state));
    io_->run();
    EXPECT_EQ(report_->outcome(), Outcome::committed);
    EXPECT_FALSE(users_.has_row("late"));
}

class AsyncCommitOfAStalledServer : public AsyncCommit {
protected:
    AsyncCommitOfAStalledServer() { answer_timeout_ = 50ms; }
};

TEST_F(AsyncCommitOfAStalledServer, WaitsForAVoteUntilTheAnswerTimeout) {
    auto tx = written();
    points_.fail_next(Verb::prepare, Fault::stall_answer);
    commit(tx);
    io_->run();
    EXPECT_EQ(report_->outcome(), Outcome::rolled_back);
    EXPECT_THAT(report_->reason(), HasSubstr("did not answer in time"));
    EXPECT_TRUE(eventually([&] { return points_.prepared().empty(); }));
    EXPECT_FALSE(has_any_row());
}

TEST_F(AsyncCommit, RollsBackWhenItsContextEndsBeforeTheDecision) {
    auto tx = written();
    const auto gtrid = tx.gtrid();
    points_.fail_next(Verb::prepare, Fault::stall_answer);
    commit(tx);
    io_->poll();
    io_.reset();
    EXPECT_FALSE(report_.has_value());
    EXPECT_EQ(verbs(users_, gtrid), "start prepare rollback");
    EXPECT_TRUE(eventually([&] { return points_.prepared().empty(); }));
    EXPECT_FALSE(has_any_row());
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
    EXPECT_TRUE(life_->tm.drain(1min).is_drained);
}

TEST_F(AsyncCommit, IsLeftToRecoveryWhenItsContextEndsAfterTheDecision) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::stall_request);
    commit(tx);
    ASSERT_TRUE(eventually([&] {
        io_->poll();
        return users_.has_row("ada");
    }));
    io_.reset();
    EXPECT_FALSE(report_.has_value());
    EXPECT_TRUE(eventually([&] { return has_rows() && live_entries(*life_) == 0; }));
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
}

TEST_F(AsyncCommit, DropsAReportThatNobodyIsLeftFor) {
    auto tx = life_->tm.begin();
    commit(tx);  // done at once, and on its way to the handler
    io_.reset();
    EXPECT_FALSE(report_.has_value());
}

TEST_F(AsyncCommit, RunsManyAtOnceOnTwoThreads) {
    constexpr std::size_t kCommits = 100;
    std::atomic<std::size_t> settled = 0;
    const auto count_last = asio::bind_executor(*io_, [&](const CommitReport& report) {
        settled += report.outcome() == Outcome::committed && report.completion().get().is_settled();
    });
    std::vector<xa_tm::Transaction> open;
    for (std::size_t i = 0; i < kCommits; i += 2) {
        open.push_back(written(std::to_string(i)));
    }
    for (std::size_t i = 0; i < open.size(); ++i) {
        async_commit(
            open[i], asio::bind_executor(*io_, [&, i](const CommitReport& report) {
                settled += report.outcome() == Outcome::committed && report.is_settled();
                static_cast<void>(xa_tm::Transaction{std::move(open[i])});  // frees its connections
                auto next = written(std::to_string(2 * i + 1));
                async_commit(next, count_last, Return::when_decided);
            }));
    }
    std::thread other{[this] { io_->run(); }};
    io_->run();
    other.join();
    EXPECT_EQ(settled, kCommits);
    for (std::size_t i = 0; i < kCommits; ++i) {
        EXPECT_TRUE(points_.has_row(std::to_string(i)));
    }
    EXPECT_TRUE(life_->tm.drain(1min).is_drained);
}

}  // namespace
}  // namespace xa_tm::test
