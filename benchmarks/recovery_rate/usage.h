#pragma once

#include <chrono>
#include <cstddef>

namespace xa_tm::bench {

/// Of all threads of this process, since it began.
[[nodiscard]] std::chrono::duration<double> cpu_time();

/// The most memory that this process has had in use since a moment, beyond what it had then
/// (VmHWM and VmRSS of proc(5)).
///
/// Ownership: a value; only one counts at a time, since the system keeps one peak.
/// Thread safety: one thread at a time.
class PeakMemory {
public:
    /// From now on. Throws std::runtime_error when the system can't tell.
    PeakMemory();
    [[nodiscard]] std::size_t growth_bytes() const;

private:
    std::size_t at_start_;
};

}  // namespace xa_tm::bench
