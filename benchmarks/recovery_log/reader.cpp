#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "child_process.h"
#include "owned_log.h"
#include "questions.h"
#include "temporary_directory.h"

namespace xa_tm::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kThreads = 64;

struct Reading {
    std::chrono::milliseconds pause;
    std::string title;
    Row row;
    std::vector<double> reads{};
    std::vector<double> errors{};
    std::vector<double> slowdown_percent{};
};

/// One round beside a reader in another process.
void run_beside_reader(const Bench& bench, const LogPlace& place, const LogContender& writer,
                       Reading& reading) {
    const test::TemporaryDirectory directory{bench.directory};
    wait_for_quiet(bench.scale.patience);
    // The reader wants to find a log from its first look on.
    { const OwnedLog born{directory.path(), place}; }
    const auto load = bench.load(kThreads);
    const auto reading_time = 2 * load.warm_up + load.duration;
    ChildProcess reader{{"read-log", directory.path().string(),
                         std::to_string(reading_time.count()),
                         std::to_string(reading.pause.count())}};
    reading.row.rounds.push_back(writer.run_in(directory.path(), load));
    const auto answer = reader.answer();
    reading.reads.push_back(answer["reads"].get<double>());
    reading.errors.push_back(answer["errors"].get<double>());
    if (const auto error = answer["first_error"].get<std::string>(); !error.empty()) {
        fmt::print(stderr, "read_log: {}\n", error);
    }
}

}  // namespace

nlohmann::json read_log_repeatedly(const std::filesystem::path& directory,
                                   std::chrono::milliseconds duration,
                                   std::chrono::milliseconds pause) {
    std::uint64_t reads = 0;
    std::uint64_t errors = 0;
    std::string first_error;
    const auto note = [&](const std::string& error) {
        ++errors;
        if (first_error.empty()) {
            first_error = error;
        }
    };
    for (const auto end = Clock::now() + duration; Clock::now() < end;) {
        ++reads;
        try {
            for (const auto& entry : recovery_log::read_log(directory).entries) {
                if (!is_body_of_a_decision(entry.body)) {
                    note(fmt::format("entry {} was never forced", entry.id));
                }
            }
        } catch (const recovery_log::LogError& error) {
            note(error.what());
        }
        std::this_thread::sleep_until(std::min(end, Clock::now() + pause));
    }
    return {{"reads", reads}, {"errors", errors}, {"first_error", first_error}};
}

Answer ask_reader(const Bench& bench) {
    const LogPlace place{bench.directory, bench.scale.segment_size_bytes};
    const auto writer = make_blocking_force(place);
    Row alone{writer->name() + ", alone", kThreads, {}};
    std::vector<Reading> readings{
        {.pause = 0ms, .title = "a reader without a pause", .row = {}},
        {.pause = 1s, .title = "a reader once a second", .row = {}},
    };
    for (auto& reading : readings) {
        reading.row = {
            fmt::format("{}, pause {} ms", writer->name(), reading.pause.count()), kThreads, {}};
    }
    run_rounds(bench.scale.rounds, readings.size() + 1, [&](std::size_t cell) {
        if (cell == readings.size()) {
            alone.rounds.push_back(run_in_quiet(bench.scale.patience,
                                                [&] { return writer->run(bench.load(kThreads)); }));
        } else {
            run_beside_reader(bench, place, *writer, readings[cell]);
        }
    });
    Answer answer{"What does a writer notice of a reader in another process?", {alone}, {}};
    for (auto& reading : readings) {
        for (std::size_t round = 0; round < alone.rounds.size(); ++round) {
            const double share =
                reading.row.rounds[round].decisions_per_s / alone.rounds[round].decisions_per_s;
            reading.slowdown_percent.push_back(100 * (1 - share));
        }
        answer.figures.push_back(
            {"R8", reading.title + ": reads in a round", "", spread_of(reading.reads)});
        answer.figures.push_back(
            {"R8", reading.title + ": errors", "", spread_of(reading.errors), at_most(0)});
        answer.figures.push_back({"R8", reading.title + ": slowdown of the writer", "%",
                                  spread_of(reading.slowdown_percent), at_most(5)});
        answer.rows.push_back(std::move(reading.row));
    }
    return answer;
}

}  // namespace xa_tm::bench
