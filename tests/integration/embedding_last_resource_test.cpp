// The last resource on real servers, as docs/embedding.md tells of it: its commit, with the
// decision as a row, takes the place of the force of our log.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "sandbox.h"
#include "shop.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// Which of the two is the last resource.
enum class Last { users, points };

class WithLastResource : public Shop, public testing::WithParamInterface<Last> {
protected:
    WithLastResource() { last_database().execute("drop table if exists xa_tm_decision"); }
    ~WithLastResource() override {
        close();
        last_database().execute("drop table if exists xa_tm_decision");
    }

    [[nodiscard]] static bool is_users() { return GetParam() == Last::users; }
    [[nodiscard]] Database& last_database() {
        return is_users() ? users_database_ : points_database_;
    }
    /// In the proxy.
    [[nodiscard]] static std::size_t last_index() { return is_users() ? 0 : 1; }
    /// What the commit of the last resource is known by on the wire.
    static constexpr const char* kCommitOnWire = "xa_tm_decision";

    void open_last(const std::string& users_uri, const std::string& points_uri,
                   bool is_set_up = true) {
        Config config;
        config.node = "shop";
        config.log_directory = log_directory_.path();
        config.log_segment_size_bytes = 1 << 16;
        config.answer_timeout = 2s;
        config.recovery_interval = 200ms;
        manager_.emplace(std::move(config));
        users_ = &manager_->add<postgres::Datasource>(
            "users", users_uri, DatasourceOptions{.is_last_resource = is_users()});
        points_ = &manager_->add<mysql::Datasource>(
            "points", points_uri, DatasourceOptions{.is_last_resource = !is_users()});
        if (is_set_up) {
            is_users() ? users_->set_up_decision_table() : points_->set_up_decision_table();
        }
        manager_->start();
    }
    void open_last(bool is_set_up = true) {
        open_last(sandbox::uri(sandbox::postgres_server()), sandbox::uri(sandbox::mysql_server()),
                  is_set_up);
    }
    void open_last_through_proxy(bool is_set_up = true) {
        const auto users = sandbox::tcp_uri(sandbox::postgres_server());
        const auto points = sandbox::tcp_uri(sandbox::mysql_server());
        if (proxy_ == nullptr) {
            proxy_ = std::make_unique<WireProxy>(std::vector<WireProxy::Upstream>{
                {Wire::postgresql, port_of(users)}, {Wire::mysql, port_of(points)}});
        }
        open_last(with_port(users, proxy_->port(0)), with_port(points, proxy_->port(1)), is_set_up);
    }

    [[nodiscard]] std::int64_t rows() {
        return last_database().number("select count(*) from xa_tm_decision");
    }
    [[nodiscard]] std::uint64_t forces() const { return manager_->log_status().forces; }
};

