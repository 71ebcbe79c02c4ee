#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "child_process.h"
#include "eventually.h"
#include "sandbox.h"
#include "shop_fixture.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::streamoff kPageBytes = 4096;
/// How many flushes, each on a page of its own, a start and one decision make at the most.
constexpr std::streamoff kPagesInUse = 6;

class List : public ShopTest {};

TEST_F(List, SaysThatNothingIsInDoubtAfterACommit) {
    ASSERT_EQ(register_user(1).exit_code, 0);

    const auto listed = over_shop({"list"});

    EXPECT_EQ(listed.exit_code, 0) << listed;
    EXPECT_THAT(listed.out, AllOf(HasSubstr("log " + log().string() + "\n  node " + node()),
                                  HasSubstr("\nNothing is in doubt.\n")));
    EXPECT_EQ(listed.err, "");
}

TEST_F(List, GivesADecidedTransactionAsJson) {
    die_after_decision(1);

    const auto json = json_of({"list"}, 1);

    EXPECT_EQ(json["log"]["path"], log().string());
    EXPECT_EQ(json["log"]["node"], node());
    EXPECT_EQ(json["log"]["epoch"], 1);
    EXPECT_EQ(json["log"]["owner"], nullptr);
    ASSERT_EQ(json["transactions"].size(), 1U) << json;
    const auto& transaction = json["transactions"][0];
    auto resources = nlohmann::json::parse(R"([
        {"name": "users", "kind": "postgresql", "reachable": true, "error": null,
         "unended_session": null, "doubt": null},
        {"name": "points", "kind": "mysql", "reachable": true, "error": null,
         "unended_session": null, "doubt": null}])");
    for (std::size_t i = 0; i < resources.size(); ++i) {
        resources[i]["server"] = transaction["branches"][i]["server"];
        EXPECT_NE(resources[i]["server"], nullptr);
    }
    EXPECT_EQ(json["resources"], resources);
    const auto gtrid = node() + ":" + json["log"]["id"].get<std::string>() + ":1:1";
    EXPECT_EQ(transaction["gtrid"], gtrid);
    EXPECT_EQ(transaction["state"], "commit_decided");
    EXPECT_GE(transaction["age_s"], 0);
    EXPECT_EQ(transaction["action"], "commit");
    EXPECT_THAT(transaction["reason"], HasSubstr("decision to commit"));
    ASSERT_EQ(transaction["branches"].size(), 2U) << json;
    for (const auto& branch : transaction["branches"]) {
        EXPECT_EQ(branch["format_id"], kFormatId);
        EXPECT_EQ(branch["gtrid_hex"], to_hex(gtrid));
        EXPECT_EQ(branch["state"], "prepared");
    }
    EXPECT_EQ(transaction["branches"][0]["resource"], "users");
    EXPECT_EQ(transaction["branches"][0]["bqual_hex"], to_hex("users:1"));
    EXPECT_EQ(transaction["branches"][1]["resource"], "points");
    EXPECT_EQ(transaction["branches"][1]["bqual_hex"], to_hex("points:2"));
}

TEST_F(List, TellsWhatResolveWouldDo) {
    die_after_decision(1);
    EXPECT_THAT(over_shop({"list"}).out,
                HasSubstr("\n1 transaction in doubt: 1 will be committed. Run `xa-recover "
                          "resolve` with the same options"));
}

TEST_F(List, PresumesAbortWithoutADecision) {
    die_before_decision(1);

    const auto json = json_of({"list"}, 1);

    ASSERT_EQ(json["transactions"].size(), 1U) << json;
    EXPECT_EQ(json["transactions"][0]["state"], "presumed_abort");
    EXPECT_EQ(json["transactions"][0]["action"], "rollback");
}

