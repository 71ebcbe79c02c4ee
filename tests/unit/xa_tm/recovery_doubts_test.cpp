// What recovery concludes from what servers tell of themselves, over whole managers.

#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RecoveryDoubts : public ManagerFixture {
protected:
    RecoveryDoubts() {
        users_.set_position({.history = "1", .flushed = 100});
        points_.set_position({.history = "1", .flushed = 100});
    }

    /// What the log holds besides sightings, which come and go.
    [[nodiscard]] std::vector<LogRecord> records_but_sightings() const {
        auto all = records();
        std::erase_if(all, [](const LogRecord& record) {
            return std::holds_alternative<ServerSighting>(record);
        });
        return all;
    }
    /// A life that sees both servers, and leaves what an earlier one has not decided.
    Xid leave_undecided(FakeResourceManager& server, const std::string& bqual) {
        auto life = start();
        const auto xid = orphan_of(*life, bqual, 0);
        life.reset();
        server.add_prepared({.xid = xid, .name = {}});
        return xid;
    }
    /// The same with points within reach again.
    std::string leave_decided() {
        auto gtrid = ManagerFixture::leave_decided();
        points_.set_reachable(true);
        return gtrid;
    }
    [[nodiscard]] static const ResourceStatus& status_of(const RecoveryStatus& status,
                                                         const std::string& resource) {
        return *std::ranges::find(status.resources, resource, &ResourceStatus::name);
    }
};

TEST_F(RecoveryDoubts, WritesDownHowFarAServerHasComeAndNotAtEveryLook) {
    auto life = start();
    const auto forces = life->tm.log_status().forces;
    users_.set_position({.history = "1", .flushed = 200});
    ASSERT_TRUE(
        eventually([&] { return status_of(life->tm.recovery_status(), "users").passes >= 5; }));
    EXPECT_EQ(life->tm.log_status().forces, forces);
    life.reset();
    life = start();
    life.reset();
    EXPECT_THAT(records(), testing::Contains(LogRecord{ServerSighting{"users", "", {"1", 200}}}));
}

TEST_F(RecoveryDoubts, Trap52RollsNothingBackAtAServerThatWasPutBack) {
    const auto xid = leave_undecided(users_, "users:1");
    users_.set_position({.history = "1", .flushed = 99});
    for (int lives = 0; lives < 2; ++lives) {  // also when the server has come further since
        auto life = start();
        const auto status = life->tm.recovery_status();
        EXPECT_EQ(status_of(status, "users").for_a_person, 1U);
        EXPECT_EQ(status.alarm, AlarmLevel::warning);
        EXPECT_FALSE(life->tm.has_work_left());
        users_.set_position({.history = "1", .flushed = 500});
    }
    EXPECT_THAT(users_.prepared(), ElementsAre(xid));
    EXPECT_THAT(records_but_sightings(), SizeIs(1));
}

TEST_F(RecoveryDoubts, Trap52RollsBackThereWhatASoundServerProvesWasNeverDecided) {
    const auto xid = leave_undecided(users_, "users:1");
    points_.add_prepared({.xid = Xid{kFormatId, xid.gtrid, "points:2"}, .name = {}});
    users_.set_position({.history = "1", .flushed = 99});
    auto life = start();
    EXPECT_TRUE(eventually([&] { return users_.prepared().empty(); }));
    EXPECT_THAT(points_.prepared(), IsEmpty());
}

TEST_F(RecoveryDoubts, ForgetsADoubtWhenNothingDependsOnItAnyMore) {
    const auto xid = leave_undecided(users_, "users:1");
    users_.set_position({.history = "1", .flushed = 99});
    start().reset();
    users_.drop(xid);
    start().reset();
    EXPECT_THAT(records_but_sightings(), IsEmpty());
}

TEST_F(RecoveryDoubts, Trap44TakesTheSilenceOfAPromotedReplicaForAHazardThatStays) {
    const auto gtrid = leave_decided();
    points_.drop(Xid{kFormatId, gtrid, "points:2"});
    points_.set_position({.history = "2", .flushed = 900});
    for (int lives = 0; lives < 2; ++lives) {
        auto life = start();  // Trap10: it never blocks opening
        EXPECT_TRUE(eventually([&] { return life->tm.recovery_status().open_decisions == 0; }));
        EXPECT_EQ(life->tm.recovery_status().heuristics, 1U);
        {
            auto other = life->tm.begin();
            other.enlist(life->points).write("other");
            EXPECT_EQ(other.commit().outcome(), Outcome::committed);
        }
    }
    EXPECT_THAT(records_but_sightings(),
                testing::Contains(IsHeuristicRecord(gtrid, "points:2", XaCode::heurhaz)));
    EXPECT_THAT(records_but_sightings(),
                testing::Contains(IsDecision(gtrid, std::array{"users", "points"})));
}

