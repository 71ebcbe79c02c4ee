// How many round trips and forces a global transaction of two writing branches costs at each
// server, and how long it takes over a network with a delay.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "contender.h"
#include "machine.h"
#include "pair.h"
#include "sync_counter.h"

namespace xa_tm::bench {
namespace {

constexpr auto kAbout =
    R"(Counts the round trips and the forces of a global transaction that writes one row in each
of two servers, and times it through a proxy that delays every byte; against the same
verbs issued by hand, in the same run.

Each round runs every contender once, in an order that rotates; the time is the median
over rounds. What each has committed is checked before its figures count.)";

using Clock = std::chrono::steady_clock;
using Make = std::unique_ptr<Contender> (*)(const std::vector<Account>&);

constexpr std::array<Make, 6> kContenders{make_hand_written, make_hand_folded,  make_soci,
                                          make_execute,      make_execute_last, make_chained};

struct CommandLine {
    std::vector<std::string> pairs{"postgres:mariadb", "postgres:mysql-9.7", "mariadb:mysql-9.7",
                                   "postgres:postgres2", "mariadb:mariadb2"};
    unsigned rounds = 5;
    int transactions = 200;
    unsigned delay_us = 1000;
    bool is_quick = false;
    bool is_full = false;
    bool is_smoke = false;
    std::string json_file;
};

struct Figures {
    std::string contender;
    std::array<double, 2> trips{};
    std::array<double, 2> syncs{};
    std::vector<double> times_ms{};  ///< per transaction, one a round

