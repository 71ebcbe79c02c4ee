// The application is killed with SIGKILL at every crash point, in every scenario, over two and
// three servers in both orders. Afterwards recovery runs, and every database is read.

#include <algorithm>
#include <array>
#include <csignal>
#include <set>
#include <string>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "crash_rig.h"
#include "sandbox.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/crash_point.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using Servers = std::vector<std::string>;

/// Which points were met in this process; the last word on whether the list was really run.
std::set<std::string>& points_met() {
    static std::set<std::string> points;
    return points;
}

/// Points that a scenario never comes to, so that its next servers need not be tried with them.
std::set<std::pair<std::string, std::string>>& points_out_of_reach() {
    static std::set<std::pair<std::string, std::string>> points;
    return points;
}

class EveryPointIsMet : public testing::Environment {
public:
    void TearDown() override {
        if (!is_whole_suite_run()) {
            return;  // a part of it was asked for
        }
        for (const auto name : crash_point_names()) {
            EXPECT_TRUE(points_met().contains(std::string{name})) << "no scenario meets " << name;
        }
    }

private:
    static bool is_whole_suite_run() {
        const auto& tests = *testing::UnitTest::GetInstance();
        for (int i = 0; i < tests.total_test_suite_count(); ++i) {
            const auto& suite = *tests.GetTestSuite(i);
            if (std::string_view{suite.name()}.find("ProcessDeath") != std::string_view::npos &&
                suite.test_to_run_count() < suite.total_test_count()) {
                return false;
            }
        }
        return true;
    }
};

const auto* const kEveryPointIsMet = testing::AddGlobalTestEnvironment(new EveryPointIsMet);

/// From here on, a transaction that was to commit has committed.
constexpr auto kAfterDecision = std::to_array<std::string_view>(
    {"coordinator.decision_forced", "coordinator.commit_sent", "coordinator.commit_answered",
     "coordinator.before_forget", "coordinator.one_phase_answered",
     "coordinator.last_resource_answered"});
/// Here nobody can know: the kernel may or may not have got the bytes to the disk or the server, or
/// the log's housekeeping comes there at any moment.
constexpr auto kEither = std::to_array<std::string_view>(
    {"log.entry_written", "log.segment_created", "coordinator.one_phase_sent",
     "coordinator.last_resource_sent"});

void expect_outcome(Scenario scenario, std::string_view point, bool is_committed) {
    if (scenario != Scenario::commit && scenario != Scenario::last_resource) {
        EXPECT_FALSE(is_committed);
    } else if (std::ranges::find(kEither, point) == kEither.end()) {
        const bool is_decided = std::ranges::find(kAfterDecision, point) != kAfterDecision.end();
        EXPECT_EQ(is_committed, is_decided);
    }
}

/// Kills a child at the first, second, … time that it meets the point, until it lives on.
template <class Kill>
void for_each_hit(const std::string& scenario, std::string_view point, Kill&& kill) {
    const std::pair key{scenario, std::string{point}};
    if (points_out_of_reach().contains(key)) {
        return;
    }
    for (int hit = 1;; ++hit) {
        SCOPED_TRACE(fmt::format("{}@{}", point, hit));
        const Completed end = kill(fmt::format("{}@{}", point, hit));
        if (end.signal != SIGKILL) {
            EXPECT_EQ(end.exit_code, 0) << end;
            if (hit == 1) {
                points_out_of_reach().insert(key);
            }
            return;
        }
        points_met().insert(std::string{point});
    }
}

class ProcessDeath : public testing::TestWithParam<Servers> {
protected:
    void kill_everywhere(Scenario scenario) {
        CrashRig rig{GetParam(), scenario == Scenario::last_resource};
        for (const auto point : crash_point_names()) {
            for_each_hit(to_string(scenario), point, [&](const std::string& where) {
                auto end = rig.run(scenario, where);
                const bool is_committed = rig.expect_settled();
                if (end.signal == SIGKILL) {
                    expect_outcome(scenario, point, is_committed);
                } else if (const auto outcome = reported_outcome(end)) {
                    EXPECT_EQ(is_committed, *outcome == "committed");
                }
                return end;
            });
        }
    }

    /// Kills the recovery of what a first child has left.
    void kill_recovery_of(const std::string& first_point, bool is_committed_in_the_end,
                          Scenario first = Scenario::commit) {
        CrashRig rig{GetParam(), first == Scenario::last_resource};
        for (const auto point : crash_point_names()) {
            for_each_hit("recovery of " + first_point, point, [&](const std::string& where) {
                EXPECT_EQ(rig.run(first, first_point).signal, SIGKILL);
                rig.wait_until_sessions_are_gone();
                auto end = rig.run(Scenario::recover, where);
                EXPECT_EQ(rig.expect_settled(), is_committed_in_the_end);
                return end;
            });
        }
    }
};

TEST_P(ProcessDeath, LeavesACommitWholeAtEveryPoint) {
    kill_everywhere(Scenario::commit);
}

TEST_P(ProcessDeath, LeavesNothingOfARollbackAtAnyPoint) {
    kill_everywhere(Scenario::rollback);
}

TEST_P(ProcessDeath, LeavesNothingWhenABranchRefusesAtAnyPoint) {
    kill_everywhere(Scenario::refuse);
}

TEST_P(ProcessDeath, LeavesACommitWithALastResourceWholeAtEveryPoint) {
    kill_everywhere(Scenario::last_resource);
}

TEST_P(ProcessDeath, DuringRecoveryStillCommitsWhatTheLastResourceDecided) {
    kill_recovery_of("coordinator.last_resource_answered", true, Scenario::last_resource);
}

