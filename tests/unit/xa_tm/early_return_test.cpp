#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connection_pool.h"
#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// Holds back the answers to the commits of one server until it is released.
class HeldCommits {
public:
    explicit HeldCommits(FakeLink& link) : link_{link} {
        link.watch([released = released_](FakeLink::Event event, Verb verb) {
            if (event == FakeLink::Event::received && verb == Verb::commit) {
                released.wait();
            }
        });
    }
    ~HeldCommits() {
        release();
        link_.watch({});
    }
    void release() {
        if (!std::exchange(is_released_, true)) {
            release_.set_value();
        }
    }

private:
    FakeLink& link_;
    std::promise<void> release_;
    std::shared_future<void> released_ = release_.get_future().share();
    bool is_released_ = false;
};

class EarlyReturn : public ManagerFixture {
protected:
    std::unique_ptr<Life> life_ = nullptr;

    void SetUp() override { life_ = start(); }

    [[nodiscard]] xa_tm::Transaction written(const std::string& row = "ada") {
        auto tx = life_->tm.begin();
        auto [users, points] = tx.enlist(life_->users, life_->points);
        users.write(row);
        points.write(row);
        return tx;
    }
    /// Commits early and ends the scope.
    static CommitReport commit(xa_tm::Transaction tx) { return tx.commit(Return::when_decided); }

    [[nodiscard]] bool has_rows() const { return users_.has_row("ada") && points_.has_row("ada"); }
    [[nodiscard]] static bool is_ready(const std::shared_future<CommitReport>& completion) {
        return completion.wait_for(0s) == std::future_status::ready;
    }
};

TEST_F(EarlyReturn, AnswersOnceTheDecisionIsDurableAndSentToEveryBranch) {
    HeldCommits held{life_->points};
    auto tx = written();
    const auto report = tx.commit(Return::when_decided);
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_FALSE(report.is_settled());
    EXPECT_THAT(states(report), ElementsAre(BranchState::committing, BranchState::committing));
    EXPECT_THAT(report.branches()[0].next, HasSubstr("completion()"));
    EXPECT_THAT(records(), ElementsAre(IsDecision(tx.gtrid(), std::array{"users", "points"})));
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start prepare commit");
    EXPECT_EQ(verbs(points_, tx.gtrid()), "start prepare commit");

    const auto completion = report.completion();
    EXPECT_FALSE(is_ready(completion));
    held.release();
    EXPECT_TRUE(completion.get().is_settled());
    EXPECT_THAT(states(completion.get()),
                ElementsAre(BranchState::committed, BranchState::committed));
    EXPECT_EQ(completion.get().gtrid(), tx.gtrid());
    EXPECT_TRUE(has_rows());
    EXPECT_EQ(live_entries(*life_), 0U);
}

TEST_F(EarlyReturn, StaysLiveUntilItHasFinishedSoThatRecoveryKeepsAwayAndDrainWaits) {
    HeldCommits held{life_->points};
    const auto report = commit(written());
    EXPECT_FALSE(life_->tm.drain(recovery_interval_ * 5).is_drained);
    EXPECT_EQ(life_->tm.recovery_status().live_transactions, 1U);
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare commit");
    held.release();
    EXPECT_TRUE(life_->tm.drain(1min).is_drained);
    EXPECT_TRUE(report.completion().get().is_settled());
}

TEST_F(EarlyReturn, GivesTheSameReportWhenCommittedTwice) {
    HeldCommits held{life_->points};
    auto tx = written();
    EXPECT_EQ(tx.commit(Return::when_decided).outcome(), Outcome::committed);
    const auto again = tx.commit();
    EXPECT_EQ(again.branches()[1].state, BranchState::committing);
    held.release();
    EXPECT_TRUE(again.completion().get().is_settled());
}

TEST_F(EarlyReturn, NeedsNobodyToLookAtTheCompletion) {
    EXPECT_EQ(commit(written()).outcome(), Outcome::committed);
    EXPECT_TRUE(life_->tm.drain(1min).is_drained);
    EXPECT_TRUE(has_rows());
}

class EarlyReturnOverOneConnection : public EarlyReturn {
protected:
    EarlyReturnOverOneConnection() {
        options_.pool_size_max = 1;
        options_.pool_timeout = 20ms;
    }
    [[nodiscard]] bool is_pool_exhausted() {
        auto tx = life_->tm.begin();
        try {
            tx.enlist(life_->points).open();
            return false;
        } catch (const Error& error) {
            return error.code() == ErrorCode::pool_exhausted;
        }
    }
};

TEST_F(EarlyReturnOverOneConnection, KeepsTheConnectionsUntilTheCommitHasFinished) {
    HeldCommits held{life_->points};
    const auto report = commit(written());
    EXPECT_TRUE(is_pool_exhausted());
    held.release();
    EXPECT_TRUE(report.completion().get().is_settled());
    EXPECT_FALSE(is_pool_exhausted());
    EXPECT_EQ(points_.connects(), 2U);  // one of them is recovery's
}

TEST_F(EarlyReturnOverOneConnection, KeepsTheConnectionsUntilTheScopeHasEnded) {
    {
        auto tx = written();
        EXPECT_TRUE(tx.commit(Return::when_decided).completion().get().is_settled());
        EXPECT_TRUE(is_pool_exhausted());
    }
    EXPECT_FALSE(is_pool_exhausted());
}

