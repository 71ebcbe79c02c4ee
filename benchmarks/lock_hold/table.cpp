#include "table.h"

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xa_tm::bench {
namespace {

using nlohmann::json;

/// Enough digits, whatever the size.
std::string to_text(double number) {
    if (number >= 1000) {
        return fmt::format("{:.0f}", number);
    }
    return number >= 10 ? fmt::format("{:.1f}", number) : fmt::format("{:.2f}", number);
}

std::string number_at(const json& object, const std::string& pointer) {
    const json::json_pointer path{pointer};
    if (!object.contains(path) || object.at(path).is_null()) {
        return "-";
    }
    return to_text(object.at(path).get<double>());
}

std::string name_of(const json& contender) {
    return contender.at("name");
}

std::string servers_of(const json& entry) {
    return fmt::format("{}, n = {}",
                       fmt::join(entry.at("servers").get<std::vector<std::string>>(), "+"),
                       entry.at("branches").get<unsigned>());
}

}  // namespace

void print_set_up(const json& result) {
    const auto& machine = result.at("machine");
    fmt::print("CPU          {} ({} CPUs, {} GiB memory)\n", machine.at("cpu").get<std::string>(),
               machine.at("cpus").get<unsigned>(), number_at(machine, "/memory_gib"));
    fmt::print("kernel       {}\n", machine.at("kernel").get<std::string>());
    fmt::print("disk         {}, {}; sync p50 {} us, p99 {} us\n",
               machine.at("disk").get<std::string>(), machine.at("file_system").get<std::string>(),
               number_at(machine, "/sync_us/p50"), number_at(machine, "/sync_us/p99"));
    for (const auto& [name, version] : result.at("versions").items()) {
        fmt::print("{:<12} {}\n", name, version.get<std::string>());
    }
}

namespace {

/// label(contender) begins each line.
void print_throughput(const json& entry, const std::function<std::string(const json&)>& label) {
    constexpr auto kFormat = "  {:<18} {:>9} {:>17} {:>10} {:>10} {:>10} {:>10} {:>10} {:>7}\n";
    fmt::print(kFormat, "", "tx/s", "min .. max", "commit p50", "p99 us", "tx p50", "p99 us",
               "max us", "failed");
    for (const auto& contender : entry.at("contenders")) {
        std::uint64_t failed = 0;
        for (const auto& round : contender.at("rounds")) {
            failed += round.at("failed").get<std::uint64_t>();
        }
        fmt::print(kFormat, label(contender), number_at(contender, "/throughput/median"),
                   fmt::format("{} .. {}", number_at(contender, "/throughput/min"),
                               number_at(contender, "/throughput/max")),
                   number_at(contender, "/commit_us/p50"), number_at(contender, "/commit_us/p99"),
                   number_at(contender, "/transaction_us/p50"),
                   number_at(contender, "/transaction_us/p99"),
                   number_at(contender, "/transaction_us/max"), failed);
    }
    std::fflush(stdout);
}

}  // namespace

void print_cell(const json& entry) {
    print_throughput(entry, name_of);
}

void print_many_open(const json& entry) {
    print_throughput(entry, [](const json& contender) {
        return fmt::format("{}, {} threads", name_of(contender),
                           contender.at("threads").get<unsigned>());
    });
}

void print_hold(const json& entry) {
    constexpr auto kFormat =
        "  {:<18} {:>7} {:>8} {:>9} {:>9} {:>9}   {:>8} {:>8} {:>8} {:>8} {:>6}\n";
    fmt::print(kFormat, "", "branch", "samples", "hold p50", "p99 us", "max us", "work us",
               "prepare", "decision", "commit", "trips");
    for (const auto& contender : entry.at("contenders")) {
        unsigned number = 0;
        for (const auto& branch : contender.at("branches")) {
            const bool is_first = ++number == 1;
            const auto once = [&](const char* path) {
                return is_first ? number_at(contender, path) : std::string{};
            };
            fmt::print(kFormat, is_first ? name_of(contender) : "", number,
                       branch.at("samples").get<std::size_t>(), number_at(branch, "/hold_us/p50"),
                       number_at(branch, "/hold_us/p99"), number_at(branch, "/hold_us/max"),
                       once("/phases_us/work"), once("/phases_us/prepare"),
                       once("/phases_us/decision"), once("/phases_us/commit"),
                       once("/trips_in_hold"));
        }
    }
    std::fflush(stdout);
}

void print_counted(const json& entry) {
    constexpr auto kFormat = "  {:<18} {:>8} {:>8} {:>14} {:>14} {:>11} {:>14}\n";
    fmt::print(kFormat, "", "trips", "waits", "trips in hold", "server forces", "log forces",
               "tx a commit");
    for (const auto& contender : entry.at("contenders")) {
        fmt::print(kFormat, name_of(contender), number_at(contender, "/trips"),
                   number_at(contender, "/waits"), number_at(contender, "/trips_in_hold"),
                   number_at(contender, "/server_forces"), number_at(contender, "/log_forces"),
                   number_at(contender, "/transactions_a_commit"));
    }
    std::fflush(stdout);
}

void print_alone(const json& entry) {
    for (const auto& contender : entry.at("contenders")) {
        fmt::print("  {:<18} {:>9} tx/s ({} .. {})\n", name_of(contender),
                   number_at(contender, "/throughput/median"),
                   number_at(contender, "/throughput/min"),
                   number_at(contender, "/throughput/max"));
    }
    std::fflush(stdout);
}

void print_conclusions(const json& result) {
    for (const auto& entry : result.at("law")) {
        fmt::print("\nhold = H0 + k round trips: {}; tx/s predicted and measured\n",
                   servers_of(entry));
        for (const auto& contender : entry.at("contenders")) {
            std::string rates;
            for (const auto& [rtt_ms, measured] : contender.at("measured_tx_s").items()) {
                rates += fmt::format("   {} ms: {} / {}", rtt_ms,
                                     number_at(contender, "/predicted_tx_s/" + rtt_ms),
                                     to_text(measured));
            }
            fmt::print("  {:<18} H0 {:>6} us  k {:>5}{}\n", name_of(contender),
                       number_at(contender, "/h0_us"), number_at(contender, "/k"), rates);
        }
    }
    if (result.contains("memory")) {
        fmt::print(
            "\nmemory: {} bytes of growth over a million transactions, {} bytes an open one\n",
            number_at(result, "/memory/growth_bytes_over_million"),
            number_at(result, "/memory/bytes_per_open_transaction"));
    }
    fmt::print("\n{:<82} {:>14} {:>10}\n", "criteria", "wanted", "measured");
    for (const auto& criterion : result.at("criteria")) {
        const auto& met = criterion.at("met");
        fmt::print("  {:<80} {:>14} {:>10}  {}\n", criterion.at("text").get<std::string>(),
                   criterion.at("wanted").get<std::string>(), number_at(criterion, "/measured"),
                   met.is_null() ? "not measured" : (met.get<bool>() ? "met" : "NOT MET"));
    }
    fmt::print("\nnot measured\n");
    for (const auto& missing : result.at("not_measured")) {
        fmt::print("  {:<18} {}\n", missing.at("name").get<std::string>(),
                   missing.at("why").get<std::string>());
    }
    std::fflush(stdout);
}

}  // namespace xa_tm::bench