TEST_F(RecoveryDoubts, AskNothingOfABranchThatIsFinishedWhileAHeuristicKeepsItsDecision) {
    auto life = start();
    const auto gtrid = [&] {
        auto tx = life->tm.begin();
        tx.enlist(life->users).write("ada");
        tx.enlist(life->points).write("ada:100");
        points_.answer_next(Verb::commit, XaCode::heurrb);
        EXPECT_EQ(tx.commit().outcome(), Outcome::heuristic_mixed);
        return tx.gtrid();
    }();
    life.reset();
    users_.set_position({.history = "2", .flushed = 1});  // put back
    life = start();
    EXPECT_EQ(life->tm.recovery_status().heuristics, 1U) << "no hazard at users";
    life.reset();
    EXPECT_EQ(verbs(users_, gtrid), "start prepare commit");
    EXPECT_THAT(records_but_sightings(), SizeIs(3)) << "decision, heuristic and doubt";
}

TEST_F(RecoveryDoubts, CommitsAtAPromotedReplicaWhatItHasPrepared) {
    leave_decided();
    points_.set_position({.history = "2", .flushed = 900});
    auto life = start();
    EXPECT_TRUE(eventually([&] { return life->tm.recovery_status().open_decisions == 0; }));
    EXPECT_EQ(life->tm.recovery_status().heuristics, 0U);
    EXPECT_TRUE(points_.has_row("ada:100"));
}

TEST_F(RecoveryDoubts, StartsNoTransactionOnALogThatIsAnOldCopyOfItself) {
    auto life = start();
    auto xid = orphan_of(*life, "users:1", 0);
    life.reset();
    auto id = parse_gtrid(xid.gtrid).value();
    id.incarnation += 3;
    const Xid later{kFormatId, to_gtrid(id), "users:1"};
    points_.add_prepared({.xid = xid, .name = {}});
    users_.add_prepared({.xid = later, .name = {}});
    life = open();
    const auto error = error_of([&] { life->tm.start(); });
    EXPECT_THAT(error, HasCode(ErrorCode::log_outdated));
    EXPECT_THAT(error.what(), HasSubstr("restore its newest copy"));
    EXPECT_THAT(error_of([&] { static_cast<void>(life->tm.begin()); }),
                HasCode(ErrorCode::invalid_state));
    life.reset();
    users_.drop(later);  // the proof is gone, and what it proved is not
    life = open();
    EXPECT_THAT(error_of([&] { life->tm.start(); }), HasCode(ErrorCode::log_outdated));
    EXPECT_EQ(life->tm.recovery_status().alarm, AlarmLevel::critical);
    EXPECT_THAT(points_.prepared(), ElementsAre(xid)) << "nothing is presumed of an old copy";
}

TEST_F(RecoveryDoubts, BeginNothingMoreOnceTheLogIsKnownToBeAnOldCopy) {
    points_.set_reachable(false);
    auto life = start();
    auto later = parse_gtrid(orphan_of(*life, "points:1", 0).gtrid).value();
    later.incarnation += 3;
    points_.set_reachable(true);
    points_.add_prepared({.xid = Xid{kFormatId, to_gtrid(later), "points:1"}, .name = {}});
    ASSERT_TRUE(eventually([&] { return !life->tm.recovery_status().log_doubt.empty(); }));
    EXPECT_THAT(error_of([&] { static_cast<void>(life->tm.begin()); }),
                HasCode(ErrorCode::log_outdated));
}

TEST_F(RecoveryDoubts, FinishesWithAnOldLogWhatThatHasDecided) {
    const auto gtrid = leave_decided();
    auto life = open();
    auto later = parse_gtrid(gtrid).value();
    later.incarnation += 3;
    users_.add_prepared({.xid = Xid{kFormatId, to_gtrid(later), "users:1"}, .name = {}});
    const auto report = life->tm.recover({.timeout = seconds{10}});
    EXPECT_FALSE(report.log.doubt.empty());
    EXPECT_TRUE(points_.has_row("ada:100"));
    EXPECT_THAT(users_.prepared(), SizeIs(1));
}

