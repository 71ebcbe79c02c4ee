// Recovery on real servers in the situations that broke others; the numbers are the traps' names.

#include <atomic>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "decision_record.h"
#include "eventually.h"
#include "sandbox.h"
#include "shop.h"
#include "undone.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

/// Passes follow each other as closely as they can.
Config restless() {
    return {.node = {}, .log_directory = {}, .answer_timeout = 5s, .recovery_interval = 1ms};
}

Config calm() {
    return {.node = {}, .log_directory = {}, .answer_timeout = 5s, .recovery_interval = 100ms};
}

class RecoveryTraps : public Shop {
protected:
    /// Decided; users has committed, points is still prepared and was not told.
    std::string leave_points_undone(int id = 1) {
        open_through_proxy(calm());
        auto gtrid = commit_and_cut(id, 1, "xa commit");
        close();
        return gtrid;
    }
    /// Decided; points has committed, users is still prepared and was not told.
    std::string leave_users_undone(int id = 1) {
        open_through_proxy(calm());
        auto gtrid = commit_and_cut(id, 0, "commit prepared");
        close();
        return gtrid;
    }
    std::string commit_and_cut(int id, std::size_t upstream, const std::string& text) {
        auto transaction = manager_->begin();
        register_user(transaction, id);
        proxy_->cut_off_at_request(upstream, text);
        const auto report = transaction.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
        EXPECT_EQ(report.branches()[upstream].state, BranchState::unknown);
        return report.gtrid();
    }
    [[nodiscard]] std::string gid_at_users() {
        const auto gids = users_database_.prepared();
        EXPECT_THAT(gids, SizeIs(1));
        return gids.empty() ? std::string{} : gids.front();
    }
    /// As SQL on any MySQL: the xid of the only prepared branch there.
    void finish_at_points_by_hand(const std::string& verb, const std::string& gtrid) {
        points_database_.execute(fmt::format("xa {} x'{}',x'{}',{}", verb, to_hex(gtrid),
                                             to_hex("points:2"), kFormatId));
    }
    /// Makes every decision in the log claim to be older, or younger, than it is.
    void date_decisions(std::chrono::hours offset) {
        const auto log = recovery_log::RecoveryLog::open(
            {.directory = log_directory_.path(), .node = "shop", .segment_size_bytes = 1 << 16});
        for (const auto& entry : log->live_entries()) {
            auto record = decode(entry.body).value();
            if (auto* decision = std::get_if<Decision>(&record)) {
                decision->decided_at += offset;
                const auto body = encode(record);
                ASSERT_EQ(log->force(log->reserve(body.size()).value(), body).result,
                          recovery_log::ForceResult::durable);
                log->forget(entry.id);
            }
        }
    }
    [[nodiscard]] bool is_undone_nowhere() {
        return eventually([this] { return count_undone(*manager_) == 0; });
    }
};

TEST_F(RecoveryTraps, Trap02NothingThatBeginsAndEndsWhileRecoveryLooksIsTouched) {
    open(restless());
    std::atomic<int> committed = 0;
    std::vector<std::thread> tellers;
    for (int teller = 0; teller < 4; ++teller) {
        tellers.emplace_back([this, teller, &committed] {
            for (int i = 0; i < 40; ++i) {
                auto transaction = manager_->begin();
                register_user(transaction, teller * 1000 + i);
                const auto report = transaction.commit();
                EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
                EXPECT_TRUE(report.is_settled()) << to_string(report);
                ++committed;
            }
        });
    }
    for (auto& teller : tellers) {
        teller.join();
    }
    EXPECT_EQ(committed, 160);
    EXPECT_EQ(users_database_.number("select count(*) from users"), 160);
    EXPECT_EQ(points_database_.number("select count(*) from points"), 160);
    const auto status = manager_->recovery_status();
    EXPECT_EQ(status.log_doubt, "");
    for (const auto& resource : status.resources) {
        EXPECT_GT(resource.passes, 20U) << "recovery looked all the while";
        EXPECT_EQ(resource.committed + resource.rolled_back, 0U);
    }
}

