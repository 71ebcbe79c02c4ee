#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm {

/// Does the log's housekeeping in a thread of its own, so that no commit has to, and says so once
/// when the log's health changes.
///
/// Ownership: borrows the log, which outlives it.
/// Thread safety: construct and destroy in one thread.
class LogKeeper {
public:
    /// Throws std::system_error when the system has no thread left.
    explicit LogKeeper(recovery_log::RecoveryLog& log);
    LogKeeper(const LogKeeper&) = delete;
    LogKeeper& operator=(const LogKeeper&) = delete;
    /// Waits for the work at hand: at most the time that zeroing a segment takes.
    ~LogKeeper();

private:
    void run();
    void note_health();

    recovery_log::RecoveryLog& log_;
    recovery_log::Health health_ = recovery_log::Health::healthy;
    std::mutex mutex_;
    std::condition_variable stopping_;
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace xa_tm
