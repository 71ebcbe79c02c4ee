#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "simulated_log.h"
#include "simulated_network.h"
#include "simulated_process.h"
#include "simulated_server.h"
#include "virtual_machine.h"

namespace xa_tm::simulation {

struct WorldOptions {
    std::uint64_t seed = 1;
    std::uint64_t transactions = 10'000;
    Breakage breakage = Breakage::none;
    /// Of which transaction every step is written down; besides what concerns all.
    std::optional<TransactionNumber> traced = std::nullopt;
    bool is_everything_traced = false;
};

struct WorldReport {
    Oracle::Counts counts;
    std::uint64_t rounds = 0;
    std::uint64_t process_deaths = 0;
    /// Of those, by the point at which it died.
    std::map<std::string, std::uint64_t, std::less<>> deaths_at;
    /// Incarnations that were not told of a last resource.
    std::uint64_t left_out = 0;
    /// Judgements of recovery that left a branch alone until a last resource could be asked.
    std::uint64_t waits_for_rows = 0;
    std::uint64_t server_deaths = 0;
    std::uint64_t cuts = 0;
    std::uint64_t lost_answers = 0;
    std::uint64_t clock_jumps = 0;
    std::chrono::nanoseconds virtual_time{0};
    /// Of everything that was carried out, lost and answered, in order: the same for the same
    /// options.
    std::uint64_t digest = 0;
    std::optional<Violation> violation;
    std::vector<std::string> trace;
};

/// Lives through one simulated world: rounds of many transactions at once under a drawn mix of
/// faults, each followed by quiet, in which recovery has to settle everything, and a judgement.
[[nodiscard]] WorldReport simulate(const WorldOptions& options);
/// The same; when the oracle reports a violation, once more for the trace of the transaction
/// concerned.
[[nodiscard]] WorldReport simulate_and_explain(const WorldOptions& options);

}  // namespace xa_tm::simulation
