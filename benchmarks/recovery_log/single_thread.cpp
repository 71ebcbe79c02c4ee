#include <atomic>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "owned_log.h"
#include "questions.h"
#include "raw_loop.h"

namespace xa_tm::bench {
namespace {

/// Keeps every CPU busy.
///
/// Ownership: owns its threads.
/// Thread safety: one thread at a time.
class BusyCpus {
public:
    explicit BusyCpus(unsigned cpus) {
        for (unsigned i = 0; i < cpus; ++i) {
            threads_.emplace_back([this] {
                while (!is_over_.load(std::memory_order_relaxed)) {
                }
            });
        }
    }
    BusyCpus(const BusyCpus&) = delete;
    BusyCpus& operator=(const BusyCpus&) = delete;
    ~BusyCpus() { is_over_.store(true); }

private:
    std::atomic<bool> is_over_{false};
    std::vector<std::jthread> threads_;
};

/// The raw loop and the log with one and two copies, one thread each.
std::vector<Row> run_single_thread(const Bench& bench) {
    std::vector<std::unique_ptr<Contender>> contenders;
    contenders.push_back(
        std::make_unique<RawLoop>(bench.directory, bench.scale.segment_size_bytes));
    for (const unsigned copies : {1U, 2U}) {
        contenders.push_back(
            make_blocking_force({bench.directory, bench.scale.segment_size_bytes, copies}));
    }
    std::vector<Row> rows;
    for (const auto& contender : contenders) {
        rows.push_back({contender->name(), 1, {}});
    }
    run_rounds(bench.scale.rounds, rows.size(), [&](std::size_t cell) {
        rows[cell].rounds.push_back(run_in_quiet(
            bench.scale.patience, [&] { return contenders[cell]->run(bench.load(1)); }));
    });
    return rows;
}

/// A member of Sample, in each round divided by what the raw loop had in that round.
Spread over_raw(const Row& row, const Row& raw, double Sample::*member) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < row.rounds.size(); ++i) {
        ratios.push_back(row.rounds[i].*member / raw.rounds[i].*member);
    }
    return spread_of(std::move(ratios));
}

Figure figure_over_raw(const char* criterion, const std::string& what, const Row& row,
                       const Row& raw, double Sample::*member, Limit limit) {
    return {criterion, fmt::format("{}: {} over raw", row.contender, what), "x",
            over_raw(row, raw, member), limit};
}

}  // namespace

Answer ask_single_thread(const Bench& bench) {
    Answer answer{"What does the log add to one durable write?", run_single_thread(bench), {}};
    const auto& raw = answer.rows[0];
    const auto& one = answer.rows[1];
    const auto& two = answer.rows[2];
    answer.figures = {
        {"P1", "raw: p50 of a sync", "us", spread_of(raw, &Sample::p50_us)},
        {"P1", "raw: p99 of a sync", "us", spread_of(raw, &Sample::p99_us)},
        figure_over_raw("P1", "p50", one, raw, &Sample::p50_us, at_most(1.10)),
        figure_over_raw("P1", "mean", one, raw, &Sample::mean_us, at_most(1.15)),
        figure_over_raw("P1", "p50", two, raw, &Sample::p50_us, at_most(1.30)),
        figure_over_raw("P1", "mean", two, raw, &Sample::mean_us, at_most(1.30)),
    };
    return answer;
}

Answer ask_single_thread_busy(const Bench& bench) {
    const BusyCpus busy{std::thread::hardware_concurrency()};
    Answer answer{"And while other threads keep every CPU busy?", run_single_thread(bench), {}};
    const auto& raw = answer.rows[0];
    for (const auto* row : {&answer.rows[1], &answer.rows[2]}) {
        answer.figures.push_back(
            figure_over_raw("P2", "rate", *row, raw, &Sample::decisions_per_s, at_least(0.85)));
        answer.figures.push_back(
            figure_over_raw("P2", "p99", *row, raw, &Sample::p99_us, at_most(3)));
    }
    return answer;
}

}  // namespace xa_tm::bench
