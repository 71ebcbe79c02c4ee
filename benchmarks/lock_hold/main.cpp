// What a global transaction costs: how long its rows stay locked and what throughput is left of
// them, beside the best peers, the verbs by hand and local commits, in one run.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <set>
#include <stdexcept>
#include <tuple>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "criteria.h"
#include "hold.h"
#include "interruption.h"
#include "law.h"
#include "memory_use.h"
#include "page.h"
#include "plan.h"
#include "rounds.h"
#include "scratch_tables.h"
#include "set_up.h"
#include "table.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;

constexpr auto kAbout =
    R"(Measures how long a global transaction holds its row locks, and what that leaves of the
throughput: xa_tm, Narayana, Atomikos and Bitronix, the verbs by hand, and local commits.

It makes tables xa_bench_account_1 .. xa_bench_account_8 and xa_tm_decision in the databases
of the resources, and removes them in the end. It touches no other table and refuses to run where
a table of such a name is not its own.)";

struct CommandLine {
    std::vector<std::string> resources;
    std::vector<std::string> contenders;
    std::vector<std::string> only;
    bool is_quick = false;
    bool is_full = false;
    bool is_list = false;
    unsigned rounds = 0;
    double seconds = 0;
    unsigned open = 1000;
    std::string directory;
    std::string program;
    std::string peers;
    std::string json_file;
    std::string resume_file;
    std::string html_file;
};

/// One part of the plan, not yet run.
struct Step {
    std::string what;
    double planned_seconds;
    std::function<void(const Progress&, Result&)> run;
};

/// Where the programs of the build folder are found from.
std::filesystem::path own_folder() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

Bench bench_of(const CommandLine& line) {
    Bench bench;
    for (const auto& resource : line.resources) {
        bench.resources.push_back(open_resource(resource));
    }
    bench.contenders = !line.contenders.empty() ? line.contenders
                       : line.is_quick          ? quick_contenders()
                                                : all_contenders();
    for (const auto& name : bench.contenders) {
        if (std::ranges::find(all_contenders(), name) == all_contenders().end()) {
            throw std::runtime_error(fmt::format("there is no contender {}; they are {}", name,
                                                 fmt::join(all_contenders(), ", ")));
        }
    }
    bench.programs = {line.program.empty() ? own_folder() / "contender" / "lock_hold_contender"
                                           : std::filesystem::path{line.program},
                      line.peers};
    bench.directory = line.directory.empty() ? own_folder() : std::filesystem::path{line.directory};
    bench.rounds = line.rounds > 0 ? line.rounds : (line.is_quick ? 2 : 5);
    bench.seconds = line.seconds > 0 ? line.seconds : (line.is_quick ? 0.7 : 2);
    bench.warm_up_seconds = std::min(bench.seconds, 2.0);
    return bench;
}

std::vector<DatabaseClaim> claim_databases(const std::vector<Resource>& resources) {
    std::vector<DatabaseClaim> claims;
    std::set<std::tuple<std::string, std::uint16_t, std::string>> claimed;
    for (const auto& resource : resources) {
        if (claimed.emplace(resource.host, resource.port, resource.database).second) {
            claims.emplace_back(resource);
        }
    }
    return claims;
}

/// Leaves out what can't run anywhere, and says so once.
void leave_out_the_missing(Bench& bench, Result& result) {
    std::erase_if(bench.contenders, [&](const auto& name) {
        const auto missing = missing_for(name, bench.programs);
        if (missing) {
            fmt::print("{} is not measured: {}\n", name, *missing);
            result.note_not_measured(name, *missing);
        }
        return missing.has_value();
    });
    if (bench.contenders.empty()) {
        throw std::runtime_error("no contender can run");
    }
}

void announce(const Bench& bench) {
    fmt::print(
        "\nThis makes tables xa_bench_account_1 .. {} and xa_tm_decision, writes to them and "
        "removes them, in\n",
        kBranchesMax);
    for (const auto& resource : bench.resources) {
        fmt::print("  {:<12} database {} of {} {} at {}:{}, as {}\n", resource.name,
                   resource.database, to_text(resource.kind), resource.version, resource.host,
                   resource.port, resource.user);
    }
    fmt::print("contenders   {}\n", fmt::join(bench.contenders, ", "));
    fmt::print("rounds       {} of {:g} s\n\n", bench.rounds, bench.seconds);
}

