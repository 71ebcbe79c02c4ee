#include "enlistments.h"

#include <future>
#include <thread>
#include <tuple>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connection_pool.h"
#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Execute : public ManagerFixture {
protected:
    void SetUp() override {
        recovery_interval_ = std::chrono::hours{1};  // its verbs are not counted among ours
        life_ = start();
        trips_ = users_.trips();
    }

    [[nodiscard]] std::size_t trips_to_users() const { return users_.trips() - trips_; }

    std::unique_ptr<Life> life_;
    std::size_t trips_ = 0;
};

TEST_F(Execute, OpensTheBranchInTheTripOfItsFirstStatement) {
    auto tx = life_->tm.begin();
    const auto users = tx.enlist(life_->users);
    EXPECT_EQ(trips_to_users(), 0U);
    EXPECT_EQ(users.execute("ada"), 1U);
    EXPECT_EQ(trips_to_users(), 1U);
    users.execute("bob");
    EXPECT_EQ(trips_to_users(), 2U);
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute execute commit_one_phase");
    EXPECT_TRUE(users_.has_row("ada") && users_.has_row("bob"));
}

TEST_F(Execute, LastPreparesInTheSameTrip) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute_last("ada");
    points.execute_last("ada:100");
    EXPECT_EQ(trips_to_users(), 1U);
    EXPECT_THAT(users_.prepared(), SizeIs(1));
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(trips_to_users(), 2U);
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute prepare commit");
    EXPECT_THAT(records(), ElementsAre(IsDecision(tx.gtrid(), std::array{"users", "points"})));
}

TEST_F(Execute, LastOfOneBranchLetsTheOthersBePreparedByTheCommit) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute_last("ada");
    points.execute("ada:100");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute prepare commit");
    EXPECT_EQ(verbs(points_, tx.gtrid()), "start execute prepare commit");
}

TEST_F(Execute, LastOfASingleBranchNeedsNoRecord) {
    auto tx = life_->tm.begin();
    tx.enlist(life_->users).execute_last("ada");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute prepare commit");
    EXPECT_EQ(life_->tm.log_status().forces, 0U);
}

TEST_F(Execute, LastIsTheLast) {
    auto tx = life_->tm.begin();
    const auto users = tx.enlist(life_->users);
    users.execute_last("ada");
    EXPECT_THAT(error_of([&] { users.execute("bob"); }), HasCode(ErrorCode::invalid_state));
    EXPECT_THAT(error_of([&] { users.open(); }), HasCode(ErrorCode::invalid_state));
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_FALSE(users_.has_row("bob"));
}

TEST_F(Execute, LastPreparesNothingAfterAFailedStatement) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    points.execute("ada:100");
    const auto error = error_of([&users = users] { users.execute_last("fail"); });
    EXPECT_THAT(error, HasCode(ErrorCode::statement_failed));
    EXPECT_EQ(error.resource(), "users");
    EXPECT_EQ(error.native_error(), 1);
    EXPECT_THAT(error.what(), HasSubstr("the statement can't be run"));
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute");
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
    EXPECT_FALSE(points_.has_row("ada:100"));
}

TEST_F(Execute, LastRollsBackWhatIsPreparedWhenTheTransactionRollsBack) {
    auto tx = life_->tm.begin();
    tx.enlist(life_->users).execute_last("ada");
    tx.rollback();
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute prepare rollback");
    EXPECT_THAT(users_.prepared(), IsEmpty());
}

TEST_F(Execute, Trap36RollsBackWhatALostVoteLeftPrepared) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    points.execute("ada:100");
    users_.fail_next(Verb::prepare, Fault::lose_answer);
    users.execute_last("ada");
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_FALSE(report.is_settled());
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
    EXPECT_FALSE(users_.has_row("ada") || points_.has_row("ada:100"));
}

TEST_F(Execute, ThatIsLostEndsTheTransactionsChanceToCommit) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    points.execute("ada:100");
    users.execute("ada");
    users_.fail_next(Verb::execute, Fault::lose_request);
    const auto error = error_of([&users = users] { users.execute("bob"); });
    EXPECT_THAT(error, HasCode(ErrorCode::resource_unreachable));
    EXPECT_THAT(error_of([&users = users] { users.execute("cyd"); }),
                HasCode(ErrorCode::invalid_state));
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
    EXPECT_FALSE(points_.has_row("ada:100"));
}

