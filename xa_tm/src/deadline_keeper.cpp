// Invariants:
// - mutex_ is taken before a limit's own, and both before those of pool, table and recovery;
// - wakes_at_ is never later than the first of limits_, but while the thread is at work.

#include "deadline_keeper.h"

#include "connection_pool.h"
#include "logging.h"
#include "xa_tm/datasource.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

DeadlineKeeper::DeadlineKeeper(TransactionTable& table, WakeRecovery wake_recovery,
                               DrivenBy driven_by)
    : table_{table}, wake_recovery_{std::move(wake_recovery)} {
    if (driven_by == DrivenBy::own_thread) {
        thread_ = std::thread{[this] { run(); }};
    }
}

DeadlineKeeper::~DeadlineKeeper() {
    {
        const std::scoped_lock lock{mutex_};
        XA_TM_CHECK(limits_.empty(), "every transaction ends its scope before its manager");
        is_stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void DeadlineKeeper::add(TimeLimit& limit) {
    bool is_earlier = false;
    {
        const std::scoped_lock lock{mutex_};
        limits_.emplace(limit.deadline(), &limit);
        is_earlier = limit.deadline() < wakes_at_;
    }
    if (is_earlier) {
        changed_.notify_one();
    }
}

void DeadlineKeeper::remove(TimeLimit& limit) noexcept {
    const std::scoped_lock lock{mutex_};
    limits_.erase({limit.deadline(), &limit});
}

void DeadlineKeeper::end_at_servers(const std::string& gtrid,
                                    std::span<const TimeLimit::Session> sessions) {
    // In this order: who finds the transaction gone ends its sessions first.
    for (const auto& session : sessions) {
        session.datasource->pool().add_lost_session(session.id);
    }
    table_.leave(gtrid);
    for (const auto& session : sessions) {
        wake_recovery_(session.datasource->name());
    }
}

void DeadlineKeeper::run() {
    std::unique_lock lock{mutex_};
    while (!is_stopping_) {
        if (expire(lock)) {
            continue;
        }
        wakes_at_ = limits_.empty() ? Clock::time_point::max() : limits_.begin()->first;
        if (limits_.empty()) {
            changed_.wait(lock);
        } else {
            changed_.wait_until(lock, wakes_at_);
        }
    }
}

bool DeadlineKeeper::expire() {
    std::unique_lock lock{mutex_};
    return expire(lock);
}

bool DeadlineKeeper::expire(std::unique_lock<std::mutex>& lock) {
    const auto expired = expire_due();
    if (expired.empty()) {
        return false;
    }
    lock.unlock();
    for (const auto& gtrid : expired) {
        log_message(LogChannel::coordinator, LogLevel::warning,
                    "Transaction timed out; recovery ends its sessions at their servers.",
                    {.gtrid = gtrid});
    }
    lock.lock();
    return true;
}

/// Gives the transactions that are expired by this.
std::set<std::string> DeadlineKeeper::expire_due() {
    std::set<std::string> expired;
    const auto now = Clock::now();
    while (!limits_.empty() && limits_.begin()->first <= now) {
        auto& limit = *limits_.extract(limits_.begin()).value().second;
        if (limit.is_over()) {
            expired.insert(limit.gtrid());
        }
    }
    return expired;
}

}  // namespace xa_tm