TEST_P(WithLastResource, CommitsBothWithoutAForceOfTheLog) {
    open_last();
    const auto before = forces();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_TRUE(report.is_settled());
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_EQ(forces(), before);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_P(WithLastResource, RemovesItsRowsOnceTheirTransactionsAreFinished) {
    open_last();
    for (int id = 1; id <= 5; ++id) {
        auto transaction = manager_->begin();
        register_user(transaction, id);
        EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    }
    EXPECT_TRUE(manager_->drain(20s).is_drained);
    EXPECT_EQ(rows(), 0);
}

TEST_P(WithLastResource, NeedsNoRowWhenItIsTheOnlyOneThatWrote) {
    open_last();
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    if (is_users()) {
        users.execute("insert into users values (1)");
    } else {
        points.execute("insert into points values (1)");
    }
    EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    EXPECT_EQ(count_rows(1), 1);
    EXPECT_EQ(rows(), 0);
}

TEST_P(WithLastResource, CommitsWithEveryWayToRunStatements) {
    open_last();
    auto transaction = manager_->begin();
    const auto [users, points] = transaction.enlist(*users_, *points_);
    users.execute_last("insert into users values (1)");
    points.execute_last("insert into points values (1)");
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_EQ(count_rows(1), 2);

    auto early = manager_->begin();
    register_user(early, 2);
    const auto decided = early.commit(Return::when_decided);
    EXPECT_EQ(decided.outcome(), Outcome::committed) << to_string(decided);
    EXPECT_TRUE(decided.completion().get().is_settled());
    EXPECT_EQ(count_rows(2), 2);
}

// A deferred constraint of users is checked by its vote, or by its commit as the last resource.
TEST_P(WithLastResource, RollsBackBothWhicheverOfTheTwoRefuses) {
    open_last();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    transaction.enlist(*users_).execute("insert into users values (1)");
    const auto report = transaction.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
    EXPECT_THAT(report.reason(), HasSubstr("users"));
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_EQ(count_prepared(), 0U);
    EXPECT_EQ(rows(), 0);
}

TEST_P(WithLastResource, RollsBackBothAndSaysWhatToDoWhenItsTableIsMissing) {
    open_last();
    auto first = manager_->begin();
    register_user(first, 1);
    last_database().execute("drop table xa_tm_decision");
    const auto report = first.commit();
    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
    EXPECT_THAT(report.reason(), HasSubstr("xa-recover setup-last-resource"));
    EXPECT_EQ(count_rows(1), 0);
    EXPECT_TRUE(is_settled_eventually());
}

TEST_P(WithLastResource, HasToBeEnlistedBeforeAnyBranchIsUsed) {
    open_last();
    auto transaction = manager_->begin();
    if (is_users()) {
        transaction.enlist(*points_).execute("insert into points values (1)");
    } else {
        transaction.enlist(*users_).execute("insert into users values (1)");
    }
    try {
        static_cast<void>(is_users() ? static_cast<Branch>(transaction.enlist(*users_))
                                     : static_cast<Branch>(transaction.enlist(*points_)));
        FAIL() << "recovery could not tell from the xid where to look for the decision";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_state);
        EXPECT_THAT(error.what(), HasSubstr("enlist the last resource before"));
    }
}

// Trap 38.
TEST_P(WithLastResource, Trap38LearnsFromTheRowWhatBecameOfACommitWhoseReplyIsLost) {
    open_last_through_proxy();
    auto transaction = manager_->begin();
    register_user(transaction, 1);
    proxy_->lose_reply_to(last_index(), kCommitOnWire);
    const auto report = transaction.commit();
    // Recovery ends the session, which the server may or may not have let commit by then, and reads
    // the table, while commit() waits.
    const bool is_committed = report.outcome() == Outcome::committed;
    EXPECT_TRUE(is_committed || report.outcome() == Outcome::rolled_back) << to_string(report);
    EXPECT_EQ(report.branches()[last_index()].state,
              is_committed ? BranchState::committed : BranchState::rolled_back);
    EXPECT_FALSE(report.is_settled());
    EXPECT_TRUE(is_settled_eventually());
    EXPECT_EQ(count_rows(1), is_committed ? 2 : 0);
    EXPECT_TRUE(manager_->drain(20s).is_drained);
    EXPECT_EQ(rows(), 0);
}

// Trap 38.
TEST_P(WithLastResource, Trap38LeavesTheOthersInDoubtWhileTheLastResourceCanNotBeAsked) {
    open_last_through_proxy();
    const auto report = [this] {
        auto transaction = manager_->begin();
        register_user(transaction, 1);
        proxy_->cut_off_at_request(last_index(), kCommitOnWire);
        return transaction.commit();
    }();
    EXPECT_EQ(report.outcome(), Outcome::unknown) << to_string(report);
    EXPECT_THAT(report.branches()[last_index()].next, HasSubstr("decision row"));
    EXPECT_EQ(count_prepared(), 1U);
    EXPECT_TRUE(manager_->has_work_left());
    close();

    // Nor does a later incarnation presume abort.
    open_last_through_proxy(false);
    EXPECT_EQ(count_prepared(), 1U);
    EXPECT_TRUE(manager_->has_work_left());
    proxy_->restore(last_index());
    EXPECT_TRUE(is_settled_eventually());
    EXPECT_EQ(count_rows(1), 0);
}

INSTANTIATE_TEST_SUITE_P(Is, WithLastResource, testing::Values(Last::users, Last::points),
                         [](const auto& last) {
                             return last.param == Last::users ? "PostgreSql" : "MySql";
                         });

}  // namespace
}  // namespace xa_tm::test
