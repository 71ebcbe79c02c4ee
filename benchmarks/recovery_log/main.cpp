#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "machine.h"
#include "owned_log.h"
#include "questions.h"
#include "report.h"
#include "temporary_directory.h"

namespace xa_tm::bench {

void run_rounds(unsigned rounds, std::size_t cells, const std::function<void(std::size_t)>& run) {
    for (unsigned round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < cells; ++i) {
            run((i + round) % cells);
        }
    }
}

namespace {

constexpr auto kAbout = R"(Measures the recovery log against the disk it lies on.

Each round runs every contender once, in an order that rotates; a figure is the
median over rounds, its brackets the extremes. What a contender has acknowledged
is read back before its times count. "others" is the share of the CPUs that other
processes took meanwhile; a run in which it is above 10 % is repeated, a few times
at most.)";

struct Question {
    std::set<std::string> criteria;
    Answer (*ask)(const Bench&);
};

const std::vector<Question> kQuestions{
    {{"P1"}, ask_single_thread},
    {{"P2"}, ask_single_thread_busy},
    {{"P3", "P4", "P6", "P7"}, ask_group_commit},
    {{"P5"}, ask_rotation},
    {{"P8"}, ask_opening},
    {{"R8"}, ask_reader},
};

constexpr Patience kNoPatience{.wait_max = {}, .runs_max = 1};

Scale quick_scale() {
    Scale scale;
    scale.warm_up = std::chrono::milliseconds{100};
    scale.duration = std::chrono::milliseconds{250};
    scale.patience = {.wait_max = std::chrono::milliseconds{2000}, .runs_max = 2};
    scale.large_segment_size_bytes = 0;
    return scale;
}

Scale full_scale() {
    Scale scale;
    scale.rounds = 7;
    scale.duration = std::chrono::milliseconds{4000};
    scale.patience.wait_max = std::chrono::seconds{60};
    return scale;
}

/// Only enough to see that everything runs and keeps what it has acknowledged.
Scale smoke_scale() {
    return {.rounds = 1,
            .warm_up = std::chrono::milliseconds{5},
            .duration = std::chrono::milliseconds{15},
            .patience = kNoPatience,
            .threads = {1, 4},
            .segment_size_bytes = std::size_t{1} << 20,
            .small_segment_size_bytes = std::size_t{1} << 20,
            .large_segment_size_bytes = std::size_t{1} << 20,
            .many_live = 500,
            .many_finished = 2000,
            .few_live = 100};
}

struct CommandLine {
    std::vector<std::string> criteria;
    bool is_quick = false;
    bool is_full = false;
    bool is_smoke = false;
    unsigned rounds = 0;
    unsigned duration_ms = 0;
    bool is_impatient = false;
    std::string directory = std::filesystem::canonical("/proc/self/exe").parent_path();
    std::string json_file;

    std::string log;
    std::size_t segment_size_bytes = 0;
    unsigned copies = 0;
    unsigned pause_ms = 0;
};

Scale scale_of(const CommandLine& line) {
    auto scale = line.is_smoke   ? smoke_scale()
                 : line.is_quick ? quick_scale()
                 : line.is_full  ? full_scale()
                                 : Scale{};
    if (line.rounds > 0) {
        scale.rounds = line.rounds;
    }
    if (line.duration_ms > 0) {
        scale.duration = std::chrono::milliseconds{line.duration_ms};
    }
    if (line.is_impatient) {
        scale.patience = kNoPatience;
    }
    return scale;
}

bool is_wanted(const std::vector<std::string>& wanted, const std::string& criterion) {
    return wanted.empty() || std::ranges::find(wanted, criterion) != wanted.end();
}

std::vector<Answer> ask(const CommandLine& line, const Bench& bench) {
    std::vector<Answer> answers;
    for (const auto& question : kQuestions) {
        if (std::ranges::none_of(question.criteria, [&](const auto& criterion) {
                return is_wanted(line.criteria, criterion);
            })) {
            continue;
        }
        auto answer = question.ask(bench);
        std::erase_if(answer.figures, [&](const Figure& figure) {
            return !is_wanted(line.criteria, figure.criterion);
        });
        if (!line.is_smoke) {
            print(answer);
        }
        answers.push_back(std::move(answer));
    }
    return answers;
}

