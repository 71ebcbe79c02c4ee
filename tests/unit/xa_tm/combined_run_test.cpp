// Combined transactions over fake servers. The test holds the turn until all members wait in the
// queue, in an order that it knows.

#include <array>
#include <atomic>
#include <deque>
#include <future>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "one_shot_fixture.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using Turn = ConflictQueue::Turn;

class CombinedRun : public OneShotFixture {
protected:
    CombinedRun() { recovery_interval_ = 1h; }

    void SetUp() override {
        start();
        hold();
    }
    void hold() {
        turn_.emplace(std::get<Turn>(manager_->state.conflict_queue.enter(
            {"ada"}, nullptr, std::chrono::steady_clock::time_point::max(), {})));
    }

    static RunOptions combined(CombineOptions combine = {}) {
        return {.conflict_keys = {"ada"}, .combine = combine};
    }
    /// One more that waits behind all others.
    void add(std::vector<Statement> statements, RunOptions options = combined()) {
        const auto before = manager_->queued();
        runs_.push_back(std::async(std::launch::async, [this, statements, options] {
            return manager_->tm.run(statements, options);
        }));
        ASSERT_TRUE(eventually([&] { return manager_->queued() == before + 1; }));
    }
    /// Writes a row each.
    void add_all(std::initializer_list<const char*> rows) {
        for (const auto* row : rows) {
            add(manager_->both(row));
        }
    }
    /// Lets them run; their reports, in the order in which they were added.
    [[nodiscard]] std::vector<RunReport> release() {
        decided_before_ = decisions();
        turn_.reset();
        std::vector<RunReport> reports;
        for (auto& run : runs_) {
            reports.push_back(run.get());
        }
        runs_.clear();
        expect_all_settled();
        return reports;
    }
    /// Transactions that committed since they were released.
    [[nodiscard]] std::size_t decisions_made() const { return decisions() - decided_before_; }

    static std::set<std::string> gtrids(const std::vector<RunReport>& reports) {
        std::set<std::string> gtrids;
        for (const auto& report : reports) {
            gtrids.insert(report.commit().gtrid());
        }
        return gtrids;
    }
    static std::vector<Outcome> outcomes(const std::vector<RunReport>& reports) {
        std::vector<Outcome> outcomes;
        for (const auto& report : reports) {
            outcomes.push_back(report.outcome());
        }
        return outcomes;
    }
    /// Every member has committed by itself, and there is a decision for each.
    void expect_each_alone(const std::vector<RunReport>& reports) {
        EXPECT_THAT(outcomes(reports), testing::Each(Outcome::committed));
        EXPECT_THAT(gtrids(reports), SizeIs(reports.size()));
        EXPECT_EQ(decisions_made(), reports.size());
    }

    static constexpr auto kCommitted = Outcome::committed;
    static constexpr auto kRolledBack = Outcome::rolled_back;

    std::optional<Turn> turn_;
    std::deque<std::future<RunReport>> runs_;
    std::size_t decided_before_ = 0;
};

TEST_F(CombinedRun, CommitsAllMembersByOneDecision) {
    add_all({"a", "b", "c", "d"});
    TripCounter trips{{&users_, &points_}};
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kCommitted));
    EXPECT_THAT(gtrids(reports), SizeIs(1));
    EXPECT_EQ(decisions_made(), 1U);
    for (const auto* row : {"a", "b", "c", "d"}) {
        EXPECT_EQ(copies(row), 2) << row;
    }
    // The statements of all, the prepare, the commit.
    EXPECT_THAT(trips.take(), ElementsAre(3, 3));
    EXPECT_EQ(verbs(points_, reports[0].commit().gtrid()),
              "start execute execute execute execute execute execute execute execute prepare "
              "commit");
}

