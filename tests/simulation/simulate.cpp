// simulate: lives through simulated worlds, each of which follows from its seed.

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "world.h"

namespace {

using namespace xa_tm::simulation;

constexpr std::string_view kUsage =
    "usage: simulate [--seed N] [--transactions N] [--worlds N] [--trace] [--break NAME]";

struct CommandLine {
    WorldOptions options;
    std::uint64_t worlds = 1;
    bool is_valid = true;
};

bool read(std::string_view text, std::uint64_t& number) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
}

bool read(std::string_view text, Breakage& breakage) {
    for (const auto one : breakages()) {
        if (to_string(one) == text) {
            breakage = one;
            return true;
        }
    }
    return false;
}

CommandLine parse(int argc, char** argv) {
    CommandLine line;
    line.options.seed = std::random_device{}();
    for (int i = 1; i < argc && line.is_valid; ++i) {
        const std::string_view option{argv[i]};
        const std::string_view value{i + 1 < argc ? argv[i + 1] : ""};
        if (option == "--trace") {
            line.options.is_everything_traced = true;
            continue;
        }
        ++i;
        line.is_valid = option == "--seed"           ? read(value, line.options.seed)
                        : option == "--transactions" ? read(value, line.options.transactions)
                        : option == "--worlds"       ? read(value, line.worlds)
                        : option == "--break"        ? read(value, line.options.breakage)
                                                     : false;
    }
    return line;
}

/// In the machine's own time, which the simulated worlds do not have.
double seconds_of_processor() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

void print(const WorldReport& report, double seconds) {
    fmt::print(
        "{} transactions: {} committed, {} rolled back, {} unknown, {} never told\n"
        "{} decided by a row at a last resource; {} told early, {} of them carried through by the "
        "same process; {} judgements that waited for rows; {} incarnations that lacked a last "
        "resource\n"
        "{} one-shot, {} of them committed together with others, {} as failed members of what was "
        "committed\n"
        "{} rounds in {:.1f} s of virtual time; {} deaths of the process, {} of servers, {} cut "
        "connections, {} lost answers, {} jumps of the clock\n"
        "digest {:016x}; {:.1f} s of processor time, {:.0f} transactions a minute\n",
        report.counts.transactions, report.counts.committed, report.counts.rolled_back,
        report.counts.unknown, report.counts.never_told, report.counts.decided_by_row,
        report.counts.told_early, report.counts.completed, report.waits_for_rows, report.left_out,
        report.counts.one_shots, report.counts.combined, report.counts.failed_members,
        report.rounds, std::chrono::duration<double>{report.virtual_time}.count(),
        report.process_deaths, report.server_deaths, report.cuts, report.lost_answers,
        report.clock_jumps, report.digest, seconds,
        static_cast<double>(report.counts.transactions) / seconds * 60);
}

/// Whether nothing was found.
bool run(const WorldOptions& options) {
    fmt::print("seed {}\n", options.seed);
    std::fflush(stdout);
    const auto begin = seconds_of_processor();
    const auto report = simulate_and_explain(options);
    for (const auto& line : report.trace) {
        fmt::print("{}\n", line);
    }
    print(report, seconds_of_processor() - begin);
    if (report.violation) {
        fmt::print("VIOLATION of \"{}\": {}{}\n", report.violation->law, report.violation->words,
                   report.violation->transaction
                       ? fmt::format(" (transaction {})", *report.violation->transaction)
                       : "");
    }
    return !report.violation;
}

}  // namespace

int main(int argc, char** argv) {
    auto line = parse(argc, argv);
    if (!line.is_valid) {
        fmt::print(stderr, "{}\n", kUsage);
        return 2;
    }
    bool is_good = true;
    for (; line.worlds > 0 && is_good; --line.worlds, ++line.options.seed) {
        is_good = run(line.options);
    }
    return is_good ? 0 : 1;
}
