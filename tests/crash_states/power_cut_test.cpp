#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "crash_explorer.h"
#include "effort.h"
#include "promises.h"
#include "scripted_life.h"
#include "simulated_file_system.h"

// Every crash of every call in the lives of logs, and crashes while they are opened again.
namespace xa_tm::test {
namespace {

constexpr unsigned kSeed = 20'240'607;
constexpr std::uint64_t kStatesMin = 1'000'000;
constexpr unsigned kLives = 8;

constexpr Thoroughness kFirstCrash{.all_subsets_of = 12, .random_subsets = 400, .once_in = 1};
constexpr Thoroughness kSecondCrash{.all_subsets_of = 3, .random_subsets = 6, .once_in = 20};

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
    const auto lives = static_cast<unsigned>(std::max(2.0, kLives * effort()));
    std::atomic<unsigned> next{0};
    std::atomic<std::uint64_t> states{0};
    std::mutex mutex;
    const auto explore_some = [&] {
        for (unsigned number = next++; number < lives; number = next++) {
            const unsigned seed = kSeed + number / 2;
            const unsigned copies = 1 + number % 2;
            const auto explored = explore(seed, copies);
            states += explored.states;
            const std::lock_guard guard{mutex};
            std::cout << "seed " << seed << ", copies " << copies << ": " << explored.states
                      << " states\n";
            EXPECT_FALSE(explored.broken)
                << "seed " << seed << ", copies " << copies << ": " << *explored.broken;
        }
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
        threads.emplace_back(explore_some);
    }
    threads.clear();
    std::cout << states << " states of the disk after a crash were opened\n";
    EXPECT_GE(static_cast<double>(states), static_cast<double>(kStatesMin) * effort());
}

}  // namespace
}  // namespace xa_tm::test
