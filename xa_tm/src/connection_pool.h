#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/datasource.h"

namespace xa_tm {

/// The connections of one datasource that are idle, and a count of those in use. Who waits for one
/// is served in turn.
///
/// Ownership: owns idle connections; a leased one belongs to its Lease.
/// Thread safety: all members may be called from several threads at once.
class ConnectionPool {
    struct Waiter;

public:
    explicit ConnectionPool(Datasource& datasource) noexcept : datasource_{datasource} {}

    /// One connection in use. Given back when destroyed, and then kept only if it is reusable.
    class Lease {
    public:
        Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection, bool is_fresh) noexcept
            : pool_{&pool}, connection_{std::move(connection)}, is_fresh_{is_fresh} {}
        Lease(Lease&& other) noexcept
            : pool_{std::exchange(other.pool_, nullptr)},
              connection_{std::move(other.connection_)},
              is_fresh_{other.is_fresh_},
              is_batch_sent_{other.is_batch_sent_},
              is_closed_{other.is_closed_} {}
        Lease& operator=(Lease&& other) noexcept {
            std::swap(pool_, other.pool_);
            std::swap(connection_, other.connection_);
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
        /// Closes the connection at once and opens a new one in its place. Throws Error.
        void reconnect(const SessionMark& mark);
        /// Closes the connection at once: its answer was not waited for, or left the session's
        /// state uncertain. The object lives as long as the lease, because the application may
        /// still hold the branch's handle.
        void close() noexcept;

    private:
        friend class ConnectionPool;

        void remember_lost() noexcept;

        ConnectionPool* pool_;
        std::unique_ptr<Connection> connection_;
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

    /// An idle connection, else a new one; waits while pool_size_max are in use. What is to be sent
    /// first over the connection may be given as `batch`; it may then have been sent, see
    /// Lease::take_sent_batch(). Waits no longer than until the deadline. Throws Error.
    [[nodiscard]] Lease acquire(const SessionMark& mark, std::vector<Request> batch = {},
                                std::chrono::steady_clock::time_point deadline =
                                    std::chrono::steady_clock::time_point::max());
    /// The first of those who wait, if it has given a batch.
    [[nodiscard]] std::optional<Successor> next_successor();
    /// Closes the idle connections. Connections may use their datasource, so that this comes before
    /// the end of its class.
    void clear() noexcept;

    /// The sessions that were closed in doubt, or are to be ended, and were not seen to have ended
    /// at the server yet.
    [[nodiscard]] std::vector<SessionId> lost_sessions() const;
    /// This session is to be ended at the server; nothing when its number is 0.
    void add_lost_session(const SessionId& session);
    void forget_lost_session(const SessionId& session);

private:
    enum class Turn { waiting, chosen, granted, lost };
    struct Waiter {
        std::vector<Request> batch;
        Turn turn = Turn::waiting;
        std::unique_ptr<Connection> connection = nullptr;
        bool is_batch_sent = false;
        std::condition_variable changed = {};
    };

    [[nodiscard]] Lease wait_for_turn(std::unique_lock<std::mutex>& lock, Waiter& waiter,
                                      std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] std::unique_ptr<Connection> take_idle() noexcept;
    static void grant(Waiter& waiter, std::unique_ptr<Connection> connection) noexcept;
    void put_back(std::unique_ptr<Connection> connection) noexcept;

    Datasource& datasource_;
    mutable std::mutex mutex_;
    std::list<Waiter*> waiters_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::size_t in_use_ = 0;
    std::vector<SessionId> lost_sessions_;
};

}  // namespace xa_tm
