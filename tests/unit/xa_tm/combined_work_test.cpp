#include "combined_work.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using State = xa_tm::CombinedWork::State;
using Verdict = xa_tm::CombinedWork::Verdict;

class CombinedWork : public testing::Test {
protected:
    /// One trip: the verdicts of its members in one branch, then in the other.
    void trip(const std::vector<Verdict>& one, const std::vector<Verdict>& other) {
        const auto next = work_.next();
        for (const auto& verdicts : {one, other}) {
            ASSERT_EQ(verdicts.size(), next.end - next.begin);
            for (std::size_t i = 0; i < verdicts.size(); ++i) {
                work_.take(next.begin + i, verdicts[i]);
            }
        }
        work_.end_trip();
    }
    void expect_next(std::optional<std::size_t> undo, std::size_t begin) const {
        ASSERT_EQ(work_.state(), State::working);
        EXPECT_EQ(work_.next().undo, undo);
        EXPECT_EQ(work_.next().begin, begin);
        EXPECT_EQ(work_.next().end, 4U);
    }
    [[nodiscard]] std::vector<bool> parts() const {
        std::vector<bool> parts;
        for (std::size_t i = 0; i < 4; ++i) {
            parts.push_back(work_.is_part(i));
            EXPECT_NE(work_.is_part(i), work_.has_failed(i));
        }
        return parts;
    }

    static constexpr auto kDone = Verdict::done;
    static constexpr auto kFailed = Verdict::failed;
    static constexpr auto kNotReached = Verdict::not_reached;

    xa_tm::CombinedWork work_{4};
};

TEST_F(CombinedWork, IsCompleteAfterOneTripWithoutFailures) {
    expect_next(std::nullopt, 0);
    trip({kDone, kDone, kDone, kDone}, {kDone, kDone, kDone, kDone});
    EXPECT_EQ(work_.state(), State::complete);
    EXPECT_THAT(parts(), ElementsAre(true, true, true, true));
}

TEST_F(CombinedWork, UndoesTheFirstThatFailedAnywhereAndDoesThoseBehindItAgain) {
    trip({kDone, kDone, kFailed, kNotReached}, {kDone, kFailed, kNotReached, kNotReached});
    expect_next(1, 2);
    trip({kDone, kDone}, {kDone, kDone});
    EXPECT_EQ(work_.state(), State::complete);
    EXPECT_THAT(parts(), ElementsAre(true, false, true, true));
}

// Such as one with unexpected rows, behind which the branch goes on.
TEST_F(CombinedWork, DoesThoseAgainThatWereDoneBehindOneThatFailed) {
    trip({kFailed, kDone, kDone, kDone}, {kDone, kDone, kDone, kDone});
    expect_next(0, 1);
    trip({kDone, kFailed, kDone}, {kDone, kDone, kDone});
    expect_next(2, 3);
    trip({kDone}, {kDone});
    EXPECT_THAT(parts(), ElementsAre(false, true, false, true));
}

TEST_F(CombinedWork, OnlyUndoesTheLastOneWhenThatHasFailed) {
    trip({kDone, kDone, kDone, kDone}, {kDone, kDone, kDone, kFailed});
    expect_next(3, 4);
    trip({}, {});
    EXPECT_EQ(work_.state(), State::complete);
    EXPECT_THAT(parts(), ElementsAre(true, true, true, false));
}

TEST_F(CombinedWork, IsEmptyWhenEveryOneHasFailed) {
    for (std::size_t left = 4; left > 0; --left) {
        ASSERT_EQ(work_.state(), State::working);
        std::vector<Verdict> verdicts(left, kNotReached);
        verdicts.front() = kFailed;
        trip(verdicts, std::vector<Verdict>(left, kDone));
    }
    EXPECT_EQ(work_.state(), State::empty);
    EXPECT_THAT(parts(), ElementsAre(false, false, false, false));
}

TEST_F(CombinedWork, IsDissolvedWhenABranchIsBroken) {
    trip({kDone, kFailed, kNotReached, kNotReached}, {kDone, kDone, kDone, Verdict::broken});
    EXPECT_EQ(work_.state(), State::dissolved);
}

TEST_F(CombinedWork, IsDissolvedWhenABranchCanNotGoBack) {
    trip({kDone, kFailed, kNotReached, kNotReached}, {kDone, kDone, kDone, kDone});
    work_.take_broken();
    work_.end_trip();
    EXPECT_EQ(work_.state(), State::dissolved);
}

}  // namespace
}  // namespace xa_tm::test
