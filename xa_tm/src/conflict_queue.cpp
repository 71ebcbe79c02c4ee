// Invariants:
// - a waiter stands in the queue of each of its keys from enter() until it has left or its turn, or
//   that of who took it along, has ended;
// - whoever is first in all its queues has its turn, and nobody else;
// - those that were taken along stand directly behind who took them, in all their queues.

#include "conflict_queue.h"

#include <algorithm>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

ConflictQueue::Turn::Turn(ConflictQueue& queue, std::unique_ptr<Waiter> waiter) noexcept
    : queue_{&queue}, waiter_{std::move(waiter)} {}

ConflictQueue::Turn::Turn(Turn&& other) noexcept = default;

ConflictQueue::Turn::~Turn() {
    if (waiter_ == nullptr) {
        return;
    }
    dismiss();
    end();
    const std::lock_guard lock{queue_->mutex_};
    for (auto* taken : taken_) {
        taken->state = State::told;
        taken->changed.notify_all();
    }
}

std::vector<ConflictQueue::Passenger*> ConflictQueue::Turn::take_along(std::size_t max) {
    XA_TM_CHECK(taken_.empty() && !has_ended_, "others are taken along once, during the turn");
    std::vector<Passenger*> passengers;
    if (waiter_->passenger == nullptr) {
        return passengers;
    }
    const std::lock_guard lock{queue_->mutex_};
    const auto& line = queue_->queues_.at(waiter_->keys.front());
    while (taken_.size() < max && taken_.size() + 1 < line.size()) {
        auto* next = line[taken_.size() + 1];
        const bool is_alike = next->passenger != nullptr && next->keys == waiter_->keys &&
                              next->passenger->datasources == waiter_->passenger->datasources;
        if (!is_alike || !queue_->is_next_behind(*next, taken_.size())) {
            break;
        }
        passengers.push_back(next->passenger);
        taken_.push_back(next);
        next->state = State::taken;
    }
    return passengers;
}

void ConflictQueue::Turn::dismiss() noexcept {
    const std::lock_guard lock{queue_->mutex_};
    for (auto* taken : std::exchange(taken_, {})) {
        if (taken->passenger->report) {
            taken_.push_back(taken);
            continue;
        }
        taken->passenger = nullptr;
        taken->state = State::waiting;
        if (has_ended_) {
            queue_->join(*taken);
        }
        taken->changed.notify_all();
    }
}

void ConflictQueue::Turn::end() noexcept {
    if (std::exchange(has_ended_, true)) {
        return;
    }
    const std::lock_guard lock{queue_->mutex_};
    queue_->remove(*waiter_);
    for (const auto* taken : taken_) {
        queue_->remove(*taken);
    }
    queue_->grant(waiter_->keys);
}

ConflictQueue::~ConflictQueue() {
    XA_TM_CHECK(size_ == 0, "nobody waits any more when the queue ends");
}

std::variant<ConflictQueue::Turn, ConflictQueue::WasTaken, ConflictQueue::Left>
ConflictQueue::enter(std::vector<std::string> keys, Passenger* passenger,
                     Clock::time_point deadline, const std::stop_token& cancel) {
    XA_TM_CHECK(!keys.empty(), "what has no keys waits for nobody");
    auto waiter = std::make_unique<Waiter>(std::move(keys), passenger);
    std::unique_lock lock{mutex_};
    join(*waiter);
    while (waiter->state == State::waiting) {
        const auto is_chosen = [&] { return waiter->state != State::waiting; };
        if (!waiter->changed.wait_until(lock, cancel, deadline, is_chosen)) {
            remove(*waiter);
            grant(waiter->keys);
            return Left{};
        }
        waiter->changed.wait(lock, [&] { return waiter->state != State::taken; });
    }
    if (waiter->state == State::told) {
        return WasTaken{};
    }
    return Turn{*this, std::move(waiter)};
}

std::size_t ConflictQueue::size() const {
    const std::lock_guard lock{mutex_};
    return size_;
}

bool ConflictQueue::is_first(const Waiter& waiter) const {
    return std::ranges::all_of(
        waiter.keys, [&](const std::string& key) { return queues_.at(key).front() == &waiter; });
}

/// Whether only the one in front and `taken` others stand before it.
bool ConflictQueue::is_next_behind(const Waiter& waiter, std::size_t taken) const {
    return std::ranges::all_of(waiter.keys, [&](const std::string& key) {
        const auto& line = queues_.at(key);
        return line.size() > taken + 1 && line[taken + 1] == &waiter;
    });
}

/// Behind all others, and it has its turn if there are none.
void ConflictQueue::join(Waiter& waiter) {
    for (const auto& key : waiter.keys) {
        queues_[key].push_back(&waiter);
    }
    ++size_;
    if (is_first(waiter)) {
        waiter.state = State::has_turn;
    }
}

void ConflictQueue::remove(const Waiter& waiter) noexcept {
    for (const auto& key : waiter.keys) {
        const auto queue = queues_.find(key);
        std::erase(queue->second, &waiter);
        if (queue->second.empty()) {
            queues_.erase(queue);
        }
    }
    --size_;
}

/// Who has become the first in these queues has its turn, if it is the first in its others too.
void ConflictQueue::grant(const std::vector<std::string>& keys) noexcept {
    for (const auto& key : keys) {
        const auto queue = queues_.find(key);
        if (queue == queues_.end()) {
            continue;
        }
        auto* first = queue->second.front();
        if (first->state == State::waiting && is_first(*first)) {
            first->state = State::has_turn;
            first->changed.notify_all();
        }
    }
}

}  // namespace xa_tm