TEST_F(Execute, ReplacesAConnectionThatDiedInThePoolAndNeverUsesItsXidAgain) {
    {
        auto tx = life_->tm.begin();
        tx.enlist(life_->users).execute("ada");
        EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    }
    users_.set_reachable(false);
    users_.set_reachable(true);
    auto tx = life_->tm.begin();
    auto [points, users] = tx.enlist(life_->points, life_->users);
    users.execute("bob");
    points.execute("bob:100");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(users_.has_row("bob"));
    std::vector<std::string> bquals;
    for (const auto& sent : users_.sent()) {
        if (sent.xid.gtrid == tx.gtrid() && sent.verb == Verb::start) {
            bquals.push_back(sent.xid.bqual);
        }
    }
    EXPECT_THAT(bquals, ElementsAre("users:3"));  // the dead session did not see users:2
}

TEST_F(Execute, LastIsNotSentAgainBehindALostConnectionBecauseItMayHavePrepared) {
    {
        auto tx = life_->tm.begin();
        tx.enlist(life_->users).execute("ada");
        EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    }
    auto tx = life_->tm.begin();
    const auto users = tx.enlist(life_->users);
    users_.fail_next(Verb::start, Fault::lose_answer);
    EXPECT_THAT(error_of([&] { users.execute_last("bob"); }),
                HasCode(ErrorCode::resource_unreachable));
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
    EXPECT_EQ(verbs(users_, tx.gtrid()).rfind("start"), 0U) << "once and not again";
    EXPECT_FALSE(users_.has_row("bob"));
}

TEST_F(Execute, LeavesABranchOutThatWasNeverUsed) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute("ada");
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_THAT(states(report), ElementsAre(BranchState::committed, BranchState::read_only));
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute commit_one_phase");
    EXPECT_EQ(verbs(points_, tx.gtrid()), "");
}

TEST_F(Execute, TellsWhatTheServerWarnsOf) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute("ada");
    points.execute("ada:100");
    users_.answer_next(Verb::prepare,
                       Answer{.code = XaCode::rdonly, .message = "a table is not transactional"});
    const auto report = tx.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(report.branches()[0].message, "a table is not transactional");
}

TEST_F(Execute, GivesTheEvidenceOfAVoteAlongWithTheCommitAndKeepsItForRecovery) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute("ada");
    points.execute("ada:100");
    users_.answer_next(Verb::prepare, Answer{.evidence = "pg_xid=7"});
    users_.fail_next(Verb::commit, Fault::lose_answer);
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    EXPECT_EQ(users_.evidence_of(Verb::commit), "pg_xid=7");
    EXPECT_EQ(users_.evidence_of(Verb::locate), "pg_xid=7");
}

TEST_F(Execute, Trap36EndsALostSessionAtTheServerBeforeItBelievesTheList) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute("ada");
    points.execute("ada:100");
    users_.fail_next(Verb::prepare, Fault::lose_answer);
    const auto before = users_.sent().size();
    EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
    std::vector<Verb> recovery;
    const auto sent = users_.sent();
    for (auto i = before + 1; i < sent.size(); ++i) {
        recovery.push_back(sent[i].verb);
    }
    EXPECT_THAT(recovery,
                ElementsAre(Verb::end_session, Verb::recover, Verb::recover, Verb::rollback));
    EXPECT_THAT(life_->users.pool().lost_sessions(), IsEmpty());
}

TEST_F(Execute, ADecidedBranchIsNotTakenForFinishedWhileItsSessionMayBeAtIt) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.execute("ada");
    points.execute("ada:100");
    users_.fail_next(Verb::commit, Fault::lose_answer);
    for (std::size_t pass = 0; pass < 3; ++pass) {
        users_.answer_next(Verb::end_session,
                           Answer{.code = XaCode::rmerr, .message = "grant CONNECTION_ADMIN"});
    }
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    std::size_t asked = 0;
    for (const auto& sent : users_.sent()) {
        asked += sent.verb == Verb::end_session ? 1 : 0;
        EXPECT_TRUE(sent.verb != Verb::locate || asked == 4) << "before the session had ended";
    }
    EXPECT_EQ(asked, 4U);
}

/// One connection for every transaction's users branch.
class Chain : public Execute {
protected:
    Chain() { options_ = {.pool_size_max = 1, .pool_timeout = std::chrono::hours{1}}; }

    /// Returns when somebody waits for the connection to users with a batch.
    void wait_for_a_waiter() {
        EXPECT_TRUE(eventually([&] {
            auto successor = life_->users.pool().next_successor();
            if (successor) {
                successor->wait_on();
            }
            return successor.has_value();
        }));
    }

