#include "server_doubts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "global_id.h"

namespace xa_tm {
namespace {

using testing::HasSubstr;
using testing::Optional;

const recovery_log::LogId kLog{0x9f2c4e0d11a0b3c7};
const recovery_log::LogId kOtherLog{0x9f2c4e0d11a0b3c8};

ServerSighting sighting(const std::string& server, const std::string& history,
                        std::uint64_t flushed) {
    return {"users", server, {history, flushed}};
}

std::vector<Kept<ServerSighting>> noted(const ServerSighting& before) {
    return {{before, 1}};
}

ListedBranch branch_of(std::uint32_t incarnation, std::uint64_t sequence,
                       recovery_log::LogId log = kLog) {
    return {.xid = Xid{kFormatId, to_gtrid({"tm1", log, incarnation, sequence}), "users:1"},
            .name = {}};
}

PlanInput input_with(std::vector<ListedBranch> prepared) {
    return {.view = LogView::owner,
            .node = "tm1",
            .log = kLog,
            .incarnation = 5,
            .sequences_issued = 7,
            .resource = "users",
            .resources = {"users"},
            .server = "a",
            .before = prepared,
            .known = {},
            .after = prepared};
}

TEST(DoubtAboutAServer, IsNoneWhenItGoesOnWhereItWas) {
    EXPECT_EQ(doubt_about(sighting("a", "1", 10), {}), std::nullopt);
    const auto before = noted(sighting("a", "1", 10));
    EXPECT_EQ(doubt_about(sighting("a", "1", 10), before), std::nullopt);
    EXPECT_EQ(doubt_about(sighting("a", "1", 11), before), std::nullopt);
}

TEST(DoubtAboutAServer, IsThatItWasPutBackWhenItsLogEndsEarlier) {
    EXPECT_THAT(doubt_about(sighting("a", "1", 9), noted(sighting("a", "1", 10))),
                Optional(HasSubstr("put back to an old copy")));
}

TEST(DoubtAboutAServer, IsAnotherHistoryHoweverFarThatHasCome) {
    EXPECT_THAT(doubt_about(sighting("a", "2", 99), noted(sighting("a", "1", 10))),
                Optional(HasSubstr("timeline 2")));
}

TEST(DoubtAboutAServer, IsAnotherServerThanTheLastOneAlsoIfThatWasSeenBefore) {
    auto before = noted(sighting("a", "1", 10));
    EXPECT_THAT(doubt_about(sighting("b", "1", 99), before),
                Optional(testing::AllOf(HasSubstr("(b)"), HasSubstr("(a)"))));
    before.push_back({sighting("b", "1", 5), 2});
    EXPECT_EQ(doubt_about(sighting("b", "1", 5), before), std::nullopt);
    EXPECT_THAT(doubt_about(sighting("a", "1", 10), before), Optional(HasSubstr("(b)")))
        << "it may lack what was done at b";
}

TEST(DoubtAboutAServer, IsNoneWhereItDoesNotTellHowFarItIs) {
    const auto before = noted(sighting("a", "", 10));
    EXPECT_EQ(doubt_about(sighting("a", "", 0), before), std::nullopt);
    EXPECT_EQ(doubt_about(sighting("a", "1", 10), before), std::nullopt);
}

TEST(DoubtAboutTheLog, IsABranchThatIsLaterThanAllThatItKnows) {
    EXPECT_EQ(doubt_about_log(input_with({branch_of(5, 7), branch_of(4, 9000)})), std::nullopt);
    EXPECT_THAT(doubt_about_log(input_with({branch_of(6, 1)})), Optional(HasSubstr(":6:1")));
    EXPECT_THAT(doubt_about_log(input_with({branch_of(5, 8)})), Optional(HasSubstr(":5:8")));
}

TEST(DoubtAboutTheLog, IsNoneForAnotherLogsBranches) {
    EXPECT_EQ(doubt_about_log(input_with({branch_of(9, 1, kOtherLog)})), std::nullopt);
}

TEST(DoubtAboutTheLog, CountsOnlyWhatWasListedBeforeTheTransactionsWereCounted) {
    auto input = input_with({});
    input.after = {branch_of(5, 8)};
    EXPECT_EQ(doubt_about_log(input), std::nullopt);
}

TEST(DoubtAboutTheLog, LeavesThePresentIncarnationToItsOwner) {
    for (const auto view : {LogView::beside_the_owner, LogView::ownerless}) {
        auto input = input_with({branch_of(5, 8)});
        input.view = view;
        EXPECT_EQ(doubt_about_log(input), std::nullopt);
    }
}

TEST(SettledThrough, IsTheLastIncarnationOfWhichNothingIsLeft) {
    EXPECT_EQ(settled_through(input_with({})), 4U);
    EXPECT_EQ(settled_through(input_with({branch_of(3, 1), branch_of(2, 1, kOtherLog)})), 2U);
    auto input = input_with({branch_of(4, 1)});
    const auto gtrid = to_gtrid({"tm1", kLog, 2, 1});
    input.known.decisions.emplace(
        gtrid, PendingDecision::fresh({gtrid, {}, {{"points", "points:1", "", ""}}}, 1));
    EXPECT_EQ(settled_through(input), 3U);
    input.known.decisions.at(gtrid).decision.branches[0].resource = "users";
    EXPECT_EQ(settled_through(input), 1U);
}

}  // namespace
}  // namespace xa_tm
