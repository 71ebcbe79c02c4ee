#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "resource.h"

namespace xa_tm::bench {

/// Measures from outside how long a transaction holds the hot row of a branch: waits for the row
/// in a session of its own directly at the server, and when it gets it, asks the server how long
/// ago the transaction got it. Both ends are read from the server's clock.
///
/// Ownership: owns its session and its thread.
/// Thread safety: one thread at a time.
class Waiter {
public:
    /// Begins to wait. Throws std::runtime_error.
    Waiter(const Resource& resource, std::string table);
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter();

    /// Ends waiting; gives one value a transaction that it has waited for, in microseconds. Throws
    /// what has made the session fail.
    [[nodiscard]] std::vector<double> stop();

private:
    void run();
    [[nodiscard]] bool is_row_locked();

    Kind kind_;
    std::string table_;
    std::unique_ptr<RawConnection> session_;
    std::atomic<bool> is_stopping_ = false;
    std::vector<double> holds_us_;
    std::exception_ptr failure_;
    std::thread thread_;
};

}  // namespace xa_tm::bench
