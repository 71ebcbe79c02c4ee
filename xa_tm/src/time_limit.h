#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "xa_tm/connection.h"

namespace xa_tm {

class Datasource;
class DeadlineKeeper;

/// The time that one transaction has until its outcome is asked for. When that is over, whatever
/// the transaction's own thread is doing, its sessions are ended at their servers, which roll their
/// branches back and so release the locks. Once the outcome has been asked for in time, nothing is
/// ended any more.
///
/// Ownership: borrows the keeper, which outlives it.
/// Thread safety: all members may be called from several threads at once: the transaction's and the
/// keeper's.
class TimeLimit {
public:
    using Clock = std::chrono::steady_clock;

    /// A session that works for the transaction.
    struct Session {
        Datasource* datasource;
        SessionId id;
    };

    /// The time begins to run; without a timeout it never ends.
    TimeLimit(DeadlineKeeper& keeper, std::string gtrid, std::chrono::milliseconds timeout);
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;
    ~TimeLimit();

    [[nodiscard]] const std::string& gtrid() const noexcept { return gtrid_; }
    /// 0: none.
    [[nodiscard]] std::chrono::milliseconds timeout() const noexcept { return timeout_; }
    /// The end of time when there is none.
    [[nodiscard]] Clock::time_point deadline() const noexcept { return deadline_; }

    /// From now on the session is ended with the others. False when the time is over: nothing may
    /// be sent over it. Such a session goes back to nobody else as long as the time runs.
    [[nodiscard]] bool hold(Datasource& datasource, const Connection& connection);
    /// Whether the time was over before try_end(). At the deadline it is this, called by either
    /// thread, that has the sessions ended.
    [[nodiscard]] bool is_over();
    /// The outcome is asked for: true, and the time has stopped, unless it was over.
    [[nodiscard]] bool try_end();

private:
    enum class State { running, ending, expired };

    [[nodiscard]] bool expire_if_due();

    DeadlineKeeper& keeper_;
    std::string gtrid_;
    std::chrono::milliseconds timeout_;
    Clock::time_point deadline_;
    std::mutex mutex_;
    State state_ = State::running;
    std::vector<Session> sessions_;
};

}  // namespace xa_tm
