// One-shot transactions over fake servers.

#include <atomic>
#include <future>
#include <thread>

#include "one_shot_fixture.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class OneShot : public OneShotFixture {
protected:
    /// Recovery passes would make trips of their own.
    OneShot() { recovery_interval_ = 1h; }

    [[nodiscard]] RunReport run(std::vector<Statement> statements, const RunOptions& options = {}) {
        return manager_->tm.run(std::move(statements), options);
    }
    [[nodiscard]] Error error_of_run(std::vector<Statement> statements,
                                     const RunOptions& options = {}) {
        return error_of([&] { std::ignore = run(std::move(statements), options).outcome(); });
    }
    /// Rolled back with this error, and nothing is left anywhere.
    void expect_rolled_back(const RunReport& report, ErrorCode code) {
        EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report.commit());
        ASSERT_TRUE(report.error());
        EXPECT_THAT(*report.error(), HasCode(code));
        EXPECT_EQ(copies("ada"), 0);
        expect_all_settled();
    }
};

TEST_F(OneShot, CommitsEverywhereAndGivesWhatEachStatementHasDone) {
    start();
    const auto report =
        run({manager_->users.statement("insert ?", "ada=7"), manager_->points.statement("rows 3 x"),
             manager_->users.statement("read insert ada")});
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
    EXPECT_TRUE(report.commit().is_settled());
    EXPECT_FALSE(report.error());
    ASSERT_THAT(report.results(), SizeIs(3));
    EXPECT_TRUE(report.results()[0].is_done);
    EXPECT_EQ(report.results()[0].rows, 1U);
    EXPECT_EQ(report.results()[1].rows, 3U);
    EXPECT_EQ(report.results()[2].set, (ResultSet{{"value"}, {{"7"}}}));
    EXPECT_TRUE(users_.has_row("insert ada=7"));
    EXPECT_TRUE(points_.has_row("x"));
}

TEST_F(OneShot, TakesOneTripABranchBeforeTheCommitAndOneMoreToPrepareTheFirst) {
    start();
    TripCounter trips{{&users_, &points_, &audit_}};
    const auto report = run({manager_->audit.statement("a"), manager_->users.statement("b"),
                             manager_->points.statement("c"), manager_->users.statement("d")});
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_THAT(trips.take(), ElementsAre(3, 2, 2));
    const auto& gtrid = report.commit().gtrid();
    EXPECT_EQ(verbs(users_, gtrid), "start execute execute prepare commit");
    EXPECT_EQ(verbs(points_, gtrid), "start execute prepare commit");
    EXPECT_THAT(users_.statements_of(gtrid), ElementsAre(SentStatement{"b"}, SentStatement{"d"}));
}

TEST_F(OneShot, CommitsASingleBranchInOnePhase) {
    start();
    TripCounter trips{{&users_, &points_, &audit_}};
    const auto report = run({manager_->points.statement("insert ada")});
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_EQ(verbs(points_, report.commit().gtrid()), "start execute commit_one_phase");
    EXPECT_THAT(trips.take(), ElementsAre(0, 2, 0));
}

/// Tells whether a statement was answered by users before points was sent one.
class SentBehind {
public:
    SentBehind(FakeLink& first, FakeLink& second) : first_{first}, second_{second} {
        first.watch([this](FakeLink::Event event, Verb verb) {
            if (event == FakeLink::Event::received && verb == Verb::execute) {
                is_answered_ = true;
            }
        });
        second.watch([this](FakeLink::Event event, Verb verb) {
            if (event == FakeLink::Event::sending && verb == Verb::start) {
                was_behind_ = is_answered_.load();
            }
        });
    }
    ~SentBehind() {
        first_.watch({});
        second_.watch({});
    }
    [[nodiscard]] bool was_behind() const { return was_behind_; }

private:
    FakeLink& first_;
    FakeLink& second_;
    std::atomic<bool> is_answered_ = false;
    std::atomic<bool> was_behind_ = false;
};

TEST_F(OneShot, SendsTheFirstAddedBranchBeforeTheOthersWhateverTheOrderOfTheStatements) {
    start();
    const SentBehind sent{manager_->users, manager_->points};
    EXPECT_EQ(run({manager_->points.statement("a"), manager_->users.statement("b")}).outcome(),
              Outcome::committed);
    EXPECT_TRUE(sent.was_behind());
}

