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

TEST(Phases, SeeAOneShotTransactionHoldItsFirstBranchForOneTripMore) {
    constexpr Verbs kWhole{.update = true, .end = true, .prepare = true};
    const std::vector<Passage> passages{request(0, 0, 1, kWhole),   answer(10, 0, 1),
                                        request(12, 1, 2, kWhole),  answer(22, 1, 2),
                                        request(30, 0, 3, kCommit), request(31, 1, 3, kCommit),
                                        answer(40, 0, 3),           answer(45, 1, 3)};
    EXPECT_EQ(phases_of(passages).trips_in_hold, 2);
}

TEST(SharedTrips, CountTheAnswersBetweenTheUpdatesOfAConnectionAndTheirCommit) {
    auto first = std::vector{request(0, 0, 1, kUpdate),
                             request(1, 1, 1, kUpdate),
                             answer(10, 0, 1),
                             answer(11, 1, 1),
                             request(12, 0, 2, kPrepare),
                             request(13, 1, 2, kPrepare),
                             answer(20, 0, 2),
                             answer(21, 1, 2),
                             request(30, 0, 3, kCommit),
                             request(31, 1, 3, kCommit)};
    const auto shared = shared_trips_of(first);
    EXPECT_EQ(shared.trips_in_hold, 2);
    EXPECT_EQ(shared.commits, 1U);
}

TEST(SharedTrips, LeaveOutWhatWaitsAtTheServerForTheLockOfTheCommitBefore) {
    constexpr Verbs kWhole{.update = true, .end = true, .prepare = true};
    auto on = [](Passage passage, std::size_t link) {
        passage.link = link;
        return passage;
    };
    const auto shared =
        shared_trips_of(std::vector{on(request(0, 0, 1, kWhole), 5), on(answer(10, 0, 1), 5),
                                    on(request(11, 0, 2, kWhole), 6),  // waits for the lock of 5
                                    on(request(12, 0, 2, kCommit), 5), on(answer(20, 0, 2), 5),
                                    on(answer(25, 0, 2), 6), on(request(26, 0, 3, kCommit), 6)});
    EXPECT_EQ(shared.trips_in_hold, 1);
    EXPECT_EQ(shared.commits, 2U);
}

}  // namespace
}  // namespace xa_tm::bench
