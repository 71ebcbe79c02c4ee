// Transactions over connections that the application lends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connection_pool.h"
#include "manager_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

class LentConnection : public ManagerFixture {
protected:
    LentConnection() {
        options_.pool_size_max = 1;
        options_.pool_timeout = std::chrono::milliseconds{1};
    }
};

TEST_F(LentConnection, TakesNoPlaceInThePoolAndIsNotKeptThere) {
    auto life = start();
    auto first = life->tm.begin();
    first.enlist(life->users).write("ada");  // the pool's only place
    auto second = life->tm.begin();
    second.enlist(life->users, {&users_}).write("bob");
    EXPECT_EQ(second.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(users_.has_row("bob"));
    EXPECT_EQ(life->users.pool_status().opened, 1U);
    EXPECT_EQ(life->users.pool_status().in_use, 1U);
    EXPECT_EQ(life->users.pool_status().idle, 0U);
}

TEST_F(LentConnection, IsPreparedAndCommittedLikeThePoolsOwn) {
    auto life = start();
    auto tx = life->tm.begin();
    auto users = tx.enlist(life->users, {&users_});
    auto points = tx.enlist(life->points);
    users.write("ada");
    points.write("ada:100");
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare commit");
}

TEST_F(LentConnection, IsNeverHandedOnToATransactionThatWaits) {
    auto life = start();
    auto tx = life->tm.begin();
    auto users = tx.enlist(life->users, {&users_});
    auto points = tx.enlist(life->points);
    users.execute("ada");
    points.execute("ada:100");
    auto holder = life->tm.begin();
    holder.enlist(life->users).execute("carol");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_EQ(life->users.pool_status().in_use, 1U) << "the holder's";
}

TEST_F(LentConnection, IsRefusedForADatasourceThatTakesPartAlready) {
    auto life = start();
    auto tx = life->tm.begin();
    tx.enlist(life->users).write("ada");
    EXPECT_THAT(
        error_of([&] { static_cast<void>(tx.enlist(life->users, FakeLink::Lent{&users_})); }),
        HasCode(ErrorCode::invalid_state));
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
}

TEST_F(LentConnection, IsRefusedWhenItLeadsElsewhereThanRecoveryWouldLook) {
    auto life = open();
    life->users.name_server("server A");
    life->tm.start();
    life->users.name_server("server B");
    auto tx = life->tm.begin();
    auto users = tx.enlist(life->users, FakeLink::Lent{&users_});
    const auto error = error_of([&] { users.open(); });
    EXPECT_THAT(error, HasCode(ErrorCode::invalid_configuration));
    EXPECT_THAT(error.what(), testing::HasSubstr("server B"));
    EXPECT_THAT(users_.verbs_of(tx.gtrid()), testing::IsEmpty());
}

TEST_F(LentConnection, IsEndedByRecoveryWhenItWasLostInDoubt) {
    auto life = start();
    auto tx = life->tm.begin();
    auto users = tx.enlist(life->users, {&users_});
    auto points = tx.enlist(life->points);
    users.write("ada");
    points.write("ada:100");
    users_.fail_next(Verb::commit, Fault::lose_request);
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(eventually([&] { return users_.has_row("ada"); }));
    EXPECT_TRUE(eventually([&] { return life->users.pool().lost_sessions().empty(); }));
}

}  // namespace
}  // namespace xa_tm::test
