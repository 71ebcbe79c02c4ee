#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "xa_tm/one_shot.h"

namespace xa_tm {

/// Where transactions of this process wait for each other that name the same conflict keys, so that
/// they need not wait in the servers: one queue a key. A transaction joins the queues of all its
/// keys in one step, so that they all have the same order, and has its turn when it is the first in
/// each. It may be taken along by the one in front of it instead.
///
/// Ownership: outlives its turns, and whoever waits.
/// Thread safety: all members may be called from several threads at once.
class ConflictQueue {
public:
    using Clock = std::chrono::steady_clock;

    /// One that may be taken along.
    struct Passenger {
        /// Only those with the same are taken along together.
        std::string datasources;
        std::span<const Statement> statements;
        Return until = Return::when_finished;
        /// Written by who takes it along.
        std::optional<RunReport> report = std::nullopt;
    };

private:
    struct Waiter;

public:
    /// The right to send, until end() or the end of its scope. Must not outlive the queue.
    class Turn {
    public:
        Turn(Turn&&) noexcept;
        Turn& operator=(Turn&&) = delete;
        ~Turn();

        /// Takes along those directly behind, in each queue of theirs, that are like this one: with
        /// the same keys and for the same datasources. At most that many; once. They wait for what
        /// this one reports to them, until the end of its scope; it dismisses who has no report.
        [[nodiscard]] std::vector<Passenger*> take_along(std::size_t max);
        /// Those that were taken along and have no report wait again, to run by themselves: where
        /// they stood, or behind all others once the turn has ended.
        void dismiss() noexcept;
        [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }
        /// Lets the next ones have their turns. Those that were taken along wait on.
        void end() noexcept;

    private:
        friend class ConflictQueue;
        Turn(ConflictQueue& queue, std::unique_ptr<Waiter> waiter) noexcept;

        ConflictQueue* queue_;
        std::unique_ptr<Waiter> waiter_;
        std::vector<Waiter*> taken_;
        bool has_ended_ = false;
    };

    /// It was taken along, and what became of it is in its Passenger.
    struct WasTaken {};
    /// Its time was over, or it was cancelled, before it had its turn.
    struct Left {};

    ConflictQueue() = default;
    ConflictQueue(const ConflictQueue&) = delete;
    ConflictQueue& operator=(const ConflictQueue&) = delete;
    ~ConflictQueue();

    /// Waits for its turn, or until it was taken along and told. `keys` are sorted, without
    /// doubles, and at least one; `passenger`, if there is one, is what may be taken along, and
    /// outlives the call.
    [[nodiscard]] std::variant<Turn, WasTaken, Left> enter(std::vector<std::string> keys,
                                                           Passenger* passenger,
                                                           Clock::time_point deadline,
                                                           const std::stop_token& cancel);

    /// How many wait or have their turn.
    [[nodiscard]] std::size_t size() const;

private:
    enum class State { waiting, has_turn, taken, told };
    struct Waiter {
        std::vector<std::string> keys;
        Passenger* passenger;
        State state = State::waiting;
        std::condition_variable_any changed = {};
    };

    [[nodiscard]] bool is_first(const Waiter& waiter) const;
    [[nodiscard]] bool is_next_behind(const Waiter& waiter, std::size_t taken) const;
    void join(Waiter& waiter);
    void remove(const Waiter& waiter) noexcept;
    void grant(const std::vector<std::string>& keys) noexcept;

    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::deque<Waiter*>> queues_;
    std::size_t size_ = 0;
};

}  // namespace xa_tm