    [[nodiscard]] double median_ms() const {
        auto sorted = times_ms;
        std::ranges::sort(sorted);
        return sorted[sorted.size() / 2];
    }
};

/// Runs so many transactions on all of the contender's threads; each thread has its own accounts.
void run_transactions(Contender& contender, int count) {
    const auto threads = static_cast<int>(contender.threads());
    std::atomic<bool> has_failed = false;
    std::string why;
    std::vector<std::jthread> workers;
    for (int thread = 0; thread < threads; ++thread) {
        workers.emplace_back([&, thread] {
            try {
                for (int i = thread; i < count; i += threads) {
                    contender.run(i % kAccounts);
                }
            } catch (const std::exception& error) {
                if (!has_failed.exchange(true)) {
                    why = error.what();
                }
            }
        });
    }
    workers.clear();
    if (has_failed) {
        throw std::runtime_error(contender.name() + ": " + why);
    }
}

/// Throws unless exactly `count` more transactions have committed in both databases.
void run_verified(Pair& pair, Contender& contender, int count) {
    const auto before = pair.sums();
    run_transactions(contender, count);
    const auto after = pair.sums();
    if (after[0] != before[0] + count || after[1] != before[1] + count ||
        pair.count_prepared() != 0) {
        throw std::runtime_error(contender.name() + ": what it reports is not what it did");
    }
}

void count_trips_and_syncs(Pair& pair, Contender& contender, int count, Figures& figures) {
    run_transactions(contender, count / 4 + 4);  // connections, prepared plans
    std::array<std::size_t, 2> before{};
    for (std::size_t i = 0; i < 2; ++i) {
        before[i] = pair.network().trips(i);
    }
    run_verified(pair, contender, count);
    for (std::size_t i = 0; i < 2; ++i) {
        figures.trips[i] = static_cast<double>(pair.network().trips(i) - before[i]) / count;
    }
    for (std::size_t i = 0; i < 2; ++i) {
        test::SyncCounter counter{pair.accounts()[i].server};
        run_transactions(contender, count);
        figures.syncs[i] = static_cast<double>(counter.count()) / count;
    }
}

std::vector<Figures> measure(Pair& pair, const CommandLine& line) {
    std::vector<std::unique_ptr<Contender>> contenders;
    std::vector<Figures> figures;
    pair.network().set_round_trip(std::chrono::microseconds{line.delay_us});
    for (const auto make : kContenders) {
        auto& contender = *contenders.emplace_back(make(pair.accounts()));
        count_trips_and_syncs(pair, contender, line.transactions,
                              figures.emplace_back(Figures{.contender = contender.name()}));
    }
    for (unsigned round = 0; round < line.rounds; ++round) {
        for (std::size_t i = 0; i < contenders.size(); ++i) {
            const auto index = (i + round) % contenders.size();
            const auto start = Clock::now();
            run_verified(pair, *contenders[index], line.transactions);
            const std::chrono::duration<double, std::milli> time = Clock::now() - start;
            figures[index].times_ms.push_back(time.count() / line.transactions);
        }
    }
    return figures;
}

void print(const std::array<std::string, 2>& servers, const std::vector<Figures>& all) {
    fmt::print("\n{} and {}\n", servers[0], servers[1]);
    fmt::print("  {:<30} {:>6} {:>6}   {:>6} {:>6}   {:>8} {:>6}\n", "", "trips", "", "syncs", "",
               "ms", "ratio");
    const double reference = all.front().median_ms();
    for (const auto& figures : all) {
        fmt::print("  {:<30} {:>6.2f} {:>6.2f}   {:>6.2f} {:>6.2f}   {:>8.2f} {:>6.2f}\n",
                   figures.contender, figures.trips[0], figures.trips[1], figures.syncs[0],
                   figures.syncs[1], figures.median_ms(), figures.median_ms() / reference);
    }
    std::fflush(stdout);
}

nlohmann::json to_json(const std::array<std::string, 2>& servers, const std::vector<Figures>& all) {
    nlohmann::json json{{"servers", servers}, {"contenders", nlohmann::json::array()}};
    for (const auto& figures : all) {
        json["contenders"].push_back({{"name", figures.contender},
                                      {"trips", figures.trips},
                                      {"syncs", figures.syncs},
                                      {"times_ms", figures.times_ms}});
    }
    return json;
}

std::array<std::string, 2> servers_of(const std::string& pair) {
    const auto colon = pair.find(':');
    if (colon == std::string::npos) {
        throw std::runtime_error(fmt::format("\"{}\" is no pair such as postgres:mariadb", pair));
    }
    return {pair.substr(0, colon), pair.substr(colon + 1)};
}

void run(CommandLine line) {
    if (line.is_quick) {
        line.rounds = 3;
        line.transactions = 40;
    }
    if (line.is_smoke) {
        line.pairs.resize(1);
        line.rounds = 1;
        line.transactions = 8;
    }
    if (line.is_full) {
        line.rounds = 11;
    }
    const auto machine = describe_machine(std::filesystem::current_path());
    bench::print(machine);
    fmt::print("network      {} us round trip\nrounds       {} of {} transactions\n", line.delay_us,
               line.rounds, line.transactions);
    nlohmann::json json{{"machine", to_json(machine)}, {"pairs", nlohmann::json::array()}};
    for (const auto& names : line.pairs) {
        const auto servers = servers_of(names);
        Pair pair{servers[0], servers[1]};
        const auto figures = measure(pair, line);
        print(servers, figures);
        json["pairs"].push_back(to_json(servers, figures));
    }
    if (!line.json_file.empty()) {
        std::ofstream{line.json_file} << json.dump(2) << '\n';
    }
}

}  // namespace
}  // namespace xa_tm::bench

int main(int argc, char** argv) {
    boost::log::core::get()->set_logging_enabled(false);
    xa_tm::bench::CommandLine line;
    CLI::App app{xa_tm::bench::kAbout};
    app.add_option("--pairs", line.pairs, "Pairs of servers of the sandbox")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--rounds", line.rounds, "Times that every contender runs")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--transactions", line.transactions, "Transactions of a round")
        ->check(CLI::Range(4, 1000))
        ->capture_default_str();
    app.add_option("--delay-us", line.delay_us, "Round trip of the network, in microseconds")
        ->capture_default_str();
    app.add_flag("--quick", line.is_quick, "Few and short rounds");
    app.add_flag("--full", line.is_full, "Many rounds");
    app.add_flag("--smoke", line.is_smoke, "Only see that everything runs");
    app.add_option("--json", line.json_file, "Write every sample to this file");
    CLI11_PARSE(app, argc, argv);
    try {
        xa_tm::bench::run(line);
    } catch (const std::exception& error) {
        std::cerr << "round_trips_benchmark: " << error.what() << '\n';
        return 1;
    }
}
