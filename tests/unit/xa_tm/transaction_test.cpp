#include "xa_tm/transaction.h"

#include <array>
#include <atomic>
#include <deque>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Transaction : public ManagerFixture {
protected:
    std::unique_ptr<Life> life_ = nullptr;

    void SetUp() override { life_ = start(); }

    /// A transaction that has written to users and points.
    [[nodiscard]] xa_tm::Transaction written() {
        auto tx = life_->tm.begin();
        auto [users, points] = tx.enlist(life_->users, life_->points);
        users.write("ada");
        points.write("ada:100");
        return tx;
    }
    /// Commits and ends the scope.
    static CommitReport commit(xa_tm::Transaction tx) { return tx.commit(); }

    [[nodiscard]] bool has_rows() const {
        return users_.has_row("ada") && points_.has_row("ada:100");
    }
    [[nodiscard]] bool has_any_row() const {
        return users_.has_row("ada") || points_.has_row("ada:100") || audit_.has_row("entry");
    }
};

TEST(TransactionOfManyBranches, CommitsAsManyAsOneRecordHolds) {
    const TemporaryDirectory directory;
    std::deque<FakeResourceManager> servers;
    TransactionManager tm{{.node = "shop-1",
                           .log_directory = directory.path(),
                           .log_segment_size_bytes = std::size_t{64} << 10,
                           .allow_volatile_log = true}};
    std::vector<FakeLink*> links;
    for (std::size_t i = 0; i <= xa_tm::Transaction::kMaxBranches; ++i) {
        auto name = std::string(Datasource::kMaxNameLength - 3, 'r') + std::to_string(100 + i);
        links.push_back(&tm.add<FakeLink>(name, servers.emplace_back(name)));
    }
    tm.start();
    auto tx = tm.begin();
    for (std::size_t i = 0; i < xa_tm::Transaction::kMaxBranches; ++i) {
        tx.enlist(*links[i]).write("row");
    }
    EXPECT_THROW(std::ignore = tx.enlist(*links.back()), Error);
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(servers.front().has_row("row"));
}

TEST_F(Transaction, CommitsOnTwoBranchesInTwoPhases) {
    auto tx = written();
    const auto gtrid = tx.gtrid();
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(report.reason(), "");
    EXPECT_THAT(states(report), ElementsAre(BranchState::committed, BranchState::committed));
    EXPECT_EQ(verbs(users_, gtrid), "start prepare commit");
    EXPECT_EQ(verbs(points_, gtrid), "start prepare commit");
    EXPECT_THAT(records(), ElementsAre(IsDecision(gtrid, std::array{"users", "points"})));
    EXPECT_EQ(live_entries(*life_), 0U);  // forgotten at once, on the disk a little later
    EXPECT_TRUE(has_rows());
    expect_nothing_left(life_);
    EXPECT_EQ(verbs(users_, gtrid), "start prepare commit");
}

TEST_F(Transaction, CommitsOnThreeBranchesWithOneForce) {
    auto tx = life_->tm.begin();
    auto [users, points, audit] = tx.enlist(life_->users, life_->points, life_->audit);
    users.write("ada");
    points.write("ada:100");
    audit.write("entry");
    const auto forces = life_->tm.log_status().forces;
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    for (const auto* server : {&users_, &points_, &audit_}) {
        EXPECT_EQ(verbs(*server, report.gtrid()), "start prepare commit");
    }
    EXPECT_EQ(life_->tm.log_status().forces, forces + 1);
    EXPECT_THAT(records(),
                ElementsAre(IsDecision(report.gtrid(), std::array{"users", "points", "audit"})));
    expect_nothing_left(life_);
}

TEST_F(Transaction, CommitsASingleBranchInOnePhaseWithoutARecord) {
    auto tx = life_->tm.begin();
    tx.enlist(life_->users).write("ada");
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, report.gtrid()), "start commit_one_phase");
    EXPECT_EQ(life_->tm.log_status().forces, 0U);
    EXPECT_THAT(records(), IsEmpty());
    EXPECT_TRUE(users_.has_row("ada"));
    expect_nothing_left(life_);
}