TEST_F(List, DoesNotCountWhatIsLive) {
    ChildProcess live{register_user_arguments(1),
                      {{"XA_TM_CRASH_POINT", "stop:coordinator.before_decision_forced"}}};
    ASSERT_TRUE(live.wait_until_stopped());

    const auto json = json_of({"list"}, 0);

    ASSERT_EQ(json["transactions"].size(), 1U) << json;
    EXPECT_EQ(json["transactions"][0]["state"], "live");
    EXPECT_EQ(json["transactions"][0]["action"], "none");
    EXPECT_EQ(json["log"]["owner"]["pid"], live.pid());
    live.resume();
    EXPECT_EQ(live.wait().exit_code, 0);
}

TEST_F(List, ShowsForeignBranchesWithoutCountingThem) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    users_.execute("begin");
    users_.execute("insert into users values (7, 'by hand')");
    users_.execute("prepare transaction 'by hand'");
    points_.execute("xa start 'by hand', 'b', 9");
    points_.execute("insert into points values (7, 7)");
    points_.execute("xa end 'by hand', 'b', 9");
    points_.execute("xa prepare 'by hand', 'b', 9");

    const auto listed = json_of({"list"}, 0);
    const auto resolved = json_of({"resolve"}, 0);

    users_.execute("rollback prepared 'by hand'");
    points_.execute("xa rollback 'by hand', 'b', 9");
    for (const auto& json : {listed, resolved}) {
        ASSERT_EQ(json["transactions"].size(), 2U) << json;
        const auto& at_users = json["transactions"][0];
        const auto& at_points = json["transactions"][1];
        EXPECT_EQ(at_users["state"], "foreign");
        EXPECT_EQ(at_users["branches"][0]["format_id"], nullptr);
        EXPECT_EQ(at_users["branches"][0]["gtrid_hex"], nullptr);
        EXPECT_EQ(at_users["branches"][0]["name"], "by hand");
        EXPECT_EQ(at_points["state"], "foreign");
        EXPECT_EQ(at_points["gtrid"], to_hex("by hand"));
        EXPECT_EQ(at_points["branches"][0]["format_id"], 9);
        EXPECT_EQ(at_points["branches"][0]["bqual_hex"], "62");
    }
}

TEST_F(List, CountsTheBranchesOfALostLog) {
    die_after_decision(1);
    std::filesystem::rename(log(), folder() / "lost");
    std::filesystem::create_directory(log());
    { const TransactionManager reborn{{.node = node(), .log_directory = log()}}; }

    for (const auto* command : {"list", "resolve"}) {
        const auto json = json_of({command, "--timeout", "1"}, 1);

        ASSERT_EQ(json["transactions"].size(), 1U) << json;
        EXPECT_EQ(json["transactions"][0]["state"], "lost_log");
        EXPECT_EQ(json["transactions"][0]["action"], "none");
    }
    std::filesystem::remove_all(log());
    std::filesystem::rename(folder() / "lost", log());
}

/// The decision was in the pages that a person has given up: nothing is presumed without it.
TEST_F(List, LeavesBranchesToAPersonWhenTheirDecisionMayBeLost) {
    die_after_decision(1);
    std::filesystem::copy(log(), folder() / "copy");
    for (const auto& entry : std::filesystem::directory_iterator{log()}) {
        if (entry.path().extension() == ".xlog") {
            std::fstream segment{entry.path(), std::ios::in | std::ios::out | std::ios::binary};
            const auto half = static_cast<std::streamoff>(entry.file_size() / 2);
            for (const auto copy : {std::streamoff{0}, half}) {
                // Behind the head: what it saw of the servers, then the decision.
                segment.seekp(copy + kPageBytes);
                segment << std::string(static_cast<std::size_t>(kPagesInUse * kPageBytes), 'x');
            }
        }
    }
    EXPECT_EQ(xa_recover({"log", "repair", log()}).exit_code, 3);
    const auto repaired = xa_recover({"log", "repair", log(), "--accept-loss"});
    EXPECT_EQ(repaired.exit_code, 0) << repaired;

    for (const auto* command : {"list", "resolve", "list"}) {
        const auto json = json_of({command, "--timeout", "1"}, 1);

        ASSERT_EQ(json["transactions"].size(), 1U) << json;
        EXPECT_EQ(json["transactions"][0]["state"], "quarantined");
        EXPECT_EQ(json["transactions"][0]["action"], "none");
        EXPECT_EQ(json["transactions"][0]["branches"].size(), 2U);
    }
    std::filesystem::remove_all(log());
    std::filesystem::rename(folder() / "copy", log());
}

