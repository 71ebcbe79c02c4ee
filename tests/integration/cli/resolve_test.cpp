#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "sandbox.h"
#include "shop_fixture.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class Resolve : public ShopTest {};

TEST_F(Resolve, CommitsWhatWasDecided) {
    die_after_decision(1);
    ASSERT_FALSE(has_user(1));

    const auto json = json_of({"resolve"}, 0);

    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
    ASSERT_EQ(json["transactions"].size(), 1U) << json;
    EXPECT_EQ(json["transactions"][0]["state"], "commit_decided");
    EXPECT_EQ(json["transactions"][0]["action"], "commit");
    for (const auto& branch : json["transactions"][0]["branches"]) {
        EXPECT_EQ(branch["state"], "committed");
    }
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
}

TEST_F(Resolve, RollsBackWhatWasNotDecided) {
    die_before_decision(1);

    const auto resolved = over_shop({"resolve"});

    EXPECT_EQ(resolved.exit_code, 0) << resolved;
    EXPECT_THAT(resolved.out, HasSubstr("\n1 transaction finished: 1 rolled back.\n"
                                        "Nothing is in doubt.\n"));
    EXPECT_FALSE(has_user(1));
    EXPECT_FALSE(has_points(1));
    EXPECT_THAT(json_of({"list"}, 0)["transactions"], IsEmpty());
    EXPECT_EQ(register_user(1).exit_code, 0);
}

TEST_F(Resolve, MayBeRepeated) {
    die_after_decision(1);
    ASSERT_EQ(over_shop({"resolve"}).exit_code, 0);

    const auto again = over_shop({"resolve"});

    EXPECT_EQ(again.exit_code, 0) << again;
    EXPECT_THAT(again.out, HasSubstr("\nNothing is in doubt.\n"));
}

TEST_F(Resolve, FinishesATransactionOfWhichOneBranchHasCommitted) {
    const auto died = register_user(1, "coordinator.commit_answered");
    ASSERT_NE(died.signal, 0) << died;

    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);

    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
}

TEST_F(Resolve, MayItselfBeKilledAtAnyMoment) {
    int id = 0;
    for (const auto* crash_point :
         {"recovery.listed", "recovery.commit_sent", "recovery.commit_answered",
          "recovery.before_forget", "recovery.rollback_sent", "recovery.rollback_answered"}) {
        const bool is_decided = std::string_view{crash_point}.find("rollback") == std::string::npos;
        ++id;
        if (is_decided) {
            die_after_decision(id);
        } else {
            die_before_decision(id);
        }

        const auto killed = run_program(std::vector<std::string>{XA_RECOVER, "resolve"} + options(),
                                        {{"XA_TM_CRASH_POINT", crash_point}});
        const auto resolved = over_shop({"resolve"});

        EXPECT_EQ(killed.signal, SIGKILL) << crash_point << ": " << killed;
        EXPECT_EQ(resolved.exit_code, 0) << crash_point << ": " << resolved;
        EXPECT_EQ(has_user(id), is_decided) << crash_point;
        EXPECT_EQ(has_points(id), is_decided) << crash_point;
    }
}

TEST_F(Resolve, DoesNothingInADryRun) {
    die_after_decision(1);
    const auto before = content_of(log());

    const auto json = json_of({"resolve", "--dry-run"}, 1);

    EXPECT_EQ(json["transactions"][0]["action"], "commit");
    EXPECT_EQ(json["transactions"][0]["branches"][0]["state"], "prepared");
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));
}

TEST_F(Resolve, LeavesTheWorkToTheLogsLiveOwner) {
    die_after_decision(1);
    {
        const TransactionManager owner{{.node = node(), .log_directory = log()}};
        const auto before = content_of(log());

        const auto resolved = over_shop({"resolve"});

        EXPECT_EQ(resolved.exit_code, 1) << resolved;
        EXPECT_THAT(resolved.out,
                    AllOf(HasSubstr("owned by pid " + std::to_string(::getpid()) + " on "),
                          HasSubstr("Nothing was done: pid " + std::to_string(::getpid()))));
        EXPECT_EQ(content_of(log()), before);
        EXPECT_FALSE(has_user(1));
    }
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
    EXPECT_TRUE(has_user(1));
}

