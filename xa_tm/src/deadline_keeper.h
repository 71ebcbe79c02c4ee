#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "time_limit.h"
#include "transaction_table.h"

namespace xa_tm {

/// Ends transactions whose time is over, in a thread of its own: their threads may be waiting for a
/// server, or be gone.
///
/// A transaction costs no system call here and wakes nobody: the thread is woken only by a deadline
/// that is earlier than the one for which it sleeps. Where there is no such thread, whoever made
/// the keeper drives it.
///
/// Ownership: borrows the table, and the limits until they are removed.
/// Thread safety: all members may be called from several threads at once.
class DeadlineKeeper {
public:
    /// Called with the name of a resource at which sessions are to be ended.
    using WakeRecovery = std::function<void(std::string_view resource)>;

    enum class DrivenBy { own_thread, caller };

    /// Throws std::system_error when the system has no thread left.
    DeadlineKeeper(TransactionTable& table, WakeRecovery wake_recovery,
                   DrivenBy driven_by = DrivenBy::own_thread);
    DeadlineKeeper(const DeadlineKeeper&) = delete;
    DeadlineKeeper& operator=(const DeadlineKeeper&) = delete;
    /// All limits have been removed.
    ~DeadlineKeeper();

    void add(TimeLimit& limit);
    /// The keeper has nothing to do with it any more when this returns.
    void remove(TimeLimit& limit) noexcept;
    /// Ends the transactions whose time is over by now; false when there are none. Who drives the
    /// keeper calls it now and then.
    bool expire();
    /// Has recovery end these sessions at their servers, and roll back what they have left
    /// prepared. Waits for no server.
    void end_at_servers(const std::string& gtrid, std::span<const TimeLimit::Session> sessions);

private:
    using Clock = TimeLimit::Clock;

    void run();
    bool expire(std::unique_lock<std::mutex>& lock);
    [[nodiscard]] std::set<std::string> expire_due();

    TransactionTable& table_;
    WakeRecovery wake_recovery_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::pair<Clock::time_point, TimeLimit*>> limits_;
    /// What the thread sleeps for.
    Clock::time_point wakes_at_ = Clock::time_point::max();
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace xa_tm