TEST_F(RecoveryTraps, Trap03AListWhoseReplyIsLostIsNoEmptyList) {
    leave_points_undone();
    ASSERT_EQ(count_prepared(), 1U);
    open_through_proxy(calm(), [](WireProxy& proxy) { proxy.lose_reply_to(1, "xa recover"); });
    ASSERT_TRUE(eventually([this] { return proxy_->is_reply_lost(); }));
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(count_rows(1), 2) << "it was committed, and not taken for finished before";
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(RecoveryTraps, Trap06ABranchThatAPersonCommitsAtTheSameTimeIsNoHeuristic) {
    const auto gtrid = leave_points_undone();
    finish_at_points_by_hand("commit", gtrid);
    open(calm());
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(count_rows(1), 2);
    close();
    EXPECT_EQ(count_log_entries(), 0U);
    leave_users_undone(2);
    users_database_.execute(fmt::format("commit prepared '{}'", gid_at_users()));
    open(calm());
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(count_rows(2), 2);
}

TEST_F(RecoveryTraps, Trap08NothingRevivesATransactionThatWasRolledBack) {
    open(calm());
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    users.sql() << "insert into users values (1)";
    transaction.rollback();
    EXPECT_THROW(std::ignore = transaction.enlist(*points_), Error);
    EXPECT_THROW(users.sql() << "insert into users values (2)", Error);
    EXPECT_THROW(points.sql() << "insert into points values (2)", Error);
    EXPECT_EQ(transaction.commit().outcome(), Outcome::rolled_back);
    EXPECT_EQ(count_rows(1) + count_rows(2), 0);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(RecoveryTraps, Trap10AHeuristicThatWasThereBeforeNeverBlocksTheStart) {
    leave_users_undone();
    users_database_.execute(fmt::format("rollback prepared '{}'", gid_at_users()));
    for (int lives = 0; lives < 2; ++lives) {
        open(calm());
        EXPECT_TRUE(eventually([this] {
            const auto status = manager_->recovery_status();
            return status.heuristics == 1 && status.open_decisions == 0;
        }));
        EXPECT_FALSE(manager_->has_work_left()) << "it waits for a person, not for recovery";
        {
            auto transaction = manager_->begin();
            register_user(transaction, 10 + lives);
            EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
        }
        close();
    }
    EXPECT_EQ(count_log_entries(), 2U) << "the decision, and the heuristic";
}

TEST_F(RecoveryTraps, Trap11ANodeWhoseNameBeginsLikeOursIsAnotherNode) {
    leave_points_undone();  // of node shop
    for (const auto* node : {"sho", "shop1", "shop-"}) {
        const TemporaryDirectory other_log;
        TransactionManager other{
            {.node = node, .log_directory = other_log.path(), .recovery_interval = 20ms}};
        other.add<mysql::Datasource>("points", sandbox::uri(sandbox::mysql_server()));
        other.start();
        EXPECT_TRUE(other.drain(5s).is_drained);
        EXPECT_EQ(other.recovery_status().resources[0].for_a_person, 0U);
        EXPECT_EQ(count_prepared(), 1U) << node;
    }
    open(calm());
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(count_rows(1), 2);
}

TEST_F(RecoveryTraps, Trap12ASecondManagerOfTheSameNodeIsRefused) {
    open_through_proxy(calm());
    commit_and_cut(1, 1, "xa commit");
    const auto points_uri = sandbox::uri(sandbox::mysql_server());
    try {
        const TransactionManager second{{.node = "shop", .log_directory = log_directory_.path()}};
        FAIL() << "two owners of one log";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::log_in_use);
    }
    const TemporaryDirectory other_log;
    TransactionManager second{{.node = "shop", .log_directory = other_log.path()}};
    second.add<mysql::Datasource>("points", points_uri);
    try {
        second.start();
        FAIL() << "two managers of one node";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::log_lost);
        EXPECT_THAT(error.what(), HasSubstr("allow_lost_log"));
    }
    EXPECT_EQ(count_prepared(), 1U);
    proxy_->restore(1);
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(count_rows(1), 2);
}

TEST_F(RecoveryTraps, Trap14NoClockDecidesWhateverTimeADecisionClaims) {
    for (const auto offset : {std::chrono::hours{1}, -std::chrono::hours{24 * 3650}}) {
        leave_points_undone(offset > 0h ? 1 : 2);
        date_decisions(offset);
        open(calm());
        EXPECT_TRUE(is_undone_nowhere());
        EXPECT_EQ(count_rows(offset > 0h ? 1 : 2), 2);
        close();
    }
}

