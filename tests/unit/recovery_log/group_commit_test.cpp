#include "group_commit.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

using ::testing::ElementsAre;

struct Request : CommitRequest {
    int batch = 0;  ///< the flush that took it, from 1
    bool is_owned = false;
};

CommitQueue queue_of(Request& request) {
    CommitQueue queue;
    queue.append(request);
    return queue;
}

/// A sink whose flushes a test can hold up.
class Sink final : public BatchSink {
public:
    void flush(CommitQueue batch) noexcept override {
        std::unique_lock lock{mutex_};
        const int number = ++flushes_;
        sizes_.push_back(batch.size);
        EXPECT_FALSE(std::exchange(is_flushing_, true)) << "two flushes at a time";
        changed_.notify_all();
        changed_.wait(lock, [this, number] { return number <= allowed_; });
        std::size_t size = 0;
        for (auto* next = batch.first; next != nullptr && size < batch.size; ++size) {
            auto& request = *static_cast<Request*>(next);
            next = next->next;
            request.batch = number;
        }
        EXPECT_EQ(size, batch.size);
        is_flushing_ = false;
    }
    void complete(CommitQueue detached) noexcept override {
        for (auto* next = detached.first; next != nullptr;) {
            auto* request = static_cast<Request*>(next);
            next = next->next;
            ++completed;
            if (on_complete) {
                on_complete();
            }
            if (request->is_owned) {
                delete request;
            }
        }
    }

    void allow(int flushes) {
        const std::lock_guard guard{mutex_};
        allowed_ = flushes;
        changed_.notify_all();
    }
    void wait_until_flushing(int number) {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return flushes_ >= number; });
    }
    [[nodiscard]] std::vector<std::size_t> sizes() {
        const std::lock_guard guard{mutex_};
        return sizes_;
    }

    std::atomic<int> completed{0};
    std::function<void()> on_complete;

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int flushes_ = 0;
    int allowed_ = std::numeric_limits<int>::max();
    bool is_flushing_ = false;
    std::vector<std::size_t> sizes_;
};

void commit_one(GroupCommit& group, Request& request) {
    group.commit(queue_of(request));
}

TEST(GroupCommit, FlushesALoneRequestAtOnce) {
    Sink sink;
    GroupCommit group{sink};
    Request request;
    commit_one(group, request);
    EXPECT_EQ(request.batch, 1);
    EXPECT_THAT(sink.sizes(), ElementsAre(1));
}

TEST(GroupCommit, FlushesTogetherWhatCameDuringAFlush) {
    Sink sink;
    GroupCommit group{sink};
    sink.allow(0);
    std::vector<Request> requests(5);
    std::thread first{[&] { commit_one(group, requests[0]); }};
    sink.wait_until_flushing(1);
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < requests.size(); ++i) {
        others.emplace_back([&, i] { commit_one(group, requests[i]); });
    }
    while (group.queued() < requests.size() - 1) {
        std::this_thread::yield();
    }
    sink.allow(std::numeric_limits<int>::max());
    first.join();
    for (auto& other : others) {
        other.join();
    }
    EXPECT_EQ(requests[0].batch, 1);
    for (std::size_t i = 1; i < requests.size(); ++i) {
        EXPECT_EQ(requests[i].batch, 2) << i;
    }
    EXPECT_THAT(sink.sizes(), ElementsAre(1, 4));
}

TEST(GroupCommit, TakesManyRequestsOfOneThreadInOneFlush) {
    Sink sink;
    GroupCommit group{sink};
    std::vector<Request> requests(10);
    CommitQueue queue;
    for (auto& request : requests) {
        queue.append(request);
    }
    group.commit(queue);
    EXPECT_THAT(sink.sizes(), ElementsAre(10));
}

TEST(GroupCommit, DoesNotBlockWhoSubmitsWhileAnotherFlushes) {
    Sink sink;
    GroupCommit group{sink};
    sink.allow(0);
    Request own;
    std::thread leader{[&] { commit_one(group, own); }};
    sink.wait_until_flushing(1);
    Request detached;
    group.submit(queue_of(detached));  // returns, although nothing was flushed
    EXPECT_EQ(detached.batch, 0);
    sink.allow(2);
    leader.join();
    EXPECT_EQ(detached.batch, 2) << "the leader goes on with what nobody else would flush";
    EXPECT_EQ(sink.completed, 1);
}

