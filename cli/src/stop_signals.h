#pragma once

#include <chrono>
#include <csignal>

namespace xa_tm::cli {

/// SIGTERM and SIGINT as something to wait for instead of the process' end, from now on until the
/// process ends. Made before any other thread, which inherit that they don't get them.
///
/// Ownership: the signals are the process', so there is one of these.
/// Thread safety: one thread, the one that made it.
class StopSignals {
public:
    StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    /// True when one has come, now or before.
    [[nodiscard]] bool wait_for(std::chrono::milliseconds limit);

private:
    sigset_t signals_{};
    bool has_come_ = false;
};

}  // namespace xa_tm::cli