TEST_P(ProcessDeath, DuringRecoveryStillCommitsWhatWasDecided) {
    kill_recovery_of("coordinator.decision_forced", true);
}

TEST_P(ProcessDeath, DuringRecoveryStillRollsBackWhatWasNot) {
    kill_recovery_of("coordinator.before_decision_forced", false);
}

std::string name_of(const testing::TestParamInfo<Servers>& info) {
    std::string name;
    for (const auto& server : info.param) {
        name += (name.empty() ? "" : "_") + server;
    }
    return plain_name(name);
}

const Servers kPair{sandbox::postgres_server(), sandbox::mysql_server()};
const Servers kTurnedPair{sandbox::mysql_server(), sandbox::postgres_server()};

INSTANTIATE_TEST_SUITE_P(OverThePair, ProcessDeath, testing::Values(kPair), name_of);
INSTANTIATE_TEST_SUITE_P(
    Over, ProcessDeath,
    testing::Values(kTurnedPair,
                    Servers{sandbox::postgres_server(), sandbox::mysql_server(), "postgres2"},
                    Servers{sandbox::mysql_server(), sandbox::postgres_server(), "mariadb2"}),
    name_of);

class OneProcessDeath : public testing::TestWithParam<Servers> {};

TEST_P(OneProcessDeath, LeavesAOnePhaseCommitWholeAtEveryPoint) {
    CrashRig rig{GetParam()};
    for (const auto* point : {"coordinator.one_phase_sent", "coordinator.one_phase_answered"}) {
        for_each_hit("one phase", point, [&](const std::string& where) {
            auto end = rig.run(Scenario::commit, where);
            const bool is_committed = rig.expect_settled();
            expect_outcome(Scenario::commit, end.signal == SIGKILL ? point : kAfterDecision.front(),
                           is_committed);
            return end;
        });
    }
}

INSTANTIATE_TEST_SUITE_P(Over, OneProcessDeath,
                         testing::Values(Servers{sandbox::postgres_server()},
                                         Servers{sandbox::mysql_server()}),
                         name_of);

/// Kills what a person orders for what a first child has left, at each point that only an order
/// comes to; then the person orders it again.
void kill_order_after(const std::string& first_point, Scenario order, OrderVerb verb) {
    CrashRig rig{kPair};
    for (const auto point : crash_point_names()) {
        if (!point.starts_with("operator.")) {
            continue;
        }
        for_each_hit(to_string(order), point, [&](const std::string& where) {
            EXPECT_EQ(rig.run(Scenario::commit, first_point).signal, SIGKILL);
            rig.wait_until_sessions_are_gone();
            auto end = rig.run(order, where);
            rig.wait_until_sessions_are_gone();
            rig.insist(verb);
            rig.insist(OrderVerb::forget);
            EXPECT_EQ(rig.expect_settled(), verb == OrderVerb::commit);
            return end;
        });
    }
}

TEST(ProcessDeathAndTheLog, TearsNothingDuringAnOrderToCommitWhatPresumesAbort) {
    kill_order_after("coordinator.before_decision_forced", Scenario::order_commit,
                     OrderVerb::commit);
}

TEST(ProcessDeathAndTheLog, TearsNothingDuringAnOrderToRollBackWhatWasDecided) {
    kill_order_after("coordinator.decision_forced", Scenario::order_rollback, OrderVerb::rollback);
}

TEST(ProcessDeathAndTheLog, LeavesTheBranchesOfAnotherLogOfTheSameNodeAlone) {
    for (const auto* point :
         {"coordinator.decision_forced", "coordinator.before_decision_forced"}) {
        SCOPED_TRACE(point);
        CrashRig rig{kPair};
        EXPECT_EQ(rig.run(Scenario::commit, point).signal, SIGKILL);
        rig.wait_until_sessions_are_gone();
        EXPECT_EQ(rig.count_prepared(), 2U);
        const auto report = rig.recover_with_another_log();
        EXPECT_EQ(rig.count_prepared(), 2U) << "law 4: only branches of this very log are touched";
        EXPECT_TRUE(std::ranges::any_of(report.transactions, [](const RecoveryTransaction& seen) {
            return seen.state == TransactionState::lost_log;
        }));
        EXPECT_EQ(rig.expect_settled(), std::string_view{point} == kAfterDecision.front());
    }
}

TEST(ProcessDeathAndTheLog, Trap01RecoveryBesideALiveTransactionTouchesNothing) {
    CrashRig rig{kPair};
    auto child = rig.start(Scenario::commit, "stop:coordinator.before_decision_forced");
    ASSERT_TRUE(child.wait_until_stopped());
    for (int pass = 0; pass < 2; ++pass) {
        const auto report = rig.look();
        ASSERT_TRUE(report.log.owner.has_value());
        EXPECT_EQ(report.log.owner->pid, child.pid());
        ASSERT_EQ(report.transactions.size(), 1U);
        EXPECT_EQ(report.transactions[0].state, TransactionState::live);
        EXPECT_EQ(report.transactions[0].branches.size(), 2U);
        try {
            std::ignore = rig.recover();
            FAIL() << "a log has one owner";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::log_in_use);
            EXPECT_NE(std::string{error.what()}.find(std::to_string(child.pid())),
                      std::string::npos);
        }
    }
    EXPECT_EQ(rig.count_prepared(), 2U);
    child.resume();
    EXPECT_EQ(reported_outcome(child.wait()), "committed");
    EXPECT_TRUE(rig.expect_settled());
}

}  // namespace
}  // namespace xa_tm::test
