// Rows of finished decisions go with the end of the work, whoever finishes the last branch.

#include <chrono>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

class DecisionRows : public ManagerFixture {
protected:
    /// Recovery looks when it is asked to, and not of its own accord.
    DecisionRows() { recovery_interval_ = 1h; }

    [[nodiscard]] std::unique_ptr<Life> open_with_stock() {
        auto life = open();
        stock_link_ =
            &life->tm.add<FakeLink>("stock", stock_, DatasourceOptions{.is_last_resource = true});
        return life;
    }

    /// Commits with the row; the branch at users is still prepared.
    void leave_one_branch(Life& life) {
        auto tx = life.tm.begin();
        auto [users, stock] = tx.enlist(life.users, *stock_link_);
        users.write("ada");
        stock.write("ada");
        EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
        EXPECT_THAT(stock_.decided(), SizeIs(1));
    }

    /// By the time that users hears of a commit the pass over the last resource is over, though
    /// nobody can see that.
    static void finish_late(Life& life) {
        life.users.watch([](FakeLink::Event event, Verb verb) {
            if (event == FakeLink::Event::sending && verb == Verb::commit) {
                std::this_thread::sleep_for(50ms);
            }
        });
    }

    FakeResourceManager stock_{"stock", {.is_last_resource = true}};
    FakeLink* stock_link_ = nullptr;
};

TEST_F(DecisionRows, AreGoneAfterADrainAlsoOfABranchThatIsFinishedLast) {
    const auto life = open_with_stock();
    life->tm.start();
    finish_late(*life);
    users_.fail_next(Verb::commit, Fault::lose_request);
    leave_one_branch(*life);
    EXPECT_TRUE(life->tm.drain(30s).is_drained);
    EXPECT_TRUE(users_.has_row("ada"));
    EXPECT_THAT(stock_.decided(), IsEmpty());
}

TEST_F(DecisionRows, AreGoneAfterARecoveryInTheForeground) {
    auto life = open_with_stock();
    life->tm.start();
    life->users.watch([this](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::sending && verb == Verb::commit) {
            users_.set_reachable(false);
        }
    });
    leave_one_branch(*life);
    life.reset();
    users_.set_reachable(true);
    life = open_with_stock();
    finish_late(*life);
    EXPECT_TRUE(life->tm.recover({.timeout = 30s}).is_complete());
    EXPECT_TRUE(users_.has_row("ada"));
    EXPECT_THAT(stock_.decided(), IsEmpty());
}

// Law 3: a later incarnation that is not told of the last resource must not presume abort.
TEST_F(DecisionRows, AreAnnouncedInTheLogBeforeTheFirstAlsoBehindARecoveryInTheForeground) {
    const auto notes = [this] {
        std::size_t count = 0;
        for (const auto& record : records()) {
            const auto* last = std::get_if<LastResource>(&record);
            count += last != nullptr && last->resource == "stock" ? 1 : 0;
        }
        return count;
    };
    {
        const auto life = open_with_stock();
        std::ignore = life->tm.recover({.timeout = 1s});
        life->tm.start();
    }
    EXPECT_EQ(notes(), 1U);
    {
        const auto life = open_with_stock();
        life->tm.start();
    }
    EXPECT_EQ(notes(), 1U) << "once is enough";
}

TEST_F(DecisionRows, KeepNobodyWaitingWhereTheServerLetsThemNotBeRemoved) {
    const auto life = open_with_stock();
    life->tm.start();
    finish_late(*life);
    users_.fail_next(Verb::commit, Fault::lose_request);
    for (int pass = 0; pass < 2; ++pass) {
        stock_.answer_next(Verb::forget_decisions, XaCode::rmerr);
    }
    leave_one_branch(*life);
    EXPECT_TRUE(life->tm.drain(30s).is_drained);
    EXPECT_TRUE(users_.has_row("ada"));
    EXPECT_THAT(stock_.decided(), SizeIs(1));
}

}  // namespace
}  // namespace xa_tm::test
