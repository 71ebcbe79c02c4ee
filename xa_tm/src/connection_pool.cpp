// Invariants:
// - in_use_ counts the leases that live, whether or not their connection still does;
// - in_use_ + idle_.size() <= pool_size_max;
// - every idle connection was reusable when its lease ended;
// - a closed connection is never idle.

#include "connection_pool.h"

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
    connection_.reset();
    connection_ = pool_->datasource_.connect(mark);
    is_fresh_ = true;
}

void ConnectionPool::Lease::close() noexcept {
    is_closed_ = true;
    if (connection_ != nullptr) {
        connection_->close();
    }
}

ConnectionPool::Lease ConnectionPool::acquire(const SessionMark& mark) {
    std::unique_lock lock{mutex_};
    const auto& options = datasource_.options();
    if (!returned_.wait_for(lock, options.pool_timeout,
                            [&] { return in_use_ < options.pool_size_max; })) {
        throw Error(
            {.code = ErrorCode::pool_exhausted, .resource = datasource_.name()},
            fmt::format("resource {}: all {} connections are in use and none came back within "
                        "{} ms; end transactions sooner or raise pool_size_max",
                        datasource_.name(), options.pool_size_max, options.pool_timeout.count()));
    }
    ++in_use_;
    if (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        return {*this, std::move(connection), false};
    }
    lock.unlock();
    Lease lease{*this, nullptr, true};  // gives its place back if connecting throws
    lease.reconnect(mark);
    return lease;
}

void ConnectionPool::put_back(std::unique_ptr<Connection> connection) noexcept {
    {
        const std::scoped_lock lock{mutex_};
        --in_use_;
        if (connection != nullptr && connection->is_reusable()) {
            idle_.push_back(std::move(connection));
        }
    }
    returned_.notify_one();
}

void ConnectionPool::clear() noexcept {
    std::vector<std::unique_ptr<Connection>> closing;
    const std::scoped_lock lock{mutex_};
    closing.swap(idle_);
}

}  // namespace xa_tm
