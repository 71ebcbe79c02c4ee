#include "ending_sessions.h"

#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

TEST(EndingSessions, AreThoseThatWereClosedUntilTheyHaveEnded) {
    EndingSessions sessions;
    const auto seven = sessions.begin("mark/7");
    const auto eight = sessions.begin("mark/8");
    EXPECT_THAT(sessions.lock_names(), testing::IsEmpty()) << "none is closed";
    sessions.add("mark/7", seven);
    sessions.add("mark/8", eight);
    EXPECT_THAT(sessions.lock_names(), testing::ElementsAre("mark/7", "mark/8"));
    sessions.remove({"mark/7"});
    EXPECT_THAT(sessions.lock_names(), testing::ElementsAre("mark/8"));
}

TEST(EndingSessions, HaveEndedWhenARestartedServerUsesTheirNumbersAgain) {
    EndingSessions sessions;
    const auto old_seven = sessions.begin("mark/7");
    const auto old_eight = sessions.begin("mark/8");
    sessions.add("mark/7", old_seven);
    const auto new_seven = sessions.begin("mark/7");
    std::ignore = sessions.begin("mark/8");
    sessions.add("mark/8", old_eight);  // the application let go of it so late
    EXPECT_THAT(sessions.lock_names(), testing::IsEmpty())
        << "else a living session is waited for, for as long as it lies in the pool";
    sessions.add("mark/7", new_seven);
    EXPECT_THAT(sessions.lock_names(), testing::ElementsAre("mark/7"));
}

}  // namespace
}  // namespace xa_tm::mysql
