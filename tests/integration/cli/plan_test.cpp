#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "sandbox.h"
#include "shop_fixture.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// plan and apply, over what a shop that was killed has left behind.
class PlanAndApply : public ShopTest {
protected:
    [[nodiscard]] std::string file() const { return (folder() / "shop.plan").string(); }
    [[nodiscard]] nlohmann::json planned() const {
        std::ifstream stream{file()};
        return nlohmann::json::parse(stream, nullptr, false);
    }
    void write_plan(const nlohmann::json& plan) const { std::ofstream{file()} << plan.dump(); }
    void make_plan(int exit_code = 0) const {
        const auto made = over_shop({"plan", "-o", file(), "--force", "--timeout", "2"});
        ASSERT_EQ(made.exit_code, exit_code) << made;
    }
    [[nodiscard]] nlohmann::json applied(int exit_code) const {
        return json_of({"apply", file(), "--timeout", "2"}, exit_code)["entries"];
    }
    /// A branch at points of a transaction that the first incarnation never decided; an application
    /// that died before would have been recovered by the one that dies after.
    [[nodiscard]] std::string prepare_undecided(int id) {
        const std::string log = json_of({"list"}, 1)["log"]["id"];
        const auto gtrid = node() + ":" + log + ":1:" + std::to_string(1000 + id);
        const auto xid = "'" + gtrid + "', 'points:1', " + std::to_string(kFormatId);
        Database application{points_uri_};
        application.execute("xa start " + xid);
        application.execute("insert into points values (" + std::to_string(id) + ", 1)");
        application.execute("xa end " + xid);
        application.execute("xa prepare " + xid);
        return gtrid;
    }
    [[nodiscard]] static std::vector<std::string> results(const nlohmann::json& entries) {
        std::vector<std::string> found;
        for (const auto& entry : entries) {
            found.push_back(entry["result"]);
        }
        return found;
    }
};

TEST_F(PlanAndApply, FinishWhatTheLawsAllow) {
    die_after_decision(1);
    static_cast<void>(prepare_undecided(2));

    const auto made = over_shop({"plan", "-o", file()});
    EXPECT_EQ(made.exit_code, 0) << made;
    EXPECT_THAT(made.out, HasSubstr("\n  3 entries: 2 to commit, 1 to roll back, 0 to confirm\n"));
    const auto plan = planned();
    ASSERT_EQ(plan["entries"].size(), 3U) << plan;
    EXPECT_EQ(plan["format"], "xa-recover plan");
    EXPECT_EQ(plan["version"], 1);
    EXPECT_EQ(plan["log"]["node"], node());
    for (const auto& entry : plan["entries"]) {
        EXPECT_NE(entry["judged_by"]["server"], "");
        EXPECT_EQ(entry["judged_by"]["decision"].is_null(), entry["action"] == "rollback");
    }
    EXPECT_FALSE(has_user(1));

    EXPECT_THAT(results(applied(0)), Each("done"));

    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
    EXPECT_FALSE(has_points(2));
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
}

TEST_F(PlanAndApply, DoNothingThatWasDeletedFromThePlan) {
    die_after_decision(1);
    static_cast<void>(prepare_undecided(2));
    make_plan();
    auto plan = planned();
    auto& entries = plan["entries"];
    entries.erase(std::remove_if(entries.begin(), entries.end(),
                                 [](const auto& entry) { return entry["action"] == "rollback"; }),
                  entries.end());
    write_plan(plan);

    EXPECT_THAT(results(applied(0)), AllOf(Each("done"), testing::SizeIs(2)));

    EXPECT_TRUE(has_user(1));
    const auto left = json_of({"list"}, 1);
    ASSERT_EQ(left["transactions"].size(), 1U) << left;
    EXPECT_EQ(left["transactions"][0]["state"], "presumed_abort");
}

TEST_F(PlanAndApply, WriteNoPasswordAndReplaceNoFile) {
    die_after_decision(1);
    make_plan();
    std::stringstream text;
    text << std::ifstream{file()}.rdbuf();
    EXPECT_THAT(text.str(), Not(HasSubstr("app-secret")));

    const auto again = over_shop({"plan", "-o", file()});

    EXPECT_EQ(again.exit_code, 2) << again;
    EXPECT_THAT(again.err, HasSubstr("is there already; give --force"));
    EXPECT_EQ(over_shop({"plan", "-o", file(), "--force"}).exit_code, 0);
    const auto piped = over_shop({"plan", "-o", "-"});
    EXPECT_EQ(piped.exit_code, 0) << piped;
    EXPECT_EQ(nlohmann::json::parse(piped.out, nullptr, false)["entries"].size(), 2U) << piped;
    EXPECT_EQ(over_shop({"plan", "-o", (folder() / "none" / "plan").string()}).exit_code, 2);
}

