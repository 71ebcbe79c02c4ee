#include "recovery_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using std::chrono::steady_clock;
using testing::IsEmpty;

/// Background recovery as an application has it.
class RecoveryService : public ManagerFixture {
protected:
    static std::string commit(Life& life) {
        auto tx = life.tm.begin();
        auto [users, points] = tx.enlist(life.users, life.points);
        users.write("ada");
        points.write("ada:100");
        const auto report = tx.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed);
        return report.gtrid();
    }
    /// Commits on users and points, of which points does not get to know.
    std::string commit_but_for_points(Life& life) {
        points_.fail_next(Verb::commit, Fault::lose_request);
        return commit(life);
    }
    [[nodiscard]] static std::ptrdiff_t count(const FakeResourceManager& server, Verb verb) {
        const auto sent = server.sent();
        return std::ranges::count(sent, verb, &SentVerb::verb);
    }
};

TEST_F(RecoveryService, Trap04FinishesADecisionWithoutTrafficOrRestart) {
    auto life = start();
    life->points.watch([this](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::sending && verb == Verb::commit) {
            points_.set_reachable(false);
        }
    });
    const auto gtrid = commit(*life);
    EXPECT_EQ(live_entries(*life), 1U);
    life->points.watch({});
    points_.set_reachable(true);
    EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
    EXPECT_TRUE(points_.has_row("ada:100"));
    EXPECT_EQ(verbs(points_, gtrid), "start prepare commit");  // one of them did not get there
    expect_nothing_left(life);
}

TEST_F(RecoveryService, Trap05IsNotDelayedByAnotherResourceThatIsDown) {
    auto life = open();
    points_.set_reachable(false);
    const auto orphan = orphan_of(*life, "users:1", 0);
    life.reset();
    users_.add_prepared({.xid = orphan, .name = {}});
    life = start();  // returns, though one of the resources can't be reached
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_EQ(verbs(users_, orphan.gtrid), "rollback");
}

TEST_F(RecoveryService, Trap05IsNotDelayedByAnotherResourceThatHangs) {
    auto life = start();
    // From now on audit never answers the list that recovery asks for.
    const auto lists = count(audit_, Verb::recover);
    audit_.fail_next(Verb::recover, Fault::stall_request);
    EXPECT_TRUE(eventually([&] { return count(audit_, Verb::recover) > lists; }));
    commit_but_for_points(*life);
    EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
    EXPECT_TRUE(points_.has_row("ada:100"));
}

TEST_F(RecoveryService, Trap35EndsAtOnceWhileAServerHangs) {
    for (const auto verb : {Verb::recover, Verb::commit}) {
        recovery_interval_ = std::chrono::milliseconds{10};
        answer_timeout_ = std::chrono::hours{1};
        auto life = start();
        if (verb == Verb::commit) {
            // The application's own commit is lost, then recovery's gets no answer.
            points_.fail_next(Verb::commit, Fault::stall_request, 1);
            commit_but_for_points(*life);
            EXPECT_TRUE(eventually([&] { return count(points_, Verb::commit) == 2; }));
        } else {
            const auto lists = count(points_, Verb::recover);
            points_.fail_next(Verb::recover, Fault::stall_request);
            EXPECT_TRUE(eventually([&] { return count(points_, Verb::recover) > lists; }));
        }
        const auto begin = steady_clock::now();
        life.reset();
        EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds{10});
    }
    auto life = start();
    EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
    EXPECT_TRUE(points_.has_row("ada:100"));
}

TEST_F(RecoveryService, LooksAtOnceWhereItIsWoken) {
    recovery_interval_ = std::chrono::hours{24};  // nothing but being woken brings a pass
    auto life = start();
    commit_but_for_points(*life);
    EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
}

TEST_F(RecoveryService, KeepsLookingWhileADecisionWaitsThoughALookFoundNothingToDo) {
    recovery_interval_ = std::chrono::hours{24};
    auto life = start();
    int lists = 0;
    life->points.watch([&, this](FakeLink::Event event, Verb verb) {
        // Between the two lists of the woken pass the branch is finished: nothing can be judged.
        if (event == FakeLink::Event::sending && verb == Verb::recover && ++lists == 2) {
            points_.drop(points_.prepared().at(0));
        }
    });
    const auto gtrid = commit_but_for_points(*life);
    EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
    EXPECT_EQ(verbs(points_, gtrid), "start prepare commit locate");
    life->points.watch({});
}

}  // namespace
}  // namespace xa_tm::test