TEST_F(Transaction, CommitsWithoutAnyBranch) {
    const auto report = life_->tm.begin().commit();
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(report.branches(), IsEmpty());
    EXPECT_THAT(records(), IsEmpty());
}

TEST_F(Transaction, FinishesBranchesThatWroteNothingInPhaseOneWithoutARecord) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.open();
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(states(report), ElementsAre(BranchState::read_only, BranchState::read_only));
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare");
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare");
    EXPECT_EQ(life_->tm.log_status().forces, 0U);
    expect_nothing_left(life_);
}

TEST_F(Transaction, WritesNoRecordWhenFewerThanTwoBranchesWrote) {
    auto tx = life_->tm.begin();
    auto [users, points, audit] = tx.enlist(life_->users, life_->points, life_->audit);
    points.write("ada:100");
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare");
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare commit");
    EXPECT_EQ(verbs(audit_, report.gtrid()), "start prepare");
    EXPECT_EQ(life_->tm.log_status().forces, 0U);
    EXPECT_TRUE(points_.has_row("ada:100"));
    expect_nothing_left(life_);
}

TEST_F(Transaction, NamesOnlyTheBranchesThatWroteInTheDecision) {
    auto tx = life_->tm.begin();
    auto [users, points, audit] = tx.enlist(life_->users, life_->points, life_->audit);
    users.write("ada");
    audit.write("entry");
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare");
    EXPECT_THAT(records(), ElementsAre(IsDecision(report.gtrid(), std::array{"users", "audit"})));
    expect_nothing_left(life_);
}

TEST_F(Transaction, KeepsWhatProvesTheFateOfABranchWithTheDecision) {
    auto tx = written();
    users_.answer_next(Verb::prepare, Answer{.evidence = "pg_xid=" + std::string(100, '7')});
    EXPECT_EQ(commit(std::move(tx)).outcome(), Outcome::committed);
    const auto all = records();
    ASSERT_THAT(all, SizeIs(1));
    EXPECT_EQ(std::get<Decision>(all[0]).branches[0].evidence,
              "pg_xid=" + std::string(kMaxEvidenceBytes - 7, '7'));
}

TEST_F(Transaction, RollsBackEverywhereWhicheverBranchVotesNo) {
    for (const auto code : {XaCode::rbrollback, XaCode::rbdeadlock, XaCode::rmerr, XaCode::proto}) {
        for (auto* refusing : {&users_, &points_, &audit_}) {
            auto tx = life_->tm.begin();
            auto [users, points, audit] = tx.enlist(life_->users, life_->points, life_->audit);
            users.write("ada");
            points.write("ada:100");
            audit.write("entry");
            refusing->answer_next(Verb::prepare, code);
            const auto report = commit(std::move(tx));
            EXPECT_EQ(report.outcome(), Outcome::rolled_back);
            EXPECT_TRUE(report.is_settled());
            EXPECT_THAT(report.reason(), HasSubstr("resource " + refusing->name()));
            EXPECT_THAT(report.reason(), HasSubstr(std::string{to_string(code)}));
            for (const auto* server : {&users_, &points_, &audit_}) {
                const bool is_gone = server == refusing && is_rolled_back(code);
                EXPECT_EQ(verbs(*server, report.gtrid()),
                          is_gone ? "start prepare" : "start prepare rollback");
            }
            EXPECT_FALSE(has_any_row());
        }
    }
    EXPECT_EQ(life_->tm.log_status().forces, 0U);
    EXPECT_THAT(records(), IsEmpty());
    expect_nothing_left(life_);
}

