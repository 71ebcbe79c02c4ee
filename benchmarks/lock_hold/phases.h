#pragma once

#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "network.h"

namespace xa_tm::bench {

/// Where the time of a transaction goes, as its client's side of the network sees it; medians.
struct Phases {
    double work_us = 0;      ///< from the first update to the first end or prepare
    double prepare_us = 0;   ///< to the last vote
    double decision_us = 0;  ///< to the first commit: the log's force is in here
    double commit_us = 0;    ///< to the last answer to a commit
    /// How many round trips a lock is held for: between the first update of a branch and its commit
    /// at their server, of the branch for which they are most.
    double trips_in_hold = 0;
    std::size_t transactions = 0;
};

/// Of transactions that one thread has run one after another. A transaction without prepare has all
/// its time up to the commit in work.
[[nodiscard]] Phases phases_of(std::span<const Passage> passages);

/// What several threads have sent whose transactions share trips.
struct SharedTrips {
    /// How many round trips a connection's locks are held for, from its first update to its commit,
    /// on average: a batch has another number than a transaction that runs by itself. An update may
    /// wait at the server for its lock, before the hold.
    double trips_in_hold = 0;
    std::uint64_t commits = 0;  ///< of the first branch
};

/// Of passages in which all branches of a commit are sent to at once.
[[nodiscard]] SharedTrips shared_trips_of(std::span<const Passage> passages);

[[nodiscard]] nlohmann::json to_json(const Phases& phases);

}  // namespace xa_tm::bench
