// One contender in a process of its own. It is told what to do by a file, and when by lines of
// JSON on its standard input; its answers are lines of JSON on its standard output.

#include <cstdlib>
#include <functional>
#include <iostream>
#include <stdexcept>

#include <boost/log/core.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "memory.h"
#include "ours_async.h"
#include "turn.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;

void say(const json& line) {
    // What a server says in an error may be in any encoding.
    std::cout << line.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
}

json to_json(const Quantiles& quantiles) {
    return {{"p50", quantiles.p50}, {"p99", quantiles.p99}, {"max", quantiles.max}};
}

json to_json(const TurnResult& result) {
    return {{"event", "result"},
            {"committed", result.committed},
            {"failed", result.failed},
            {"seconds", result.seconds},
            {"transaction_us", to_json(result.transaction_us)},
            {"commit_us", to_json(result.commit_us)},
            {"errors", result.errors},
            {"rss_bytes", rss_bytes()}};
}

Turn turn_of(const std::string& line) {
    const auto order = json::parse(line);
    Turn turn{.time = std::chrono::duration<double>{order.at("go").get<double>()}};
    if (order.contains("transactions")) {
        turn.transactions = order.at("transactions").get<std::uint64_t>();
    }
    return turn;
}

/// Until standard input ends.
void take_turns(const std::string& settings, const std::function<TurnResult(const Turn&)>& run) {
    say({{"event", "ready"}, {"settings", settings}});
    for (std::string line; std::getline(std::cin, line);) {
        say(to_json(run(turn_of(line))));
    }
}

void take_turns_in_threads(const Workload& workload) {
    const auto contender = make_contender(workload);
    std::vector<std::unique_ptr<Session>> sessions;
    for (std::size_t i = 0; i < workload.threads; ++i) {
        sessions.push_back(contender->open_session());
    }
    take_turns(contender->settings(),
               [&](const Turn& turn) { return run_turn(workload, sessions, turn); });
}

void take_turns_in_loop(const Workload& workload) {
    OursAsync contender{workload};
    take_turns(contender.settings(), [&](const Turn& turn) { return contender.run(turn); });
}

void measure(const std::filesystem::path& file) {
    const auto workload = read_workload(file);
    if (workload.measures_memory) {
        const auto use = measure_memory(workload);
        say({{"event", "memory"},
             {"growth_bytes_over_million", use.growth_bytes_over_million},
             {"bytes_per_open_transaction", use.bytes_per_open_transaction}});
    } else if (workload.open > 0) {
        take_turns_in_loop(workload);
    } else {
        take_turns_in_threads(workload);
    }
}

}  // namespace
}  // namespace xa_tm::bench

int main(int count, char** arguments) {
    boost::log::core::get()->set_logging_enabled(false);
    try {
        if (count != 2) {
            throw std::runtime_error("usage: lock_hold_contender WORKLOAD.json");
        }
        xa_tm::bench::measure(arguments[1]);
        return EXIT_SUCCESS;
    } catch (const std::exception& error) {
        std::string text = error.what();
        for (auto& c : text) {
            c = c == '\n' ? ' ' : c;
        }
        std::cerr << text << '\n';
        return 2;
    }
}
