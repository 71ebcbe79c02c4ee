#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "eventually.h"
#include "sandbox.h"
#include "shop_fixture.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// commit, rollback, forget and audit, given as a person gives them.
class Orders : public ShopTest {
protected:
    /// The only transaction that is not finished.
    [[nodiscard]] std::string gtrid() const { return transaction()["gtrid"]; }
    [[nodiscard]] nlohmann::json transaction() const {
        const auto listed = over_shop({"list", "--json"});
        const auto json = nlohmann::json::parse(listed.out, nullptr, false);
        EXPECT_EQ(json["transactions"].size(), 1U) << listed;
        return json["transactions"][0];
    }
    [[nodiscard]] static std::vector<std::string> order(
        const std::string& verb, const std::string& gtrid,
        const std::vector<std::string>& options = {}) {
        return std::vector<std::string>{verb, gtrid, "--reason", "ticket 7"} + options;
    }
    [[nodiscard]] nlohmann::json audit() const {
        const auto shown = xa_recover({"audit", log().string(), "--json"});
        EXPECT_EQ(shown.exit_code, 0) << shown;
        return nlohmann::json::parse(shown.out, nullptr, false)["orders"];
    }
    /// A branch of another transaction manager in the shop's MariaDB or MySQL.
    void prepare_foreign(const std::string& gtrid) {
        points_.execute("create table if not exists points(user_id int primary key, balance int)");
        Database other{points_uri_};
        other.execute("xa start '" + gtrid + "', 'b'");
        other.execute("insert into points values (99, 1)");
        other.execute("xa end '" + gtrid + "', 'b'");
        other.execute("xa prepare '" + gtrid + "', 'b'");
    }
};

TEST_F(Orders, RollBackWhatPresumesAbort) {
    die_before_decision(1);

    const auto done = over_shop(order("rollback", gtrid()));

    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_THAT(done.out, HasSubstr("Done, and kept in the log"));
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
    EXPECT_FALSE(has_user(1));
    const auto acts = audit();
    ASSERT_EQ(acts.size(), 1U);
    EXPECT_EQ(acts[0]["verb"], "rollback");
    EXPECT_EQ(acts[0]["reason"], "ticket 7");
    EXPECT_EQ(acts[0]["overridden"], nullptr);
    EXPECT_THAT(acts[0]["who"], HasSubstr("@"));
}

TEST_F(Orders, Trap59CommitAgainstAPresumedAbortOnlyByForceAndInTheAudit) {
    die_before_decision(1);
    const auto wanted = gtrid();
    const auto before = content_of(log());

    const auto shown = json_of(order("commit", wanted), 1);

    EXPECT_EQ(shown["verdict"]["permission"], "needs_force");
    EXPECT_THAT(shown["verdict"]["why"], HasSubstr("law 3"));
    EXPECT_EQ(shown["carried_out"], false);
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));

    const auto done = json_of(order("commit", wanted, {"--force"}), 0);

    EXPECT_EQ(done["done"], true);
    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
    ASSERT_EQ(audit().size(), 1U);
    EXPECT_THAT(audit()[0]["overridden"], HasSubstr("law 3"));
}

TEST_F(Orders, CommitEverythingOrNothingWhereverTheyAreKilled) {
    int id = 0;
    for (const auto* crash_point : {"operator.act_kept", "operator.decision_kept",
                                    "recovery.commit_sent", "recovery.commit_answered"}) {
        die_before_decision(++id);
        const auto wanted = gtrid();

        const auto killed = run_program(
            std::vector<std::string>{XA_RECOVER} + order("commit", wanted, {"--force"}) + options(),
            {{"XA_TM_CRASH_POINT", crash_point}});
        EXPECT_EQ(killed.signal, SIGKILL) << crash_point << ": " << killed;
        EXPECT_THAT(audit(), SizeIs(id)) << crash_point;
        EXPECT_EQ(over_shop({"resolve"}).exit_code, 0) << crash_point;

        const bool is_decided = std::string{crash_point} != "operator.act_kept";
        EXPECT_EQ(has_user(id), is_decided) << crash_point;
        EXPECT_EQ(has_points(id), is_decided) << crash_point;
    }
}

TEST_F(Orders, Trap59ForgetNothingThatIsNotHeuristicallyCompleted) {
    for (const bool is_decided : {false, true}) {
        if (is_decided) {
            die_after_decision(1);
        } else {
            die_before_decision(1);
        }

        const auto refused = json_of(order("forget", gtrid(), {"--force"}), 1);

        EXPECT_EQ(refused["verdict"]["permission"], "refused");
        EXPECT_THAT(refused["verdict"]["why"], HasSubstr("law 6"));
        EXPECT_THAT(audit(), IsEmpty());
        EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
        EXPECT_EQ(has_user(1), is_decided);
    }
}

