// Witness rows over fake servers: when they are removed, and what they then don't say.

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class WitnessRows : public ManagerFixture {
protected:
    WitnessRows() {
        options_.has_witness = true;
        for (auto* server : {&users_, &points_, &audit_}) {
            server->set_up_decision_table();
        }
    }

    static CommitReport commit(Life& life) {
        auto tx = life.tm.begin();
        auto [users, points] = tx.enlist(life.users, life.points);
        users.write("ada");
        points.write("ada:100");
        auto report = tx.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
        return report;
    }
    [[nodiscard]] std::size_t rows() const {
        return users_.witnessed().size() + points_.witnessed().size();
    }
    /// The log also keeps, for good, where decisions may lie as rows.
    static std::size_t open_decisions(const Life& life) {
        return life.tm.recovery_status().open_decisions;
    }
    static std::size_t heuristics(const Life& life) { return life.tm.recovery_status().heuristics; }
};

TEST_F(WitnessRows, AreRemovedByThePassesOfTheSameProcess) {
    const auto life = start();
    EXPECT_TRUE(commit(*life).is_settled());
    EXPECT_THAT(users_.evidence_of(Verb::commit), testing::StartsWith("witness"));
    EXPECT_THAT(points_.evidence_of(Verb::commit), testing::StartsWith("witness"));
    EXPECT_TRUE(eventually([this] { return rows() == 0; }));
    const auto sent = users_.sent();
    EXPECT_TRUE(std::ranges::any_of(
        sent, [](const SentVerb& one) { return one.verb == Verb::forget_witnesses; }));
    EXPECT_EQ(heuristics(*life), 0U);
}

TEST_F(WitnessRows, ThatACrashHasLeftAreRemovedByTheNextProcess) {
    recovery_interval_ = std::chrono::hours{1};
    auto life = start();
    EXPECT_TRUE(eventually([&] {
        const auto status = life->tm.recovery_status();
        return std::ranges::all_of(status.resources,
                                   [](const ResourceStatus& one) { return one.passes > 0; });
    }));
    std::ignore = commit(*life);
    life.reset();
    EXPECT_EQ(rows(), 2U);
    life = start();
    EXPECT_TRUE(eventually([this] { return rows() == 0; }));
}

// Trap 29.
TEST_F(WitnessRows, TellByTheirAbsenceThatAPersonHasRolledABranchBack) {
    leave_decided();
    points_.set_reachable(true);
    ASSERT_THAT(points_.prepared(), SizeIs(1));
    points_.drop(points_.prepared().front());
    const auto life = start();
    EXPECT_TRUE(eventually([&] { return heuristics(*life) == 1; }));
    EXPECT_FALSE(points_.has_row("ada:100"));
}

TEST_F(WitnessRows, ProveACommitWhoseAnswerWasLost) {
    const auto life = start();
    points_.fail_next(Verb::commit, Fault::lose_answer);
    EXPECT_EQ(commit(*life).branches()[1].state, BranchState::unknown);
    EXPECT_TRUE(eventually([&] { return open_decisions(*life) == 0; }));
    EXPECT_EQ(heuristics(*life), 0U);
    EXPECT_TRUE(points_.has_row("ada:100"));
    EXPECT_TRUE(eventually([this] { return rows() == 0; }));
}

TEST_F(WitnessRows, AreNamedAsTheProofInTheReport) {
    leave_decided();
    points_.set_reachable(true);
    const auto session = points_.connect({});
    session->send(Verb::commit, points_.prepared().at(0));
    ASSERT_EQ(session->receive().value().code, XaCode::ok);
    const auto life = open();
    const auto report = life->tm.recover({.timeout = std::chrono::seconds{10}});
    ASSERT_THAT(report.transactions, SizeIs(1));
    std::vector<std::string> reasons;
    for (const auto& branch : report.transactions[0].branches) {
        reasons.push_back(branch.reason);
    }
    EXPECT_THAT(reasons, testing::Each(testing::HasSubstr("proves that the branch has committed")));
}

// The log forgets lazily: a crash, or an old copy of the log, brings a decision back whose rows are
// gone. Their absence must not be taken for a rollback.
TEST_F(WitnessRows, ThatWereRemovedProveNothingWhenTheLogRemembersTheirTransactionAgain) {
    leave_decided();
    const TemporaryDirectory before;
    std::filesystem::copy(directory_.path(), before.path(),
                          std::filesystem::copy_options::recursive);
    points_.set_reachable(true);
    auto life = start();
    EXPECT_TRUE(eventually([&] { return open_decisions(*life) == 0 && rows() == 0; }));
    life.reset();

    for (const auto& file : std::filesystem::directory_iterator{directory_.path()}) {
        std::filesystem::remove_all(file.path());
    }
    std::filesystem::copy(before.path(), directory_.path(),
                          std::filesystem::copy_options::recursive);
    ASSERT_THAT(records(), testing::Not(IsEmpty()));
    life = start();
    EXPECT_TRUE(eventually([&] { return open_decisions(*life) == 0; }));
    EXPECT_EQ(heuristics(*life), 0U);
    EXPECT_THAT(users_.evidence_of(Verb::locate), testing::StartsWith("witness"));
}

TEST_F(WitnessRows, StayWhileTheServerRefusesToRemoveThem) {
    points_.answer_next(Verb::forget_witnesses, XaCode::rmerr);
    points_.fail_next(Verb::forget_witnesses, Fault::lose_request);
    const auto life = start();
    std::ignore = commit(*life);
    EXPECT_TRUE(eventually([this] { return rows() == 0; })) << "each is given back";
}

TEST_F(WitnessRows, AreNotLeftWithoutTheOption) {
    options_.has_witness = false;
    const auto life = start();
    std::ignore = commit(*life);
    EXPECT_EQ(users_.evidence_of(Verb::commit), "");
    const auto sent = users_.sent();
    EXPECT_TRUE(std::ranges::none_of(sent, [](const SentVerb& one) {
        return one.verb == Verb::list_witnesses || one.verb == Verb::forget_witnesses;
    }));
}

}  // namespace
}  // namespace xa_tm::test
