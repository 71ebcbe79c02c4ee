#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/datasource.h"
#include "xa_tm/error.h"

namespace xa_tm {

/// What the one who has a connection does with it, as far as is known here.
enum class Activity {
    opening,      ///< connecting, or opening the branch
    statement,    ///< a statement is running
    between,      ///< the application does something else
    application,  ///< the application has the session and works with it by itself
    committing,
    rolling_back,
};

/// The connections of one datasource that are idle, and the places of those in use. Who waits for
/// one is served in turn.
///
/// Ownership: owns idle connections; a leased one belongs to its Lease.
/// Thread safety: all members may be called from several threads at once.
class ConnectionPool {
    using Clock = std::chrono::steady_clock;
    struct Waiter;
    /// One of pool_size_max, while it is taken.
    struct Place {
        std::string gtrid;  ///< whose it is
        Clock::time_point since;
        std::atomic<Activity> activity;
    };
    struct Pooled {
        std::unique_ptr<Connection> connection;
        Clock::time_point opened_at;
        Clock::time_point idle_since;
    };

public:
    explicit ConnectionPool(Datasource& datasource) noexcept : datasource_{datasource} {}

    /// One connection in use. Given back when destroyed, and then kept only if it is reusable. One
    /// that was lent by the application has no place in the pool and is left to its owner.
    class Lease {
    public:
        Lease(Lease&& other) noexcept
            : pool_{other.pool_},
              place_{std::exchange(other.place_, nullptr)},
              connection_{std::move(other.connection_)},
              opened_at_{other.opened_at_},
              is_fresh_{other.is_fresh_},
              is_batch_sent_{other.is_batch_sent_},
              is_closed_{other.is_closed_} {}
        Lease& operator=(Lease&& other) noexcept {
            std::swap(pool_, other.pool_);
            std::swap(place_, other.place_);
            std::swap(connection_, other.connection_);
            std::swap(opened_at_, other.opened_at_);
            std::swap(is_fresh_, other.is_fresh_);
            std::swap(is_batch_sent_, other.is_batch_sent_);
            std::swap(is_closed_, other.is_closed_);
            return *this;
        }
        ~Lease();

        /// Nothing after close(), and where the connection that was to be handed on was lost.
        [[nodiscard]] Connection* connection() const noexcept {
            return is_closed_ ? nullptr : connection_.get();
        }
        /// False when it lay idle in the pool, so that a dead one tells nothing of the server.
        [[nodiscard]] bool is_fresh() const noexcept { return is_fresh_; }
        /// True once, when the batch given to acquire() has been sent already: its answers are
        /// what the connection receives next.
        [[nodiscard]] bool take_sent_batch() noexcept {
            return std::exchange(is_batch_sent_, false);
        }
        /// For those who wait in vain for a connection.
        void show(Activity activity) noexcept {
            if (place_ != nullptr) {
                place_->activity.store(activity, std::memory_order_relaxed);
            }
        }
        /// Closes the connection at once and opens a new one in its place. Throws Error.
        void reconnect(const SessionMark& mark);
        /// Closes the connection at once: its answer was not waited for, or left the session's
        /// state uncertain. The object lives as long as the lease, because the application may
        /// still hold the branch's handle.
        void close() noexcept;

    private:
        friend class ConnectionPool;
        Lease(ConnectionPool& pool, Place* place, Pooled pooled, bool is_fresh) noexcept
            : pool_{&pool},
              place_{place},
              connection_{std::move(pooled.connection)},
              opened_at_{pooled.opened_at},
              is_fresh_{is_fresh} {}

        void remember_lost() noexcept;

        ConnectionPool* pool_;
        Place* place_;  ///< null where it is not this lease's to give back
        std::unique_ptr<Connection> connection_;
        Clock::time_point opened_at_;
        bool is_fresh_;
        bool is_batch_sent_ = false;
        bool is_closed_ = false;
    };