TEST_F(RecoveryDoubts, RefusesToStartBesideBranchesThatOnlyALostLogCanDecide) {
    const Xid lost{kFormatId, to_gtrid({"shop-1", recovery_log::LogId{77}, 1, 1}), "users:1"};
    users_.add_prepared({.xid = lost, .name = {}});
    auto life = open();
    const auto error = error_of([&] { life->tm.start(); });
    EXPECT_THAT(error, HasCode(ErrorCode::log_lost));
    EXPECT_EQ(error.resource(), "users");
    EXPECT_THAT(error.what(), HasSubstr("allow_lost_log"));
    life.reset();
    auto allowing = config();
    allowing.allow_lost_log = true;
    life = std::make_unique<Life>(allowing, *this);
    life->tm.start();
    EXPECT_EQ(status_of(life->tm.recovery_status(), "users").for_a_person, 1U);
    life.reset();
    EXPECT_THAT(users_.prepared(), ElementsAre(lost));
}

TEST_F(RecoveryDoubts, EndsTheSessionsOfEndedIncarnationsAndNoOthers) {
    auto life = start();
    const auto log = life->tm.log_summary();
    life.reset();
    const auto mark = [&](std::uint32_t incarnation, const std::string& node) {
        return SessionMark{fmt::format("xa_tm:{}:{}:{}", log.id.to_string(), incarnation, node),
                           {}};
    };
    const auto old = users_.connect(mark(log.incarnation, "shop-1"));
    const auto others = users_.connect(mark(log.incarnation, "shop-10"));
    const auto future = users_.connect(mark(log.incarnation + 9, "shop-1"));
    life = start();
    const auto marks = users_.session_marks();
    EXPECT_THAT(marks, testing::Not(testing::Contains(mark(log.incarnation, "shop-1").text)));
    EXPECT_THAT(marks, testing::Contains(mark(log.incarnation, "shop-10").text));
    EXPECT_THAT(marks, testing::Contains(mark(log.incarnation + 9, "shop-1").text));
}

TEST_F(RecoveryDoubts, WaitsWhileAnEndedIncarnationsSessionCanNotBeEnded) {
    const auto gtrid = leave_decided();
    points_.drop(Xid{kFormatId, gtrid, "points:2"});
    for (int times = 0; times < 3; ++times) {
        points_.answer_next(Verb::end_ended_sessions,
                            {.code = XaCode::rmerr, .message = "grant it to shop"});
    }
    auto life = open();
    const auto report = life->tm.recover({.timeout = milliseconds{1}});
    const auto& resource = report.resources[1];
    EXPECT_THAT(resource.unended_session, HasSubstr("grant it to shop"));
    EXPECT_EQ(life->tm.recovery_status().open_decisions, 1U) << "no session may be at it";
    EXPECT_FALSE(life->tm.recover({.timeout = seconds{10}}).is_anything_in_doubt());
}

TEST_F(RecoveryDoubts, AreSeenByALookFromOutsideAsWell) {
    const auto xid = leave_undecided(users_, "users:1");
    users_.set_position({.history = "1", .flushed = 99});
    FakeLink users{"users", users_};
    FakeLink points{"points", points_};
    Datasource* const resources[] = {&users, &points};
    auto report = inspect(directory_.path(), resources, seconds{10});
    ASSERT_THAT(report.transactions, SizeIs(1));
    EXPECT_EQ(report.transactions[0].state, TransactionState::restored);
    EXPECT_THAT(report.resources[0].doubt, HasSubstr("put back"));
    EXPECT_EQ(report.resources[1].doubt, "");
    points_.add_prepared({.xid = Xid{kFormatId, xid.gtrid, "points:2"}, .name = {}});
    report = inspect(directory_.path(), resources, seconds{10});
    EXPECT_EQ(report.transactions.at(0).state, TransactionState::presumed_abort)
        << "its branch at points proves that it was never decided";
    auto later = parse_gtrid(xid.gtrid).value();
    later.incarnation += 3;
    points_.add_prepared({.xid = Xid{kFormatId, to_gtrid(later), "points:1"}, .name = {}});
    report = inspect(directory_.path(), resources, seconds{10});
    EXPECT_FALSE(report.log.doubt.empty());
    for (const auto& transaction : report.transactions) {
        EXPECT_NE(transaction.state, TransactionState::presumed_abort);
        EXPECT_EQ(transaction.action(), RecoveryAction::none);
    }
}

