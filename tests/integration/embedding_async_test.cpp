// Commits that are not waited for: answered early, or carried on by the application's event loop.
// The functions with a comment above them are the snippets of docs/embedding.md.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <utility>  // Boost 1.74 forgets it
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <soci/soci.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shop.h"
#include "undone.h"
#include "xa_tm/async_commit.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

namespace asio = boost::asio;

class NotWaiting : public Shop {
protected:
    [[nodiscard]] Transaction registered(int id) {
        auto transaction = manager_->begin();
        register_user(transaction, id);
        return transaction;
    }
};

int milliseconds_until(std::optional<std::chrono::steady_clock::time_point> deadline) {
    using std::chrono::milliseconds;
    if (!deadline) {
        return -1;
    }
    const auto left = std::chrono::ceil<milliseconds>(*deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max(left, milliseconds::zero()).count());
}

/// "Answering early".
CommitReport commit_early(Transaction& tx, std::vector<std::shared_future<CommitReport>>& later) {
    auto report = tx.commit(Return::when_decided);
    if (report.outcome() == Outcome::committed && !report.is_settled()) {
        later.push_back(report.completion());
    }
    return report;
}

TEST_F(NotWaiting, AnswersEarlyAndFinishesBehind) {
    open();
    std::vector<std::shared_future<CommitReport>> completions;
    for (int id = 1; id <= 20; ++id) {
        auto transaction = registered(id);
        const auto report = commit_early(transaction, completions);
        ASSERT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    }
    ASSERT_EQ(completions.size(), 20U);
    for (const auto& completion : completions) {
        EXPECT_TRUE(completion.get().is_settled()) << to_string(completion.get());
    }
    EXPECT_EQ(count_rows(20), 2);
    EXPECT_EQ(count_prepared(), 0U);
    EXPECT_EQ(count_undone(*manager_), 0U);
    close();
    EXPECT_EQ(count_log_entries(), 0U);
}

TEST_F(NotWaiting, RefusesAKeptSessionWhileItIsFinishedBehind) {
    open();
    auto transaction = manager_->begin();
    const auto branch = transaction.enlist(*users_);
    auto& session = branch.sql();
    register_user(transaction, 1);
    const auto report = transaction.commit(Return::when_decided);
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_ANY_THROW(session << "insert into users values (2)");
    EXPECT_THROW(std::ignore = branch.sql(), Error);
    EXPECT_TRUE(report.completion().get().is_settled());
    EXPECT_ANY_THROW(session << "insert into users values (2)");
    EXPECT_EQ(count_rows(2), 0);
}

TEST_F(NotWaiting, LeavesToRecoveryWhatTheServerCanNotBeTold) {
    open_through_proxy({.node = {},
                        .log_directory = {},
                        .answer_timeout = std::chrono::seconds{5},
                        .recovery_interval = std::chrono::milliseconds{200}});
    auto transaction = registered(1);
    proxy_->cut_off_at_request(1, "xa commit");
    const auto report = transaction.commit(Return::when_decided);
    EXPECT_EQ(report.outcome(), Outcome::committed);
    const auto last = report.completion().get();
    EXPECT_EQ(last.outcome(), Outcome::committed);
    EXPECT_EQ(last.branches()[1].state, BranchState::unknown) << to_string(last);
    proxy_->restore(1);
    EXPECT_TRUE(is_settled_eventually());
    EXPECT_EQ(count_rows(1), 2);
}

asio::awaitable<void> commit_in_coroutine(Transaction tx, std::atomic<int>& committed) {
    const auto report = co_await async_commit(tx, asio::use_awaitable);
    committed += report.outcome() == Outcome::committed && report.is_settled() ? 1 : 0;
}

TEST_F(NotWaiting, CommitsManyAtOnceInCoroutinesOnTwoThreads) {
    constexpr int kTransactions = 50;
    open();
    std::atomic<int> committed = 0;
    asio::io_context io;
    for (int id = 1; id <= kTransactions; ++id) {
        asio::co_spawn(io, commit_in_coroutine(registered(id), committed), asio::detached);
    }
    std::thread other{[&io] { io.run(); }};
    io.run();
    other.join();
    EXPECT_EQ(committed, kTransactions);
    for (int id = 1; id <= kTransactions; ++id) {
        EXPECT_EQ(count_rows(id), 2);
    }
    EXPECT_EQ(count_prepared(), 0U);
    EXPECT_EQ(count_undone(*manager_), 0U);
}

TEST_F(NotWaiting, GivesAFuture) {
    open();
    asio::io_context io;
    auto transaction = registered(1);
    auto future = async_commit(io.get_executor(), transaction, asio::use_future);
    io.run();
    EXPECT_EQ(future.get().outcome(), Outcome::committed);
    EXPECT_EQ(count_rows(1), 2);
}

TEST_F(NotWaiting, EndsWithTheEventLoop) {
    open();
    {
        asio::io_context io;
        auto transaction = registered(1);
        async_commit(io.get_executor(), transaction,
                     [](const CommitReport&) { FAIL() << "the loop has ended"; });
    }
    // A server may still be about to prepare: recovery ends that session, then it looks.
    EXPECT_TRUE(manager_->drain(std::chrono::seconds{30}).is_drained);
    EXPECT_EQ(count_prepared(), 0U);
    EXPECT_EQ(count_rows(1), 0);
}

/// "An event loop of your own".
CommitReport commit_in_loop(Transaction& tx) {
    const int woken = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    auto commit = tx.start_commit(Return::when_finished, [woken] { ::eventfd_write(woken, 1); });
    while (!commit.is_done()) {
        std::vector<pollfd> polled{{woken, POLLIN, 0}};
        for (const auto& wait : commit.waits()) {
            polled.push_back({wait.readiness.descriptor,
                              static_cast<short>((wait.readiness.for_reading ? POLLIN : 0) |
                                                 (wait.readiness.for_writing ? POLLOUT : 0)),
                              0});
        }
        ::poll(polled.data(), polled.size(), milliseconds_until(commit.deadline()));
        commit.advance();
    }
    ::close(woken);
    return commit.report();
}

TEST_F(NotWaiting, CommitsInALoopOfTheApplication) {
    open();
    auto transaction = registered(1);
    EXPECT_EQ(commit_in_loop(transaction).outcome(), Outcome::committed);
    EXPECT_EQ(count_rows(1), 2);
}

}  // namespace
}  // namespace xa_tm::test
