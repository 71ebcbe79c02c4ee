// A server or a reply is lost while a transaction is under way.

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "eventually.h"
#include "sandbox.h"
#include "shop.h"
#include "undone.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;

/// Recovery comes back soon, so that a test need not wait for it.
Config impatient() {
    return {.node = {}, .log_directory = {}, .answer_timeout = 5s, .recovery_interval = 200ms};
}

class Faults : public Shop {
protected:
    ~Faults() override {
        for (const auto& server : killed_) {
            sandbox::restart(server);
        }
    }
    void kill(const std::string& server) {
        killed_.push_back(server);
        sandbox::kill(server);
    }
    void bring_back() {
        for (const auto& server : killed_) {
            sandbox::restart(server);
        }
        killed_.clear();
        users_database_ = Database{sandbox::uri(sandbox::postgres_server())};
        points_database_ = Database{sandbox::uri(sandbox::mysql_server())};
    }
    /// A transaction that opens a branch at both, and rolls back.
    void open_branches() {
        auto transaction = manager_->begin();
        std::ignore = std::get<0>(transaction.enlist(*users_, *points_)).sql();
    }
    /// Writes to both, lets something happen, and commits.
    template <class Event>
    CommitReport commit_after(Event&& event) {
        auto transaction = manager_->begin();
        register_user(transaction, 1);
        event();
        return transaction.commit();
    }
    /// Points is lost between its vote and its commit, and stays lost.
    CommitReport commit_and_lose_points() {
        open_through_proxy(impatient());
        auto transaction = manager_->begin();
        register_user(transaction, 1);
        proxy_->cut_off_at_request(1, "xa commit");
        return transaction.commit();
    }
    CommitReport commit_and_lose_reply(int id, std::size_t upstream, const std::string& text) {
        open_through_proxy(impatient());
        auto transaction = manager_->begin();
        register_user(transaction, id);
        proxy_->lose_reply_to(upstream, text);
        return transaction.commit();
    }

private:
    std::vector<std::string> killed_;
};

TEST_F(Faults, Trap36RollsBackWhenTheReplyToAPrepareIsLost) {
    for (const auto& [upstream, text] : {std::pair{std::size_t{0}, "prepare transaction"},
                                         std::pair{std::size_t{1}, "xa prepare"}}) {
        const auto report = commit_and_lose_reply(1, upstream, text);
        EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
        EXPECT_EQ(report.branches()[upstream].state, BranchState::unknown);
        EXPECT_FALSE(report.is_settled());
        EXPECT_TRUE(eventually([&] { return proxy_->is_reply_lost(); }));
        EXPECT_TRUE(is_settled_eventually());
        EXPECT_EQ(count_rows(1), 0);
        close();
        EXPECT_EQ(count_log_entries(), 0U);
    }
}

TEST_F(Faults, Trap28FinishesTheCommitWhoseReplyIsLost) {
    int id = 0;
    for (const auto& [upstream, text] :
         {std::pair{std::size_t{0}, "commit prepared"}, std::pair{std::size_t{1}, "xa commit"}}) {
        const auto report = commit_and_lose_reply(++id, upstream, text);
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
        EXPECT_EQ(report.branches()[upstream].state, BranchState::unknown);
        EXPECT_THAT(report.branches()[upstream].next,
                    testing::HasSubstr("recovery will commit it"));
        EXPECT_TRUE(eventually([&] { return count_undone(*manager_) == 0; }))
            << "known to be committed, so forgotten";
        EXPECT_EQ(count_rows(id), 2);
        EXPECT_EQ(count_prepared(), 0U);
        close();
    }
}

TEST_F(Faults, Trap35CommitsTheOtherBranchAtOnceAndShutsDownMeanwhile) {
    const auto report = commit_and_lose_points();
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_EQ(report.branches()[0].state, BranchState::committed);
    EXPECT_EQ(report.branches()[1].state, BranchState::unknown);
    EXPECT_EQ(users_database_.number("select count(*) from users where id = 1"), 1);
    close();
    EXPECT_EQ(count_log_entries(), 1U) << "law 6: points is not known to be finished";
    open(impatient());
    EXPECT_TRUE(eventually([&] { return count_rows(1) == 2; }));
}