TEST_F(Orders, RollBackAgainstTheDecisionOnlyWithEveryConsequenceConfirmed) {
    die_after_decision(1);
    const auto wanted = gtrid();
    ASSERT_EQ(over_shop(order("commit", wanted, {"--only", "users"})).exit_code, 0);
    ASSERT_TRUE(has_user(1));

    const auto shown = json_of(order("rollback", wanted, {"--force"}), 1);

    EXPECT_EQ(shown["verdict"]["permission"], "needs_confirmation");
    EXPECT_THAT(shown["verdict"]["consequences"],
                AllOf(Contains(HasSubstr("users:1 at users is not prepared any more")),
                      Contains(HasSubstr("points:2 at points is rolled back")),
                      Contains(HasSubstr("law 1 is broken"))));
    EXPECT_THAT(audit(), SizeIs(1));
    const std::string code = shown["verdict"]["confirmation"];
    EXPECT_EQ(over_shop(order("rollback", wanted, {"--confirm", "0000-0000"})).exit_code, 1);

    const auto done = json_of(order("rollback", wanted, {"--confirm", code}), 0);

    EXPECT_EQ(done["branches"][0]["state"], "rolled_back");
    EXPECT_FALSE(has_points(1));
    EXPECT_THAT(audit(), SizeIs(2));
    const auto left = json_of({"resolve"}, 1);
    ASSERT_EQ(left["transactions"].size(), 1U) << left;
    EXPECT_EQ(left["transactions"][0]["branches"].back()["state"], "heuristic");

    EXPECT_EQ(over_shop(order("forget", wanted)).exit_code, 0);
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
    EXPECT_THAT(audit(), SizeIs(3));
}

TEST_F(Orders, Trap10LeaveTheApplicationFreeToStartBesideAHeuristic) {
    die_after_decision(1);
    const auto wanted = gtrid();
    const std::string code =
        json_of(order("rollback", wanted, {"--only", "points"}), 1)["verdict"]["confirmation"];
    ASSERT_EQ(
        over_shop(order("rollback", wanted, {"--only", "points", "--confirm", code})).exit_code, 0);

    const auto registered = register_user(2);

    EXPECT_EQ(registered.exit_code, 0) << registered;
    EXPECT_TRUE(has_user(2));
    EXPECT_TRUE(has_user(1));  // the other branch is committed as decided
    EXPECT_FALSE(has_points(1));
    const auto left = transaction();
    EXPECT_EQ(left["gtrid"], wanted);
    EXPECT_EQ(over_shop(order("forget", wanted)).exit_code, 0);
}

TEST_F(Orders, Trap09AreRefusedWhileTheApplicationIsBetweenDecisionAndPhaseTwo) {
    ChildProcess application{register_user_arguments(1),
                             {{"XA_TM_CRASH_POINT", "stop:coordinator.decision_forced"}}};
    ASSERT_TRUE(application.wait_until_stopped());
    const auto wanted = gtrid();

    for (const auto* verb : {"rollback", "commit", "forget"}) {
        const auto refused = over_shop(order(verb, wanted, {"--force"}));

        EXPECT_EQ(refused.exit_code, 1) << refused;
        EXPECT_THAT(refused.out, AllOf(HasSubstr("refused"), HasSubstr("Nothing was done."),
                                       Not(HasSubstr("To do it"))));
        EXPECT_THAT(refused.out, HasSubstr("Pid " + std::to_string(application.pid())));
    }
    EXPECT_THAT(audit(), IsEmpty());
    application.resume();
    EXPECT_EQ(application.wait().exit_code, 0);
    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
}

TEST_F(Orders, Trap09AreRefusedForALiveTransaction) {
    ChildProcess application{register_user_arguments(1),
                             {{"XA_TM_CRASH_POINT", "stop:coordinator.before_decision_forced"}}};
    ASSERT_TRUE(application.wait_until_stopped());

    const auto refused = json_of(order("rollback", gtrid(), {"--force"}), 1);

    EXPECT_EQ(refused["verdict"]["permission"], "refused");
    EXPECT_THAT(refused["verdict"]["why"], HasSubstr("law 5"));
    application.resume();
    EXPECT_EQ(application.wait().exit_code, 0);
    EXPECT_TRUE(has_points(1));
}