TEST_F(Transaction, RollsBackWhenAStatementHasFailed) {
    auto tx = written();
    tx.enlist(life_->points).fail_statement();
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare rollback");
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare");
    EXPECT_FALSE(has_any_row());
    expect_nothing_left(life_);
}

TEST_F(Transaction, Trap33ReportsAFailedPrepareOnTheSecondBranchAsAPlainRollback) {
    auto tx = written();
    points_.answer_next(Verb::prepare, XaCode::rbintegrity);
    users_.answer_next(Verb::rollback, XaCode::nota);  // the first one is gone, too
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(states(report), ElementsAre(BranchState::rolled_back, BranchState::rolled_back));
    EXPECT_THAT(records(), IsEmpty());
    EXPECT_FALSE(has_any_row());
    expect_nothing_left(life_);
}

TEST_F(Transaction, Trap36RollsBackByXidWhatALostVoteLeftPrepared) {
    auto tx = written();
    points_.fail_next(Verb::prepare, Fault::lose_answer);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_FALSE(report.is_settled());
    EXPECT_THAT(states(report), ElementsAre(BranchState::rolled_back, BranchState::unknown));
    EXPECT_THAT(report.branches()[1].next, HasSubstr("roll"));
    EXPECT_TRUE(eventually([&] { return points_.prepared().empty(); }));
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare rollback");
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare rollback");
    EXPECT_THAT(records(), IsEmpty());
    EXPECT_FALSE(has_any_row());
    expect_nothing_left(life_);
}

TEST_F(Transaction, Trap36LeavesNothingBehindWhenThePrepareItselfWasLost) {
    auto tx = written();
    users_.fail_next(Verb::prepare, Fault::lose_request);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare rollback");
    EXPECT_FALSE(has_any_row());
    expect_nothing_left(life_);
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare");
}

TEST_F(Transaction, Trap28ConfirmsACommitWhoseReplyWasLost) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::lose_answer);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_FALSE(report.is_settled());
    EXPECT_THAT(states(report), ElementsAre(BranchState::committed, BranchState::unknown));
    EXPECT_EQ(report.branches()[1].next, "recovery will commit it");
    EXPECT_THAT(records(), SizeIs(1));
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare commit locate");
    EXPECT_TRUE(has_rows());
    expect_nothing_left(life_);
}

TEST_F(Transaction, CommitsInTheBackgroundWhatALostCommitDidNotReach) {
    auto tx = written();
    users_.fail_next(Verb::commit, Fault::lose_request);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare commit commit");
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare commit");
    EXPECT_TRUE(has_rows());
    expect_nothing_left(life_);
}

TEST_F(Transaction, Trap35CommitsTheOthersAtOnceWhenOneIsUnreachableInPhaseTwo) {
    auto tx = written();
    life_->points.watch([this](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::sending && verb == Verb::commit) {
            points_.set_reachable(false);
        }
    });
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_FALSE(report.is_settled());
    EXPECT_TRUE(users_.has_row("ada"));
    EXPECT_FALSE(points_.has_row("ada:100"));
    EXPECT_EQ(live_entries(*life_), 1U);
    life_.reset();  // shutdown does not wait for the resource
    EXPECT_THAT(records(), ElementsAre(IsDecision(report.gtrid(), std::array{"users", "points"})));
    life_ = start();  // and a start does not either
    EXPECT_THAT(records(), SizeIs(1));
    points_.set_reachable(true);
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    EXPECT_TRUE(has_rows());
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare commit locate");
    expect_nothing_left(life_);
}

class StalledServer : public Transaction {
protected:
    StalledServer() { answer_timeout_ = std::chrono::milliseconds{50}; }
};