TEST_F(RecoveryTraps, Trap29ABranchThatAPersonRolledBackIsAHeuristicWhereTheServerKeepsProof) {
    leave_users_undone();
    users_database_.execute(fmt::format("rollback prepared '{}'", gid_at_users()));
    open(calm());
    EXPECT_TRUE(eventually([this] { return manager_->recovery_status().heuristics == 1; }));
    close();
    postgres::Datasource users{"users", sandbox::uri(sandbox::postgres_server())};
    mysql::Datasource points{"points", sandbox::uri(sandbox::mysql_server())};
    Datasource* const resources[] = {&users, &points};
    const auto report = inspect(log_directory_.path(), resources, 5s);
    ASSERT_THAT(report.transactions, SizeIs(1));
    const auto& branch = report.transactions[0].branches.at(0);
    EXPECT_EQ(branch.resource, "users");
    EXPECT_EQ(branch.heuristic, XaCode::heurrb) << branch.reason;
    EXPECT_EQ(count_rows(1), 1) << "torn by hand, and told";
}

/// Points leaves witness rows, so that it can prove what became of a branch.
class WitnessedTraps : public RecoveryTraps {
protected:
    WitnessedTraps() {
        points_database_.execute("drop table if exists xa_tm_witness, xa_tm_witness_removed");
        points_options_.has_witness = true;
        mysql::Datasource{"points", sandbox::uri(sandbox::mysql_server()), points_options_}
            .set_up_decision_table();
    }
    ~WitnessedTraps() override {
        close();
        points_database_.execute(
            "drop table if exists xa_tm_witness, xa_tm_witness_removed, xa_tm_decision");
    }
    [[nodiscard]] std::int64_t witnesses() {
        return points_database_.number("select count(*) from xa_tm_witness");
    }
    [[nodiscard]] bool are_witnesses_removed() {
        return eventually([this] { return witnesses() == 0; });
    }
};

TEST_F(WitnessedTraps, LeaveNoRowBehindWhenAllIsForgotten) {
    open(calm());
    for (int id = 1; id <= 3; ++id) {
        auto transaction = manager_->begin();
        register_user(transaction, id);
        const auto report = transaction.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    }
    EXPECT_TRUE(are_witnesses_removed());
    EXPECT_EQ(points_database_.number("select max(through) from xa_tm_witness_removed"), 3);
    close();
    EXPECT_EQ(count_log_entries(), 0U);
}

TEST_F(WitnessedTraps, Trap28ACommitWhoseReplyIsLostIsProvenByItsWitness) {
    open_through_proxy(calm());
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    proxy_->lose_reply_to(1, "xa commit");
    const auto report = transaction.commit();
    EXPECT_EQ(report.branches()[1].state, BranchState::unknown) << to_string(report);
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(manager_->recovery_status().heuristics, 0U);
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_TRUE(are_witnesses_removed());
}

TEST_F(WitnessedTraps, Trap29ABranchThatAPersonRolledBackIsAHeuristicWithItsWitness) {
    const auto gtrid = leave_points_undone();
    finish_at_points_by_hand("rollback", gtrid);
    open(calm());
    EXPECT_TRUE(eventually([this] { return manager_->recovery_status().heuristics == 1; }));
    close();
    mysql::Datasource points{"points", sandbox::uri(sandbox::mysql_server())};
    Datasource* const resources[] = {&points};
    const auto report = inspect(log_directory_.path(), resources, 5s);
    ASSERT_THAT(report.transactions, SizeIs(1));
    const auto& branch = report.transactions[0].branches.at(0);
    EXPECT_EQ(branch.resource, "points");
    EXPECT_EQ(branch.heuristic, XaCode::heurrb) << branch.reason;
    EXPECT_EQ(count_rows(1), 1) << "torn by hand, and told";
}

TEST_F(WitnessedTraps, Trap29ABranchThatAPersonCommittedIsNone) {
    const auto gtrid = leave_points_undone();
    finish_at_points_by_hand("commit", gtrid);
    open(calm());
    EXPECT_TRUE(is_undone_nowhere());
    EXPECT_EQ(manager_->recovery_status().heuristics, 0U);
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_TRUE(are_witnesses_removed());
}

TEST_F(RecoveryTraps, Trap37AOnePhaseCommitWhoseReplyIsLostIsUnknownAndNotRolledBack) {
    open_through_proxy(calm());
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    std::ignore = users;  // it writes nothing, so points is the last one
    points.execute("insert into points values (1)");
    proxy_->lose_reply_to(1, "one phase");
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::unknown) << to_string(report);
    EXPECT_EQ(report.branches()[0].state, BranchState::read_only);
    EXPECT_THAT(report.branches()[1].next, HasSubstr("only the data can tell"));
    ASSERT_TRUE(eventually([this] { return proxy_->is_reply_lost(); }));
    EXPECT_TRUE(eventually([this] { return count_rows(1) == 1; }));
    EXPECT_EQ(count_prepared(), 0U);
}

}  // namespace
}  // namespace xa_tm::test
