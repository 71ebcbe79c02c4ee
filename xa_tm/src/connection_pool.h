#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/datasource.h"

namespace xa_tm {

/// The connections of one datasource that are idle, and a count of those in use.
///
/// Ownership: owns idle connections; a leased one belongs to its Lease.
/// Thread safety: all members may be called from several threads at once.
class ConnectionPool {
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
              is_closed_{other.is_closed_} {}
        Lease& operator=(Lease&& other) noexcept {
            std::swap(pool_, other.pool_);
            std::swap(connection_, other.connection_);
            std::swap(is_fresh_, other.is_fresh_);
            std::swap(is_closed_, other.is_closed_);
            return *this;
        }
        ~Lease();

        /// Nothing after close().
        [[nodiscard]] Connection* connection() const noexcept {
            return is_closed_ ? nullptr : connection_.get();
        }
        /// True when it was opened for this lease, so that a dead one is no leftover of the pool.
        [[nodiscard]] bool is_fresh() const noexcept { return is_fresh_; }
        /// Closes the connection at once and opens a new one in its place. Throws Error.
        void reconnect(const SessionMark& mark);
        /// Closes the connection at once: its answer was not waited for, or left the session's
        /// state uncertain. The object lives as long as the lease, because the application may
        /// still hold the branch's handle.
        void close() noexcept;

    private:
        ConnectionPool* pool_;
        std::unique_ptr<Connection> connection_;
        bool is_fresh_;
        bool is_closed_ = false;
    };

    /// An idle connection, else a new one; waits while pool_size_max are in use. Throws Error.
    [[nodiscard]] Lease acquire(const SessionMark& mark);
    /// Closes the idle connections. Connections may use their datasource, so that this comes before
    /// the end of its class.
    void clear() noexcept;

private:
    void put_back(std::unique_ptr<Connection> connection) noexcept;

    Datasource& datasource_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::size_t in_use_ = 0;
};

}  // namespace xa_tm