    /// Who waits in acquire() with a batch, chosen to get a connection while that is still at work:
    /// the batch is sent behind the last verb of the one who has it. The waiter has to be told how
    /// that went; it counts as lost if nothing else is said.
    class Successor {
    public:
        Successor(ConnectionPool& pool, Waiter& waiter) noexcept : pool_{&pool}, waiter_{&waiter} {}
        Successor(Successor&& other) noexcept
            : pool_{other.pool_}, waiter_{std::exchange(other.waiter_, nullptr)} {}
        Successor& operator=(Successor&&) = delete;
        ~Successor();

        [[nodiscard]] const std::vector<Request>& batch() const noexcept;
        /// The verb before the batch was answered with XA_OK: the answers to the batch are the
        /// waiter's to receive.
        void take_over(Lease lease) noexcept;
        /// The batch was not carried out: the waiter waits on, in the first place, unless a
        /// connection has become free meanwhile.
        void wait_on() noexcept;

    private:
        ConnectionPool* pool_;
        Waiter* waiter_;
    };

    /// An idle connection that seems sound, else a new one; waits while pool_size_max are in use.
    /// For whom is shown to those who wait in vain. What is to be sent first over the connection
    /// may be given as `batch`; it may then have been sent, see Lease::take_sent_batch(). Throws
    /// Error.
    [[nodiscard]] Lease acquire(const SessionMark& mark, std::string_view gtrid,
                                std::vector<Request> batch = {});
    /// A connection that the application has lent, in a lease that only forgets it in the end.
    [[nodiscard]] Lease lease_of_lent(std::unique_ptr<Connection> connection) noexcept;
    /// The first of those who wait, if it has given a batch.
    [[nodiscard]] std::optional<Successor> next_successor();
    /// Closes the idle connections. Connections may use their datasource, so that this comes before
    /// the end of its class.
    void clear() noexcept;

    /// Closes what is idle and dead, too old, or idle for too long.
    void close_outdated() noexcept;
    /// Opens one more connection if there are less than pool_size_min. False when there were
    /// enough. Throws Error.
    bool open_one_more(const SessionMark& mark);

    [[nodiscard]] PoolStatus status() const;

    /// Where the pool's connections and recovery's lead to: found out with each new connection.
    struct Target {
        std::string server;             ///< Connection::server_identity()
        std::string owner_of_branches;  ///< Connection::owner_of_branches()
    };
    void note_target(const Connection& connection);
    [[nodiscard]] Target target() const;

    /// The sessions that were closed in doubt and were not seen to have ended at the server yet.
    [[nodiscard]] std::vector<SessionId> lost_sessions() const;
    void forget_lost_session(const SessionId& session);

private:
    enum class Turn { waiting, chosen, granted, lost };
    struct Waiter {
        std::string_view gtrid;
        std::vector<Request> batch;
        Turn turn = Turn::waiting;
        Place* place = nullptr;  ///< once granted
        Pooled pooled = {};
        bool is_batch_sent = false;
        std::condition_variable changed = {};
    };

    [[nodiscard]] Lease wait_for_turn(std::unique_lock<std::mutex>& lock, Waiter& waiter);
    [[nodiscard]] Error exhausted() const;
    [[nodiscard]] std::string holders() const;
    [[nodiscard]] bool is_full() const noexcept;
    [[nodiscard]] std::size_t in_use() const noexcept {
        return places_.size() - free_places_.size();
    }
    [[nodiscard]] Place* occupy(std::string_view gtrid);
    void vacate(Place& place) noexcept;
    [[nodiscard]] Pooled take_idle() noexcept;
    [[nodiscard]] Pooled take_sound_idle(std::unique_lock<std::mutex>& lock) noexcept;
    [[nodiscard]] bool is_too_old(const Pooled& pooled, Clock::time_point now) const noexcept;
    static void grant(Waiter& waiter, Place* place, Pooled pooled) noexcept;
    void put_back(Place& place, Pooled pooled) noexcept;

    Datasource& datasource_;
    mutable std::mutex mutex_;
    std::list<Waiter*> waiters_;
    std::vector<Pooled> idle_;
    std::vector<std::unique_ptr<Place>> places_;
    std::vector<Place*> free_places_;
    std::vector<SessionId> lost_sessions_;
    Target target_;

    // Figures.
    PoolStatus figures_;  ///< those that are counted
    std::atomic<std::uint64_t> closed_ = 0;
};

}  // namespace xa_tm