void write_json(const std::string& file, const Machine& machine,
                const std::vector<Answer>& answers) {
    nlohmann::json json{{"machine", to_json(machine)}, {"answers", nlohmann::json::array()}};
    for (const auto& answer : answers) {
        json["answers"].push_back(to_json(answer));
    }
    std::ofstream stream{file};
    stream << json.dump(2) << '\n';
    if (!stream.flush()) {
        throw std::runtime_error{"can't write " + file};
    }
}

void run(const CommandLine& line) {
    const test::TemporaryDirectory directory{line.directory};
    const Bench bench{directory.path(), scale_of(line)};
    const auto machine = describe_machine(directory.path());
    {
        // Refuses a file system that keeps no promises before anything is measured on it.
        const test::TemporaryDirectory probe{directory.path()};
        const OwnedLog log{probe.path(), {.directory = probe.path(), .segment_size_bytes = 65536}};
    }
    if (!line.is_smoke) {
        print(machine);
        fmt::print("rounds       {} of {} ms\n", bench.scale.rounds,
                   bench.scale.duration / std::chrono::milliseconds{1});
    }
    const auto answers = ask(line, bench);
    if (line.is_smoke) {
        fmt::print("all contenders ran, and kept what they had acknowledged\n");
    }
    if (!line.json_file.empty()) {
        write_json(line.json_file, machine, answers);
    }
}

void add_options(CLI::App& app, CommandLine& line) {
    std::set<std::string> criteria;
    for (const auto& question : kQuestions) {
        criteria.insert(question.criteria.begin(), question.criteria.end());
    }
    app.add_option("--criterion", line.criteria, "Measure only this; repeatable")
        ->type_name("P1..P8, R8")
        ->check(CLI::IsMember(criteria));
    auto& quick = *app.add_flag("--quick", line.is_quick, "Short rounds, no log of 1 GiB");
    auto& full = *app.add_flag("--full", line.is_full, "More and longer rounds");
    auto& smoke = *app.add_flag("--smoke", line.is_smoke, "Only see that everything works");
    quick.excludes(&full);
    smoke.excludes(&quick)->excludes(&full);
    app.add_option("--rounds", line.rounds, "Instead of those of the scale")->type_name("N");
    app.add_option("--duration", line.duration_ms, "Of one contender in one round")
        ->type_name("MS");
    app.add_flag("--impatient", line.is_impatient, "Measure also while others use the machine");
    app.add_option("--directory", line.directory, "On the disk to be measured; default: here")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    app.add_option("--json", line.json_file, "Also write every sample to a file")
        ->type_name("FILE");
}

/// What the program does as a child process of itself; not for people.
std::pair<CLI::App*, CLI::App*> add_child_commands(CLI::App& app, CommandLine& line) {
    auto& open = *app.add_subcommand("open-log")->group("");
    open.add_option("directory", line.log)->required();
    open.add_option("segment_size_bytes", line.segment_size_bytes)->required();
    open.add_option("copies", line.copies)->required();
    auto& read = *app.add_subcommand("read-log")->group("");
    read.add_option("directory", line.log)->required();
    read.add_option("duration_ms", line.duration_ms)->required();
    read.add_option("pause_ms", line.pause_ms)->required();
    return {&open, &read};
}

int run_main(int argc, char** argv) {
    CommandLine line;
    CLI::App app{kAbout, "recovery_log_benchmark"};
    add_options(app, line);
    const auto [open, read] = add_child_commands(app, line);
    CLI11_PARSE(app, argc, argv);
    if (*open) {
        std::cout << open_log_once(line.log, line.segment_size_bytes, line.copies) << '\n';
    } else if (*read) {
        std::cout << read_log_repeatedly(line.log, std::chrono::milliseconds{line.duration_ms},
                                         std::chrono::milliseconds{line.pause_ms})
                  << '\n';
    } else {
        run(line);
    }
    return 0;
}

}  // namespace
}  // namespace xa_tm::bench

int main(int argc, char** argv) {
    try {
        return xa_tm::bench::run_main(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "recovery_log_benchmark: {}\n", error.what());
        return 1;
    }
}
