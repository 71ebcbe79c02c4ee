// Invariants:
// - in_use_ counts the leases that live, whether or not their connection still does, and the places
//   that were granted to a waiter;
// - in_use_ + idle_.size() <= pool_size_max;
// - somebody waits only while in_use_ is pool_size_max; waiters_ holds those whose turn is
//   `waiting`, in order;
// - every idle connection was reusable when its lease ended;
// - a closed connection is never idle.

#include "connection_pool.h"

#include <algorithm>

#include <fmt/format.h>

#include "xa_tm/error.h"

namespace xa_tm {

ConnectionPool::Lease::~Lease() {
    if (pool_ != nullptr) {
        if (is_closed_) {
            connection_.reset();
        }
        pool_->put_back(std::move(connection_));
    }
}

void ConnectionPool::Lease::reconnect(const SessionMark& mark) {
    remember_lost();
    connection_.reset();
    connection_ = pool_->datasource_.connect(mark);
    is_fresh_ = true;
}

void ConnectionPool::Lease::close() noexcept {
    if (connection_ != nullptr && !is_closed_) {
        remember_lost();
        connection_->close();
    }
    is_closed_ = true;
}

/// The server may not have noticed that the session is over.
void ConnectionPool::Lease::remember_lost() noexcept {
    if (connection_ != nullptr) {
        pool_->add_lost_session(connection_->session_id());
    }
}

ConnectionPool::Successor::~Successor() {
    if (waiter_ != nullptr) {
        const std::scoped_lock lock{pool_->mutex_};
        waiter_->turn = Turn::lost;
        waiter_->changed.notify_one();
    }
}

const std::vector<Request>& ConnectionPool::Successor::batch() const noexcept {
    return waiter_->batch;
}

void ConnectionPool::Successor::take_over(Lease lease) noexcept {
    const std::scoped_lock lock{pool_->mutex_};
    auto& waiter = *std::exchange(waiter_, nullptr);
    lease.pool_ = nullptr;  // its place goes over as well
    waiter.connection = std::move(lease.connection_);
    waiter.is_batch_sent = true;
    waiter.turn = Turn::granted;
    waiter.changed.notify_one();
}

void ConnectionPool::Successor::wait_on() noexcept {
    const std::scoped_lock lock{pool_->mutex_};
    auto& waiter = *std::exchange(waiter_, nullptr);
    if (pool_->in_use_ < pool_->datasource_.options().pool_size_max) {
        // A place came free while nobody stood in line: nobody else would give it to this one.
        ++pool_->in_use_;
        pool_->grant(waiter, pool_->take_idle());
        return;
    }
    waiter.turn = Turn::waiting;
    pool_->waiters_.push_front(&waiter);
    waiter.changed.notify_one();
}

ConnectionPool::Lease ConnectionPool::acquire(const SessionMark& mark, std::vector<Request> batch,
                                              std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock{mutex_};
    if (in_use_ >= datasource_.options().pool_size_max) {
        Waiter waiter{.batch = std::move(batch)};
        auto lease = wait_for_turn(lock, waiter, deadline);
        if (lease.connection_ == nullptr && waiter.turn != Turn::lost) {
            lock.unlock();
            lease.reconnect(mark);
        }
        return lease;
    }
    ++in_use_;
    if (auto connection = take_idle()) {
        return {*this, std::move(connection), false};
    }
    lock.unlock();
    Lease lease{*this, nullptr, true};  // gives its place back if connecting throws
    lease.reconnect(mark);
    return lease;
}

ConnectionPool::Lease ConnectionPool::wait_for_turn(
    std::unique_lock<std::mutex>& lock, Waiter& waiter,
    std::chrono::steady_clock::time_point deadline) {
    const auto& options = datasource_.options();
    deadline = std::min(deadline, std::chrono::steady_clock::now() + options.pool_timeout);
    waiters_.push_back(&waiter);
    while (waiter.turn == Turn::waiting || waiter.turn == Turn::chosen) {
        if (waiter.turn == Turn::chosen) {
            waiter.changed.wait(lock);  // whoever has chosen it waits for a server at most
        } else if (waiter.changed.wait_until(lock, deadline) == std::cv_status::timeout &&
                   waiter.turn == Turn::waiting) {
            waiters_.remove(&waiter);
            throw Error({.code = ErrorCode::pool_exhausted, .resource = datasource_.name()},
                        fmt::format("resource {}: all {} connections are in use and none came back "
                                    "within {} ms; end transactions sooner or raise pool_size_max",
                                    datasource_.name(), options.pool_size_max,
                                    options.pool_timeout.count()));
        }
    }
    const bool is_lost = waiter.turn == Turn::lost;
    Lease lease{*this, std::move(waiter.connection), waiter.is_batch_sent || is_lost};
    lease.is_batch_sent_ = waiter.is_batch_sent;
    if (is_lost) {
        lease.pool_ = nullptr;  // the place is still that of whoever has lost the connection
    }
    return lease;
}

std::optional<ConnectionPool::Successor> ConnectionPool::next_successor() {
    const std::scoped_lock lock{mutex_};
    if (waiters_.empty() || waiters_.front()->batch.empty()) {
        return std::nullopt;
    }
    auto& waiter = *waiters_.front();
    waiters_.pop_front();
    waiter.turn = Turn::chosen;
    return Successor{*this, waiter};
}

void ConnectionPool::put_back(std::unique_ptr<Connection> connection) noexcept {
    if (connection != nullptr && !connection->is_reusable()) {
        connection.reset();
    }
    const std::scoped_lock lock{mutex_};
    if (!waiters_.empty()) {
        auto& waiter = *waiters_.front();
        waiters_.pop_front();
        grant(waiter, std::move(connection));
        return;
    }
    --in_use_;
    if (connection != nullptr) {
        idle_.push_back(std::move(connection));
    }
}

/// Null when none is idle.
std::unique_ptr<Connection> ConnectionPool::take_idle() noexcept {
    std::unique_ptr<Connection> connection;
    if (!idle_.empty()) {
        connection = std::move(idle_.back());
        idle_.pop_back();
    }
    return connection;
}

/// Without a connection the waiter opens one.
void ConnectionPool::grant(Waiter& waiter, std::unique_ptr<Connection> connection) noexcept {
    waiter.connection = std::move(connection);
    waiter.turn = Turn::granted;
    waiter.changed.notify_one();
}

void ConnectionPool::clear() noexcept {
    std::vector<std::unique_ptr<Connection>> closing;
    const std::scoped_lock lock{mutex_};
    closing.swap(idle_);
}

std::vector<SessionId> ConnectionPool::lost_sessions() const {
    const std::scoped_lock lock{mutex_};
    return lost_sessions_;
}

void ConnectionPool::add_lost_session(const SessionId& session) {
    const std::scoped_lock lock{mutex_};
    if (session.number != 0 && std::ranges::find(lost_sessions_, session) == lost_sessions_.end()) {
        lost_sessions_.push_back(session);
    }
}

void ConnectionPool::forget_lost_session(const SessionId& session) {
    const std::scoped_lock lock{mutex_};
    std::erase(lost_sessions_, session);
}

}  // namespace xa_tm