TEST_F(StalledServer, LeavesAVoteThatDoesNotComeToRecoveryAndClosesTheConnectionAtOnce) {
    auto tx = written();
    std::atomic<bool> is_closed = false;
    life_->points.watch([&](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::closed && verb == Verb::prepare) {
            is_closed = true;
        }
    });
    points_.fail_next(Verb::prepare, Fault::stall_answer);
    const auto report = commit(std::move(tx));
    EXPECT_TRUE(is_closed);
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_THAT(states(report), ElementsAre(BranchState::rolled_back, BranchState::unknown));
    EXPECT_THAT(report.reason(), HasSubstr("did not answer in time"));
    EXPECT_TRUE(eventually([&] { return points_.prepared().empty(); }));
    EXPECT_FALSE(has_any_row());
    life_->points.watch({});
    expect_nothing_left(life_);
}

TEST_F(StalledServer, CommitsTheOthersWhileOneDoesNotAnswerInPhaseTwo) {
    auto tx = written();
    points_.fail_next(Verb::commit, Fault::stall_request);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_THAT(states(report), ElementsAre(BranchState::committed, BranchState::unknown));
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    EXPECT_TRUE(has_rows());
    const auto connects = points_.connects();
    static_cast<void>(written());
    EXPECT_EQ(points_.connects(), connects + 1);  // the stalled one did not go back to the pool
    expect_nothing_left(life_);
}

TEST_F(StalledServer, CanNotSayWhatBecameOfASingleBranch) {
    auto tx = life_->tm.begin();
    tx.enlist(life_->users).write("ada");
    users_.fail_next(Verb::commit_one_phase, Fault::stall_answer);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::unknown);
    EXPECT_FALSE(report.is_settled());
    EXPECT_THAT(report.branches()[0].next, HasSubstr("only the data can tell"));
    expect_nothing_left(life_);
}

TEST_F(Transaction, CommitsTheOnlyWriterInTheBackgroundAndCallsItUnknownUntilThen) {
    auto tx = life_->tm.begin();
    auto [users, points] = tx.enlist(life_->users, life_->points);
    users.write("ada");
    users_.fail_next(Verb::commit, Fault::lose_request);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::unknown);
    EXPECT_EQ(live_entries(*life_), 0U);
    EXPECT_TRUE(eventually([&] { return users_.has_row("ada"); }));
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare commit commit");
    expect_nothing_left(life_);
}

TEST_F(Transaction, ClosesTheSessionOfABranchThatIsBusySoThatRecoveryCanFinishIt) {
    for (const auto code : {XaCode::retry, XaCode::nota, XaCode::rmerr, XaCode::proto}) {
        auto tx = written();
        std::atomic<bool> is_closed = false;
        life_->points.watch([&](FakeLink::Event event, Verb verb) {
            if (event == FakeLink::Event::closed && verb == Verb::commit) {
                is_closed = true;
            }
        });
        points_.fail_next(Verb::recover, Fault::lose_request);  // recovery has to connect anew
        points_.answer_next(Verb::commit, Answer{.code = code});
        if (code == XaCode::nota) {  // the fake would take the branch for gone
            points_.fail_next(Verb::commit, Fault::lose_request);
        }
        const auto report = commit(std::move(tx));
        life_->points.watch({});
        EXPECT_TRUE(is_closed) << to_string(code);
        EXPECT_EQ(report.outcome(), Outcome::committed);
        EXPECT_FALSE(report.is_settled());
        EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 0; }));
    }
    expect_nothing_left(life_);
}

TEST_F(Transaction, KeepsAHeuristicOutcomeAcrossARestartUntilAPersonActs) {
    auto tx = written();
    points_.answer_next(Verb::commit, XaCode::heurrb);
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::heuristic_mixed);
    EXPECT_FALSE(report.is_settled());
    EXPECT_THAT(states(report),
                ElementsAre(BranchState::committed, BranchState::heuristic_rollback));
    EXPECT_THAT(records(),
                testing::IsSupersetOf({testing::Matcher<LogRecord>(IsDecision(
                                           report.gtrid(), std::array{"users", "points"})),
                                       testing::Matcher<LogRecord>(IsHeuristicRecord(
                                           report.gtrid(), "points:2", XaCode::heurrb))}));
    for (int lives = 0; lives < 2; ++lives) {
        life_.reset();
        life_ = start();  // Trap10: never blocks opening
        EXPECT_EQ(live_entries(*life_), 2U);
        auto other = life_->tm.begin();
        other.enlist(life_->users).write("other");
        EXPECT_EQ(other.commit().outcome(), Outcome::committed);
    }
    life_.reset();
    EXPECT_THAT(records(), SizeIs(2));
    EXPECT_EQ(verbs(points_, report.gtrid()), "start prepare commit");
}

