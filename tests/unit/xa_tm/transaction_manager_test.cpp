#include "xa_tm/transaction_manager.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TransactionManager : public ManagerFixture {
protected:
    [[nodiscard]] static Error open_error(const Config& config) {
        return error_of([&] { xa_tm::TransactionManager{config}; });
    }
};

TEST_F(TransactionManager, RefusesANodeNameThatCanNotBePartOfAnXid) {
    for (const auto& node :
         {std::string{}, std::string(21, 'n'), std::string{"a b"}, std::string{"a:b"}}) {
        auto wrong = config();
        wrong.node = node;
        EXPECT_THAT(open_error(wrong), HasCode(ErrorCode::invalid_configuration)) << node;
    }
    auto longest = config();
    longest.node = std::string(20, 'n');
    EXPECT_NO_THROW(xa_tm::TransactionManager{longest});
}

TEST_F(TransactionManager, RefusesDurationsThatCanNotBe) {
    using std::chrono::milliseconds;
    for (const auto duration : {milliseconds{0}, milliseconds{-1}, milliseconds::max()}) {
        auto wrong = config();
        wrong.answer_timeout = duration;
        EXPECT_THAT(open_error(wrong), HasCode(ErrorCode::invalid_configuration));
        wrong = config();
        wrong.recovery_interval = duration;
        EXPECT_THAT(open_error(wrong), HasCode(ErrorCode::invalid_configuration));
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(TransactionManager, SaysWhatIsWrongWithTheLog) {
    auto missing = config();
    missing.log_directory /= "missing";
    EXPECT_THAT(open_error(missing), HasCode(ErrorCode::log_not_found));
    auto not_born = config();
    not_born.create_log = false;
    EXPECT_THAT(open_error(not_born), HasCode(ErrorCode::log_not_found));
    auto life = open();
    const auto in_use = open_error(config());
    EXPECT_THAT(in_use, HasCode(ErrorCode::log_in_use));
    EXPECT_THAT(in_use.what(), HasSubstr(std::to_string(::getpid())));
    life.reset();
    auto other_node = config();
    other_node.node = "shop-2";
    const auto foreign = open_error(other_node);
    EXPECT_THAT(foreign, HasCode(ErrorCode::log_foreign_node));
    EXPECT_THAT(foreign.what(), HasSubstr("shop-1"));
    EXPECT_NO_THROW(static_cast<void>(open()));  // nothing is lost
}

TEST_F(TransactionManager, RefusesALogWithAnEntryOfAVersionItDoesNotKnow) {
    {
        const auto log = recovery_log::RecoveryLog::open(
            {.directory = directory_.path(), .node = "shop-1", .allow_volatile_file_system = true});
        const std::vector body{std::byte{99}};
        EXPECT_EQ(log->force(log->reserve(1).value(), body).result,
                  recovery_log::ForceResult::durable);
    }
    EXPECT_THAT(open_error(config()), HasCode(ErrorCode::log_damaged));
    EXPECT_THAT(error_of([&] {
                    static_cast<void>(inspect(directory_.path(), {}, std::chrono::seconds{1}));
                }),
                HasCode(ErrorCode::log_damaged));
}

TEST_F(TransactionManager, RaisesTheIncarnationAtEveryOpeningAndKeepsTheIdentity) {
    const auto first = open()->tm.log_summary();
    const auto second = open()->tm.log_summary();
    EXPECT_EQ(first.id, second.id);
    EXPECT_GT(second.incarnation, first.incarnation);
    EXPECT_EQ(second.node, "shop-1");
    EXPECT_EQ(second.path, directory_.path());
}

TEST_F(TransactionManager, RefusesTwoResourcesWithOneName) {
    auto life = open();
    const auto error = error_of([&] { life->tm.add<FakeLink>("users", users_); });
    EXPECT_THAT(error, HasCode(ErrorCode::invalid_configuration));
    EXPECT_THAT(error.what(), HasSubstr("two resources are named users"));
    EXPECT_NO_THROW(life->tm.add<FakeLink>("users2", users_));
}

TEST_F(TransactionManager, IsStartedOnceAndOnlyThenUsed) {
    auto life = open();
    EXPECT_THAT(error_of([&] { static_cast<void>(life->tm.begin()); }),
                HasCode(ErrorCode::invalid_state));
    life->tm.start();
    EXPECT_THAT(error_of([&] { life->tm.start(); }), HasCode(ErrorCode::invalid_state));
    EXPECT_THAT(error_of([&] { life->tm.add<FakeLink>("late", users_); }),
                HasCode(ErrorCode::invalid_state));
    EXPECT_THAT(error_of([&] { static_cast<void>(life->tm.recover({})); }),
                HasCode(ErrorCode::invalid_state));
    EXPECT_NO_THROW(static_cast<void>(life->tm.begin()));
}

TEST_F(TransactionManager, StartsWithoutAnyResource) {
    xa_tm::TransactionManager tm{config()};
    tm.start();
    EXPECT_EQ(tm.begin().commit().outcome(), Outcome::committed);
}

TEST_F(TransactionManager, GivesEveryTransactionItsOwnReadableName) {
    auto life = start();
    const auto first = life->tm.begin().gtrid();
    const auto second = life->tm.begin().gtrid();
    EXPECT_NE(first, second);
    const auto id = parse_gtrid(first).value();
    EXPECT_EQ(id.node, "shop-1");
    EXPECT_EQ(id.log, life->tm.log_summary().id);
    EXPECT_EQ(id.incarnation, life->tm.log_summary().incarnation);
}

TEST_F(TransactionManager, ClosesPooledConnectionsBeforeTheirDatasourceEnds) {
    xa_tm::TransactionManager tm{config()};
    // Its connections take themselves off its list when they are closed.
    auto& direct = tm.add<FakeResourceManager>("direct");
    tm.start();
    auto tx = tm.begin();
    tx.enlist(direct).write("row");
    EXPECT_EQ(tx.commit().outcome(), Outcome::committed);
    EXPECT_TRUE(direct.has_row("row"));
}

/// This process can open no file while this lives: one of the shortages that make a log full, and
/// one that a test can cause.
class NoMoreFiles {
public:
    NoMoreFiles() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit limit{3, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    NoMoreFiles(const NoMoreFiles&) = delete;
    NoMoreFiles& operator=(const NoMoreFiles&) = delete;
    ~NoMoreFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TEST_F(TransactionManager, RefusesToBeginWhileTheLogIsFullAndServesAgainWhenSpaceReturns) {
    auto life = start();
    const auto commit_one = [&] {
        auto tx = life->tm.begin();
        auto [users, points] = tx.enlist(life->users, life->points);
        users.write("ada");
        points.write("ada:100");
        return tx.commit();
    };
    EXPECT_EQ(commit_one().outcome(), Outcome::committed);  // connections are in the pools now
    {
        const NoMoreFiles full;  // so no new segment
        std::optional<Error> refusal;
        for (int i = 0; i < 200 && !refusal; ++i) {
            try {
                const auto report = commit_one();
                if (report.outcome() == Outcome::rolled_back) {
                    EXPECT_THAT(report.reason(), HasSubstr("nothing was prepared"));
                    EXPECT_EQ(verbs(users_, report.gtrid()), "start rollback");
                }
            } catch (const Error& error) {
                refusal = error;
            }
        }
        ASSERT_TRUE(refusal);
        EXPECT_THAT(*refusal, HasCode(ErrorCode::log_refuses_decisions));
        EXPECT_EQ(life->tm.log_status().health, recovery_log::Health::full);
    }
    EXPECT_EQ(commit_one().outcome(), Outcome::committed);
    expect_nothing_left(life);
}

TEST_F(TransactionManager, CommitsFromManyThreadsWhileRecoveryRuns) {
    recovery_interval_ = std::chrono::milliseconds{1};
    auto life = start();
    std::atomic<int> committed = 0;
    std::vector<std::thread> threads;
    for (int id = 0; id < 8; ++id) {
        threads.emplace_back([&, id] {
            for (int turn = 0; turn < 100; ++turn) {
                const auto row = std::to_string(id) + ":" + std::to_string(turn);
                auto tx = life->tm.begin();
                auto [users, points] = tx.enlist(life->users, life->points);
                users.write(row);
                points.write(row);
                if (turn % 7 == 3) {
                    users_.fail_next(Verb::commit, Fault::lose_answer);
                } else if (turn % 7 == 5) {
                    points_.answer_next(Verb::prepare, XaCode::rbdeadlock);
                }
                const auto report = tx.commit();
                if (report.outcome() == Outcome::committed) {
                    ++committed;
                } else {
                    EXPECT_EQ(report.outcome(), Outcome::rolled_back) << to_string(report);
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
    EXPECT_TRUE(
        eventually([&] { return users_.prepared().empty() && points_.prepared().empty(); }));
    int on_users = 0;
    for (int id = 0; id < 8; ++id) {
        for (int turn = 0; turn < 100; ++turn) {
            const auto row = std::to_string(id) + ":" + std::to_string(turn);
            EXPECT_EQ(users_.has_row(row), points_.has_row(row)) << row;
            on_users += users_.has_row(row) ? 1 : 0;
        }
    }
    EXPECT_EQ(on_users, committed);
    expect_nothing_left(life);
}

}  // namespace
}  // namespace xa_tm::test
