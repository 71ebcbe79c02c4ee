#include "rounds.h"

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "field.h"
#include "outcome_check.h"
#include "quantiles.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;

constexpr auto kAsync = "ours_async";

/// Who takes part, and on how many threads.
struct Entrant {
    std::string name;
    unsigned threads;
};

std::vector<Entrant> on_threads(const std::vector<std::string>& names, unsigned threads) {
    std::vector<Entrant> entrants;
    for (const auto& name : names) {
        entrants.push_back({name, threads});
    }
    return entrants;
}

/// Of the summary over rounds; what a result of `go` says beside is kept with each round.
json summary_of(const Entrant& entrant, const json& rounds) {
    std::vector<double> rates;
    std::map<std::string, std::map<std::string, std::vector<double>>> times;
    std::map<std::string, double> longest;
    for (const auto& round : rounds) {
        rates.push_back(round.at("committed").get<double>() / round.at("seconds").get<double>());
        for (const auto* kind : {"transaction_us", "commit_us"}) {
            for (const auto* quantile : {"p50", "p99"}) {
                times[kind][quantile].push_back(round.at(kind).at(quantile));
            }
            longest[kind] = std::max(longest[kind], round.at(kind).at("max").get<double>());
        }
    }
    json summary{{"name", entrant.name},
                 {"threads", entrant.threads},
                 {"rounds", rounds},
                 {"throughput",
                  {{"median", median_of(rates)},
                   {"min", *std::ranges::min_element(rates)},
                   {"max", *std::ranges::max_element(rates)}}}};
    for (const auto& [kind, quantiles] : times) {
        for (const auto& [quantile, values] : quantiles) {
            summary[kind][quantile] = median_of(values);
        }
        summary[kind]["max"] = longest[kind];
    }
    return summary;
}

struct Turns {
    Entrant entrant;
    std::unique_ptr<RunningContender> contender;
    json rounds = json::array();
};

using Start = std::function<std::unique_ptr<RunningContender>(const Entrant&)>;
/// Lets it run so long, and looks whether what it tells is so.
using Turn = std::function<json(ContenderProcess&, double seconds)>;

json run_rounds(const Bench& bench, const std::vector<Entrant>& entrants, Field& field,
                const Progress& progress, Result& result, const Start& start,
                const Turn& take_turn) {
    std::vector<Turns> all;
    for (const auto& entrant : entrants) {
        const auto& name = entrant.name;
        progress.step("start " + name);
        Turns turns{.entrant = entrant, .contender = nullptr};
        const bool is_ready = field.run(name, [&] {
            turns.contender = start(entrant);
            static_cast<void>(take_turn(turns.contender->process(), bench.warm_up_seconds));
            result.note_settings(name, turns.contender->settings());
        });
        if (is_ready) {
            all.push_back(std::move(turns));
        }
    }
    for (unsigned round = 0; round < bench.rounds; ++round) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto& turns = all[(i + round) % all.size()];
            if (!turns.contender) {
                continue;
            }
            progress.step(
                fmt::format("round {} of {}: {}", round + 1, bench.rounds, turns.entrant.name));
            const bool is_good = field.run(turns.entrant.name, [&] {
                auto turn = take_turn(turns.contender->process(), bench.seconds);
                turn.erase("event");
                if (turn.at("committed") == 0) {
                    const auto errors = turn.value("errors", json::array());
                    throw std::runtime_error(errors.empty() ? "commits nothing"
                                                            : errors[0].get<std::string>());
                }
                turns.rounds.push_back(std::move(turn));
            });
            if (!is_good) {
                turns.contender.reset();
                turns.rounds.clear();
            }
        }
    }
    auto summaries = json::array();
    for (const auto& turns : all) {
        if (!turns.rounds.empty()) {
            summaries.push_back(summary_of(turns.entrant, turns.rounds));
        }
    }
    return summaries;
}

