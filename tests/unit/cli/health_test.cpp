#include "health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watch_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Health, IsGoodWhenNothingIsInDoubt) {
    EXPECT_THAT(complaints_of(quiet_view()), IsEmpty());
    EXPECT_EQ(health_json(quiet_view())["healthy"], true);
    EXPECT_EQ(status_line(quiet_view()), "recovering, 0 branches in doubt");
}

TEST(Health, IsGoodWhileRecoveryIsAtIt) {
    auto view = quiet_view();
    view.status->resources[0].in_doubt = 1;
    view.status->resources[0].alarm = AlarmLevel::notice;
    view.status->open_decisions = 1;
    view.status->alarm = AlarmLevel::notice;

    EXPECT_THAT(complaints_of(view), IsEmpty());
    EXPECT_EQ(status_line(view), "recovering, 1 branch in doubt");
}

TEST(Health, SaysEverythingThatAPersonHasToLookAt) {
    EXPECT_THAT(complaints_of(recovering_view()),
                ElementsAre("resource points can't be listed: connection refused",
                            "1 branch waits at points for a person; see `xa-recover list`",
                            "3 branches are in doubt at points for 75 s",
                            "1 branch has ended not as decided; see `xa-recover list`"));
}

TEST(Health, IsBadForAnAlarmThatNothingElseExplains) {
    auto view = quiet_view();
    view.status->alarm = AlarmLevel::critical;

    EXPECT_THAT(complaints_of(view), ElementsAre("the alarm level is critical"));
}

TEST(Health, IsBadForEveryResourceThatHidesSomething) {
    auto view = quiet_view();
    view.status->resources[0].unended_session = "session 7: grant CONNECTION_ADMIN";

    EXPECT_THAT(complaints_of(view), ElementsAre("resource users has an old session: session 7: "
                                                 "grant CONNECTION_ADMIN"));
}

TEST(Health, IsBadForALogThatIsFullOrPoisonedOrAnOldCopy) {
    auto view = quiet_view();
    view.status->log.health = recovery_log::Health::poisoned;
    view.status->log.reason = "EIO";
    view.status->log_doubt = "users holds a later branch";

    EXPECT_THAT(complaints_of(view),
                ElementsAre("the log is poisoned: EIO",
                            "the log is an old copy: users holds a later branch"));
}

TEST(Health, IsGoodWhileAnotherProcessOwnsTheLog) {
    const auto json = health_json(waiting_view());

    EXPECT_EQ(json["healthy"], true);
    EXPECT_EQ(json["phase"], "waiting");
    EXPECT_EQ(json["owner"]["pid"], 4711);
    EXPECT_TRUE(json["recovery"].is_null());
    EXPECT_EQ(status_line(waiting_view()),
              "waiting until pid 4711 on shop-1 ends, which owns the "
              "log");
}

TEST(Health, IsNotKnownToBeGoodBeforeTheLogIsTakenOver) {
    EXPECT_THAT(complaints_of({}), Contains(HasSubstr("taken over")));
    EXPECT_EQ(health_json({})["healthy"], false);
}

TEST(Health, TellsOfEachResource) {
    const auto json = health_json(recovering_view());

    const auto& points = json["recovery"]["resources"][1];
    EXPECT_EQ(points["name"], "points");
    EXPECT_EQ(points["reachable"], false);
    EXPECT_EQ(points["error"], "connection refused");
    EXPECT_EQ(points["in_doubt"], 3);
    EXPECT_EQ(points["oldest_s"], 75);
    EXPECT_EQ(points["alarm"], "warning");
    EXPECT_TRUE(json["recovery"]["resources"][0]["error"].is_null());
    EXPECT_EQ(json["recovery"]["log"]["health"], "healthy");
}

}  // namespace
}  // namespace xa_tm::cli