TEST_F(Transaction, ReportsEveryHeuristicAnswerInPhaseTwo) {
    const auto outcome_of = [&](XaCode first, XaCode second) {
        auto tx = written();
        users_.answer_next(Verb::commit, first);
        points_.answer_next(Verb::commit, second);
        return tx.commit().outcome();
    };
    EXPECT_EQ(outcome_of(XaCode::heurrb, XaCode::heurrb), Outcome::heuristic_rollback);
    EXPECT_EQ(outcome_of(XaCode::heurmix, XaCode::heurcom), Outcome::heuristic_mixed);
    EXPECT_EQ(outcome_of(XaCode::rbrollback, XaCode::rbother), Outcome::heuristic_rollback);
    EXPECT_EQ(outcome_of(XaCode::heurcom, XaCode::heurcom), Outcome::committed);
    // Last, because recovery commits that branch: it is prepared, so the hazard was none.
    EXPECT_EQ(outcome_of(XaCode::heurhaz, XaCode::heurcom), Outcome::heuristic_hazard);
    // A decision and two heuristics each.
    EXPECT_TRUE(eventually([&] { return live_entries(*life_) == 5U * 3 - 1; }));
}

TEST_F(Transaction, LeavesNoRecordOfAHeuristicThatAgreesWithTheRollback) {
    auto tx = written();
    users_.answer_next(Verb::rollback, XaCode::heurrb);
    tx.rollback();
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(records(), IsEmpty());
    expect_nothing_left(life_);
}

TEST_F(Transaction, RollsBackAtTheEndOfItsScope) {
    std::string gtrid;
    {
        auto tx = written();
        gtrid = tx.gtrid();
    }
    EXPECT_EQ(verbs(users_, gtrid), "start rollback");
    EXPECT_EQ(verbs(points_, gtrid), "start rollback");
    EXPECT_FALSE(has_any_row());
    EXPECT_THAT(records(), IsEmpty());
    expect_nothing_left(life_);
}

TEST_F(Transaction, MovesWithItsBranches) {
    auto tx = written();
    const auto gtrid = tx.gtrid();
    auto moved = std::move(tx);
    EXPECT_EQ(moved.gtrid(), gtrid);
    EXPECT_EQ(commit(std::move(moved)).outcome(), Outcome::committed);
    EXPECT_TRUE(has_rows());
    expect_nothing_left(life_);
}

TEST_F(Transaction, RollsBackWhatItWasBeforeWhenAssignedTo) {
    auto tx = written();
    const auto before = tx.gtrid();
    tx = life_->tm.begin();
    EXPECT_EQ(verbs(users_, before), "start rollback");
    EXPECT_NE(tx.gtrid(), before);
    tx.enlist(life_->audit).write("entry");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_FALSE(users_.has_row("ada"));
}

TEST_F(Transaction, GivesTheSameReportWhenCommittedTwice) {
    auto tx = written();
    const auto first = tx.commit();
    const auto second = tx.commit();
    EXPECT_EQ(to_string(first), to_string(second));
    tx.rollback();
    EXPECT_EQ(commit(std::move(tx)).outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, first.gtrid()), "start prepare commit");
    expect_nothing_left(life_);
}