TEST_F(OneShot, SendsAllBranchesAtOnceWithConflictKeys) {
    start();
    const SentBehind sent{manager_->users, manager_->points};
    const auto report = run(manager_->both("ada"), {.conflict_keys = {"ada"}});
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_FALSE(sent.was_behind());
    EXPECT_EQ(manager_->queued(), 0U);
}

TEST_F(OneShot, SendsNothingToTheOthersWhenTheFirstBranchFails) {
    start();
    TripCounter trips{{&points_}};
    const auto report =
        run({manager_->users.statement("fail"), manager_->points.statement("insert ada")});
    expect_rolled_back(report, ErrorCode::statement_failed);
    EXPECT_THAT(trips.take(), ElementsAre(0));
}

TEST_F(OneShot, NeverPreparesABranchWhoseStatementFailed) {
    start();
    const auto report =
        run({manager_->users.statement("insert ada"), manager_->points.statement("insert ada"),
             manager_->points.statement("fail"), manager_->points.statement("b")});
    expect_rolled_back(report, ErrorCode::statement_failed);
    EXPECT_EQ(report.error()->resource(), "points");
    EXPECT_THAT(report.error()->what(), HasSubstr("statement 3 of 4"));
    EXPECT_THAT(report.error()->what(), HasSubstr("the statement can't be run"));
    EXPECT_EQ(report.commit().reason(), report.error()->what());
    EXPECT_FALSE(report.error()->is_retryable());
    EXPECT_TRUE(report.results()[1].is_done);
    EXPECT_FALSE(report.results()[2].is_done);
    EXPECT_FALSE(report.results()[3].is_done);
    EXPECT_FALSE(verbs(points_, report.commit().gtrid()).ends_with("prepare"));
    EXPECT_THAT(users_.verbs_of(report.commit().gtrid()), testing::Contains(Verb::rollback));
    EXPECT_THAT(
        records(),
        Not(testing::Contains(IsDecision(report.commit().gtrid(), std::array{"users", "points"}))));
}

TEST_F(OneShot, NeverCommitsWithUnexpectedRowsAlthoughItsBranchesArePrepared) {
    start();
    const auto report = run({manager_->users.statement("insert ada"),
                             manager_->points.statement("rows 2 insert ada").expect_rows(1)});
    expect_rolled_back(report, ErrorCode::unexpected_rows);
    EXPECT_EQ(report.results()[1].rows, 2U);
    EXPECT_EQ(verbs(points_, report.commit().gtrid()), "start execute prepare rollback");
}

TEST_F(OneShot, NeverCommitsASingleBranchWithUnexpectedRows) {
    start();
    const auto report = run({manager_->users.statement("rows 0 insert ada").expect_rows(1)});
    expect_rolled_back(report, ErrorCode::unexpected_rows);
    EXPECT_EQ(verbs(users_, report.commit().gtrid()), "start execute rollback");
}

TEST_F(OneShot, TakesAConflictForAReasonToRunAgain) {
    start();
    const auto report =
        run({manager_->users.statement("insert ada"), manager_->points.statement("conflict")});
    expect_rolled_back(report, ErrorCode::conflict);
    EXPECT_TRUE(report.error()->is_retryable());
}

TEST_F(OneShot, ReportsTheVoteThatMadeItRollBack) {
    start();
    points_.answer_next(Verb::prepare, XaCode::rbintegrity);
    const auto report = run(manager_->both("ada"));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_FALSE(report.error());
    EXPECT_THAT(report.commit().reason(), HasSubstr("points"));
    EXPECT_EQ(copies("ada"), 0);
}

TEST_F(OneShot, CommitsThroughALastResource) {
    users_options_.is_last_resource = true;
    users_.set_up_decision_table();
    start();
    const auto report = run(manager_->both("ada"));
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
    EXPECT_EQ(verbs(users_, report.commit().gtrid()), "start execute commit_with_decision");
    EXPECT_EQ(verbs(points_, report.commit().gtrid()), "start execute prepare commit");
    EXPECT_EQ(copies("ada"), 2);
}

TEST_F(OneShot, LeavesWitnessRows) {
    options_.has_witness = users_options_.has_witness = true;
    for (auto* server : {&users_, &points_, &audit_}) {
        server->set_up_decision_table();
    }
    start();
    const auto report = run(manager_->both("ada"));
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_THAT(users_.witnessed(), testing::Contains(report.commit().gtrid()));
    EXPECT_THAT(points_.witnessed(), testing::Contains(report.commit().gtrid()));
}

