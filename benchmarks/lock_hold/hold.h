#pragma once

#include "progress.h"
#include "result.h"
#include "running_contender.h"

namespace xa_tm::bench {

/// How long each contender's transactions hold the hot row of each branch, seen from outside, and
/// where that time goes, seen from the network: the entry of "hold". The cell has one thread.
[[nodiscard]] nlohmann::json measure_hold(const Bench& bench, const Cell& cell,
                                          const Progress& progress, Result& result);

/// Trips, waits and forces a transaction: the entry of "counted".
[[nodiscard]] nlohmann::json count_costs(const Bench& bench, const Cell& cell,
                                         const Progress& progress, Result& result);

/// Quantiles and histogram of hold times; the buckets grow by a tenth each.
[[nodiscard]] nlohmann::json summary_of_holds(const std::vector<double>& holds_us);

}  // namespace xa_tm::bench