json key_of_hold(const Cell& cell) {
    return {{"servers", cell.servers}, {"branches", cell.branches}, {"rtt_ms", cell.rtt_ms}};
}

/// Those that the result lacks.
std::vector<Step> steps_of(const Bench& bench, const Plan& plan, const Result& result) {
    std::vector<Step> steps;
    const auto contenders = static_cast<double>(bench.contenders.size());
    for (const auto& cell : plan.counted) {
        if (!result.has("counted", {{"servers", cell.servers}, {"branches", cell.branches}})) {
            steps.push_back({"counts: " + to_text(cell), 5 * contenders,
                             [&bench, cell](const auto& progress, auto& into) {
                                 into.add("counted", count_costs(bench, cell, progress, into));
                                 print_counted(into.json().at("counted").back());
                             }});
        }
    }
    for (const auto& cell : plan.hold) {
        if (!result.has("hold", key_of_hold(cell))) {
            steps.push_back(
                {"lock-hold: " + to_text(cell),
                 contenders * (4 + bench.warm_up_seconds + bench.seconds * bench.rounds / 2),
                 [&bench, cell](const auto& progress, auto& into) {
                     into.add("hold", measure_hold(bench, cell, progress, into));
                     print_hold(into.json().at("hold").back());
                 }});
        }
    }
    for (const auto& cell : plan.cells) {
        const auto entrants = bench.contenders_in(cell).size();
        if (entrants > 0 && !result.has("cells", to_json(cell))) {
            steps.push_back({"throughput: " + to_text(cell), planned_seconds(bench, entrants),
                             [&bench, cell](const auto& progress, auto& into) {
                                 into.add("cells", run_cell(bench, cell, progress, into));
                                 print_cell(into.json().at("cells").back());
                             }});
        }
    }
    for (const auto& place : plan.many_open) {
        if (!result.has("many_open", to_json(place))) {
            constexpr double kConnectSeconds = 0.02;
            steps.push_back({"many open: " + to_text(place),
                             planned_seconds(bench, 3) + place.open * kConnectSeconds,
                             [&bench, place](const auto& progress, auto& into) {
                                 into.add("many_open", run_many_open(bench, place, progress, into));
                                 print_many_open(into.json().at("many_open").back());
                             }});
        }
    }
    for (const auto& [log, threads] : plan.alone) {
        if (!result.has("tm_alone", {{"log", log}, {"threads", threads}})) {
            steps.push_back({fmt::format("alone: log {}, {} threads", log, threads),
                             planned_seconds(bench, managers_alone().size()),
                             [&bench, log, threads](const auto& progress, auto& into) {
                                 into.add("tm_alone",
                                          run_alone(bench, threads, log, progress, into));
                                 print_alone(into.json().at("tm_alone").back());
                             }});
        }
    }
    if (plan.has_memory && !result.json().contains("memory")) {
        steps.push_back({"memory", 60, [&bench](const auto&, auto& into) {
                             into.set("memory", measure_memory(bench));
                         }});
    }
    return steps;
}

bool is_chosen(const std::string& step, const std::vector<std::string>& only) {
    return only.empty() || std::ranges::any_of(only, [&](const auto& part) {
               return step.find(part) != std::string::npos;
           });
}

void conclude(Result& result, const std::vector<std::string>& base) {
    result.set("law", law_of(result.json()));
    result.set("criteria", criteria_of(result.json(), base));
    result.save();
}

void run_steps(const std::vector<Step>& steps, Result& result,
               const std::vector<std::string>& base) {
    double planned = 0;
    for (const auto& step : steps) {
        planned += step.planned_seconds;
    }
    Progress progress{planned};
    for (std::size_t i = 0; i < steps.size(); ++i) {
        progress.begin(fmt::format("[{}/{}] {}", i + 1, steps.size(), steps[i].what),
                       steps[i].planned_seconds);
        try {
            result.forget_not_measured(steps[i].what);
            steps[i].run(progress, result);
        } catch (const Interrupted&) {
            throw;
        } catch (const std::runtime_error& error) {
            progress.say(fmt::format("  not measured: {}", error.what()));
            result.note_not_measured(steps[i].what, error.what());
        }
        conclude(result, base);
    }
}

