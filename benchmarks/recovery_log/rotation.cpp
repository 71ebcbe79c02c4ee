#include <memory>

#include <fmt/format.h>

#include "owned_log.h"
#include "questions.h"
#include "raw_loop.h"
#include "sync_floor.h"

namespace xa_tm::bench {
namespace {

constexpr unsigned kThreads = 64;

struct Cell {
    unsigned copies;
    std::unique_ptr<Contender> contender;
    Row row;
    std::vector<double> sync_us{};     ///< p50 of a raw sync of as many bytes
    std::vector<double> over_limit{};  ///< p99 over 3 x p50 sync + 1 ms
    std::vector<double> rotations{};
};

void run(const Bench& bench, RawLoop& raw, Cell& cell) {
    const auto sample = run_in_quiet(bench.scale.patience,
                                     [&] { return cell.contender->run(bench.load(kThreads)); });
    const double sync_us = measure_sync_floor(bench, raw, sample, cell.copies).p50_us;
    const auto flush = flush_of(sample.forces_per_sync, cell.copies);
    cell.sync_us.push_back(sync_us);
    cell.over_limit.push_back(sample.p99_us / (3 * sync_us + 1000));
    cell.rotations.push_back(static_cast<double>(sample.syncs * flush.bytes * flush.copies) /
                             static_cast<double>(bench.scale.small_segment_size_bytes));
    cell.row.rounds.push_back(sample);
}

}  // namespace

Answer ask_rotation(const Bench& bench) {
    std::vector<Cell> cells;
    for (const unsigned copies : {1U, 2U}) {
        auto contender =
            make_blocking_force({bench.directory, bench.scale.small_segment_size_bytes, copies});
        Row row{contender->name(), kThreads, {}};
        cells.push_back({copies, std::move(contender), std::move(row)});
    }
    RawLoop raw{bench.directory, bench.scale.small_segment_size_bytes};
    run_rounds(bench.scale.rounds, cells.size(), [&](std::size_t i) { run(bench, raw, cells[i]); });
    Answer answer{
        fmt::format("Does a force wait while the log goes on to its next segment of {} MiB?",
                    bench.scale.small_segment_size_bytes >> 20),
        {},
        {}};
    for (auto& cell : cells) {
        const auto title = fmt::format("{}, {} threads", cell.row.contender, kThreads);
        answer.figures.push_back(
            {"P5", title + ": segments filled in a round", "", spread_of(cell.rotations)});
        answer.figures.push_back(
            {"P5", title + ": p50 of a raw sync", "us", spread_of(cell.sync_us)});
        answer.figures.push_back({"P5", title + ": p99 over (3 p50 sync + 1 ms)", "x",
                                  spread_of(cell.over_limit), at_most(1)});
        answer.rows.push_back(std::move(cell.row));
    }
    return answer;
}

}  // namespace xa_tm::bench
