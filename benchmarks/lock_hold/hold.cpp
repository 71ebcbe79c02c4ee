#include "hold.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <map>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "field.h"
#include "outcome_check.h"
#include "phases.h"
#include "quantiles.h"
#include "server_forces.h"
#include "sync_counter.h"
#include "waiter.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;

constexpr std::uint64_t kWatchedTransactions = 100;
constexpr std::uint64_t kTracedTransactions = 50;
/// More than all of them take.
constexpr double kLongSeconds = 60;

json key_of(const Cell& cell) {
    return {{"servers", cell.servers}, {"branches", cell.branches}, {"rtt_ms", cell.rtt_ms}};
}

/// One turn whose outcome is checked.
json checked_go(ScratchTables& tables, const Cell& cell, ContenderProcess& process, double seconds,
                std::optional<std::uint64_t> transactions = {}) {
    OutcomeCheck outcome{tables, cell};
    outcome.begin();
    auto turn = process.go(seconds, transactions);
    outcome.check(turn.at("committed"));
    if (turn.at("committed") == 0) {
        const auto errors = turn.value("errors", json::array());
        throw std::runtime_error(errors.empty() ? "commits nothing" : errors[0].get<std::string>());
    }
    return turn;
}

json holds_of(const Bench& bench, ScratchTables& tables, const Cell& cell,
              ContenderProcess& process) {
    std::list<Waiter> waiters;
    for (unsigned i = 0; i < tables.resources().size(); ++i) {
        waiters.emplace_back(tables.resources()[i], table_of(i + 1));
    }
    static_cast<void>(
        checked_go(tables, cell, process, std::max(1.0, bench.seconds * bench.rounds / 2)));
    auto branches = json::array();
    for (auto& waiter : waiters) {
        branches.push_back(summary_of_holds(waiter.stop()));
    }
    return branches;
}

Phases watched_phases(ScratchTables& tables, const Cell& cell, RunningContender& contender) {
    contender.network().watch();
    static_cast<void>(
        checked_go(tables, cell, contender.process(), kLongSeconds, kWatchedTransactions));
    return phases_of(contender.network().stop_watching());
}

json hold_entry(const Bench& bench, ScratchTables& tables, Cell cell, const std::string& name) {
    RunningContender contender{bench, cell, name, route_of(cell)};
    static_cast<void>(checked_go(tables, cell, contender.process(), bench.warm_up_seconds));
    json entry{{"name", name}, {"branches", holds_of(bench, tables, cell, contender.process())}};
    Phases phases;
    if (route_of(cell) == Route::network) {
        phases = watched_phases(tables, cell, contender);
    } else {
        RunningContender watched{bench, cell, name, Route::network};
        static_cast<void>(checked_go(tables, cell, watched.process(), bench.warm_up_seconds));
        phases = watched_phases(tables, cell, watched);
    }
    entry["phases_us"] = to_json(phases);
    entry["trips_in_hold"] = phases.trips_in_hold;
    return entry;
}

/// Of the contender's own process, a transaction; seen by strace, which slows it down.
double log_forces(ScratchTables& tables, const Cell& cell, RunningContender& contender,
                  std::uint64_t& committed) {
    const test::SyncCounter counter{contender.name(), {contender.process().pid()}};
    const auto turn =
        checked_go(tables, cell, contender.process(), kLongSeconds, kTracedTransactions);
    committed += turn.at("committed").get<std::uint64_t>();
    return static_cast<double>(counter.count()) / turn.at("committed").get<double>();
}

/// What the network has seen of so many transactions.
void note_trips(json& entry, const Network::Counts& before, Network& network, double transactions,
                bool share_trips) {
    const auto after = network.counts();
    const auto passages = network.stop_watching();
    entry["trips"] = static_cast<double>(after.trips - before.trips) / transactions;
    if (share_trips) {
        const auto shared = shared_trips_of(passages);
        entry["waits"] = nullptr;  // each of them for several
        entry["trips_in_hold"] = shared.trips_in_hold;
        entry["transactions_a_commit"] = transactions / static_cast<double>(shared.commits);
    } else {
        entry["waits"] = static_cast<double>(after.waits - before.waits) / transactions;
        entry["trips_in_hold"] = phases_of(passages).trips_in_hold;
        entry["transactions_a_commit"] = 1;
    }
}

json counted_entry(const Bench& bench, ScratchTables& tables, Cell cell, const std::string& name) {
    cell.threads = counting_threads(name);
    const auto forces_before = server_forces(tables.resources());
    std::uint64_t committed = 0;
    json entry{{"name", name}};
    {
        RunningContender contender{bench, cell, name, Route::network};
        // What belongs to a session and not to a transaction happens in the first ones.
        auto turn = checked_go(tables, cell, contender.process(), kLongSeconds, 20);
        committed += turn.at("committed").get<std::uint64_t>();
        const auto before = contender.network().counts();
        contender.network().watch();
        turn = checked_go(tables, cell, contender.process(), kLongSeconds, kWatchedTransactions);
        committed += turn.at("committed").get<std::uint64_t>();
        note_trips(entry, before, contender.network(), turn.at("committed"), cell.threads > 1);
        entry["log_forces"] = log_forces(tables, cell, contender, committed);
    }
    // The contender's sessions have ended, so that each server tells of all its forces.
    const auto forces_after = server_forces(tables.resources());
    entry["server_forces"] = nullptr;
    if (forces_before && forces_after) {
        entry["server_forces"] =
            static_cast<double>(*forces_after - *forces_before) / static_cast<double>(committed);
    }
    return entry;
}

using Entry = json (*)(const Bench&, ScratchTables&, Cell, const std::string&);

json for_each_contender(const Bench& bench, const Cell& cell, const std::string& where,
                        const Progress& progress, Result& result, Entry entry_of) {
    ScratchTables tables{bench.resources_of(cell), cell.threads};
    Field field{where, progress, result};
    auto entries = json::array();
    for (const auto& name : bench.contenders) {
        progress.step(name);
        field.run(name, [&] { entries.push_back(entry_of(bench, tables, cell, name)); });
    }
    return entries;
}

}  // namespace

json summary_of_holds(const std::vector<double>& holds_us) {
    constexpr double kGrowth = 1.1;
    std::map<int, std::size_t> buckets;
    for (const double hold : holds_us) {
        ++buckets[static_cast<int>(std::ceil(std::log(std::max(hold, 1.0)) / std::log(kGrowth)))];
    }
    auto histogram = json::array();
    for (const auto& [exponent, count] : buckets) {
        histogram.push_back({std::round(std::pow(kGrowth, exponent)), count});
    }
    return {{"samples", holds_us.size()},
            {"hold_us",
             {{"p50", quantile_of(holds_us, 0.5)},
              {"p99", quantile_of(holds_us, 0.99)},
              {"max", quantile_of(holds_us, 1)}}},
            {"histogram", histogram}};
}

json measure_hold(const Bench& bench, const Cell& cell, const Progress& progress, Result& result) {
    auto entry = key_of(cell);
    entry["contenders"] = for_each_contender(bench, cell, "lock-hold at " + to_text(cell), progress,
                                             result, hold_entry);
    return entry;
}

json count_costs(const Bench& bench, const Cell& cell, const Progress& progress, Result& result) {
    json entry{{"servers", cell.servers}, {"branches", cell.branches}};
    entry["contenders"] = for_each_contender(bench, cell, "counts at " + to_text(cell), progress,
                                             result, counted_entry);
    return entry;
}

}  // namespace xa_tm::bench
