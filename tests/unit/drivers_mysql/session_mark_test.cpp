#include "session_mark.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

TEST(SessionMark, IsFollowedByTheSessionsNumber) {
    EXPECT_EQ(lock_name("xa_tm:1a:7:shop", 42), "xa_tm:1a:7:shop/42");
    EXPECT_EQ(lock_prefix("xa_tm:1a:7:shop"), "xa_tm:1a:7:shop/");
}

TEST(SessionMark, IsCutToWhatMysqlTakesAndStaysDifferentFromOthers) {
    const std::string longest(43, 'm');
    EXPECT_EQ(lock_name(longest, UINT64_MAX).size(), 64U);
    EXPECT_TRUE(lock_name(longest, 1).starts_with(longest + '/'));
    const auto cut = lock_name(longest + "1", UINT64_MAX);
    EXPECT_EQ(cut.size(), 64U);
    EXPECT_NE(lock_name(longest + "1", 7), lock_name(longest + "2", 7));
    EXPECT_EQ(lock_name(longest + "1", 7), "mmmmmmmmmmmmmmmmmmmmmmmmmm~21538b72b11e003d/7");
}

TEST(SessionOrigin, TellsTheLockThatNoOtherSessionHas) {
    const SessionOrigin origin{"1000000000", unique_lock_name()};
    EXPECT_NE(origin.own_lock, unique_lock_name());
    EXPECT_LE(origin.own_lock.size(), 64U);
    const auto read = SessionOrigin::of({.number = 7, .since = origin.to_string()});
    EXPECT_EQ(read.server_started, "1000000000");
    EXPECT_EQ(read.own_lock, origin.own_lock);
}

TEST(SessionOrigin, MayTellLess) {
    EXPECT_EQ(SessionOrigin::of({7, "1000000000"}).own_lock, "");
    const auto untold = SessionOrigin::of({7, SessionOrigin{"", "xa_tm/1"}.to_string()});
    EXPECT_EQ(untold.server_started, "");
    EXPECT_EQ(untold.own_lock, "xa_tm/1");
}

}  // namespace
}  // namespace xa_tm::mysql
