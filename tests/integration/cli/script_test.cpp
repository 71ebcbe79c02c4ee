#include <fstream>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "shop_fixture.h"
#include "xa_tm/mysql/datasource.h"
#include "xa_tm/session_mark.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// What `script` writes, carried out by the servers' own clients.
class Script : public ShopTest {
protected:
    [[nodiscard]] std::filesystem::path script_at(const std::string& resource,
                                                  int exit_code = 1) const {
        const auto file = folder() / (resource + ".sql");
        const auto written = over_shop({"script", "--at", resource, "-o", file.string()});
        EXPECT_EQ(written.exit_code, exit_code) << written;
        EXPECT_EQ(written.out, "");
        return file;
    }

    /// Opens the log, which forces the decisions that the dead process has left to the disk.
    void make_decisions_durable() const {
        const auto opened =
            xa_recover({"resolve", "--log", log().string(), "--resource",
                        "users=postgresql:///users?host=/nowhere", "--resource",
                        "points=mysql:///points?socket=/nowhere/socket", "--timeout", "1"});
        EXPECT_EQ(opened.exit_code, 3) << opened;
    }
    void leave_durable_decision() const {
        die_after_decision(1);
        make_decisions_durable();
    }

    /// Pastes the file into the client that the file itself names.
    static Completed run_in_its_client(const std::filesystem::path& file) {
        constexpr std::string_view kConnect = "-- Connect with: ";
        std::string client = "no client is named in " + file.string();
        std::ifstream lines{file};
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(kConnect)) {
                client = line.substr(kConnect.size());
            }
        }
        return run_program({"/bin/sh", "-c", client + " < \"$0\"", file.string()},
                           {{"MYSQL_PWD", "app-secret"}});
    }

    /// A MariaDB branch is free for other sessions once the server has noticed the end of its own.
    static void run_until_it_succeeds(const std::filesystem::path& file) {
        EXPECT_TRUE(eventually([&] {
            const auto completed = run_in_its_client(file);
            return completed.exit_code == 0 && completed.err.empty();
        })) << run_in_its_client(file);
    }

    void expect_quiet_resolve() const {
        const auto resolved = over_shop({"resolve"});
        EXPECT_EQ(resolved.exit_code, 0) << resolved;
        EXPECT_THAT(resolved.out, HasSubstr("\nNothing is in doubt.\n"));
    }

    static std::string text_of(const std::filesystem::path& file) {
        std::ostringstream text;
        text << std::ifstream{file}.rdbuf();
        return text.str();
    }
};

TEST_F(Script, CommitsWhatWasDecidedThroughTheServersOwnClients) {
    leave_durable_decision();

    run_until_it_succeeds(script_at("users"));
    run_until_it_succeeds(script_at("points"));

    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
    EXPECT_THAT(users_.prepared(), Not(testing::Contains(HasSubstr(node()))));
    EXPECT_THAT(points_.prepared(), Not(testing::Contains(HasSubstr(node()))));
    expect_quiet_resolve();
}

TEST_F(Script, RollsBackWhatWasNotDecidedThroughTheServersOwnClients) {
    die_before_decision(1);

    run_until_it_succeeds(script_at("users"));
    run_until_it_succeeds(script_at("points"));

    EXPECT_FALSE(has_user(1));
    EXPECT_FALSE(has_points(1));
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
    expect_quiet_resolve();
}

TEST_F(Script, FinishesWhatALogDecidedAtAServerThatOnlyThePersonCanReach) {
    leave_durable_decision();
    const auto file = folder() / "users.sql";

    const auto written = xa_recover({"script", "--log", log().string(), "--resource",
                                     "users=postgresql:///users?host=/nowhere", "--resource",
                                     "points=" + points_uri_, "--timeout", "1", "--at", "users",
                                     "-o", file.string()});
    EXPECT_EQ(written.exit_code, 3) << written;
    EXPECT_THAT(text_of(file), HasSubstr("-- Not reached from here, so that only the log speaks"));
    const auto ran =
        run_program({"/bin/sh", "-c", "psql \"$0\" -X -f \"$1\"", users_uri_, file.string()});

    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(has_user(1)) << ran << text_of(file);
    expect_quiet_resolve();
    EXPECT_TRUE(has_points(1));
}

TEST_F(Script, DoesNoHarmWhenItIsRunTwice) {
    leave_durable_decision();
    const auto file = script_at("users");
    run_until_it_succeeds(file);

    const auto again = run_in_its_client(file);

    EXPECT_THAT(again.err, HasSubstr("does not exist"));
    EXPECT_TRUE(has_user(1));
    expect_quiet_resolve();
}

TEST_F(Script, HasNoStatementBesideALiveOwner) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    ChildProcess live{register_user_arguments(2),
                      {{"XA_TM_CRASH_POINT", "stop:coordinator.decision_forced"}}};
    ASSERT_TRUE(live.wait_until_stopped());

    const auto written = over_shop({"script"});
    const auto json = json_of({"script"}, 1);

    EXPECT_THAT(written.out,
                AllOf(HasSubstr("-- NOTHING TO EXECUTE: pid "), Not(HasSubstr("\nXA ")),
                      Not(HasSubstr("\nCOMMIT ")), Not(HasSubstr("\nSELECT "))));
    EXPECT_THAT(json["statements"], IsEmpty());
    EXPECT_EQ(json["log"]["owner"]["pid"], live.pid());
    live.resume();
    EXPECT_EQ(live.wait().exit_code, 0);
}