TEST_F(List, ReadsTheConfigurationFile) {
    die_after_decision(1);
    const auto file =
        write_file("xa.toml", "node = '" + node() + "'\nlog = 'log'\n[resources]\n" + "users = '" +
                                  users_uri_ + "'\npoints = '" + points_uri_ + "'\n");

    const auto listed = xa_recover({"list", "--config", file.string()});

    EXPECT_EQ(listed.exit_code, 1) << listed;
    EXPECT_THAT(listed.out, HasSubstr("1 transaction in doubt: 1 will be committed."));
}

TEST_F(List, LetsTheCommandLineReplaceAResourceOfTheFile) {
    die_after_decision(1);
    const auto file = write_file("xa.toml", "log = 'log'\n[resources]\nusers = '" + users_uri_ +
                                                "'\npoints = 'mysql://nobody@localhost/nothing'\n");

    const auto listed =
        xa_recover({"list", "--config", file.string(), "--resource", "points=" + points_uri_});

    EXPECT_EQ(listed.exit_code, 1) << listed;
}

TEST_F(List, ShowsABranchOfAResourceThatIsNotGiven) {
    die_after_decision(1);

    const auto listed =
        xa_recover({"list", "--log", log().string(), "--resource", "users=" + users_uri_});

    EXPECT_EQ(listed.exit_code, 1) << listed;
    EXPECT_THAT(listed.out, HasSubstr("resource points, which is not configured here: add it"));
}

TEST_F(List, ChangesNothing) {
    die_after_decision(1);
    const auto before = content_of(log());

    EXPECT_EQ(over_shop({"list"}).exit_code, 1);

    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));
}

TEST_F(List, ExitsWith3WhileAServerIsDown) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    const auto spare = cli_uri("mariadb2");
    sandbox::kill("mariadb2");

    const auto listed = over_shop({"list", "--resource", "spare=" + spare});
    sandbox::restart("mariadb2");

    EXPECT_EQ(listed.exit_code, 3) << listed;
    EXPECT_THAT(listed.out, AllOf(HasSubstr("spare     mysql       unreachable\n"),
                                  HasSubstr("Resource spare could not be read"),
                                  HasSubstr("check host and port"), Not(HasSubstr("app-secret"))));
}

TEST_F(List, GoesOnWatchingAServerThatGoesAway) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    const auto spare = cli_uri("mariadb2");
    const auto file = folder() / "out";
    ChildProcess watching{
        std::vector<std::string>{"/bin/sh", "-c", "out=$1; shift; exec \"$@\" > \"$out\"", "sh",
                                 file.string(), XA_RECOVER, "list", "--watch", "1", "--timeout",
                                 "2", "--json", "--resource", "spare=" + spare} +
            options(),
        {}};
    const auto last_look_has = [&](const std::string& text) {
        return eventually([&] {
            std::ifstream stream{file};
            std::string last;
            for (std::string line; std::getline(stream, line) && !stream.eof();) {
                last = line;
            }
            return last.find(text) != std::string::npos;
        });
    };
    const std::string there = R"("name":"spare","kind":"mysql","reachable":true)";
    const std::string gone = R"("name":"spare","kind":"mysql","reachable":false)";

    EXPECT_TRUE(last_look_has(there));
    sandbox::kill("mariadb2");
    EXPECT_TRUE(last_look_has(gone));
    sandbox::restart("mariadb2");
    EXPECT_TRUE(last_look_has(there));
    ::kill(watching.pid(), SIGINT);

    EXPECT_EQ(watching.wait().exit_code, 0);
}

}  // namespace
}  // namespace xa_tm::test
