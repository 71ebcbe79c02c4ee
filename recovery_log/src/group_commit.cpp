#include "group_commit.h"

#include <algorithm>
#include <climits>
#include <utility>

#include <sched.h>

// Invariants:
// - At most one thread is appointed to take the queue (has_leader_), and at most one flushes
//   (is_flushing_); they may be two. Who is appointed stays so until it takes the queue, so that
//   all who come meanwhile are followers of that batch.
// - A queue that is not empty has a leader, or is flushed by the thread that flushes now: nothing
//   waits for an arrival that may not come.
// - Nobody touches a request of a batch after that batch's number is in its done word: it lives on
//   the stack of a thread that may have returned. The words belong to the log and live on.
// - Batch numbers wrap around and are compared by their distance. A waiter that wakes up late finds
//   a later number in its word, and must take that for done as well.
namespace xa_tm::recovery_log {
namespace {

using std::chrono::microseconds;

/// A leader waits for others at most this long, and at most a quarter of what a flush takes.
constexpr microseconds kGatherMax{300};
/// A yield that takes longer than this, and in which nobody came, means that somebody else needs
/// the processors more.
constexpr microseconds kYieldMax{50};
constexpr unsigned kBatchesWithoutGathering = 100;

bool is_reached(std::uint32_t done, std::uint32_t batch) noexcept {
    return static_cast<std::int32_t>(done - batch) >= 0;
}

}  // namespace

void CommitQueue::append(CommitRequest& request) noexcept {
    append({.first = &request, .last = &request, .size = 1});
}

void CommitQueue::append(const CommitQueue& others) noexcept {
    if (others.size == 0) {
        return;
    }
    (last == nullptr ? first : last->next) = others.first;
    last = others.last;
    size += others.size;
}

GroupCommit::GroupCommit(BatchSink& sink, std::uint32_t first_batch) noexcept
    : sink_{sink}, batch_{first_batch} {
    for (std::uint32_t ahead = 0; ahead < kDoneWords; ++ahead) {
        done_word(first_batch + ahead).store(first_batch + ahead - kDoneWords);
    }
}

void GroupCommit::commit(const CommitQueue& requests) noexcept {
    std::unique_lock lock{mutex_};
    queue_.attached.append(requests);
    gathered_.store(queue_.size(), std::memory_order_relaxed);
    if (has_leader_) {
        ++queue_.followers;
        const auto batch = batch_;
        lock.unlock();
        wait_until_done(batch);
        return;
    }
    become_leader(lock);
    lead(lock);
}

void GroupCommit::submit(const CommitQueue& detached) noexcept {
    std::unique_lock lock{mutex_};
    queue_.detached.append(detached);
    gathered_.store(queue_.size(), std::memory_order_relaxed);
    // A leader that has worked for others already is relieved; any other one goes on with these.
    if (has_leader_ || (is_flushing_ && !is_on_overtime_)) {
        return;
    }
    become_leader(lock);
    lead(lock);
}

bool GroupCommit::try_flush() noexcept {
    std::unique_lock lock{mutex_};
    if (has_leader_ || is_flushing_) {
        return false;
    }
    become_leader(lock);
    lead(lock);
    return true;
}

void GroupCommit::wait_until_done(std::uint32_t batch) noexcept {
    const auto& word = done_word(batch);
    for (auto done = word.load(std::memory_order_acquire); !is_reached(done, batch);
         done = word.load(std::memory_order_acquire)) {
        futex_wait(word, done);
    }
}

/// Returns when nobody flushes.
void GroupCommit::become_leader(std::unique_lock<std::mutex>& lock) noexcept {
    has_leader_ = true;
    if (!is_flushing_) {
        return;
    }
    const auto before = leader_word_.load(std::memory_order_relaxed);
    lock.unlock();
    while (leader_word_.load(std::memory_order_acquire) == before) {
        futex_wait(leader_word_, before);
    }
    lock.lock();
}

/// Flushes the batch that is being gathered, and then what nobody else would flush.
void GroupCommit::lead(std::unique_lock<std::mutex>& lock) noexcept {
    CommitQueue to_complete;
    gather(lock);
    is_on_overtime_ = false;
    for (bool goes_on = true; goes_on;) {
        const auto batch = std::exchange(queue_, {});
        const auto number = batch_++;
        gathered_.store(0, std::memory_order_relaxed);
        has_leader_ = false;
        is_flushing_ = true;
        lock.unlock();

        const auto begin = Clock::now();
        auto all = batch.attached;
        all.append(batch.detached);
        sink_.flush(all);
        to_complete.append(batch.detached);
        const auto flush_time = Clock::now() - begin;

        lock.lock();
        note_batch(batch.size(), flush_time);
        is_flushing_ = false;
        const bool is_relieved = has_leader_;
        goes_on = !is_relieved && queue_.size() > 0;
        if (is_relieved) {
            leader_word_.fetch_add(1, std::memory_order_release);
        }
        has_leader_ = is_relieved || goes_on;
        lock.unlock();
        if (is_relieved) {
            futex_wake(leader_word_, 1);  // first, so that the disk has something to do
        }
        done_word(number).store(number, std::memory_order_release);
        if (batch.followers > 0) {
            futex_wake(done_word(number), INT_MAX);
        }
        if (goes_on) {
            lock.lock();
            is_on_overtime_ = true;
        }
    }
    sink_.complete(to_complete);
}

/// Others that are about to come share this flush if they come in a quarter of its time. Who is
/// alone has had no other in its last batches, and waits for none.
void GroupCommit::gather(std::unique_lock<std::mutex>& lock) noexcept {
    if (batches_without_gathering_ > 0) {
        --batches_without_gathering_;
        return;
    }
    const auto target = target_;
    if (queue_.size() >= target) {
        return;
    }
    const auto patience = std::min<Clock::duration>(flush_time_ / 4, kGatherMax);
    lock.unlock();
    auto now = Clock::now();
    const auto deadline = now + patience;
    auto gathered = queued();
    bool is_crowded = false;
    while (gathered < target && now < deadline && !is_crowded) {
        ::sched_yield();
        const auto before = std::exchange(now, Clock::now());
        const auto gathered_before = std::exchange(gathered, queued());
        is_crowded = gathered == gathered_before && now - before > kYieldMax;
    }
    lock.lock();
    if (is_crowded) {
        batches_without_gathering_ = kBatchesWithoutGathering;
    }
}

/// Up at once, down slowly: one batch that happened to be small does not end the gathering.
void GroupCommit::note_batch(std::size_t size, Clock::duration flush_time) noexcept {
    target_ = size >= target_ ? size : target_ - std::max<std::size_t>((target_ - size) / 8, 1);
    flush_time_ = flush_time_ == Clock::duration{} ? flush_time
                                                   : flush_time_ + (flush_time - flush_time_) / 8;
}

}  // namespace xa_tm::recovery_log