TEST_F(OneShot, RefusesTwoLastResources) {
    options_.is_last_resource = true;
    points_.set_up_decision_table();
    audit_.set_up_decision_table();
    open();
    manager_->tm.start();
    const auto error =
        error_of_run({manager_->points.statement("a"), manager_->audit.statement("b")});
    EXPECT_THAT(error, HasCode(ErrorCode::invalid_state));
}

TEST_F(OneShot, AnswersEarlyWhenToldSo) {
    start();
    const auto report = run(manager_->both("ada"), {.until = Return::when_decided});
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_THAT(states(report.commit()),
                ElementsAre(BranchState::committing, BranchState::committing));
    EXPECT_TRUE(report.commit().completion().get().is_settled());
    EXPECT_EQ(copies("ada"), 2);
}

TEST_F(OneShot, EndsByTheLockWaitTimeoutWithAConflictThatMayBeRunAgain) {
    start();
    for (const bool has_answer_to_start : {true, false}) {
        points_.fail_next(has_answer_to_start ? Verb::execute : Verb::start, Fault::stall_request);
        const auto report =
            run(manager_->both("ada"), {.lock_wait_timeout = 30ms, .conflict_keys = {"ada"}});
        expect_rolled_back(report, ErrorCode::conflict);
        EXPECT_TRUE(report.error()->is_retryable());
        EXPECT_EQ(report.error()->resource(), "points");
        EXPECT_THAT(report.error()->what(), HasSubstr("lock_wait_timeout of 30 ms"));
        EXPECT_EQ(report.commit().reason(), report.error()->what());
        EXPECT_EQ(run(manager_->both("eve"), {.conflict_keys = {"ada"}}).outcome(),
                  Outcome::committed);
    }
}

// A server that answers a whole batch at once has not even answered the start then; the batch is
// not sent a second time on another connection.
TEST_F(OneShot, EndsByTheLockWaitTimeoutOnASingleBranchToo) {
    start();
    points_.fail_next(Verb::start, Fault::stall_request);
    const auto report =
        run({manager_->points.statement("insert ada")}, {.lock_wait_timeout = 30ms});
    expect_rolled_back(report, ErrorCode::conflict);
    EXPECT_THAT(report.error()->what(), HasSubstr("lock_wait_timeout of 30 ms"));
    EXPECT_EQ(std::ranges::count(points_.verbs_of(report.commit().gtrid()), Verb::start), 1);
}

TEST_F(OneShot, TimesOutWithItsTransaction) {
    start();
    points_.fail_next(Verb::execute, Fault::stall_request);
    const auto report = run(manager_->both("ada"), {.timeout = 50ms});
    expect_rolled_back(report, ErrorCode::timed_out);
    EXPECT_THAT(report.commit().gtrid(), Not(IsEmpty()));
}

TEST_F(OneShot, RollsBackWhenAConnectionIsLost) {
    start();
    for (const auto fault : {Fault::lose_request, Fault::lose_answer}) {
        for (const auto verb : {Verb::execute, Verb::prepare}) {
            points_.fail_next(verb, fault);
            const auto report = run(manager_->both("ada"));
            EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report.commit());
            EXPECT_EQ(report.error().has_value(), verb == Verb::execute);
            EXPECT_THAT(report.commit().reason(), HasSubstr("points"));
            expect_all_settled();
            EXPECT_EQ(copies("ada"), 0);
        }
    }
}

TEST_F(OneShot, IsOpenedElsewhereWhenTheIdleConnectionOfASingleBranchWasDead) {
    start();
    points_.set_reachable(false);
    points_.set_reachable(true);
    EXPECT_EQ(run({manager_->points.statement("insert ada")}).outcome(), Outcome::committed);
}

TEST_F(OneShot, SaysWhichResourceCanNotBeReached) {
    start();
    points_.set_reachable(false);
    manager_->points.hang_up();
    expect_rolled_back(run(manager_->both("ada")), ErrorCode::resource_unreachable);
    points_.set_reachable(true);
}