TEST_F(EarlyReturnOverOneConnection, TakesTheNextTransactionsFirstRequestsAlong) {
    life_.reset();
    options_.pool_timeout = 1min;
    life_ = start();
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.write("ada");
    points.execute("ada");
    auto next = std::async(std::launch::async, [this] {
        auto second = life_->tm.begin();
        second.enlist(life_->points).execute("next");
        return second.commit();
    });
    ASSERT_TRUE(eventually([this] {
        auto successor = life_->points.pool().next_successor();
        if (successor) {
            successor->wait_on();
        }
        return successor.has_value();
    }));
    const auto report = commit(std::move(tx));
    EXPECT_EQ(next.get().outcome(), Outcome::committed);
    EXPECT_TRUE(report.completion().get().is_settled());
    EXPECT_TRUE(points_.has_row("ada") && points_.has_row("next"));
    EXPECT_EQ(points_.connects(), 3U);  // two lives' recoveries had one each
}

TEST_F(EarlyReturn, LeavesALostAnswerToRecovery) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::lose_request);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    const auto last = report.completion().get();
    EXPECT_EQ(last.outcome(), Outcome::committed);
    EXPECT_THAT(states(last), ElementsAre(BranchState::committed, BranchState::unknown));
    EXPECT_THAT(last.branches()[1].next, HasSubstr("recovery will commit it"));
    EXPECT_TRUE(eventually([&] { return has_rows() && live_entries(*life_) == 0; }));
    expect_nothing_left(life_);
}

TEST_F(EarlyReturn, TellsOfAHeuristicAnswerInTheCompletion) {
    auto tx = written();
    points_.answer_next(Verb::commit, XaCode::heurrb);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(report.completion().get().outcome(), Outcome::heuristic_mixed);
    EXPECT_EQ(life_->tm.recovery_status().heuristics, 1U);
}

class EarlyReturnFromAStalledServer : public EarlyReturn {
protected:
    EarlyReturnFromAStalledServer() { answer_timeout_ = 50ms; }
};

TEST_F(EarlyReturnFromAStalledServer, LeavesItToRecoveryAfterTheAnswerTimeout) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::stall_request);
    const auto report = commit(std::move(tx));
    EXPECT_FALSE(is_ready(report.completion()));
    EXPECT_THAT(states(report.completion().get()),
                ElementsAre(BranchState::committed, BranchState::unknown));
    EXPECT_TRUE(eventually([&] { return has_rows() && live_entries(*life_) == 0; }));
    expect_nothing_left(life_);
}

TEST_F(EarlyReturn, IsLeftToTheNextStartWhenTheManagerEnds) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::stall_request);
    const auto report = commit(std::move(tx));
    const auto completion = report.completion();
    points_.set_reachable(false);
    life_.reset();
    ASSERT_TRUE(is_ready(completion));
    EXPECT_EQ(completion.get().outcome(), Outcome::committed);
    EXPECT_THAT(states(completion.get()),
                ElementsAre(BranchState::committed, BranchState::unknown));
    EXPECT_THAT(completion.get().branches()[1].message, HasSubstr("not waited for"));
    EXPECT_FALSE(points_.has_row("ada"));
    points_.set_reachable(true);
    life_ = start();
    EXPECT_TRUE(eventually([&] { return has_rows(); }));
    expect_nothing_left(life_);
}

TEST_F(EarlyReturn, AnswersAsUsualWhereThereIsNoDecisionToReturnFrom) {
    auto one_phase = life_->tm.begin();
    one_phase.enlist(life_->users).write("ada");
    auto read_only = life_->tm.begin();
    read_only.enlist(life_->users).open();
    auto only_writer = life_->tm.begin();
    auto [users, points] = only_writer.enlist(life_->users, life_->points);
    users.write("bob");
    points.open();
    for (auto* tx : {&one_phase, &read_only, &only_writer}) {
        const auto report = tx->commit(Return::when_decided);
        EXPECT_EQ(report.outcome(), Outcome::committed);
        EXPECT_TRUE(report.is_settled());
        ASSERT_TRUE(is_ready(report.completion()));
        EXPECT_TRUE(report.completion().get().is_settled());
    }
    auto refused = written("eve");
    points_.answer_next(Verb::prepare, XaCode::rbrollback);
    const auto report = commit(std::move(refused));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(report.completion().get().outcome(), Outcome::rolled_back);
}

TEST_F(EarlyReturn, FinishesTheCommitsOfManyThreads) {
    constexpr std::size_t kThreads = 4;
    constexpr std::size_t kCommits = 25;
    std::vector<std::thread> threads;
    std::vector<std::shared_future<CommitReport>> completions(kThreads * kCommits);
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([this, thread, &completions] {
            for (std::size_t i = 0; i < kCommits; ++i) {
                const auto number = thread * kCommits + i;
                completions[number] = commit(written(std::to_string(number))).completion();
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    for (std::size_t number = 0; number < completions.size(); ++number) {
        EXPECT_TRUE(completions[number].get().is_settled());
        EXPECT_TRUE(points_.has_row(std::to_string(number)));
    }
    EXPECT_TRUE(life_->tm.drain(1min).is_drained);
    EXPECT_EQ(live_entries(*life_), 0U);
}

}  // namespace
}  // namespace xa_tm::test