TEST_F(CombinedRun, GivesEachCallerItsOwnResults) {
    add({manager_->users.statement("insert ada=1"), manager_->points.statement("insert x")});
    add({manager_->users.statement("select"), manager_->points.statement("insert y"),
         manager_->points.statement("insert ?", 7)});
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kCommitted));
    EXPECT_THAT(reports[0].results(), SizeIs(2));
    ASSERT_THAT(reports[1].results(), SizeIs(3));
    for (const auto& result : reports[1].results()) {
        EXPECT_TRUE(result.is_done);
        EXPECT_EQ(result.rows, 1U);
    }
    EXPECT_THAT(points_.statements_of(reports[0].commit().gtrid()),
                ElementsAre(SentStatement{"savepoint xa_tm_0"}, SentStatement{"insert x"},
                            SentStatement{"savepoint xa_tm_1"}, SentStatement{"insert y"},
                            SentStatement{"insert ?", {to_value(7)}}));
}

TEST_F(CombinedRun, UndoesAMemberWithUnexpectedRowsOnAllBranchesAndCommitsTheOthers) {
    add_all({"a"});
    add({manager_->users.statement("insert b"),
         manager_->points.statement("insert b").expect_rows(2)});
    add_all({"c"});
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), ElementsAre(kCommitted, kRolledBack, kCommitted));
    EXPECT_EQ(copies("a"), 2);
    EXPECT_EQ(copies("b"), 0);
    EXPECT_EQ(copies("c"), 2);
    EXPECT_EQ(decisions_made(), 1U);
    ASSERT_TRUE(reports[1].error());
    EXPECT_THAT(*reports[1].error(), HasCode(ErrorCode::unexpected_rows));
    EXPECT_EQ(reports[1].commit().reason(), reports[1].error()->what());
    EXPECT_FALSE(reports[0].error());
    EXPECT_FALSE(reports[2].error());
}

TEST_F(CombinedRun, UndoesAMemberWhoseStatementIsRefused) {
    // Refused for the number of arguments, as the first, the last and between.
    for (std::size_t refused = 0; refused < 3; ++refused) {
        for (std::size_t i = 0; i < 3; ++i) {
            const auto row = fmt::format("{}.{}", refused, i);
            auto statements = manager_->both(row);
            if (i == refused) {
                statements.push_back(manager_->points.statement("update ?", 1, 2));
            }
            add(statements);
        }
        const auto reports = release();
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(reports[i].outcome(), i == refused ? kRolledBack : kCommitted);
            EXPECT_EQ(copies(fmt::format("{}.{}", refused, i)), i == refused ? 0 : 2);
        }
        EXPECT_EQ(decisions_made(), 1U);
        ASSERT_TRUE(reports[refused].error());
        EXPECT_THAT(*reports[refused].error(), HasCode(ErrorCode::statement_failed));
        EXPECT_THAT(reports[refused].error()->what(), HasSubstr("statement 3 of 3"));
        hold();
    }
}

TEST_F(CombinedRun, UndoesSeveralMembersThatFailOnDifferentBranches) {
    const auto failing = [&](FakeLink& at, const std::string& row) {
        auto statements = manager_->both(row);
        statements.push_back(at.statement("update ?", 1, 2));
        return statements;
    };
    add_all({"a"});
    add(failing(manager_->points, "b"));
    add(failing(manager_->users, "c"));
    add_all({"d"});
    add(failing(manager_->users, "e"));
    const auto reports = release();
    EXPECT_THAT(outcomes(reports),
                ElementsAre(kCommitted, kRolledBack, kRolledBack, kCommitted, kRolledBack));
    EXPECT_EQ(decisions_made(), 1U);
    for (const auto& [row, expected] :
         {std::pair{"a", 2}, {"b", 0}, {"c", 0}, {"d", 2}, {"e", 0}}) {
        EXPECT_EQ(copies(row), expected) << row;
    }
}

TEST_F(CombinedRun, DecidesNothingWhenEveryMemberHasFailed) {
    for (const auto* row : {"a", "b"}) {
        auto statements = manager_->both(row);
        statements.push_back(manager_->users.statement("update ?", 1, 2));
        add(statements);
    }
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kRolledBack));
    for (const auto& report : reports) {
        ASSERT_TRUE(report.error());
        EXPECT_THAT(*report.error(), HasCode(ErrorCode::statement_failed));
    }
    EXPECT_EQ(decisions_made(), 0U);
    EXPECT_EQ(copies("a") + copies("b"), 0);
}