TEST_F(Transaction, SaysSoWhenCommittedAfterARollback) {
    auto tx = written();
    tx.rollback();
    tx.rollback();
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_EQ(verbs(users_, report.gtrid()), "start rollback");
    EXPECT_FALSE(has_any_row());
}

TEST_F(Transaction, RefusesBranchesAndEnlistingOnceItHasEnded) {
    for (const bool is_committed : {true, false}) {
        auto tx = life_->tm.begin();
        auto [users, points] = tx.enlist(life_->users, life_->points);
        users.open();
        if (is_committed) {
            EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
        } else {
            tx.rollback();
        }
        EXPECT_THAT(error_of([&users = users] { users.write("late"); }),
                    HasCode(ErrorCode::invalid_state));
        EXPECT_THAT(error_of([&] { static_cast<void>(tx.enlist(life_->audit)); }),
                    HasCode(ErrorCode::invalid_state));
        EXPECT_THAT(error_of([&] { static_cast<void>(tx.enlist(life_->users)); }),
                    HasCode(ErrorCode::invalid_state));
    }
    EXPECT_FALSE(users_.has_row("late"));
}

TEST_F(Transaction, KeepsTheHandleOfABranchAliveWhoseConnectionWasClosed) {
    for (const auto verb : {Verb::prepare, Verb::commit}) {
        auto tx = written();
        const auto branch = tx.enlist(life_->points);
        points_.fail_next(verb, Fault::lose_answer);
        EXPECT_EQ(tx.commit().outcome(),
                  verb == Verb::prepare ? Outcome::rolled_back : Outcome::committed);
        EXPECT_THROW(branch.write("late"), Error);
    }
    EXPECT_FALSE(points_.has_row("late"));
    expect_nothing_left(life_);
}

TEST_F(Transaction, GivesTheSameBranchWhenEnlistedTwice) {
    auto tx = life_->tm.begin();
    tx.enlist(life_->users).write("ada");
    auto [again, points, once_more] = tx.enlist(life_->users, life_->points, life_->users);
    again.write("bob");
    points.write("ada:100");
    once_more.write("cyd");
    const auto report = commit(std::move(tx));
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare commit");
    EXPECT_THAT(report.branches(), SizeIs(2));
    EXPECT_TRUE(users_.has_row("ada") && users_.has_row("bob") && users_.has_row("cyd"));
}

/// The verbs of the application's connections, in order, such as "send users".
class Trace {
public:
    void follow(FakeLink& link) {
        link.watch([this, &link](FakeLink::Event event, Verb verb) {
            if (event != FakeLink::Event::closed && verb != Verb::recover) {
                events_.push_back((event == FakeLink::Event::sending ? "send " : "got ") +
                                  link.name());
            }
        });
    }
    [[nodiscard]] std::vector<std::string> take() { return std::exchange(events_, {}); }

private:
    std::vector<std::string> events_;
};

TEST_F(Transaction, SendsEveryVerbToAllBranchesBeforeItWaitsForAnyAnswer) {
    Trace trace;
    for (auto* link : {&life_->users, &life_->points, &life_->audit}) {
        trace.follow(*link);
    }
    const auto one_wait = ElementsAre("send users", "send points", "send audit", "got users",
                                      "got points", "got audit");
    auto tx = life_->tm.begin();
    auto [users, points, audit] = tx.enlist(life_->users, life_->points, life_->audit);
    EXPECT_THAT(trace.take(), IsEmpty());
    users.write("ada");
    EXPECT_THAT(trace.take(), one_wait);
    points.write("ada:100");
    audit.write("entry");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    auto events = trace.take();
    ASSERT_THAT(events, SizeIs(12));
    EXPECT_THAT(std::vector(events.begin(), events.begin() + 6), one_wait);
    EXPECT_THAT(std::vector(events.begin() + 6, events.end()), one_wait);
    for (auto* link : {&life_->users, &life_->points, &life_->audit}) {
        link->watch({});
    }
}

