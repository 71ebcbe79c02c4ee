#include <algorithm>
#include <atomic>
#include <iostream>
#include <limits>
#include <mutex>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "crash_explorer.h"
#include "effort.h"
#include "parallel.h"
#include "promises.h"
#include "scripted_life.h"
#include "simulated_file_system.h"

// Every crash of every call in the lives of logs, and crashes while they are opened again.
namespace xa_tm::test {
namespace {

constexpr double kStatesMin = 1'000'000;
/// Each has some 50,000 states or more.
constexpr std::size_t kLivesMax = 40;

constexpr Thoroughness kFirstCrash{.all_subsets_of = 12,
                                   .positions = std::numeric_limits<std::size_t>::max(),
                                   .random_subsets = 400,
                                   .once_in = 1};
constexpr Thoroughness kSecondCrash{
    .all_subsets_of = 3, .positions = 8, .random_subsets = 6, .once_in = 80};

struct Explored {
    std::uint64_t states = 0;
    std::optional<std::string> broken;
};

Explored explore(unsigned seed, unsigned copies) {
    const auto options = log_options(copies);
    SimulatedFileSystem file_system{options.directory};
    Promises promises;
    CrashExplorer explorer{options, seed, promises, kFirstCrash, kSecondCrash};
    ScriptedLife life{options, seed, promises};
    explorer.watch(file_system);
    life.live(file_system);
    explorer.finish(file_system);
    return {explorer.states(), explorer.broken() ? explorer.broken()
                               : life.broken()   ? life.broken()
                                                 : life.trouble()};
}

TEST(PowerCut, LosesInventsAndStopsNothingWhereverItComes) {
    const auto states_min = static_cast<std::uint64_t>(kStatesMin * effort());
    const auto lives_max = static_cast<std::size_t>(std::max(2.0, kLivesMax * effort()));
    std::atomic<std::uint64_t> states{0};
    std::mutex mutex;
    in_parallel(lives_max, [&](std::size_t number) {
        if (states >= states_min) {
            return;
        }
        const unsigned seed = kSeed + static_cast<unsigned>(number) / 2;
        const unsigned copies = 1 + number % 2;
        const auto explored = explore(seed, copies);
        states += explored.states;
        const std::lock_guard guard{mutex};
        std::cout << "seed " << seed << ", copies " << copies << ": " << explored.states
                  << " states\n";
        EXPECT_FALSE(explored.broken)
            << "seed " << seed << ", copies " << copies << ": " << *explored.broken;
    });
    std::cout << states << " states of the disk after a crash were opened\n";
    EXPECT_GE(states, states_min);
}

// The judge must not be deaf: a disk that breaks its promises makes the log break its own.
class LyingDisk : public testing::TestWithParam<Operation> {};

TEST_P(LyingDisk, IsFoundOutByTheExplorer) {
    const auto options = log_options(1);
    SimulatedFileSystem file_system{options.directory};
    file_system.on_success = [](const Call& call) {
        return call.operation == GetParam() ? SilentFault::lying_sync : SilentFault::none;
    };
    Promises promises;
    CrashExplorer explorer{options, kSeed, promises, kFirstCrash, kSecondCrash};
    ScriptedLife life{options, kSeed, promises};
    explorer.watch(file_system);
    life.live(file_system);
    EXPECT_TRUE(explorer.broken());
}

INSTANTIATE_TEST_SUITE_P(PowerCut, LyingDisk,
                         testing::Values(Operation::sync, Operation::datasync,
                                         Operation::sync_directory),
                         [](const auto& test) { return std::string{name_of(test.param)}; });

}  // namespace
}  // namespace xa_tm::test