TEST_F(CombinedRun, RunsEachAloneAndInItsTurnWhenTheJointPrepareFails) {
    add_all({"a", "b", "c", "d", "e"});
    points_.answer_next(Verb::prepare, XaCode::rbintegrity);
    int at_work = 0;
    manager_->points.watch([&](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::sending && verb == Verb::start) {
            EXPECT_EQ(++at_work, 1);
        } else if (event == FakeLink::Event::received && verb == Verb::prepare) {
            --at_work;
        }
    });
    expect_each_alone(release());
    manager_->points.watch({});
}

TEST_F(CombinedRun, RunsEachAloneAfterAConflict) {
    add_all({"a", "b", "c"});
    // One that takes the whole branch along, and one behind which the branch might go on.
    points_.answer_next(Verb::execute, {.code = XaCode::rbdeadlock, .is_conflict = true}, 3);
    expect_each_alone(release());
    hold();
    add_all({"d", "e", "f"});
    points_.answer_next(Verb::execute, {.code = XaCode::rmerr, .is_conflict = true}, 3);
    expect_each_alone(release());
}

TEST_F(CombinedRun, RunsEachAloneWhenAConnectionIsLost) {
    add_all({"a", "b", "c"});
    points_.fail_next(Verb::execute, Fault::lose_answer, 3);
    expect_each_alone(release());
}

TEST_F(CombinedRun, RunsEachAloneWhenASavepointIsRefused) {
    add_all({"a", "b"});
    points_.answer_next(Verb::execute, XaCode::rmerr, 2);
    expect_each_alone(release());
}

TEST_F(CombinedRun, RunsEachAloneWhenItCanNotGoBackToASavepoint) {
    add({manager_->users.statement("insert a"), manager_->points.statement("update ?", 1, 2)});
    add_all({"b", "c"});
    points_.answer_next(Verb::execute, XaCode::rmerr, 2);
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), ElementsAre(kRolledBack, kCommitted, kCommitted));
    EXPECT_EQ(decisions_made(), 2U);
}

TEST_F(CombinedRun, RunsEachAloneWhenItTakesTooLong) {
    for (const auto* row : {"a", "b", "c"}) {
        add(manager_->both(row), combined({.time_max = 30ms}));
    }
    points_.fail_next(Verb::execute, Fault::stall_request);
    expect_each_alone(release());
}

TEST_F(CombinedRun, NeverRunsAMemberAgainWhoseOutcomeIsUnknown) {
    users_options_.is_last_resource = true;
    users_.set_up_decision_table();
    answer_timeout_ = 200ms;
    recovery_interval_ = 20ms;
    turn_.reset();
    manager_.reset();
    SetUp();
    add_all({"a", "b"});
    // Nobody can ask whether the row is there.
    manager_->users.watch([this](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::sending && verb == Verb::commit_with_decision) {
            users_.set_reachable(false);
        }
    });
    turn_.reset();
    std::vector<RunReport> reports;
    for (auto& run : runs_) {
        reports.push_back(run.get());
    }
    EXPECT_THAT(outcomes(reports), testing::Each(Outcome::unknown));
    EXPECT_THAT(gtrids(reports), SizeIs(1));
    EXPECT_THAT(points_.statements_of(reports[0].commit().gtrid()), SizeIs(4));
    manager_->users.watch({});
    users_.set_reachable(true);
    expect_all_settled();
    EXPECT_EQ(copies("a") + copies("b"), 0) << "neither ran again";
}

TEST_F(CombinedRun, RunsAloneWhatChangesMoreThanRows) {
    add_all({"a", "b"});
    add({manager_->users.statement("create table t"), manager_->points.statement("insert t")});
    add_all({"c", "d"});
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kCommitted));
    EXPECT_EQ(reports[0].commit().gtrid(), reports[1].commit().gtrid());
    EXPECT_EQ(reports[3].commit().gtrid(), reports[4].commit().gtrid());
    EXPECT_THAT(gtrids(reports), SizeIs(3));
    EXPECT_EQ(decisions_made(), 3U);
    EXPECT_EQ(verbs(points_, reports[2].commit().gtrid()), "start execute prepare commit");
}