TEST_F(RecoveryDoubts, DrainsWhenTheLastTransactionHasEnded) {
    auto life = start();
    std::optional<xa_tm::Transaction> tx{life->tm.begin()};
    EXPECT_TRUE(life->tm.has_work_left());
    const auto early = life->tm.drain(milliseconds{1});
    EXPECT_FALSE(early.is_drained);
    EXPECT_EQ(early.left.live_transactions, 1U);
    EXPECT_THAT(error_of([&] { static_cast<void>(life->tm.begin()); }),
                HasCode(ErrorCode::invalid_state));
    std::thread ending{[&] { tx.reset(); }};
    EXPECT_TRUE(life->tm.drain(std::chrono::minutes{1}).is_drained);
    ending.join();
    EXPECT_FALSE(life->tm.has_work_left());
}

TEST_F(RecoveryDoubts, DrainsNotWhileADecisionWaitsAndNeverHangs) {
    auto life = start();
    auto tx = life->tm.begin();
    tx.enlist(life->users).write("ada");
    tx.enlist(life->points).write("ada:100");
    points_.fail_next(Verb::commit, Fault::lose_request);
    for (int times = 0; times < 2; ++times) {
        points_.answer_next(Verb::commit, Answer{.code = XaCode::retry}, 1);
    }
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(life->tm.drain(std::chrono::minutes{1}).is_drained);
    EXPECT_TRUE(points_.has_row("ada:100"));
    points_.set_reachable(false);
    const auto report = life->tm.drain(milliseconds{100});
    EXPECT_FALSE(report.is_drained) << "what can't be listed may hide something";
    EXPECT_FALSE(status_of(report.left, "points").is_reachable);
}

TEST_F(RecoveryDoubts, DrainsBesideAHeuristic) {
    auto life = start();
    auto tx = life->tm.begin();
    tx.enlist(life->users).write("ada");
    tx.enlist(life->points).write("ada:100");
    points_.answer_next(Verb::commit, XaCode::heurrb);
    EXPECT_EQ(tx.commit().outcome(), Outcome::heuristic_mixed);
    const auto report = life->tm.drain(std::chrono::minutes{1});
    EXPECT_TRUE(report.is_drained);
    EXPECT_EQ(report.left.heuristics, 1U);
}

TEST_F(RecoveryDoubts, KeepsAHeuristicAlsoWhereNothingWasDecided) {
    auto life = start();
    const auto gtrid = [&] {
        auto tx = life->tm.begin();
        tx.enlist(life->users).write("ada");
        tx.enlist(life->points).write("ada:100");
        points_.answer_next(Verb::rollback, XaCode::heurcom);
        tx.rollback();
        return tx.gtrid();
    }();
    for (int lives = 0; lives < 2; ++lives) {
        life.reset();
        life = start();
        EXPECT_EQ(life->tm.recovery_status().heuristics, 1U);
    }
    life.reset();
    FakeLink users{"users", users_};
    FakeLink points{"points", points_};
    Datasource* const resources[] = {&users, &points};
    const auto report = inspect(directory_.path(), resources, seconds{10});
    ASSERT_THAT(report.transactions, SizeIs(1));
    EXPECT_EQ(report.transactions[0].gtrid, gtrid);
    EXPECT_EQ(report.transactions[0].state, TransactionState::heuristic);
    EXPECT_TRUE(report.is_anything_in_doubt());
    EXPECT_EQ(report.transactions[0].branches.at(0).heuristic, XaCode::heurcom);
}

TEST_F(RecoveryDoubts, DoesOnlyWhatWasApproved) {
    const auto first = leave_undecided(users_, "users:1");
    points_.add_prepared({.xid = Xid{kFormatId, first.gtrid, "points:2"}, .name = {}});
    auto life = open();
    std::size_t told = 0;
    const auto report = life->tm.recover(
        {.timeout = seconds{10},
         .approve =
             [&](std::string_view resource, const Xid& xid, RecoveryAction action) {
                 EXPECT_EQ(action, RecoveryAction::rollback);
                 EXPECT_EQ(xid.gtrid, first.gtrid);
                 return resource == "points";
             },
         .on_progress =
             [&](std::size_t finished, std::size_t known) {
                 told = finished;
                 EXPECT_LE(finished, known);
             }});
    EXPECT_EQ(told, 1U);
    EXPECT_THAT(users_.prepared(), ElementsAre(first));
    EXPECT_THAT(points_.prepared(), IsEmpty());
    EXPECT_TRUE(report.is_anything_in_doubt());
}

}  // namespace
}  // namespace xa_tm::test
