#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "contender.h"
#include "samples.h"

namespace xa_tm::bench {

/// How long a contender runs.
struct Turn {
    std::chrono::duration<double> time;
    /// In sum; it may end sooner by this.
    std::optional<std::uint64_t> transactions = std::nullopt;
};

struct TurnResult {
    std::uint64_t committed = 0;
    std::uint64_t failed = 0;
    double seconds = 0;
    /// Of the committed ones: from before begin() to after commit(), and commit() alone.
    Quantiles transaction_us = {};
    Quantiles commit_us = {};
    /// The first distinct ones.
    std::vector<std::string> errors = {};
};

/// Lets each session run transactions in a thread of its own. Throws what Session::abandon()
/// throws.
[[nodiscard]] TurnResult run_turn(const Workload& workload,
                                  std::span<const std::unique_ptr<Session>> sessions,
                                  const Turn& turn);

}  // namespace xa_tm::bench