TEST_F(CombinedRun, RunsAloneWhereADatasourceHasNoSavepoints) {
    points_.lack_savepoints();
    add_all({"a", "b"});
    expect_each_alone(release());
}

TEST_F(CombinedRun, RunsAloneWhoDoesNotWantToBeCombinedOrNamesOtherDatasources) {
    add_all({"a"});
    add(manager_->both("b"), {.conflict_keys = {"ada"}});
    add_all({"c"});
    add({manager_->users.statement("insert d")});
    add_all({"e"});
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kCommitted));
    EXPECT_THAT(gtrids(reports), SizeIs(5));
}

TEST_F(CombinedRun, CommitsABatchOnASingleBranchInOnePhase) {
    add({manager_->users.statement("insert a")});
    add({manager_->users.statement("insert b")});
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kCommitted));
    EXPECT_THAT(gtrids(reports), SizeIs(1));
    EXPECT_TRUE(verbs(users_, reports[0].commit().gtrid()).ends_with("commit_one_phase"));
    EXPECT_EQ(copies("a") + copies("b"), 2);
}

TEST_F(CombinedRun, TakesNoMoreMembersThanTheOneInFrontAllows) {
    for (const auto* row : {"a", "b", "c", "d", "e"}) {
        add(manager_->both(row), combined({.members_max = 2}));
    }
    const auto reports = release();
    EXPECT_THAT(outcomes(reports), testing::Each(kCommitted));
    EXPECT_THAT(gtrids(reports), SizeIs(3));
    EXPECT_EQ(reports[0].commit().gtrid(), reports[1].commit().gtrid());
    EXPECT_EQ(reports[2].commit().gtrid(), reports[3].commit().gtrid());
    EXPECT_EQ(decisions_made(), 3U);
}

TEST_F(CombinedRun, AnswersEarlyWhenAllMembersWantThat) {
    auto options = combined();
    options.until = Return::when_decided;
    add(manager_->both("a"), options);
    add(manager_->both("b"), options);
    auto reports = release();
    for (const auto& report : reports) {
        EXPECT_THAT(states(report.commit()), Contains(BranchState::committing));
        EXPECT_TRUE(report.commit().completion().get().is_settled());
    }
    EXPECT_THAT(gtrids(reports), SizeIs(1));
    hold();
    add(manager_->both("c"), options);
    add_all({"d"});
    reports = release();
    for (const auto& report : reports) {
        EXPECT_THAT(states(report.commit()),
                    ElementsAre(BranchState::committed, BranchState::committed));
    }
}

// What does not wait is not combined; where everything is contended, few decisions carry all.
TEST_F(CombinedRun, KeepsEveryRowAndLosesNoneUnderManyThreads) {
    constexpr int kThreads = 8;
    constexpr int kEach = 25;
    turn_.reset();
    const auto decided_before = decisions();
    std::atomic<int> failed = 0;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([&, thread] {
                for (int i = 0; i < kEach; ++i) {
                    auto statements = manager_->both(fmt::format("{}.{}", thread, i));
                    const bool shall_fail = i % 5 == thread % 5;
                    if (shall_fail) {
                        statements.push_back(manager_->points.statement("update ?", 1, 2));
                    }
                    const auto report = manager_->tm.run(std::move(statements), combined());
                    EXPECT_EQ(report.outcome(), shall_fail ? kRolledBack : kCommitted);
                    failed += report.error() ? 1 : 0;
                }
            });
        }
    }
    EXPECT_EQ(failed, kThreads * kEach / 5);
    for (int thread = 0; thread < kThreads; ++thread) {
        for (int i = 0; i < kEach; ++i) {
            EXPECT_EQ(copies(fmt::format("{}.{}", thread, i)), i % 5 == thread % 5 ? 0 : 2);
        }
    }
    EXPECT_LT(decisions() - decided_before, std::size_t{kThreads * kEach * 4 / 5});
    expect_all_settled();
}

}  // namespace
}  // namespace xa_tm::test
