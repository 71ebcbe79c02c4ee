#include "phases.h"

#include <vector>

#include <gtest/gtest.h>

namespace xa_tm::bench {
namespace {

using std::chrono::microseconds;

Passage request(int us, std::size_t branch, std::uint64_t depth, Verbs verbs) {
    return {std::chrono::steady_clock::time_point{microseconds{us}},
            branch,
            branch,
            true,
            verbs,
            depth};
}

Passage answer(int us, std::size_t branch, std::uint64_t depth) {
    return {
        std::chrono::steady_clock::time_point{microseconds{us}}, branch, branch, false, {}, depth};
}

constexpr Verbs kUpdate{.update = true};
constexpr Verbs kPrepare{.end = true, .prepare = true};
constexpr Verbs kCommit{.commit = true};

/// Updates one after the other, then prepares and commits at once.
std::vector<Passage> two_branches(int start, std::uint64_t depth) {
    return {
        request(start, 0, depth + 1, kUpdate),
        answer(start + 10, 0, depth + 1),
        request(start + 12, 1, depth + 2, kUpdate),
        answer(start + 20, 1, depth + 2),
        request(start + 30, 0, depth + 3, kPrepare),
        request(start + 31, 1, depth + 3, kPrepare),
        answer(start + 50, 0, depth + 3),
        answer(start + 60, 1, depth + 3),
        request(start + 75, 0, depth + 4, kCommit),
        request(start + 76, 1, depth + 4, kCommit),
        answer(start + 90, 0, depth + 4),
        answer(start + 95, 1, depth + 4),
    };
}

TEST(Phases, DivideATransactionAtItsVerbs) {
    auto passages = two_branches(0, 0);
    const auto second = two_branches(1000, 4);
    passages.insert(passages.end(), second.begin(), second.end());
    const auto phases = phases_of(passages);
    EXPECT_EQ(phases.transactions, 2U);
    EXPECT_EQ(phases.work_us, 30);
    EXPECT_EQ(phases.prepare_us, 30);
    EXPECT_EQ(phases.decision_us, 15);
    EXPECT_EQ(phases.commit_us, 20);
    EXPECT_EQ(phases.trips_in_hold, 3) << "of the first branch; the second is held for 2";
}

TEST(Phases, PutAllBeforeALocalCommitIntoWork) {
    const std::vector<Passage> passages{request(0, 0, 1, kUpdate), answer(10, 0, 1),
                                        request(15, 0, 2, kCommit), answer(40, 0, 2)};
    const auto phases = phases_of(passages);
    EXPECT_EQ(phases.work_us, 15);
    EXPECT_EQ(phases.prepare_us, 0);
    EXPECT_EQ(phases.decision_us, 0);
    EXPECT_EQ(phases.commit_us, 25);
    EXPECT_EQ(phases.trips_in_hold, 1);
}

TEST(Phases, LeaveOutATransactionThatWasCutOff) {
    auto passages = two_branches(0, 0);
    passages.resize(9);
    EXPECT_EQ(phases_of(passages).transactions, 0U);
}

}  // namespace
}  // namespace xa_tm::bench
