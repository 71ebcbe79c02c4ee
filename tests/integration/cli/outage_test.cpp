// A whole outage: the application is killed with twenty transactions in every state, a person has
// rolled one branch back by hand, and the second server is restored from an old copy. The operator
// takes doctor, list, explain, plan and apply. With XA_TM_TRANSCRIPT set the test prints what the
// operator sees.

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "shop_fixture.h"
#include "undone.h"

namespace xa_tm::test {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Outage : public ShopTest {
protected:
    Outage() {
        std::filesystem::remove_all(log());
        std::filesystem::create_directory(log());
        users_.execute("create table users (id int primary key, name text)");
        points_.execute("create table points (user_id int primary key, balance int)");
        config_ = write_file("xa.toml", fmt::format("node = 'shop-1'\nlog = '{}'\n[resources]\n"
                                                    "users = '{}'\npoints = '{}'\n",
                                                    log().string(), users_uri_, points_uri_));
    }
    ~Outage() override { sandbox::drop_snapshot(sandbox::mysql_server()); }

    void die_with_twenty_transactions() {
        ChildProcess life{{XA_TM_OUTAGE_LIFE, "--log", log().string(), "--users", users_uri_,
                           "--points", points_uri_},
                          {}};
        ASSERT_TRUE(life.wait_until_stopped());
        sandbox::snapshot(sandbox::mysql_server());
        points_ = Database{points_uri_};
        do_an_hours_work();
        life.resume();
        ASSERT_TRUE(life.wait_until_stopped());
        ::kill(life.pid(), SIGKILL);
        ASSERT_EQ(life.wait().signal, SIGKILL);
    }
    /// What the second server's log has to show for the time since the copy. A restored server
    /// writes some by itself when it starts.
    void do_an_hours_work() {
        points_.execute("drop table if exists work");
        points_.execute("create table work (text mediumtext)");
        for (int hour = 0; hour < 8; ++hour) {
            points_.execute("insert into work values (repeat('x', 1000000))");
        }
    }
    void roll_back_by_hand(const std::string& gtrid) {
        for (const auto& gid : users_.prepared()) {
            if (gid.find(gtrid) != gid.npos) {
                users_.execute("rollback prepared '" + gid + "'");
            }
        }
    }
    void restore_points_from_the_old_copy() {
        sandbox::restore(sandbox::mysql_server());
        points_ = Database{points_uri_};
    }
    [[nodiscard]] static bool prints_transcript() {
        return std::getenv("XA_TM_TRANSCRIPT") != nullptr;
    }
    /// Runs what an operator types, and shows it.
    Completed type(const std::vector<std::string>& command) const {
        auto completed = xa_recover(command + std::vector{"--config"s, config_.string()});
        if (prints_transcript()) {
            std::cout << "$ xa-recover";
            for (const auto& word : command) {
                std::cout << ' ' << (word.find(' ') == word.npos ? word : "'" + word + "'");
            }
            std::cout << " --config " << config_.string() << '\n'
                      << completed.out << completed.err << "[exit code " << completed.exit_code
                      << "]\n\n";
        }
        return completed;
    }
    [[nodiscard]] nlohmann::json look() const {
        const auto completed = xa_recover({"list", "--json", "--config", config_.string()});
        return nlohmann::json::parse(completed.out);
    }
    /// The gtrid of the n-th transaction of the life that was killed.
    [[nodiscard]] std::string gtrid(int number) const {
        const auto image = recovery_log::read_log(log());
        return fmt::format("shop-1:{}:1:{}", image.id.to_string(), number);
    }
    /// The numbers of the transactions in this state.
    [[nodiscard]] static std::set<int> in_state(const nlohmann::json& report,
                                                const std::string& state) {
        std::set<int> numbers;
        for (const auto& transaction : report["transactions"]) {
            if (transaction["state"] == state) {
                const std::string name = transaction["gtrid"];
                numbers.insert(std::stoi(name.substr(name.rfind(':') + 1)));
            }
        }
        return numbers;
    }
    [[nodiscard]] static std::set<int> numbers(Database& database, const std::string& query) {
        std::set<int> found;
        for (const auto& value : database.column(query)) {
            found.insert(std::stoi(value));
        }
        return found;
    }

    std::filesystem::path config_;
};

TEST_F(Outage, EndsWithExactlyTheOneHeuristicThatIsTrue) {
    ASSERT_NO_FATAL_FAILURE(die_with_twenty_transactions());
    const auto by_hand = gtrid(20);
    roll_back_by_hand(by_hand);
    restore_points_from_the_old_copy();

    const auto before = look();
    EXPECT_THAT(in_state(before, "restored"), ElementsAre(4)) << before.dump(1);
    EXPECT_THAT(in_state(before, "presumed_abort"), ElementsAre(8, 9, 10, 11, 12, 13));
    EXPECT_THAT(in_state(before, "commit_decided"), ElementsAre(14, 15, 16, 17, 18, 19, 20));

    type({"doctor"});
    type({"list"});
    const auto explained = type({"explain", gtrid(4)});
    EXPECT_THAT(explained.out, HasSubstr("put back to an old copy"));
    EXPECT_THAT(explained.out, HasSubstr("--force"));

    const auto plan = folder() / "plan.json";
    EXPECT_EQ(type({"plan", "-o", plan.string()}).exit_code, 1);
    const auto applied = type({"apply", plan.string()});
    EXPECT_EQ(applied.exit_code, 1) << applied;
    const auto after = look();
    EXPECT_THAT(in_state(after, "restored"), ElementsAre(4));
    EXPECT_THAT(in_state(after, "commit_decided"), ElementsAre(20));
    EXPECT_THAT(in_state(after, "presumed_abort"), IsEmpty());

    // Users has committed the fourth, as its row there shows; the old copy of points has not.
    EXPECT_TRUE(has_user(4));
    const std::vector order{"commit"s, gtrid(4), "--reason"s, "users has the row of user 4"s};
    EXPECT_EQ(type(order).exit_code, 1) << "a rule speaks against it";
    EXPECT_FALSE(has_points(4));
    EXPECT_EQ(type(order + std::vector{"--force"s}).exit_code, 0);
    EXPECT_TRUE(has_points(4));

    type({"list"});
    type({"explain", by_hand});
    const auto left = look();
    ASSERT_EQ(left["transactions"].size(), 1U) << left.dump(1);
    EXPECT_EQ(left["transactions"][0]["gtrid"], by_hand);
    std::size_t heuristics = 0;
    for (const auto& branch : left["transactions"][0]["branches"]) {
        if (branch["state"] == "heuristic") {
            ++heuristics;
            EXPECT_EQ(branch["resource"], "users");
            EXPECT_EQ(branch["heuristic"], "XA_HEURRB");
        }
    }
    EXPECT_EQ(heuristics, 1U);
    EXPECT_THAT(numbers(users_, "select id from users"),
                ElementsAre(1, 2, 3, 4, 14, 15, 16, 17, 18, 19));
    EXPECT_THAT(numbers(points_, "select user_id from points"),
                ElementsAre(1, 2, 3, 4, 14, 15, 16, 17, 18, 19, 20));
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_THAT(points_.prepared(), IsEmpty());

    const auto forgotten =
        type({"forget", by_hand, "--reason", "user 20 registered anew, its points were kept"});
    EXPECT_EQ(forgotten.exit_code, 0) << forgotten;
    EXPECT_EQ(type({"list"}).exit_code, 0);
    type({"audit"});
    EXPECT_EQ(count_undone(log()), 0U);
}

}  // namespace
}  // namespace xa_tm::test
