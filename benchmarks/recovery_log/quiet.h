#pragma once

#include <chrono>
#include <functional>

#include "measure.h"

namespace xa_tm::bench {

/// How hard to try to measure while nobody else uses the machine.
struct Patience {
    std::chrono::milliseconds wait_max{5000};  ///< for others to become quiet, before each run
    unsigned runs_max = 3;                     ///< when they were not quiet during a run
};

/// Returns once other processes use less than a tenth of the CPUs, or after `wait_max`.
void wait_for_quiet(const Patience& patience);

/// The sample of the first run that others left alone, or of the one that they disturbed least.
[[nodiscard]] Sample run_in_quiet(const Patience& patience, const std::function<Sample()>& run);

}  // namespace xa_tm::bench