TEST_F(Orders, FinishAForeignBranchByForce) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    prepare_foreign("orders");
    const auto wanted = to_hex("orders");

    EXPECT_EQ(json_of(order("rollback", wanted), 1)["verdict"]["permission"], "needs_force");
    // The branch is free when the server has noticed the end of its session.
    EXPECT_TRUE(eventually(
        [&] { return over_shop(order("rollback", wanted, {"--force"})).exit_code == 0; }));

    EXPECT_FALSE(has_points(99));
    EXPECT_THAT(audit().back()["overridden"], HasSubstr("law 4"));
    EXPECT_EQ(audit().back()["gtrid_hex"], wanted);
}

TEST_F(Orders, TakeNoNameThatIsNoXid) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    users_.execute("begin");
    users_.execute("insert into users values (50, 'by hand')");
    users_.execute("prepare transaction 'by hand'");

    const auto refused = over_shop(order("commit", "by hand", {"--force"}));

    EXPECT_EQ(refused.exit_code, 1) << refused;
    EXPECT_THAT(refused.out, HasSubstr("no xid"));
    users_.execute("rollback prepared 'by hand'");
}

TEST_F(Orders, CommitABranchOfALostLog) {
    die_before_decision(1);
    const auto wanted = gtrid();
    std::filesystem::rename(log(), folder() / "lost");
    std::filesystem::create_directory(log());
    { const TransactionManager birth{{.node = node(), .log_directory = log()}}; }

    const auto shown = json_of(order("commit", wanted), 1);
    EXPECT_THAT(shown["verdict"]["why"], HasSubstr("law 4"));
    EXPECT_EQ(shown["verdict"]["branches"].size(), 2U);

    EXPECT_EQ(json_of(order("commit", wanted, {"--force"}), 0)["done"], true);
    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
}

TEST_F(Orders, TellWhatTheyDoNotKnowWhenTheServerDies) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_before_decision(1);
    const auto wanted = gtrid();
    sandbox::kill("mariadb2");

    const auto shown = json_of(order("commit", wanted, {"--force", "--timeout", "1"}), 1);
    sandbox::restart("mariadb2");

    EXPECT_EQ(shown["verdict"]["permission"], "needs_confirmation");
    EXPECT_THAT(shown["verdict"]["consequences"],
                Contains(HasSubstr("resource points could not be read")));
    EXPECT_FALSE(has_user(1));
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
}

TEST_F(Orders, WantAReason) {
    die_before_decision(1);
    const auto wanted = gtrid();

    const auto refused = over_shop({"rollback", wanted});
    const auto shown = over_shop({"rollback", wanted, "--dry-run"});

    EXPECT_EQ(refused.exit_code, 2) << refused;
    EXPECT_THAT(refused.err, HasSubstr("--reason TEXT"));
    EXPECT_EQ(shown.exit_code, 0) << shown;
    EXPECT_THAT(shown.out, HasSubstr("granted"));
    EXPECT_THAT(transaction()["branches"], SizeIs(2));
}

TEST_F(Orders, ShowNoPasswordInWhatToType) {
    die_before_decision(1);
    const auto wanted = gtrid();
    const auto file =
        write_file("xa.toml", "node = '" + node() + "'\nlog = 'log'\n[resources]\nusers = '" +
                                  users_uri_ + "'\n");

    const auto shown = xa_recover(
        order("commit", wanted) +
        std::vector<std::string>{"--config", file.string(), "--resource", "points=" + points_uri_});

    EXPECT_EQ(shown.exit_code, 1) << shown;
    EXPECT_THAT(shown.out, AllOf(HasSubstr("xa-recover commit " + wanted +
                                           " --reason 'ticket 7' --force --config " +
                                           file.string() + " --resource points=URI\n"),
                                 Not(HasSubstr("app-secret"))));
}

TEST_F(Orders, AreShownByAuditBesideTheOwnerAndWithRepairs) {
    die_before_decision(1);
    ASSERT_EQ(over_shop(order("rollback", gtrid())).exit_code, 0);
    const TransactionManager owner{{.node = node(), .log_directory = log()}};

    const auto shown = xa_recover({"audit", log().string()});

    EXPECT_EQ(shown.exit_code, 0) << shown;
    EXPECT_THAT(shown.out, AllOf(HasSubstr("owned by pid " + std::to_string(::getpid())),
                                 HasSubstr("  rollback " + node() + ":"),
                                 HasSubstr("\n  reason: ticket 7\n")));
}

}  // namespace
}  // namespace xa_tm::test
