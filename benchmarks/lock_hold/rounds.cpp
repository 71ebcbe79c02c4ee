#include "rounds.h"

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "field.h"
#include "outcome_check.h"
#include "quantiles.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;

/// Of the summary over rounds; what a result of `go` says beside is kept with each round.
json summary_of(const std::string& name, const json& rounds) {
    std::vector<double> rates;
    std::map<std::string, std::map<std::string, std::vector<double>>> times;
    for (const auto& round : rounds) {
        rates.push_back(round.at("committed").get<double>() / round.at("seconds").get<double>());
        for (const auto* kind : {"transaction_us", "commit_us"}) {
            for (const auto* quantile : {"p50", "p99"}) {
                times[kind][quantile].push_back(round.at(kind).at(quantile));
            }
        }
    }
    json summary{{"name", name},
                 {"rounds", rounds},
                 {"throughput",
                  {{"median", median_of(rates)},
                   {"min", *std::ranges::min_element(rates)},
                   {"max", *std::ranges::max_element(rates)}}}};
    for (const auto& [kind, quantiles] : times) {
        for (const auto& [quantile, values] : quantiles) {
            summary[kind][quantile] = median_of(values);
        }
    }
    return summary;
}

struct Turns {
    std::string name;
    std::unique_ptr<RunningContender> contender;
    json rounds = json::array();
};

using Start = std::function<std::unique_ptr<RunningContender>(const std::string&)>;
/// Lets it run so long, and looks whether what it tells is so.
using Turn = std::function<json(ContenderProcess&, double seconds)>;

json run_rounds(const Bench& bench, const std::vector<std::string>& names, Field& field,
                const Progress& progress, Result& result, const Start& start,
                const Turn& take_turn) {
    std::vector<Turns> all;
    for (const auto& name : names) {
        progress.step("start " + name);
        Turns turns{.name = name, .contender = nullptr};
        const bool is_ready = field.run(name, [&] {
            turns.contender = start(name);
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
            progress.step(fmt::format("round {} of {}: {}", round + 1, bench.rounds, turns.name));
            const bool is_good = field.run(turns.name, [&] {
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
            summaries.push_back(summary_of(turns.name, turns.rounds));
        }
    }
    return summaries;
}

/// Throws when a server takes fewer connections than all the contenders will hold at once.
void check_connections(const std::vector<Resource>& resources, const Cell& cell,
                       std::size_t contenders) {
    // A peer opens some more for its recovery, and the harness has its own.
    constexpr unsigned kSpare = 3;
    std::map<std::string, unsigned> needed;
    for (const auto& resource : resources) {
        needed[resource.name] += (cell.threads + kSpare) * static_cast<unsigned>(contenders) + 2;
    }
    for (const auto& resource : resources) {
        if (needed[resource.name] > resource.connections_max) {
            throw std::runtime_error(fmt::format(
                "{} takes {} connections, and {} contenders need up to {}; raise its "
                "max_connections or choose fewer by --contenders",
                resource.name, resource.connections_max, contenders, needed[resource.name]));
        }
    }
}

}  // namespace

json run_cell(const Bench& bench, const Cell& cell, const Progress& progress, Result& result) {
    const auto resources = bench.resources_of(cell);
    check_connections(resources, cell, bench.contenders.size());
    ScratchTables tables{resources, cell.threads};
    OutcomeCheck outcome{tables, cell};
    Field field{to_text(cell), progress, result};
    auto entry = to_json(cell);
    entry["contenders"] = run_rounds(
        bench, bench.contenders, field, progress, result,
        [&](const auto& name) {
            return std::make_unique<RunningContender>(bench, cell, name, route_of(cell));
        },
        [&](ContenderProcess& process, double seconds) {
            outcome.begin();
            auto turn = process.go(seconds);
            outcome.check(turn.at("committed"));
            return turn;
        });
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
                 bench, names, field, progress, result,
                 [&](const auto& name) {
                     return std::make_unique<RunningContender>(bench, name, threads, log);
                 },
                 [](ContenderProcess& process, double seconds) { return process.go(seconds); })}};
}

double planned_seconds(const Bench& bench, std::size_t contenders) {
    constexpr double kStartSeconds = 1.5;
    return static_cast<double>(contenders) *
           (kStartSeconds + bench.warm_up_seconds + bench.rounds * bench.seconds);
}

}  // namespace xa_tm::bench
