#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "flush_encoder.h"
#include "owned_log.h"
#include "questions.h"
#include "raw_loop.h"
#include "sync_floor.h"
#include "wake_cost.h"

namespace xa_tm::bench {
namespace {

enum class Kind { raw, naive, blocking, async, many };

/// One contender with one number of threads, and what its limit is made of.
struct Cell {
    Kind kind;
    unsigned copies;
    std::unique_ptr<Contender> contender;
    Row row;
    /// Of each round; blocking only.
    std::vector<double> sync_us{};      ///< S(N): a raw sync of as many bytes
    std::vector<double> wake_us{};      ///< w
    std::vector<double> limit_share{};  ///< rate / L(N)
};

constexpr unsigned kAsyncThreads = 4;

void add_cell(std::vector<Cell>& cells, Kind kind, unsigned copies, unsigned threads,
              std::unique_ptr<Contender> contender) {
    Row row{contender->name(), threads, {}};
    cells.push_back({kind, copies, std::move(contender), std::move(row)});
}

std::vector<Cell> make_cells(const Bench& bench) {
    const auto segment = bench.scale.segment_size_bytes;
    std::vector<Cell> cells;
    add_cell(cells, Kind::raw, 1, 1, std::make_unique<RawLoop>(bench.directory, segment));
    for (const unsigned threads : bench.scale.threads) {
        add_cell(cells, Kind::naive, 1, threads, make_naive_log(bench.directory));
    }
    for (const unsigned copies : {1U, 2U}) {
        const LogPlace place{bench.directory, segment, copies};
        for (const unsigned threads : bench.scale.threads) {
            add_cell(cells, Kind::blocking, copies, threads, make_blocking_force(place));
        }
        add_cell(cells, Kind::async, copies, kAsyncThreads, make_force_async(place));
        add_cell(cells, Kind::many, copies, kAsyncThreads, make_force_many(place));
    }
    return cells;
}

/// The limit is measured straight after the contender, on the same machine in the same mood.
void measure_limit(const Bench& bench, RawLoop& raw, Cell& cell) {
    const auto& sample = cell.row.rounds.back();
    const double sync_us = measure_sync_floor(bench, raw, sample, cell.copies).mean_us;
    const double wake_us = measure_wake_cost_us(cell.row.threads, bench.scale.duration / 10);
    const double limit_per_s = cell.row.threads / (sync_us + cell.row.threads * wake_us) * 1e6;
    cell.sync_us.push_back(sync_us);
    cell.wake_us.push_back(wake_us);
    cell.limit_share.push_back(sample.decisions_per_s / limit_per_s);
}

std::string title_of(const Cell& cell) {
    return fmt::format("{}, {} threads", cell.row.contender, cell.row.threads);
}

/// The rate of `cell` over that of the naive log with as many threads, round by round.
std::optional<Spread> over_naive(const std::vector<Cell>& cells, const Cell& cell) {
    const auto naive = std::ranges::find_if(cells, [&](const Cell& other) {
        return other.kind == Kind::naive && other.row.threads == cell.row.threads;
    });
    if (naive == cells.end()) {
        return std::nullopt;
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < cell.row.rounds.size(); ++i) {
        ratios.push_back(cell.row.rounds[i].decisions_per_s / naive->row.rounds[i].decisions_per_s);
    }
    return spread_of(std::move(ratios));
}

void add_limit_figures(const Cell& cell, std::vector<Figure>& figures) {
    if (cell.row.threads < 16) {
        return;  // where a waking mostly waits for an idle CPU to wake up
    }
    const auto title = title_of(cell);
    const auto sync = spread_of(cell.sync_us);
    const bool is_judged = cell.row.threads >= 64;
    figures.push_back({"P3", title + ": S(N)", "us", sync});
    figures.push_back({"P3", title + ": w", "us", spread_of(cell.wake_us)});
    figures.push_back({"P3", title + ": rate over L(N)", "x", spread_of(cell.limit_share),
                       is_judged ? at_least(sync.median >= 200 ? 0.90 : 0.80) : Limit{}});
}

void add_rate_figures(const Cell& cell, std::vector<Figure>& figures) {
    double at_least_per_s = 0;
    if (cell.kind == Kind::blocking && cell.row.threads == 64 &&
        spread_of(cell.sync_us).median < 250) {
        at_least_per_s = 100'000;
    } else if (cell.kind == Kind::blocking && cell.row.threads == 256) {
        at_least_per_s = 250'000;
    } else if (cell.kind == Kind::async) {
        at_least_per_s = 300'000;
    } else {
        return;
    }
    figures.push_back({"P4", title_of(cell), "/s", spread_of(cell.row, &Sample::decisions_per_s),
                       at_least(at_least_per_s)});
}

void add_cost_figures(const Cell& cell, std::vector<Figure>& figures) {
    if (cell.row.threads >= 64) {
        figures.push_back({"P6", title_of(cell) + ": CPU per decision", "us",
                           spread_of(cell.row, &Sample::cpu_us_per_decision), at_most(6)});
    }
    if (cell.row.threads == 1) {
        // Each force of a lonely thread is a batch of its own; what is above 1 is for something
        // else.
        auto forces_per_sync = spread_of(cell.row, &Sample::forces_per_sync);
        figures.push_back({"P6", title_of(cell) + ": forces per sync, forgets included", "",
                           forces_per_sync, at_least(0.999)});
    }
}

/// Encoding and checksums of a batch of 64, per decision.
Spread measure_encoding_us(unsigned rounds) {
    constexpr unsigned kBatch = 64;
    constexpr unsigned kBatches = 2000;
    const std::vector<std::byte> body(kDecisionBytes, std::byte{0x5a});
    const auto forgotten = recovery_log::encode_forgotten(1);
    std::vector<double> values;
    recovery_log::FlushEncoder encoder;
    for (unsigned round = 0; round < rounds; ++round) {
        const double begin_s = process_cpu_s();
        for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
            encoder.begin(
                {.log_id = {}, .segment = {1, 1}, .first_page_no = batch * kBatch, .prev_crc = 0},
                recovery_log::Packing::whole);
            for (std::uint64_t i = 0; i < kBatch; ++i) {
                encoder.add(recovery_log::RecordType::entry, batch * kBatch + i, body);
                encoder.add(recovery_log::RecordType::forgotten, batch * kBatch + i, forgotten);
            }
            static_cast<void>(encoder.finish(0));
        }
        values.push_back((process_cpu_s() - begin_s) * 1e6 / (kBatch * kBatches));
    }
    return spread_of(std::move(values));
}

}  // namespace