TEST_F(Resolve, ChangesNothingWhenTheLogNamesAResourceThatIsNotGiven) {
    die_after_decision(1);
    const auto before = content_of(log());

    for (const auto& given :
         {std::vector<std::string>{"--resource", "users=" + users_uri_},
          {"--resource", "users=" + users_uri_, "--resource", "point=" + points_uri_}}) {
        const auto resolved =
            xa_recover(std::vector<std::string>{"resolve", "--log", log().string()} + given);

        EXPECT_EQ(resolved.exit_code, 2) << resolved;
        EXPECT_EQ(resolved.out, "");
        EXPECT_THAT(resolved.err, HasSubstr("has a branch of resource points, which is not given; "
                                            "add it as --resource points=URI"));
    }
    EXPECT_EQ(content_of(log()), before);
    EXPECT_FALSE(has_user(1));
}

TEST_F(Resolve, ChangesNothingWhenTheUrisOfTwoResourcesAreSwapped) {
    for (const auto decided : {true, false}) {
        const int id = decided ? 1 : 2;
        if (decided) {
            die_after_decision(id);
        } else {
            die_before_decision(id);
        }
        const auto before = content_of(log());

        const auto resolved =
            xa_recover({"resolve", "--log", log().string(), "--resource", "users=" + points_uri_,
                        "--resource", "points=" + users_uri_});

        EXPECT_EQ(resolved.exit_code, 2) << resolved;
        EXPECT_THAT(resolved.err, HasSubstr("their URIs are swapped, or one is wrong"));
        EXPECT_EQ(content_of(log()), before);
        EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
        EXPECT_EQ(has_user(id), decided);
        EXPECT_EQ(has_points(id), decided);
    }
}

TEST_F(Resolve, FinishesWhatItCanWhileAServerIsDown) {
    points_uri_ = cli_uri("mariadb2");
    points_ = Database{points_uri_};
    points_.execute("drop table if exists points");
    die_after_decision(1);
    sandbox::kill("mariadb2");

    const auto json = json_of({"resolve", "--timeout", "1"}, 3);

    EXPECT_TRUE(has_user(1));
    EXPECT_EQ(json["resources"][1]["reachable"], false);
    ASSERT_EQ(json["transactions"].size(), 1U) << json;
    EXPECT_EQ(json["transactions"][0]["branches"][0]["state"], "committed");
    EXPECT_EQ(json["transactions"][0]["branches"][1]["state"], "unreachable");
    sandbox::restart("mariadb2");
    points_ = Database{points_uri_};
    EXPECT_FALSE(has_points(1));
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
    EXPECT_TRUE(has_points(1));
}

TEST_F(Resolve, NamesTheRoleThatMayFinishABranch) {
    die_after_decision(1);
    Database admin{sandbox::admin_uri(sandbox::postgres_server())};
    if (admin.number("select count(*) from pg_roles where rolname = 'xa_tm_stranger'") == 0) {
        admin.execute("create role xa_tm_stranger login");
    }
    auto stranger_uri = users_uri_;
    stranger_uri.replace(stranger_uri.find("user=app"), 8, "user=xa_tm_stranger");

    const auto resolved = over_shop({"resolve", "--timeout", "1", "--resource", "users=x"});
    const auto by_stranger =
        xa_recover({"resolve", "--timeout", "1", "--log", log().string(), "--resource",
                    "users=" + stranger_uri, "--resource", "points=" + points_uri_});

    EXPECT_EQ(resolved.exit_code, 2) << resolved;
    EXPECT_EQ(by_stranger.exit_code, 1) << by_stranger;
    EXPECT_THAT(by_stranger.out, AllOf(HasSubstr("permission denied"), HasSubstr("role app"),
                                       HasSubstr("superuser"), HasSubstr("in doubt")));
    EXPECT_FALSE(has_user(1));
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);
    EXPECT_TRUE(has_user(1));
}

}  // namespace
}  // namespace xa_tm::test