/// Throws when a server takes fewer connections than all of them will hold at once; at each branch
/// as many.
void check_connections(const std::vector<Resource>& resources, unsigned connections) {
    std::map<std::string, unsigned> needed;
    for (const auto& resource : resources) {
        needed[resource.name] += connections + 2;  // those of the harness
    }
    for (const auto& resource : resources) {
        if (needed[resource.name] > resource.connections_max) {
            throw std::runtime_error(
                fmt::format("{} takes {} connections, and the contenders need up to {}; raise its "
                            "max_connections or choose fewer by --contenders or --open",
                            resource.name, resource.connections_max, needed[resource.name]));
        }
    }
}

unsigned connections_of(const std::vector<Entrant>& entrants) {
    unsigned connections = 0;
    for (const auto& [name, threads] : entrants) {
        connections += bench::connections_of(name, threads);
    }
    return connections;
}

/// A turn whose outcome is looked at.
Turn checked_by(OutcomeCheck& outcome) {
    return [&outcome](ContenderProcess& process, double seconds) {
        outcome.begin();
        auto turn = process.go(seconds);
        outcome.check(turn.at("committed"));
        return turn;
    };
}

}  // namespace

json run_cell(const Bench& bench, const Cell& cell, const Progress& progress, Result& result) {
    const auto resources = bench.resources_of(cell);
    const auto entrants = on_threads(bench.contenders_in(cell), cell.threads);
    check_connections(resources, connections_of(entrants));
    ScratchTables tables{resources, cell.threads};
    OutcomeCheck outcome{tables, cell};
    Field field{to_text(cell), progress, result};
    auto entry = to_json(cell);
    entry["contenders"] = run_rounds(
        bench, entrants, field, progress, result,
        [&](const auto& entrant) {
            return std::make_unique<RunningContender>(bench, cell, entrant.name, route_of(cell));
        },
        checked_by(outcome));
    return entry;
}

json to_json(const ManyOpen& place) {
    return {{"servers", place.servers}, {"rtt_ms", place.rtt_ms}, {"open", place.open}};
}

std::string to_text(const ManyOpen& place) {
    return fmt::format("{}, {} open at once, {:g} ms", fmt::join(place.servers, "+"), place.open,
                       place.rtt_ms);
}

json run_many_open(const Bench& bench, const ManyOpen& place, const Progress& progress,
                   Result& result) {
    const std::vector<Entrant> entrants{{kAsync, 2}, {"ours", 2}, {"ours", 64}};
    Cell cell{.servers = place.servers, .rtt_ms = place.rtt_ms, .rows = Rows::cold};
    const auto resources = bench.resources_of(cell);
    check_connections(resources, place.open + connections_of(entrants));
    ScratchTables tables{resources, std::max(place.open, 64U)};
    OutcomeCheck outcome{tables, cell};
    Field field{to_text(place), progress, result};
    auto entry = to_json(place);
    entry["contenders"] = run_rounds(
        bench, entrants, field, progress, result,
        [&](const auto& entrant) {
            cell.threads = entrant.threads;
            return std::make_unique<RunningContender>(bench, cell, entrant.name, route_of(cell),
                                                      entrant.name == kAsync ? place.open : 0);
        },
        checked_by(outcome));
    return entry;
}

json run_alone(const Bench& bench, unsigned threads, const std::string& log,
               const Progress& progress, Result& result) {
    Field field{fmt::format("alone, {} threads, log {}", threads, log), progress, result};
    std::vector<std::string> names;
    std::ranges::copy_if(managers_alone(), std::back_inserter(names), [&](const auto& name) {
        return std::ranges::find(bench.contenders, name) != bench.contenders.end();
    });
    return {{"log", log},
            {"threads", threads},
            {"contenders",
             run_rounds(
                 bench, on_threads(names, threads), field, progress, result,
                 [&](const auto& entrant) {
                     return std::make_unique<RunningContender>(bench, entrant.name, threads, log);
                 },
                 [](ContenderProcess& process, double seconds) { return process.go(seconds); })}};
}

double planned_seconds(const Bench& bench, std::size_t contenders) {
    constexpr double kStartSeconds = 1.5;
    return static_cast<double>(contenders) *
           (kStartSeconds + bench.warm_up_seconds + bench.rounds * bench.seconds);
}

}  // namespace xa_tm::bench
