// How fast the branches that a dead transaction manager left in doubt are ended, against a bare
// loop of the same verbs on as many connections.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "contender.h"
#include "machine.h"

namespace xa_tm::bench {
namespace {

constexpr auto kAbout =
    R"(Leaves branches in doubt at a server, half of them decided to commit, and a log through
which many more decisions have passed; then times how long a transaction manager
takes to end them all, against a bare loop of COMMIT PREPARED or XA COMMIT (for the other half
the rollback) on as many connections, in the same run.

Each round runs both, in an order that alternates; figures are medians over rounds. After each
one, nothing may be left prepared and exactly the decided rows must be there.)";

/// As many as recovery opens to one resource.
constexpr std::size_t kConnections = 4;

struct CommandLine {
    std::vector<std::string> servers{"postgres", "mariadb", "mysql-9.7"};
    unsigned rounds = 5;
    std::size_t branches = 10000;
    std::size_t passed = 1000000;
    bool is_quick = false;
    bool is_full = false;
    bool is_smoke = false;
    std::string json_file;
};

struct Figures {
    std::string contender;
    std::vector<Sample> samples = {};
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

template <class Get>
double median_of(const Figures& figures, const Get& get) {
    std::vector<double> values;
    for (const auto& sample : figures.samples) {
        values.push_back(get(sample));
    }
    return median(std::move(values));
}

double median_time_s(const Figures& figures) {
    return median_of(figures, [](const Sample& sample) { return sample.time.count(); });
}

std::array<Figures, 2> measure(const std::string& server, const CommandLine& line) {
    Subject subject{server, line.branches};
    PassedLog log;
    const std::array contenders{make_bare_loop(subject, kConnections),
                                make_engine(subject, log, line.passed)};
    std::array<Figures, 2> figures{Figures{contenders[0]->name()}, Figures{contenders[1]->name()}};
    for (unsigned round = 0; round < line.rounds; ++round) {
        for (std::size_t i = 0; i < contenders.size(); ++i) {
            const auto index = (i + round) % contenders.size();
            const auto branches = log.new_branches(line.branches);
            contenders[index]->write_history(branches);
            subject.prepare(branches);
            figures[index].samples.push_back(contenders[index]->end(branches));
            subject.verify(branches);
        }
    }
    return figures;
}

void print(const std::string& server, const std::array<Figures, 2>& all, const CommandLine& line) {
    const auto branches = static_cast<double>(line.branches);
    const auto reference = median_time_s(all[0]);
    fmt::print("\n{}\n  {:<28} {:>9} {:>10} {:>6} {:>13}\n", server, "", "ms", "branches/s",
               "ratio", "own CPU, ms");
    for (const auto& figures : all) {
        const auto time = median_time_s(figures);
        fmt::print(
            "  {:<28} {:>9.0f} {:>10.0f} {:>6.2f} {:>13.0f}\n", figures.contender, time * 1e3,
            branches / time, reference / time,
            median_of(figures, [](const auto& sample) { return sample.cpu_time.count(); }) * 1e3);
    }
    const auto opening =
        median_of(all[1], [](const auto& sample) { return sample.opening.value().count(); });
    const auto growth = median_of(all[1], [](const auto& sample) {
        return static_cast<double>(sample.growth_bytes.value());
    });
    fmt::print("  opening the log {:.0f} ms; peak growth {:.1f} MiB, {:.1f} KiB a branch\n",
               opening * 1e3, growth / (1 << 20), growth / 1024 / branches);
    std::fflush(stdout);
}

nlohmann::json to_json(const std::string& server, const std::array<Figures, 2>& all) {
    nlohmann::json json{{"server", server}, {"contenders", nlohmann::json::array()}};
    for (const auto& figures : all) {
        auto samples = nlohmann::json::array();
        for (const auto& sample : figures.samples) {
            nlohmann::json one{{"time_s", sample.time.count()},
                               {"cpu_time_s", sample.cpu_time.count()}};
            if (sample.opening) {
                one["opening_s"] = sample.opening->count();
            }
            if (sample.growth_bytes) {
                one["growth_bytes"] = *sample.growth_bytes;
            }
            samples.push_back(std::move(one));
        }
        json["contenders"].push_back({{"name", figures.contender}, {"samples", samples}});
    }
    return json;
}

void run(CommandLine line) {
    if (line.is_quick) {
        line.rounds = 3;
        line.branches = 2000;
        line.passed = 100000;
    }
    if (line.is_smoke) {
        line.servers.resize(1);
        line.rounds = 1;
        line.branches = 80;
        line.passed = 2000;
    }
    if (line.is_full) {
        line.rounds = 11;
    }
    const auto machine = describe_machine(std::filesystem::current_path());
    bench::print(machine);
    fmt::print("rounds       {} of {} branches, {} decisions in the log before\n", line.rounds,
               line.branches, line.passed);
    nlohmann::json json{{"machine", to_json(machine)}, {"servers", nlohmann::json::array()}};
    for (const auto& server : line.servers) {
        const auto figures = measure(server, line);
        print(server, figures, line);
        json["servers"].push_back(to_json(server, figures));
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
    app.add_option("--servers", line.servers, "Servers of the sandbox")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--rounds", line.rounds, "Times that every contender runs")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--branches", line.branches, "Branches in doubt")
        ->check(CLI::Range(4, 100000))
        ->capture_default_str();
    app.add_option("--passed", line.passed, "Finished decisions in the log, each round")
        ->capture_default_str();
    app.add_flag("--quick", line.is_quick, "Few rounds of few branches");
    app.add_flag("--full", line.is_full, "Many rounds");
    app.add_flag("--smoke", line.is_smoke, "Only see that everything runs");
    app.add_option("--json", line.json_file, "Write every sample to this file");
    CLI11_PARSE(app, argc, argv);
    try {
        xa_tm::bench::run(line);
    } catch (const std::exception& error) {
        std::cerr << "recovery_rate_benchmark: " << error.what() << '\n';
        return 1;
    }
}
