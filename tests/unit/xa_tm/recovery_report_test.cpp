#include "xa_tm/recovery_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "manager_fixture.h"
#include "recovery.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Reports of recover() and inspect() over what a dead manager left behind.
class RecoveryReport : public ManagerFixture {
protected:
    /// An undecided branch of the last incarnation.
    Xid leave_undecided() {
        const auto xid = orphan_of(*open(), "users:1", 0);
        users_.add_prepared({.xid = xid, .name = {}});
        return xid;
    }
    [[nodiscard]] xa_tm::RecoveryReport look() {
        FakeLink users{"users", users_};
        FakeLink points{"points", points_};
        Datasource* const resources[] = {&users, &points};
        return inspect(directory_.path(), resources, seconds{10});
    }
    [[nodiscard]] static const RecoveryTransaction& find(const xa_tm::RecoveryReport& report,
                                                         const std::string& gtrid) {
        static const RecoveryTransaction none{};
        const auto found =
            std::ranges::find(report.transactions, gtrid, &RecoveryTransaction::gtrid);
        EXPECT_NE(found, report.transactions.end()) << gtrid;
        return found == report.transactions.end() ? none : *found;
    }
};

TEST_F(RecoveryReport, TellsEverythingThatRecoverHasDone) {
    const auto decided = leave_decided();
    points_.set_reachable(true);
    const auto undecided = leave_undecided();
    points_.add_prepared({.xid = Xid{1, "theirs", "b"}, .name = {}});
    auto life = open();
    const auto report = life->tm.recover({.timeout = seconds{10}});
    EXPECT_EQ(report.log.node, "shop-1");
    EXPECT_EQ(report.log.path, directory_.path());
    EXPECT_FALSE(report.log.owner);
    EXPECT_TRUE(report.is_complete());
    EXPECT_FALSE(report.is_anything_in_doubt());
    EXPECT_THAT(report.resources, SizeIs(3));
    EXPECT_THAT(report.transactions, SizeIs(3));

    const auto& committed = find(report, decided);
    EXPECT_EQ(committed.state, TransactionState::commit_decided);
    EXPECT_EQ(committed.action(), RecoveryAction::none);
    ASSERT_THAT(committed.branches, SizeIs(2));
    EXPECT_EQ(committed.branches[0].resource, "users");
    EXPECT_EQ(committed.branches[0].state, RecoveredState::finished);  // by the one before
    EXPECT_EQ(committed.branches[1].resource, "points");
    EXPECT_EQ(committed.branches[1].state, RecoveredState::committed);
    const auto& rolled_back = find(report, undecided.gtrid);
    EXPECT_EQ(rolled_back.state, TransactionState::presumed_abort);
    ASSERT_THAT(rolled_back.branches, SizeIs(1));
    EXPECT_EQ(rolled_back.branches[0].state, RecoveredState::rolled_back);
    EXPECT_EQ(find(report, to_hex("theirs")).state, TransactionState::foreign);
    EXPECT_TRUE(points_.has_row("ada:100"));
    EXPECT_EQ(live_entries(*life), 0U);
    EXPECT_THAT(points_.prepared(), ElementsAre(Xid{1, "theirs", "b"}));
}

TEST_F(RecoveryReport, TellsWhatWaitsForAResourceThatCanNotBeReached) {
    const auto decided = leave_decided();
    auto life = open();
    const auto report = life->tm.recover({.timeout = milliseconds{1}});
    EXPECT_FALSE(report.is_complete());
    EXPECT_TRUE(report.is_anything_in_doubt());
    EXPECT_EQ(report.resources[1].name, "points");
    EXPECT_FALSE(report.resources[1].is_reachable);
    EXPECT_THAT(report.resources[1].error, HasSubstr("unreachable"));
    const auto& transaction = find(report, decided);
    EXPECT_TRUE(transaction.is_in_doubt());
    EXPECT_EQ(transaction.action(), RecoveryAction::commit);
    EXPECT_THAT(transaction.reason(), HasSubstr("waits until the resource can be reached"));
    EXPECT_EQ(live_entries(*life), 1U);
}

TEST_F(RecoveryReport, KeepsTryingUntilTheTimeIsUp) {
    const auto decided = leave_decided();
    points_.set_reachable(true);
    points_.answer_next(Verb::commit, Answer{.code = XaCode::retry});
    auto life = open();
    const auto report = life->tm.recover({.timeout = seconds{10}});
    EXPECT_FALSE(report.is_anything_in_doubt());
    EXPECT_EQ(live_entries(*life), 0U);
    EXPECT_THAT(find(report, decided).branches, SizeIs(2));
}