TEST_F(OneShot, SaysThatThePoolIsExhausted) {
    options_.pool_size_max = 1;
    options_.pool_timeout = 10ms;
    start();
    auto other = manager_->tm.begin();
    other.enlist(manager_->points).open();
    const auto report = run(manager_->both("ada"));
    other.rollback();
    expect_rolled_back(report, ErrorCode::pool_exhausted);
    EXPECT_TRUE(report.error()->is_retryable());
}

TEST_F(OneShot, TimesOutInTheQueueAndSendsNothing) {
    start();
    const auto turn = manager_->state.conflict_queue.enter(
        {"ada"}, nullptr, std::chrono::steady_clock::time_point::max(), {});
    TripCounter trips{{&users_, &points_}};
    for (const auto& combine : {std::optional<CombineOptions>{}, std::optional{CombineOptions{}}}) {
        const auto report =
            run(manager_->both("ada"),
                {.timeout = 20ms, .conflict_keys = {"eve", "ada"}, .combine = combine});
        EXPECT_EQ(report.outcome(), Outcome::rolled_back);
        ASSERT_TRUE(report.error());
        EXPECT_THAT(*report.error(), HasCode(ErrorCode::timed_out));
        EXPECT_TRUE(report.error()->is_retryable());
        EXPECT_THAT(report.error()->what(), HasSubstr("after 20 ms while it waited for its turn"));
        EXPECT_THAT(report.commit().gtrid(), IsEmpty());
        EXPECT_THAT(report.results(), SizeIs(2));
    }
    EXPECT_THAT(trips.take(), ElementsAre(0, 0));
    EXPECT_EQ(manager_->queued(), 1U);
}

TEST_F(OneShot, IsCancelledInTheQueue) {
    start();
    const auto turn = manager_->state.conflict_queue.enter(
        {"ada"}, nullptr, std::chrono::steady_clock::time_point::max(), {});
    for (const auto& combine : {std::optional<CombineOptions>{}, std::optional{CombineOptions{}}}) {
        std::stop_source cancel;
        auto waiting = std::async(std::launch::async, [&] {
            return run(
                manager_->both("ada"),
                {.conflict_keys = {"ada"}, .combine = combine, .cancel = cancel.get_token()});
        });
        EXPECT_TRUE(eventually([&] { return manager_->queued() == 2; }));
        cancel.request_stop();
        const auto report = waiting.get();
        EXPECT_EQ(report.outcome(), Outcome::rolled_back);
        ASSERT_TRUE(report.error());
        EXPECT_THAT(*report.error(), HasCode(ErrorCode::timed_out));
        EXPECT_THAT(report.error()->what(), HasSubstr("cancelled"));
    }
    EXPECT_EQ(copies("ada"), 0);
    EXPECT_EQ(manager_->queued(), 1U);
}

TEST_F(OneShot, LetsTheNextOneSendWhileItsDecisionIsNotApplied) {
    start();
    std::promise<void> release;
    const auto released = release.get_future().share();
    std::atomic<bool> is_held = true;
    manager_->audit.watch([&](FakeLink::Event event, Verb verb) {
        if (is_held && event == FakeLink::Event::received && verb == Verb::commit) {
            is_held = false;
            released.wait();
        }
    });
    auto first = std::async(std::launch::async, [&] {
        return run({manager_->users.statement("insert eve"), manager_->audit.statement("a")},
                   {.conflict_keys = {"ada"}});
    });
    EXPECT_TRUE(eventually([&] { return !is_held; }));
    EXPECT_EQ(run(manager_->both("ada"), {.conflict_keys = {"ada"}}).outcome(), Outcome::committed);
    release.set_value();
    EXPECT_EQ(first.get().outcome(), Outcome::committed);
    manager_->audit.watch({});
}

TEST_F(OneShot, IsRefusedBeforeStart) {
    open();
    EXPECT_THAT(error_of_run(manager_->both("ada")), HasCode(ErrorCode::invalid_state));
    EXPECT_THAT(error_of_run(manager_->both("ada"), {.conflict_keys = {"ada"}}),
                HasCode(ErrorCode::invalid_state));
}

TEST_F(OneShot, RefusesADatasourceOfAnotherManager) {
    start();
    FakeLink stranger{"stranger", audit_};
    for (const auto& combine : {std::optional<CombineOptions>{}, std::optional{CombineOptions{}}}) {
        const auto error =
            error_of_run({manager_->users.statement("select"), stranger.statement("select")},
                         {.conflict_keys = {"ada"}, .combine = combine});
        EXPECT_THAT(error, HasCode(ErrorCode::invalid_configuration));
        EXPECT_EQ(error.resource(), "stranger");
    }
    EXPECT_EQ(manager_->queued(), 0U);
}