void write_page(const std::string& file, const Result& result) {
    std::ofstream stream{file};
    stream << render_page(result.json());
    stream.close();
    if (!stream) {
        throw std::runtime_error(fmt::format("can't write {}", file));
    }
    fmt::print("\nwrote {}\n", file);
}

void run(const CommandLine& line) {
    auto bench = bench_of(line);
    const auto claims = claim_databases(bench.resources);
    auto result =
        line.resume_file.empty() ? Result{line.json_file} : Result::resume(line.resume_file);
    result.set("machine", describe_set_up(bench.directory));
    result.set("versions", versions_of(bench.resources));
    print_set_up(result.json());
    leave_out_the_missing(bench, result);
    announce(bench);
    const auto plan = line.is_quick ? quick_plan(bench.resources, line.open)
                                    : full_plan(bench.resources, line.open);
    auto steps = steps_of(bench, plan, result);
    std::erase_if(steps, [&](const auto& step) { return !is_chosen(step.what, line.only); });
    if (line.is_list) {
        for (const auto& step : steps) {
            fmt::print("{:>5.0f} s  {}\n", step.planned_seconds, step.what);
        }
        return;
    }
    run_steps(steps, result, {bench.resources[0].name, bench.resources[1].name});
    print_conclusions(result.json());
    if (!line.html_file.empty()) {
        write_page(line.html_file, result);
    }
}

}  // namespace
}  // namespace xa_tm::bench

int main(int argc, char** argv) {
    xa_tm::bench::CommandLine line;
    CLI::App app{xa_tm::bench::kAbout};
    app.add_option("--resource", line.resources,
                   "NAME=URI of a database, at least two; the first two are the base pair")
        ->required()
        ->allow_extra_args(false);
    auto* quick = app.add_flag("--quick", line.is_quick, "What can be said in two minutes");
    app.add_flag("--full", line.is_full, "Everything, the default")->excludes(quick);
    app.add_option("--only", line.only,
                   "Only the steps whose name contains this, such as \"throughput: postgres\", or "
                   "one of these, if given several times")
        ->allow_extra_args(false);
    app.add_flag("--list", line.is_list, "Name the steps and how long they take, and run none");
    app.add_option("--contenders", line.contenders, "Only these, with commas between")
        ->delimiter(',');
    app.add_option("--rounds", line.rounds, "Turns of each contender in a cell")
        ->check(CLI::Range(1, 1000));
    app.add_option("--seconds", line.seconds, "Length of a turn")->check(CLI::Range(0.1, 3600.0));
    app.add_option("--open", line.open, "Transactions open at once where many are, 1000 by default")
        ->check(CLI::Range(1, 10'000));
    app.add_option("--directory", line.directory,
                   "Where the contenders' logs are written, by default beside this program")
        ->check(CLI::ExistingDirectory);
    app.add_option("--program", line.program, "The program lock_hold_contender");
    app.add_option("--peers", line.peers, "The jar of the Java peers");
    auto* json_file = app.add_option("--json", line.json_file, "Write the result after every step");
    app.add_option("--resume", line.resume_file,
                   "Go on with the result in this file, which is written again")
        ->check(CLI::ExistingFile)
        ->excludes(json_file);
    app.add_option("--html", line.html_file, "Write the result as a page");
    CLI11_PARSE(app, argc, argv);
    try {
        if (line.resources.size() < 2) {
            throw std::runtime_error("give at least two resources");
        }
        xa_tm::bench::hold_interruptions();
        xa_tm::bench::run(line);
    } catch (const xa_tm::bench::Interrupted&) {
        std::cerr << "lock_hold_benchmark: interrupted; the tables are removed\n";
        return 130;
    } catch (const std::exception& error) {
        std::cerr << "lock_hold_benchmark: " << error.what() << '\n';
        return 1;
    }
}