TEST_F(PlanAndApply, DoNothingInADryRun) {
    die_after_decision(1);
    make_plan();
    const auto before = content_of(log());

    const auto shown = over_shop({"apply", file(), "--dry-run"});

    EXPECT_EQ(shown.exit_code, 1) << shown;
    EXPECT_THAT(shown.out, HasSubstr("2 entries: 2 not done. Nothing was done: leave --dry-run"));
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));
}

TEST_F(PlanAndApply, RefuseAPlanThatIsNoneOrAnotherLogs) {
    die_after_decision(1);
    make_plan();
    const auto good = planned();
    const auto before = content_of(log());
    auto newer = good;
    newer["version"] = 2;
    auto other = good;
    other["log"]["id"] = "0123456789abcdef";
    auto mistyped = good;
    mistyped["entries"][0]["action"] = "comit";

    for (const auto& [plan, words] : {std::pair{newer, "version 2 is not 1"},
                                      {other, "it was made for log 0123456789abcdef"},
                                      {mistyped, "action \"comit\""}}) {
        write_plan(plan);
        const auto refused = over_shop({"apply", file()});
        EXPECT_EQ(refused.exit_code, 2) << refused;
        EXPECT_THAT(refused.err, AllOf(HasSubstr(words), HasSubstr("nothing was done")));
        EXPECT_EQ(refused.out, "");
    }
    std::ofstream{file()} << good.dump().substr(0, 100);
    EXPECT_EQ(over_shop({"apply", file()}).exit_code, 2);
    std::filesystem::remove(file());
    EXPECT_EQ(over_shop({"apply", file()}).exit_code, 2);
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));
}

TEST_F(PlanAndApply, RefuseWhatHasChangedAndDoTheRest) {
    die_after_decision(1);
    const auto undecided = prepare_undecided(2);
    make_plan();
    // A person decides otherwise meanwhile.
    const auto killed = run_program(
        std::vector<std::string>{XA_RECOVER, "commit", undecided, "--force", "--reason", "paid"} +
            options(),
        {{"XA_TM_CRASH_POINT", "operator.decision_kept"}});
    ASSERT_EQ(killed.signal, SIGKILL) << killed;

    const auto entries = applied(1);

    for (const auto& entry : entries) {
        const bool is_rollback = entry["action"] == "rollback";
        EXPECT_EQ(entry["result"], is_rollback ? "changed" : "done") << entry;
        if (is_rollback) {
            EXPECT_THAT(entry["why"].get<std::string>(),
                        HasSubstr("the transaction was presumed_abort and is commit_decided"));
        }
    }
    EXPECT_TRUE(has_user(1));
    EXPECT_FALSE(has_points(2));
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
    EXPECT_TRUE(has_points(2));
}

TEST_F(PlanAndApply, Trap58DoNothingBesideTheLiveApplication) {
    die_after_decision(1);
    make_plan();
    {
        const TransactionManager owner{{.node = node(), .log_directory = log()}};
        const auto before = content_of(log());

        const auto shown = over_shop({"apply", file()});

        EXPECT_EQ(shown.exit_code, 1) << shown;
        EXPECT_THAT(shown.out,
                    HasSubstr("Nothing was done: pid " + std::to_string(::getpid()) + " on "));
        const auto made = over_shop({"plan", "-o", "-"});
        EXPECT_EQ(nlohmann::json::parse(made.out, nullptr, false)["entries"].size(), 2U) << made;
        EXPECT_EQ(content_of(log()), before);
        EXPECT_FALSE(has_user(1));
    }
    EXPECT_THAT(results(applied(0)), Each("done"));
}

TEST_F(PlanAndApply, Trap58LeaveTheLogToAnApplicationThatStartsInBetween) {
    die_after_decision(1);
    make_plan();
    ChildProcess apply{std::vector<std::string>{XA_RECOVER, "apply", file()} + options(),
                       {{"XA_TM_CRASH_POINT", "stop:recovery.listed"}}};
    ASSERT_TRUE(apply.wait_until_stopped());
    {
        const TransactionManager owner{{.node = node(), .log_directory = log()}};

        apply.resume();
        const auto shown = apply.wait();

        EXPECT_EQ(shown.exit_code, 1) << shown;
        EXPECT_THAT(shown.out, HasSubstr("Nothing was done: pid "));
        EXPECT_FALSE(has_user(1));
    }
    EXPECT_THAT(results(applied(0)), Each("done"));
}

