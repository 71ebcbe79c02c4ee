// That the simulator finds nothing in the product, everything in what is broken on purpose, and the
// same for the same seed.

#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.h"

namespace xa_tm::simulation {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::Eq;

std::string words_of(const WorldOptions& options, const WorldReport& report) {
    std::string words = fmt::format("scripts/simulate --seed {} --transactions {}\n", options.seed,
                                    options.transactions);
    for (const auto& line : report.trace) {
        words += line + "\n";
    }
    return report.violation ? fmt::format("{}VIOLATION of \"{}\": {}", words, report.violation->law,
                                          report.violation->words)
                            : words;
}

void expect_no_violation(const WorldOptions& options) {
    const auto report = simulate_and_explain(options);
    EXPECT_FALSE(report.violation.has_value()) << words_of(options, report);
    EXPECT_EQ(report.counts.transactions, options.transactions) << words_of(options, report);
    EXPECT_GT(report.counts.committed, 0U) << words_of(options, report);
}

TEST(Simulation, HoldsTheLawsInWorldsOfFixedSeeds) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        expect_no_violation({.seed = seed, .transactions = 1000});
    }
}

TEST(Simulation, HoldsTheLawsInAWorldOfADrawnSeed) {
    const WorldOptions options{.seed = std::random_device{}(), .transactions = 5000};
    fmt::print("seed {}\n", options.seed);
    std::fflush(stdout);
    expect_no_violation(options);
}

TEST(Simulation, IsTheSameForTheSameSeedAlsoWhenItIsTraced) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const auto first = simulate({.seed = seed, .transactions = 1000});
        const auto second = simulate({.seed = seed, .transactions = 1000});
        const auto traced =
            simulate({.seed = seed, .transactions = 1000, .is_everything_traced = true});
        EXPECT_EQ(first.digest, second.digest);
        EXPECT_EQ(first.digest, traced.digest);
        EXPECT_EQ(first.virtual_time, second.virtual_time);
        EXPECT_FALSE(traced.trace.empty());
        EXPECT_NE(first.digest, simulate({.seed = seed + 100, .transactions = 1000}).digest);
    }
}

TEST(Simulation, MeetsFaultsOfEveryKind) {
    WorldReport all;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        const auto report = simulate({.seed = seed, .transactions = 1000});
        all.counts.unknown += report.counts.unknown;
        all.counts.never_told += report.counts.never_told;
        all.counts.decided_by_row += report.counts.decided_by_row;
        all.counts.told_early += report.counts.told_early;
        all.counts.completed += report.counts.completed;
        all.counts.one_shots += report.counts.one_shots;
        all.counts.combined += report.counts.combined;
        all.counts.failed_members += report.counts.failed_members;
        all.left_out += report.left_out;
        all.waits_for_rows += report.waits_for_rows;
        for (const auto& [point, deaths] : report.deaths_at) {
            all.deaths_at[point] += deaths;
        }
        all.process_deaths += report.process_deaths;
        all.server_deaths += report.server_deaths;
        all.cuts += report.cuts;
        all.lost_answers += report.lost_answers;
        all.clock_jumps += report.clock_jumps;
    }
    EXPECT_GT(all.counts.unknown, 0U);
    EXPECT_GT(all.counts.never_told, 0U);
    EXPECT_GT(all.counts.decided_by_row, 0U);
    EXPECT_GT(all.counts.told_early, all.counts.completed);
    EXPECT_GT(all.counts.one_shots, all.counts.combined);
    EXPECT_GT(all.counts.combined, 0U);
    EXPECT_GT(all.counts.failed_members, 0U);
    EXPECT_GT(all.left_out, 0U);
    EXPECT_GT(all.waits_for_rows, 0U);
    EXPECT_GT(all.deaths_at["coordinator.last_resource_sent"], 0U);
    EXPECT_GT(all.deaths_at["coordinator.last_resource_answered"], 0U);
    EXPECT_GT(all.process_deaths, 0U);
    EXPECT_GT(all.server_deaths, 0U);
    EXPECT_GT(all.cuts, 0U);
    EXPECT_GT(all.lost_answers, 0U);
    EXPECT_GT(all.clock_jumps, 0U);
}

class BrokenSimulation : public testing::TestWithParam<Breakage> {};

TEST_P(BrokenSimulation, IsFoundAndExplainedByATrace) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const auto report =
            simulate_and_explain({.seed = seed, .transactions = 3000, .breakage = GetParam()});
        if (!report.violation) {
            continue;
        }
        EXPECT_THAT(report.violation->law,
                    AnyOf(Eq("atomicity"), Eq("decision first"), Eq("outcomes are true"),
                          Eq("exactly once"), Eq("forget last"), Eq("only ours"),
                          Eq("nothing is left prepared")));
        if (report.violation->transaction) {
            EXPECT_THAT(report.trace, Contains(ContainsRegex("carries out (prepare|commit)")));
        }
        fmt::print("seed {}: {}\n", seed, report.violation->words);
        return;
    }
    FAIL() << "nobody has noticed in 40 worlds";
}

INSTANTIATE_TEST_SUITE_P(By, BrokenSimulation, testing::ValuesIn(breakages()),
                         [](const auto& broken) { return std::string{to_string(broken.param)}; });

}  // namespace
}  // namespace xa_tm::simulation
