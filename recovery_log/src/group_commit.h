#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "futex.h"

namespace xa_tm::recovery_log {

/// Something to be made durable together with others. A sink derives from it what it needs.
///
/// Ownership: the caller's; it stays in place until its batch is done.
/// Thread safety: belongs to the queue from the call on, and to the sink while it flushes.
struct CommitRequest {
    CommitRequest* next = nullptr;
};

/// Requests in the order of their arrival, linked through `next`.
struct CommitQueue {
    CommitRequest* first = nullptr;
    CommitRequest* last = nullptr;
    std::size_t size = 0;

    void append(CommitRequest& request) noexcept;
    void append(const CommitQueue& others) noexcept;
};

/// Where batches go: a file, or anything else that takes many at the price of one.
class BatchSink {
public:
    virtual ~BatchSink() = default;
    /// Makes the batch durable, or notes in each request why it is not. One call at a time.
    virtual void flush(CommitQueue batch) noexcept = 0;
    /// Tells those that do not wait what became of them. Called without any lock or role, so that
    /// it may use the log; ends the life of the requests.
    virtual void complete(CommitQueue detached) noexcept = 0;
};

/// Group commit by leader and followers, without a thread of its own. Whoever comes while nobody
/// flushes leads: it flushes what has gathered meanwhile. Who comes during a flush waits for the
/// next one; the first of them leads that. A batch's followers sleep on one word of memory and are
/// woken by one call.
///
/// Ownership: outlives its callers; the sink outlives it.
/// Thread safety: all members may be called from several threads at once.
class GroupCommit {
public:
    /// `first_batch` is for tests of the numbers' wrap-around.
    explicit GroupCommit(BatchSink& sink, std::uint32_t first_batch = 0) noexcept;

    /// Returns when all requests were flushed, by one flush.
    void commit(const CommitQueue& requests) noexcept;
    /// Returns at once when another thread is there to flush them, and flushes otherwise. The sink
    /// completes them, possibly before this returns.
    void submit(const CommitQueue& detached) noexcept;
    /// Flushes what waits, or an empty batch, unless another thread is at it. False then.
    bool try_flush() noexcept;
    /// How many requests wait for the next flush.
    [[nodiscard]] std::size_t queued() const noexcept {
        return gathered_.load(std::memory_order_relaxed);
    }

private:
    using Clock = std::chrono::steady_clock;
    /// Batches that threads may wait for at the same time: one being flushed, one being gathered,
    /// and those whose followers have not all woken up yet.
    static constexpr std::uint32_t kDoneWords = 4;

    struct Batch {
        CommitQueue attached;
        CommitQueue detached;
        std::size_t followers = 0;  ///< threads that sleep until it is done
        [[nodiscard]] std::size_t size() const noexcept { return attached.size + detached.size; }
    };

    [[nodiscard]] FutexWord& done_word(std::uint32_t batch) noexcept {
        return done_[batch % kDoneWords];
    }
    void wait_until_done(std::uint32_t batch) noexcept;
    void become_leader(std::unique_lock<std::mutex>& lock) noexcept;
    void lead(std::unique_lock<std::mutex>& lock) noexcept;
    void gather(std::unique_lock<std::mutex>& lock) noexcept;
    void note_batch(std::size_t size, Clock::duration flush_time) noexcept;

    BatchSink& sink_;
    std::array<FutexWord, kDoneWords> done_;
    FutexWord leader_word_{0};
    std::atomic<std::size_t> gathered_{0};  ///< size of queue_, to be watched without the mutex

    std::mutex mutex_;  // guards everything below
    Batch queue_;
    std::uint32_t batch_;          ///< number of the batch that is being gathered
    bool has_leader_ = false;      ///< some thread will take the queue
    bool is_flushing_ = false;     ///< some thread is at the sink
    bool is_on_overtime_ = false;  ///< that thread flushes for others only
    std::size_t target_ = 1;
    Clock::duration flush_time_{0};
    unsigned batches_without_gathering_ = 0;
};

}  // namespace xa_tm::recovery_log
