// A MySQL with a binary log is killed in the middle of XA COMMIT: its engine and its binary log
// must agree on every branch afterwards, and the answers to a repeated commit must be true.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <random>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

constexpr int kRounds = 3;
constexpr int kCommitters = 4;
constexpr int kBranchesEach = 60;
constexpr std::chrono::microseconds kLatestKill{120'000};

class MysqlCommitCrash : public OnMysql {
protected:
    struct Branch {
        Xid xid;
        int id;
        XaCode answer = XaCode::rmfail;  ///< to the commit that was killed
    };

    std::vector<Branch> prepare_all() {
        std::vector<Branch> branches;
        const auto connection = datasource_.connect({});
        for (int i = 0; i < kCommitters * kBranchesEach; ++i) {
            branches.push_back({.xid = unique_xid(), .id = ++last_id_});
            const auto& branch = branches.back();
            const auto answers =
                run_batch(*connection,
                          {{.verb = Verb::start, .xid = branch.xid},
                           {.verb = Verb::execute,
                            .xid = branch.xid,
                            .statement = fmt::format("insert into points values ({})", branch.id)},
                           {.verb = Verb::prepare, .xid = branch.xid}});
            EXPECT_EQ(answers.back().code, XaCode::ok) << answers.back().message;
        }
        return branches;
    }

    /// Several sessions commit until the server is killed.
    void commit_until_killed(std::vector<Branch>& branches, std::chrono::microseconds kill_after) {
        std::vector<std::unique_ptr<Connection>> connections;
        for (int i = 0; i < kCommitters; ++i) {
            connections.push_back(datasource_.connect({}));
        }
        const auto pids = sandbox::pids(GetParam());
        const auto begin = std::chrono::steady_clock::now();
        {
            std::vector<std::jthread> committers;
            for (std::size_t i = 0; i < kCommitters; ++i) {
                committers.emplace_back([&, i] {
                    for (auto at = i; at < branches.size(); at += kCommitters) {
                        branches[at].answer =
                            run(*connections[i], Verb::commit, branches[at].xid).code;
                    }
                });
            }
            std::this_thread::sleep_until(begin + kill_after);
            for (const auto pid : pids) {
                ::kill(pid, SIGKILL);
            }
        }
        sandbox::kill(GetParam());
        sandbox::restart(GetParam());
        outside_ = Database{sandbox::uri(GetParam())};
        admin_ = Database{sandbox::admin_uri(GetParam())};
    }

    /// What the binary logs hold, as one text per statement.
    std::vector<std::string> logged_commits() {
        std::vector<std::string> commits;
        const auto session = sandbox::open_session(sandbox::admin_uri(GetParam()));
        const soci::rowset<soci::row> files = (session->prepare << "show binary logs");
        std::vector<std::string> names;
        for (const auto& file : files) {
            names.push_back(file.get<std::string>(0));
        }
        for (const auto& name : names) {
            const soci::rowset<soci::row> events =
                (session->prepare << "show binlog events in '" + name + "'");
            for (const auto& event : events) {
                const auto info = event.get<std::string>(5);
                if (info.starts_with("XA COMMIT")) {
                    commits.push_back(info);
                }
            }
        }
        return commits;
    }

    int last_id_ = 0;
};

TEST_P(MysqlCommitCrash, Trap50EngineAndBinaryLogAgreeOnEveryBranchAndACommitCanBeRepeated) {
    ASSERT_EQ(admin_.column("select @@global.log_bin").front(), "1");
    admin_.execute("reset binary logs and gtids");
    const auto seed = std::random_device{}();
    RecordProperty("seed", std::to_string(seed));
    std::mt19937 random{seed};
    std::size_t unanswered = 0;
    std::size_t listed_again = 0;
    for (int round = 0; round < kRounds; ++round) {
        auto branches = prepare_all();
        commit_until_killed(branches, std::chrono::microseconds{std::uniform_int_distribution<int>{
                                          0, static_cast<int>(kLatestKill.count())}(random)});
        const auto connection = datasource_.connect({});
        const auto recovered = run(*connection, Verb::recover);
        ASSERT_EQ(recovered.code, XaCode::ok) << recovered.message;
        std::set<Xid> listed;
        for (const auto& branch : recovered.listed) {
            listed.insert(branch.xid.value());
        }
        const auto commits = logged_commits();
        for (const auto& branch : branches) {
            const bool is_listed = listed.contains(branch.xid);
            const auto has_row = outside_.number(
                fmt::format("select count(*) from points where id = {}", branch.id));
            const bool is_logged = std::ranges::any_of(commits, [&](const auto& commit) {
                return commit.find(to_hex(branch.xid.gtrid)) != std::string::npos;
            });
            EXPECT_NE(is_listed, has_row == 1) << "neither prepared nor committed, or both";
            EXPECT_EQ(is_logged, has_row == 1) << "a replica would know it otherwise";
            EXPECT_FALSE(branch.answer == XaCode::ok && is_listed) << "a commit was taken back";
            unanswered += branch.answer == XaCode::ok ? 0 : 1;
            listed_again += is_listed ? 1 : 0;
            EXPECT_EQ(run(*connection, Verb::commit, branch.xid).code,
                      is_listed ? XaCode::ok : XaCode::nota);
        }
        EXPECT_EQ(rows(), last_id_);
    }
    RecordProperty("unanswered", std::to_string(unanswered));
    RecordProperty("listed_again", std::to_string(listed_again));
}

// The sandbox's MariaDB has no binary log.
INSTANTIATE_TEST_SUITE_P(Of, MysqlCommitCrash, testing::Values("mysql-9.7"), name_of_server);

}  // namespace
}  // namespace xa_tm::test