TEST_F(Transaction, StaysUsableWhenADatasourceCanNotBeReached) {
    points_.set_reachable(false);
    auto tx = life_->tm.begin();
    tx.enlist(life_->users).write("ada");
    const auto error = error_of([&] { tx.enlist(life_->points).open(); });
    EXPECT_THAT(error, HasCode(ErrorCode::resource_unreachable));
    EXPECT_EQ(error.resource(), "points");
    EXPECT_TRUE(error.is_retryable());
    points_.set_reachable(true);
    tx.enlist(life_->points).write("ada:100");
    EXPECT_EQ(commit(std::move(tx)).outcome(), Outcome::committed);
    EXPECT_TRUE(has_rows());
    expect_nothing_left(life_);
}

TEST_F(Transaction, KeepsTheBranchesThatOpenedWhenAnotherOneIsRefused) {
    points_.answer_next(
        Verb::start,
        Answer{.code = XaCode::rmerr, .message = "no", .sqlstate = "XAE03", .native_error = 1399});
    auto tx = life_->tm.begin();
    auto [users, points, audit] = tx.enlist(life_->users, life_->points, life_->audit);
    const auto error = error_of([&users = users] { users.open(); });
    EXPECT_THAT(error, HasCode(ErrorCode::resource_refused));
    EXPECT_EQ(error.resource(), "points");
    EXPECT_EQ(error.sqlstate(), "XAE03");
    EXPECT_EQ(error.native_error(), 1399);
    tx.enlist(life_->users).write("ada");
    const auto report = commit(std::move(tx));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, report.gtrid()), "start prepare commit");
    EXPECT_EQ(verbs(points_, report.gtrid()), "start");
    EXPECT_EQ(verbs(audit_, report.gtrid()), "start prepare");
}

TEST_F(Transaction, ReplacesConnectionsThatDiedInThePool) {
    EXPECT_EQ(written().commit().outcome(), Outcome::committed);
    const auto before = users_.connects();
    users_.set_reachable(false);
    points_.set_reachable(false);
    users_.set_reachable(true);
    points_.set_reachable(true);
    EXPECT_EQ(written().commit().outcome(), Outcome::committed);
    EXPECT_GT(users_.connects(), before);
    EXPECT_TRUE(has_rows());
    expect_nothing_left(life_);
}

TEST_F(Transaction, TellsWhyADeadConnectionCouldNotBeReplaced) {
    EXPECT_EQ(written().commit().outcome(), Outcome::committed);
    users_.set_reachable(false);
    users_.set_reachable(true);
    life_->users.fail_to_connect(std::make_exception_ptr(
        Error{{.code = ErrorCode::authentication_failed, .resource = "users"}, "password"}));
    auto tx = life_->tm.begin();
    EXPECT_THAT(error_of([&] { tx.enlist(life_->users).open(); }),
                HasCode(ErrorCode::authentication_failed));
}

TEST_F(Transaction, Trap53NeverPoolsAConnectionWhoseStateIsNotCertain) {
    std::string gtrid;
    {
        auto tx = written();
        gtrid = tx.gtrid();
        // The server refuses to end the branch: it is still open in that session.
        users_.answer_next(Verb::rollback, XaCode::rmerr);
    }
    EXPECT_EQ(written().commit().outcome(), Outcome::committed);
    EXPECT_EQ(verbs(users_, gtrid), "start rollback");
    expect_nothing_left(life_);
}

TEST_F(Transaction, RefusesADatasourceOfAnotherManager) {
    FakeLink stranger{"users", users_};
    auto tx = life_->tm.begin();
    EXPECT_THAT(error_of([&] { static_cast<void>(tx.enlist(stranger)); }),
                HasCode(ErrorCode::invalid_configuration));
    EXPECT_EQ(verbs(users_, tx.gtrid()), "");
}

}  // namespace
}  // namespace xa_tm::test