TEST_F(PlanAndApply, Trap58MayBeKilledAnywhereAndRepeated) {
    int id = 0;
    for (const auto* crash_point :
         {"recovery.listed", "log.checkpoint_forced", "recovery.commit_sent",
          "recovery.commit_answered", "recovery.before_forget", "recovery.rollback_sent",
          "recovery.rollback_answered"}) {
        die_after_decision(++id);
        static_cast<void>(prepare_undecided(++id));
        make_plan();

        const auto killed =
            run_program(std::vector<std::string>{XA_RECOVER, "apply", file()} + options(),
                        {{"XA_TM_CRASH_POINT", crash_point}});
        EXPECT_EQ(killed.signal, SIGKILL) << crash_point << ": " << killed;
        const auto entries = applied(0);

        EXPECT_THAT(results(entries), Each(testing::AnyOf("done", "done_before"))) << entries;
        EXPECT_TRUE(has_user(id - 1) && has_points(id - 1)) << crash_point;
        EXPECT_FALSE(has_points(id)) << crash_point;
        EXPECT_THAT(results(applied(0)), Each("done_before")) << crash_point;
    }
}

TEST_F(PlanAndApply, Trap58ActOnlyOnWhatCouldBeRead) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_after_decision(1);
    make_plan();
    const auto full = planned();
    sandbox::kill("mariadb2");

    const auto partial = applied(3);
    make_plan(3);
    sandbox::restart("mariadb2");

    for (const auto& entry : partial) {
        EXPECT_EQ(entry["result"], entry["resource"] == "points" ? "unproven" : "done") << entry;
    }
    EXPECT_TRUE(has_user(1));
    const auto plan = planned();
    for (const auto& entry : plan["entries"]) {
        EXPECT_NE(entry["resource"], "points");
    }
    points_ = Database{points_uri_};
    EXPECT_FALSE(has_points(1));
    write_plan(full);
    EXPECT_THAT(results(applied(0)), Each(testing::AnyOf("done", "done_before")));
    EXPECT_TRUE(has_points(1));
}

TEST_F(PlanAndApply, Trap58ChangeNothingInALogThatCanOnlyBeRead) {
    die_after_decision(1);
    make_plan();
    std::filesystem::permissions(folder(), std::filesystem::perms{0755});
    std::filesystem::permissions(log(), std::filesystem::perms{0555});
    for (const auto& entry : std::filesystem::directory_iterator{log()}) {
        std::filesystem::permissions(entry.path(), std::filesystem::perms{0444});
    }
    const auto before = content_of(log());
    const auto run = [&](const std::vector<std::string>& command) {
        // Nothing is read-only for root, unless it gives that away.
        const auto as_one_of_many =
            ::geteuid() == 0 ? std::vector<std::string>{"/usr/bin/setpriv", "--bounding-set",
                                                        "-dac_override", XA_RECOVER}
                             : std::vector<std::string>{XA_RECOVER};
        return run_program(as_one_of_many + command + options());
    };

    const auto listed = run({"list"});
    const auto shown = run({"plan", "-o", "-"});
    const auto applied = run({"apply", file()});
    const auto ordered = run({"commit", planned()["entries"][0]["xid"]["gtrid"], "--reason", "r"});

    EXPECT_EQ(listed.exit_code, 1) << listed;
    EXPECT_EQ(shown.exit_code, 0) << shown;
    for (const auto& refused : {applied, ordered}) {
        EXPECT_EQ(refused.exit_code, 3) << refused;
        EXPECT_THAT(refused.err, HasSubstr("Permission denied"));
    }
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));
    std::filesystem::permissions(log(), std::filesystem::perms{0755});
    for (const auto& entry : std::filesystem::directory_iterator{log()}) {
        std::filesystem::permissions(entry.path(), std::filesystem::perms{0644});
    }
}

TEST_F(PlanAndApply, LeaveOutWhatNeedsAPerson) {
    die_after_decision(1);
    const auto list = json_of({"list"}, 1);
    const std::string wanted = list["transactions"][0]["gtrid"];
    const std::vector<std::string> rollback{"rollback", wanted,     "--only",
                                            "points",   "--reason", "ticket 7"};
    const std::string code = json_of(rollback, 1)["verdict"]["confirmation"];
    ASSERT_EQ(over_shop(rollback + std::vector<std::string>{"--confirm", code}).exit_code, 0);

    const auto made = over_shop({"plan", "-o", file()});

    EXPECT_EQ(made.exit_code, 1) << made;
    EXPECT_THAT(made.out, AllOf(HasSubstr("\n  1 entry: 1 to commit"), HasSubstr("left out")));
    EXPECT_EQ(over_shop({"apply", file()}).exit_code, 0);
    EXPECT_TRUE(has_user(1));
    EXPECT_EQ(over_shop({"forget", wanted, "--reason", "ticket 7"}).exit_code, 0);
}

}  // namespace
}  // namespace xa_tm::test