TEST(GroupCommit, RelievesALeaderThatWorksForOthers) {
    Sink sink;
    GroupCommit group{sink};
    sink.allow(0);
    Request own;
    std::thread leader{[&] { commit_one(group, own); }};
    sink.wait_until_flushing(1);
    Request first;
    group.submit(queue_of(first));
    sink.allow(1);
    sink.wait_until_flushing(2);  // overtime
    Request second;
    std::thread relief{[&] { group.submit(queue_of(second)); }};
    while (group.queued() < 1) {
        std::this_thread::yield();
    }
    sink.allow(2);
    leader.join();  // although the third flush is held up
    sink.wait_until_flushing(3);
    sink.allow(3);
    relief.join();
    EXPECT_EQ(second.batch, 3);
    EXPECT_EQ(sink.completed, 2);
}

TEST(GroupCommit, LetsACompletionCommit) {
    Sink sink;
    GroupCommit group{sink};
    Request inner;
    sink.on_complete = [&] { commit_one(group, inner); };
    Request detached;
    group.submit(queue_of(detached));
    EXPECT_EQ(detached.batch, 1);
    EXPECT_EQ(inner.batch, 2);
}

TEST(GroupCommit, FlushesAnEmptyBatchOnlyWhenNobodyElseFlushes) {
    Sink sink;
    GroupCommit group{sink};
    EXPECT_TRUE(group.try_flush());
    sink.allow(0);
    Request request;
    std::thread leader{[&] { commit_one(group, request); }};
    sink.wait_until_flushing(2);
    EXPECT_FALSE(group.try_flush());
    sink.allow(2);
    leader.join();
    EXPECT_THAT(sink.sizes(), ElementsAre(0, 1));
}

TEST(GroupCommit, LetsNobodyGoBeforeItsFlushWhenTheNumbersWrapAround) {
    Sink sink;
    GroupCommit group{sink, std::numeric_limits<std::uint32_t>::max()};
    sink.allow(0);
    Request first;
    std::thread leader{[&] { commit_one(group, first); }};
    sink.wait_until_flushing(1);
    std::vector<Request> requests(3);
    std::vector<std::thread> others;
    for (auto& request : requests) {
        others.emplace_back([&] {
            commit_one(group, request);
            EXPECT_EQ(request.batch, 2) << "it has returned before it was flushed";
        });
    }
    while (group.queued() < requests.size()) {
        std::this_thread::yield();
    }
    sink.allow(std::numeric_limits<int>::max());
    leader.join();
    for (auto& other : others) {
        other.join();
    }
}

/// Threads that wake up late find the number of a later batch in their word.
TEST(GroupCommit, LosesNoWakeUpAmongManyThreadsAcrossTheWrapAround) {
    constexpr int kThreads = 32;
    constexpr int kRequests = 300;
    constexpr std::uint32_t kJustBeforeWrapAround = std::numeric_limits<std::uint32_t>::max() - 200;
    Sink sink;
    GroupCommit group{sink, kJustBeforeWrapAround};
    std::atomic<int> flushed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            for (int n = 0; n < kRequests; ++n) {
                if ((i + n) % 7 == 0) {
                    auto* detached = new Request;
                    detached->is_owned = true;
                    group.submit(queue_of(*detached));
                    continue;
                }
                Request request;
                commit_one(group, request);
                flushed += request.batch > 0 ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(flushed + sink.completed, kThreads * kRequests);
    std::size_t sum = 0;
    for (const auto size : sink.sizes()) {
        sum += size;
    }
    EXPECT_EQ(sum, static_cast<std::size_t>(kThreads * kRequests));
    EXPECT_GT(sink.sizes().size(), 200U) << "the numbers have not wrapped around";
}

}  // namespace
}  // namespace xa_tm::recovery_log