TEST_F(Faults, KeepsADecisionWhileAnotherServerAnswersUnderTheName) {
    EXPECT_EQ(commit_and_lose_points().outcome(), Outcome::committed);
    close();
    open_at(impatient(), sandbox::uri(sandbox::postgres_server()), sandbox::uri("mariadb2"));
    EXPECT_EQ(manager_->recovery_status().heuristics, 1U) << "law 7: its silence says nothing";
    close();
    EXPECT_EQ(count_log_entries(), 2U) << "the decision, and the hazard";
    open_at(impatient(), sandbox::uri(sandbox::postgres_server()), sandbox::uri("mariadb2"));
    EXPECT_EQ(manager_->recovery_status().heuristics, 1U) << "it is reported once";
    close();
    EXPECT_EQ(count_log_entries(), 2U);
    open(impatient());
    EXPECT_TRUE(eventually([&] { return count_rows(1) == 2; }));
    EXPECT_TRUE(eventually([&] { return count_undone(*manager_) == 0; }));
}

TEST_F(Faults, Trap04FinishesADanglingDecisionWithoutTrafficOrRestart) {
    EXPECT_EQ(commit_and_lose_points().outcome(), Outcome::committed);
    EXPECT_EQ(count_prepared(), 1U);
    proxy_->restore(1);
    EXPECT_TRUE(eventually([&] { return count_undone(*manager_) == 0; }));
    EXPECT_EQ(count_rows(1), 2);
    EXPECT_EQ(count_prepared(), 0U);
}

TEST_F(Faults, Trap05RecoversOneResourceWhileAnotherCanNotBeReached) {
    EXPECT_EQ(commit_and_lose_points().outcome(), Outcome::committed);
    close();
    open_through_proxy(impatient(), [](WireProxy& proxy) { proxy.cut_off(0); });
    EXPECT_TRUE(eventually([&] { return count_rows(1) == 2; })) << "users is down, points is not";
    EXPECT_EQ(count_undone(*manager_), 1U) << "users has not confirmed its branch";
    auto transaction = manager_->begin();
    EXPECT_THROW(std::ignore = transaction.enlist(*users_).sql(), Error);
    proxy_->restore(0);
    EXPECT_TRUE(eventually([&] { return count_undone(*manager_) == 0; }));
}

TEST_F(Faults, RollsBackWhenAServerDiesBeforePrepare) {
    for (const auto& server : {sandbox::postgres_server(), sandbox::mysql_server()}) {
        open(impatient());
        const auto report = commit_after([&] { kill(server); });
        EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
        bring_back();
        EXPECT_TRUE(is_settled_eventually());
        EXPECT_EQ(count_rows(1), 0);
        close();
    }
}

TEST_F(Faults, SaysThatAServerIsDownAndWorksAgainWhenItIsBack) {
    for (const auto& server : {sandbox::postgres_server(), sandbox::mysql_server()}) {
        open(impatient());
        open_branches();  // both pools have a connection now
        kill(server);
        try {
            open_branches();
            FAIL() << server << " is down";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::resource_unreachable) << error.what();
            EXPECT_TRUE(error.is_retryable());
            EXPECT_EQ(error.resource(), server == sandbox::postgres_server() ? "users" : "points");
        }
        bring_back();
        EXPECT_EQ(commit_after([] {}).outcome(), Outcome::committed);
        users_database_.execute("delete from users");
        points_database_.execute("delete from points");
        close();
    }
}

TEST_F(Faults, StartsWhileAServerIsDown) {
    kill(sandbox::mysql_server());
    open(impatient());
    auto transaction = manager_->begin();
    transaction.enlist(*users_).sql() << "insert into users values (1)";
    EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
    bring_back();
    EXPECT_EQ(count_rows(1), 1);
}

}  // namespace
}  // namespace xa_tm::test