Answer ask_group_commit(const Bench& bench) {
    auto cells = make_cells(bench);
    RawLoop raw{bench.directory, bench.scale.segment_size_bytes};
    run_rounds(bench.scale.rounds, cells.size(), [&](std::size_t i) {
        auto& cell = cells[i];
        cell.row.rounds.push_back(run_in_quiet(bench.scale.patience, [&] {
            return cell.contender->run(bench.load(cell.row.threads));
        }));
        if (cell.kind == Kind::blocking) {
            measure_limit(bench, raw, cell);
        }
    });
    Answer answer{"How much do threads that commit together gain, and what is the limit?", {}, {}};
    for (const auto& cell : cells) {
        if (cell.kind == Kind::blocking) {
            add_limit_figures(cell, answer.figures);
        }
    }
    for (const auto& cell : cells) {
        add_rate_figures(cell, answer.figures);
    }
    answer.figures.push_back({"P6", "encoding and checksums, per decision and forget", "us",
                              measure_encoding_us(bench.scale.rounds), at_most(0.5)});
    for (const auto& cell : cells) {
        if (cell.kind == Kind::blocking) {
            add_cost_figures(cell, answer.figures);
        }
    }
    for (const auto& cell : cells) {
        const auto ratio = over_naive(cells, cell);
        if (cell.kind == Kind::blocking && ratio) {
            answer.figures.push_back({"P7", title_of(cell) + ": rate over naive", "x", *ratio,
                                      cell.row.threads == 64 ? at_least(20) : Limit{}});
        }
    }
    for (auto& cell : cells) {
        answer.rows.push_back(std::move(cell.row));
    }
    return answer;
}

}  // namespace xa_tm::bench