TEST_F(RecoveryReport, TellsEachBranchOnceWhenAResourceIsLostInTheMiddle) {
    const auto decided = leave_decided();
    points_.set_reachable(true);
    points_.fail_next(Verb::commit, Fault::lose_request);
    auto life = open();
    const auto report = life->tm.recover({.timeout = milliseconds{1}});
    const auto& transaction = find(report, decided);
    EXPECT_THAT(transaction.branches, SizeIs(2));
    EXPECT_TRUE(transaction.is_in_doubt());
}

TEST_F(RecoveryReport, InspectsALogWithoutAnOwnerAndTouchesNothing) {
    const auto decided = leave_decided();
    points_.set_reachable(true);
    const auto undecided = leave_undecided();
    const auto sent = points_.sent().size() + users_.sent().size();
    const auto report = look();
    EXPECT_FALSE(report.log.owner);
    EXPECT_TRUE(report.is_complete());
    EXPECT_TRUE(report.is_anything_in_doubt());
    EXPECT_EQ(find(report, decided).action(), RecoveryAction::commit);
    EXPECT_TRUE(find(report, decided).age);
    EXPECT_EQ(find(report, undecided.gtrid).action(), RecoveryAction::rollback);
    EXPECT_THAT(users_.prepared(), SizeIs(1));
    EXPECT_THAT(points_.prepared(), SizeIs(1));
    EXPECT_EQ(points_.sent().size() + users_.sent().size(), sent + 4);  // two lists each
    EXPECT_NO_THROW(static_cast<void>(open()));
}

TEST_F(RecoveryReport, InspectsBesideALiveOwnerAndLeavesEverythingToIt) {
    auto life = start();
    auto tx = life->tm.begin();
    auto [users, points] = tx.enlist(life->users, life->points);
    users.write("ada");
    points.write("ada:100");
    std::optional<xa_tm::RecoveryReport> undecided;
    std::optional<xa_tm::RecoveryReport> decided;
    life->users.watch([&](FakeLink::Event event, Verb verb) {
        // Everything is prepared; then the decision is there, and nobody has committed.
        if (event == FakeLink::Event::sending && verb == Verb::commit) {
            decided = look();
        }
    });
    life->points.watch([&](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::received && verb == Verb::prepare) {
            undecided = look();
        }
    });
    const auto outcome = tx.commit();
    EXPECT_EQ(outcome.outcome(), Outcome::committed);
    ASSERT_TRUE(undecided && decided);
    EXPECT_EQ(undecided->log.owner.value().pid, ::getpid());
    EXPECT_EQ(find(*undecided, tx.gtrid()).state, TransactionState::live);
    EXPECT_EQ(find(*undecided, tx.gtrid()).action(), RecoveryAction::none);
    EXPECT_FALSE(undecided->is_anything_in_doubt());
    EXPECT_EQ(find(*decided, tx.gtrid()).state, TransactionState::commit_decided);
    EXPECT_THAT(find(*decided, tx.gtrid()).reason(), HasSubstr("left to pid"));
    // What is finished but not yet forgotten on disk is nothing to report.
    EXPECT_THAT(look().transactions, IsEmpty());
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start prepare commit");
    life->users.watch({});
    life->points.watch({});
}

TEST_F(RecoveryReport, ShowsAHeuristicUntilAPersonActs) {
    std::string gtrid;
    {
        auto life = start();
        auto tx = life->tm.begin();
        auto [users, points] = tx.enlist(life->users, life->points);
        users.write("ada");
        points.write("ada:100");
        points_.answer_next(Verb::commit, XaCode::heurrb);
        EXPECT_EQ(tx.commit().outcome(), Outcome::heuristic_mixed);
        gtrid = tx.gtrid();
    }
    const auto seen = look();
    EXPECT_TRUE(find(seen, gtrid).is_in_doubt());
    EXPECT_EQ(find(seen, gtrid).action(), RecoveryAction::none) << "the other one is finished";
    auto life = open();
    const auto report = life->tm.recover({.timeout = seconds{10}});
    EXPECT_TRUE(report.is_anything_in_doubt());
    EXPECT_EQ(find(report, gtrid).action(), RecoveryAction::none);
    EXPECT_EQ(live_entries(*life), 2U);
}

TEST_F(RecoveryReport, SaysWhenTheLogCanNotBeRead) {
    EXPECT_THAT(error_of([&] { static_cast<void>(look()); }), HasCode(ErrorCode::log_not_found));
    EXPECT_THAT(users_.sent(), IsEmpty());
}

TEST_F(RecoveryReport, NamesTheResourceThatADecisionWaitsForButIsNotConfigured) {
    const auto decided = leave_decided();
    FakeLink users{"users", users_};
    Datasource* const resources[] = {&users};
    const auto report = inspect(directory_.path(), resources, seconds{10});
    const auto& transaction = find(report, decided);
    EXPECT_TRUE(transaction.is_in_doubt());
    EXPECT_THAT(transaction.reason(), HasSubstr("resource points, which is not configured here"));
}

}  // namespace
}  // namespace xa_tm::test
