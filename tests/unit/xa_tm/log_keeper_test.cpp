#include "log_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "messages.h"
#include "scripted_log.h"

namespace xa_tm::test {
namespace {

using recovery_log::Health;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LogKeeper, MaintainsTheLogAgainAndAgain) {
    ScriptedLog log;
    const LogKeeper keeper{log};
    EXPECT_TRUE(eventually([&] { return log.maintained >= 3; }));
}

TEST(LogKeeper, SaysOnceWhatHasBecomeOfTheLogAndWhatHappensNext) {
    ScriptedLog log;
    Messages messages;
    const LogKeeper keeper{log};
    const auto pass_twice = [&] {
        const int before = log.maintained;
        ASSERT_TRUE(eventually([&] { return log.maintained >= before + 3; }));
    };
    pass_twice();
    EXPECT_THAT(messages.texts(), IsEmpty());
    for (const auto health : {Health::full, Health::healthy, Health::poisoned}) {
        log.health = health;
        pass_twice();
    }
    EXPECT_THAT(messages.texts(), ElementsAre(HasSubstr("full; no transaction begins until space"),
                                              HasSubstr("transactions begin again"),
                                              HasSubstr("failed; no transaction begins until")));
}

}  // namespace
}  // namespace xa_tm::test