    /// A whole transaction in another thread; waits for the connection first.
    [[nodiscard]] std::future<Outcome> commit_behind(const std::string& row) {
        auto outcome = std::async(std::launch::async, [this, row] {
            auto tx = life_->tm.begin();
            try {
                tx.enlist(life_->users).execute_last(row);
            } catch (const Error&) {
                EXPECT_EQ(tx.commit().outcome(), Outcome::rolled_back);
                throw;
            }
            return tx.commit().outcome();
        });
        wait_for_a_waiter();
        return outcome;
    }
};

TEST_F(Chain, CommitTakesTheNextTransactionsFirstRequestsAlong) {
    auto first = life_->tm.begin();
    first.enlist(life_->users).execute_last("ada");
    auto second = commit_behind("bob");
    EXPECT_EQ(first.commit().outcome(), Outcome::committed);
    EXPECT_EQ(second.get(), Outcome::committed);
    EXPECT_EQ(trips_to_users(), 3U) << "of both: work, commit and work, commit";
    EXPECT_TRUE(users_.has_row("ada") && users_.has_row("bob"));
    EXPECT_EQ(users_.connects(), 2U) << "one of them is recovery's";
}

TEST_F(Chain, GivesNoConnectionOnThatTheApplicationHasSeen) {
    auto first = std::make_unique<xa_tm::Transaction>(life_->tm.begin());
    const auto branch = first->enlist(life_->users);
    branch.write("ada");
    branch.execute_last("ada too");
    auto second = commit_behind("bob");
    EXPECT_EQ(first->commit().outcome(), Outcome::committed);
    EXPECT_THROW(branch.write("late"), Error);
    wait_for_a_waiter();  // until the scope ends
    first.reset();
    EXPECT_EQ(second.get(), Outcome::committed);
    EXPECT_FALSE(users_.has_row("late"));
}

TEST_F(Chain, AnEndedBranchDoesNotReachTheNextTransaction) {
    auto first = life_->tm.begin();
    const auto branch = first.enlist(life_->users);
    branch.execute_last("ada");
    auto second = commit_behind("bob");
    EXPECT_EQ(first.commit().outcome(), Outcome::committed);
    EXPECT_THAT(error_of([&] { branch.execute("late"); }), HasCode(ErrorCode::invalid_state));
    EXPECT_EQ(second.get(), Outcome::committed);
    EXPECT_FALSE(users_.has_row("late"));
}

TEST_F(Chain, WaitsOnWhenTheCommitBeforeItIsRefused) {
    auto first = std::make_unique<xa_tm::Transaction>(life_->tm.begin());
    first->enlist(life_->users).execute_last("ada");
    auto second = commit_behind("bob");
    users_.answer_next(Verb::commit, XaCode::retry);
    EXPECT_EQ(first->commit().outcome(), Outcome::unknown);
    first.reset();
    EXPECT_EQ(second.get(), Outcome::committed);
    EXPECT_TRUE(eventually([&] { return users_.has_row("ada"); })) << "recovery commits it";
    EXPECT_TRUE(users_.has_row("bob"));
}

TEST_F(Chain, RollsBackWhenTheConnectionIsLostWithTheCommitBeforeIt) {
    auto first = std::make_unique<xa_tm::Transaction>(life_->tm.begin());
    first->enlist(life_->users).execute_last("ada");
    auto second = commit_behind("bob");
    users_.fail_next(Verb::commit, Fault::lose_answer);
    EXPECT_EQ(first->commit().outcome(), Outcome::unknown);
    EXPECT_THAT(error_of([&] { second.get(); }), HasCode(ErrorCode::resource_unreachable));
    first.reset();
    EXPECT_TRUE(users_.has_row("ada"));
    EXPECT_FALSE(users_.has_row("bob"));
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
}

TEST_F(Chain, GoesOnFromTransactionToTransaction) {
    constexpr int kThreads = 4;
    constexpr int kEach = 200;
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([this, thread] {
            for (int i = 0; i < kEach; ++i) {
                auto tx = life_->tm.begin();
                auto row = fmt::format("{}.{}", thread, i);
                tx.enlist(life_->users).execute_last(row);
                EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
                EXPECT_TRUE(users_.has_row(row));
            }
        });
    }
    threads.clear();
    EXPECT_EQ(users_.connects(), 2U) << "one of them is recovery's";
    EXPECT_LE(trips_to_users(), 2U * kThreads * kEach);
}

}  // namespace
}  // namespace xa_tm::test
