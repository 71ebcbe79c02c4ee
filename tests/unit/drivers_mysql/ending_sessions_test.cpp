#include "ending_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

TEST(EndingSessions, AreThoseThatWereClosedUntilTheyHaveEnded) {
    EndingSessions sessions;
    EXPECT_TRUE(sessions.are_none());
    sessions.add("xa_tm/7");
    sessions.add("xa_tm/8");
    EXPECT_THAT(sessions.lock_names(), testing::ElementsAre("xa_tm/7", "xa_tm/8"));
    sessions.remove({"xa_tm/7"});
    EXPECT_THAT(sessions.lock_names(), testing::ElementsAre("xa_tm/8"));
}

}  // namespace
}  // namespace xa_tm::mysql
