#include <utility>

#include <gtest/gtest.h>

#include "xa_tm/outcome.h"

namespace xa_tm::test {
namespace {

CommitReport report() {
    return {"shop-1.1", Outcome::unknown, "a reply was lost", {}};
}

TEST(CommitReport, MayGoOnceItsOutcomeOrItsBranchesWereLookedAt) {
    EXPECT_EQ(report().outcome(), Outcome::unknown);
    EXPECT_TRUE(report().branches().empty());
    EXPECT_EQ(to_string(report()), "shop-1.1: unknown (a reply was lost)");
}

TEST(CommitReport, HandsTheDutyToLookOnWithACopy) {
    auto first = report();
    auto second = first;
    const auto third = std::move(second);
    EXPECT_EQ(third.outcome(), Outcome::unknown);
}

#if defined(XA_TM_ABORT_ON_UNREAD_REPORT)
constexpr auto* kWhy = "a CommitReport says what became of the transaction";

TEST(CommitReportDeath, AbortsWhenItGoesUnread) {
    EXPECT_DEATH({ const auto unread = report(); }, kWhy);
    EXPECT_DEATH(static_cast<void>(report().reason()), kWhy);
}

TEST(CommitReportDeath, AbortsWhenItIsReplacedUnread) {
    EXPECT_DEATH(
        {
            auto unread = report();
            unread = report();
        },
        kWhy);
}

TEST(CommitReportDeath, AbortsWhenTheCopyGoesUnread) {
    const auto first = report();
    EXPECT_DEATH({ const auto second = first; }, kWhy);
    EXPECT_EQ(first.outcome(), Outcome::unknown);
}
#endif

}  // namespace
}  // namespace xa_tm::test
