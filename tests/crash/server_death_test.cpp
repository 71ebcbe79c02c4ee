// A server is killed with SIGKILL while the application is stopped at a chosen point; then the
// application goes on, and the server comes back.

#include <optional>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "crash_rig.h"
#include "sandbox.h"

namespace xa_tm::test {
namespace {

struct Case {
    std::string point;
    /// Nothing where the server may or may not have answered before it died.
    std::optional<bool> is_committed;
};

using Parameter = std::tuple<Case, std::string>;

class ServerDeath : public testing::TestWithParam<Parameter> {
protected:
    void TearDown() override {
        for (const auto& server : {sandbox::postgres_server(), sandbox::mysql_server()}) {
            sandbox::restart(server);
        }
    }
};

TEST_P(ServerDeath, LeavesTheTransactionWhole) {
    const auto& [where, victim] = GetParam();
    CrashRig rig{{sandbox::postgres_server(), sandbox::mysql_server()}};
    auto child = rig.start(Scenario::commit, "stop:" + where.point);
    ASSERT_TRUE(child.wait_until_stopped());
    sandbox::kill(victim);
    child.resume();
    const auto end = child.wait();
    EXPECT_EQ(end.exit_code, 0) << "the application lives on";
    const auto outcome = reported_outcome(end);
    ASSERT_TRUE(outcome.has_value());
    const bool is_committed = *outcome == "committed";
    EXPECT_TRUE(is_committed || *outcome == "rolled back") << *outcome;
    EXPECT_EQ(is_committed, where.is_committed.value_or(is_committed));

    sandbox::restart(victim);
    EXPECT_EQ(rig.expect_settled(), is_committed);
}

std::string name_of(const testing::TestParamInfo<Parameter>& info) {
    return plain_name(std::get<0>(info.param).point + "_" + std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(
    At, ServerDeath,
    testing::Combine(testing::Values(Case{"coordinator.before_prepare", false},
                                     Case{"coordinator.prepare_sent@1", std::nullopt},
                                     Case{"coordinator.prepare_sent@2", std::nullopt},
                                     Case{"coordinator.vote_received@1", std::nullopt},
                                     Case{"coordinator.before_decision_forced", true},
                                     Case{"coordinator.decision_forced", true},
                                     Case{"coordinator.commit_sent@1", true},
                                     Case{"coordinator.commit_sent@2", true},
                                     Case{"coordinator.commit_answered@1", true},
                                     Case{"coordinator.before_forget", true}),
                     testing::Values(sandbox::postgres_server(), sandbox::mysql_server())),
    name_of);

}  // namespace
}  // namespace xa_tm::test