TEST_F(Script, GivesTheSameStatementsAsJson) {
    leave_durable_decision();

    const auto statements = json_of({"script"}, 1)["statements"];

    ASSERT_EQ(statements.size(), 2U) << statements;
    EXPECT_EQ(statements[0]["resource"], "users");
    EXPECT_EQ(statements[0]["action"], "commit");
    EXPECT_THAT(statements[0]["sql"].get<std::string>(),
                testing::StartsWith("COMMIT PREPARED 'xa_tm:" + node()));
    EXPECT_THAT(statements[1]["sql"].get<std::string>(), testing::StartsWith("XA COMMIT x'"));
}

TEST_F(Script, TakesOneTransactionAlone) {
    leave_durable_decision();
    const std::string gtrid = json_of({"list"}, 1)["transactions"][0]["gtrid"];

    EXPECT_EQ(json_of({"script", "--only", gtrid}, 1)["statements"].size(), 2U);

    const auto unknown = over_shop({"script", "--only", gtrid + "7"});
    EXPECT_EQ(unknown.exit_code, 2) << unknown;
    EXPECT_EQ(unknown.out, "");
    EXPECT_THAT(unknown.err, HasSubstr("no transaction " + gtrid + "7 is in doubt"));
}

TEST_F(Script, HoldsBackADecisionThatTheDeadProcessMayNotHaveForced) {
    die_after_decision(1);

    const auto json = json_of({"script"}, 1);

    EXPECT_THAT(json["statements"], IsEmpty());
    EXPECT_THAT(json["session_queries"], IsEmpty());
    ASSERT_EQ(json["left_out"].size(), 1U) << json;
    EXPECT_EQ(json["left_out"][0]["gtrid"], json_of({"list"}, 1)["transactions"][0]["gtrid"]);
    EXPECT_THAT(json["left_out"][0]["reason"].get<std::string>(),
                HasSubstr("not known to be durable"));
    EXPECT_THAT(xa_recover({"log", "list", log().string()}).out,
                HasSubstr("not yet known durable"));
    EXPECT_THAT(over_shop({"script"}).out,
                AllOf(HasSubstr("\n-- COMMIT PREPARED '"), Not(HasSubstr("\nCOMMIT ")),
                      HasSubstr("\n-- XA COMMIT x'"), Not(HasSubstr("\nXA "))));

    make_decisions_durable();

    EXPECT_EQ(json_of({"script"}, 1)["statements"].size(), 2U);
    EXPECT_THAT(json_of({"script"}, 1)["left_out"], IsEmpty());
}

TEST_F(Script, ListsTheSessionsOfEndedProcessesUntilTheyAreKilled) {
    die_before_decision(1);
    const auto json = json_of({"script"}, 1);
    if (sandbox::mysql_server().starts_with("mysql")) {  // it lets go of a branch at its prepare
        EXPECT_THAT(json["session_queries"], IsEmpty());
        return;
    }
    ASSERT_EQ(json["session_queries"].size(), 1U) << json;
    EXPECT_EQ(json["session_queries"][0]["resource"], "points");
    const std::string query = json["session_queries"][0]["sql"];
    const auto id = recovery_log::LogId::parse(json["log"]["id"].get<std::string>());
    ASSERT_TRUE(id);
    EXPECT_TRUE(eventually([&] { return points_.column(query).empty(); }));

    mysql::Datasource datasource{"points", points_uri_};
    const auto ended = datasource.connect(session_mark_of(*id, 1, node()));
    const auto of_another_life = datasource.connect(session_mark_of(*id, 2, node()));

    EXPECT_THAT(points_.column(query),
                testing::ElementsAre(std::to_string(ended->session_id().number)));
    points_.execute(fmt::format("kill connection {}", ended->session_id().number));
    EXPECT_TRUE(eventually([&] { return points_.column(query).empty(); }));
    run_until_it_succeeds(script_at("points"));
    EXPECT_THAT(points_.prepared(), Not(testing::Contains(HasSubstr(node()))));
}

TEST_F(Script, RunsCleanlyWhateverForeignBranchesAreCalled) {
    leave_durable_decision();
    users_.execute("begin");
    users_.execute("insert into users values (7, 'foreign')");
    users_.execute(R"(prepare transaction E'it''s\n\\! echo; drop table users;')");
    {
        Database foreign{points_uri_};
        foreign.execute(R"(xa start x'27220a5c68203b', '\\g', 9)");
        foreign.execute("insert into points values (7, 7)");
        foreign.execute(R"(xa end x'27220a5c68203b', '\\g', 9)");
        foreign.execute(R"(xa prepare x'27220a5c68203b', '\\g', 9)");
    }

    run_until_it_succeeds(script_at("users"));
    run_until_it_succeeds(script_at("points"));

    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
    EXPECT_THAT(users_.prepared(), testing::Contains(HasSubstr("drop table users")));
    users_.execute(R"(rollback prepared E'it''s\n\\! echo; drop table users;')");
    points_.execute(R"(xa rollback x'27220a5c68203b', '\\g', 9)");
}

TEST_F(Script, RefusesAResourceThatItDoesNotKnow) {
    ASSERT_EQ(register_user(1).exit_code, 0);

    const auto refused = over_shop({"script", "--at", "user"});

    EXPECT_EQ(refused.exit_code, 2) << refused;
    EXPECT_EQ(refused.err, "xa-recover: --at user: there is no resource of that name\n");
}

TEST_F(Script, SaysWhenItsFileCanNotBeWritten) {
    ASSERT_EQ(register_user(1).exit_code, 0);

    const auto refused = over_shop({"script", "-o", (folder() / "no" / "file.sql").string()});

    EXPECT_EQ(refused.exit_code, 3) << refused;
    EXPECT_THAT(refused.err, HasSubstr("can't write "));
}

}  // namespace
}  // namespace xa_tm::test
