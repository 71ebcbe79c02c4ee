#pragma once

#include <chrono>

namespace xa_tm::bench {

/// What it takes to wake one of so many threads that wait on one futex word, until all have run
/// and the next waking can begin: the wall time of the median round over the number of threads.
[[nodiscard]] double measure_wake_cost_us(unsigned threads, std::chrono::milliseconds duration);

}  // namespace xa_tm::bench