TEST_F(OneShot, RefusesUnfitOptionsBeforeItWaits) {
    start();
    const auto turn = manager_->state.conflict_queue.enter(
        {"ada"}, nullptr, std::chrono::steady_clock::time_point::max(), {});
    const std::vector<std::string> keys{"ada"};
    EXPECT_THAT(error_of_run({}, {.conflict_keys = keys}),
                HasCode(ErrorCode::invalid_configuration));
    const RunOptions unfit[]{
        {.timeout = -1ms, .conflict_keys = keys},
        {.timeout = 25h, .conflict_keys = keys},
        {.lock_wait_timeout = -1ms, .conflict_keys = keys},
        {.lock_wait_timeout = 25h, .conflict_keys = keys},
        {.conflict_keys = keys, .combine = CombineOptions{.members_max = 0}},
        {.conflict_keys = keys, .combine = CombineOptions{.time_max = 0ms}},
    };
    for (const auto& options : unfit) {
        EXPECT_THAT(error_of_run(manager_->both("ada"), options),
                    HasCode(ErrorCode::invalid_configuration));
    }
}

class FinishWith : public OneShot {};

TEST_F(FinishWith, PreparesTheFirstBranchInTheTripOfTheOthersStatements) {
    start();
    TripCounter trips{{&users_, &points_}};
    auto tx = manager_->tm.begin();
    tx.enlist(manager_->users).execute("insert eve");
    EXPECT_THAT(trips.take(), ElementsAre(1, 0));
    const auto report = tx.finish_with(manager_->both("ada"));
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
    EXPECT_THAT(trips.take(), ElementsAre(3, 2));
    EXPECT_EQ(verbs(users_, tx.gtrid()), "start execute execute prepare commit");
    EXPECT_EQ(verbs(points_, tx.gtrid()), "start execute prepare commit");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
}

TEST_F(FinishWith, RollsBackTheInteractivePartToo) {
    start();
    auto tx = manager_->tm.begin();
    tx.enlist(manager_->users).execute("insert ada");
    const auto report = tx.finish_with({manager_->points.statement("fail")});
    expect_rolled_back(report, ErrorCode::statement_failed);
}

TEST_F(FinishWith, RunsTheCallbacksBeforeItsStatementsAndAfterTheOutcome) {
    start();
    auto tx = manager_->tm.begin();
    std::vector<std::string> calls;
    tx.before_prepare([&] {
        calls.push_back("before");
        tx.enlist(manager_->users).execute("insert eve");
    });
    tx.after_completion(
        [&](const CommitReport& report) { calls.emplace_back(to_string(report.outcome())); });
    EXPECT_EQ(tx.finish_with(manager_->both("ada")).outcome(), Outcome::committed);
    EXPECT_THAT(calls, ElementsAre("before", "committed"));
    EXPECT_THAT(
        users_.statements_of(tx.gtrid()),
        ElementsAre(SentStatement{"insert eve"}, SentStatement{"insert ?", {to_value("ada")}}));
}

TEST_F(FinishWith, RunsNothingMoreWhenACallbackSaysNo) {
    start();
    auto tx = manager_->tm.begin();
    tx.before_prepare([&] { tx.set_rollback_only("not today"); });
    const auto report = tx.finish_with(manager_->both("ada"));
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_EQ(report.commit().reason(), "not today");
    EXPECT_FALSE(report.results()[0].is_done);
    EXPECT_THAT(users_.statements_of(tx.gtrid()), IsEmpty());
}

TEST_F(FinishWith, OfNoStatementsCommits) {
    start();
    auto tx = manager_->tm.begin();
    tx.enlist(manager_->users).execute("insert ada");
    EXPECT_EQ(tx.finish_with({}).outcome(), Outcome::committed);
    EXPECT_EQ(copies("ada"), 1);
}

TEST_F(FinishWith, IsRefusedOnceTheTransactionHasEnded) {
    start();
    auto tx = manager_->tm.begin();
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    const auto error =
        error_of([&] { std::ignore = tx.finish_with(manager_->both("ada")).outcome(); });
    EXPECT_THAT(error, HasCode(ErrorCode::invalid_state));
}

}  // namespace
}  // namespace xa_tm::test
