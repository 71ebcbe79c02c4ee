#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "shop_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Explain : public ShopTest {
protected:
    /// The gtrid of the only transaction that is listed.
    [[nodiscard]] std::string gtrid(int exit_code = 1) const {
        return json_of({"list"}, exit_code)["transactions"][0]["gtrid"];
    }
};

TEST_F(Explain, GivesTheDecisionTheServersAndTheNextCommand) {
    die_after_decision(1);
    const auto wanted = gtrid();

    const auto explained = over_shop({"explain", wanted});
    const auto transaction = json_of({"explain", wanted}, 1)["transactions"][0];

    EXPECT_EQ(explained.exit_code, 1) << explained;
    EXPECT_THAT(explained.out,
                AllOf(StartsWith("transaction " + wanted + "\n  commit_decided for "),
                      HasSubstr(": decided to commit at "), HasSubstr("\nAt users: prepared\n"),
                      HasSubstr(", the one that prepared it\n"),
                      HasSubstr("\nNext, with the same options:  xa-recover resolve\n")));
    EXPECT_EQ(transaction["next"]["command"], "xa-recover resolve");
    EXPECT_EQ(transaction["log_entries"][0]["decision"]["gtrid"], wanted);
    for (const auto& branch : transaction["branches"]) {
        EXPECT_EQ(branch["examined"]["server"], branch["server"]) << branch;
        EXPECT_EQ(branch["examined"]["error"], nullptr) << branch;
    }
}

TEST_F(Explain, TellsWhatABranchHoldsAndWhomItBlocks) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    die_after_decision(2);
    const auto wanted = gtrid();
    ChildProcess blocked{
        {"/bin/sh", "-c", "psql \"$0\" -X -c \"insert into users values (2, 'waits')\"",
         users_uri_},
        {}};

    nlohmann::json examined;
    EXPECT_TRUE(eventually([&] {
        const auto transaction = json_of({"explain", wanted}, 1)["transactions"][0];
        examined = transaction["branches"][0]["examined"];
        return !examined["blocked"].empty();
    })) << examined;
    const auto explained = over_shop({"explain", wanted});
    EXPECT_EQ(over_shop({"resolve"}).exit_code, 0);

    EXPECT_THAT(blocked.wait().err, HasSubstr("duplicate key"));
    EXPECT_FALSE(examined["locks"].empty()) << examined;
    EXPECT_THAT(examined["blocked"][0]["statement"].get<std::string>(),
                HasSubstr("insert into users values (2, 'waits')"));
    EXPECT_THAT(explained.out,
                AllOf(HasSubstr("    holds     "), HasSubstr("    blocks    session "),
                      HasSubstr("insert into users values (2, 'waits')")));
}

TEST_F(Explain, SaysThatTheLogHoldsNothingOfWhatWasNotDecided) {
    die_before_decision(1);

    const auto explained = over_shop({"explain", gtrid()});

    EXPECT_THAT(explained.out,
                AllOf(HasSubstr("The log\n  holds nothing about it.\n"),
                      HasSubstr("\n  It rolls back what is prepared; starting the application does "
                                "the same.\n")));
}

TEST_F(Explain, LeavesALiveTransactionAlone) {
    ChildProcess live{register_user_arguments(1),
                      {{"XA_TM_CRASH_POINT", "stop:coordinator.before_decision_forced"}}};
    ASSERT_TRUE(live.wait_until_stopped());

    const auto explained = over_shop({"explain", gtrid(0)});

    EXPECT_EQ(explained.exit_code, 0) << explained;
    EXPECT_THAT(explained.out, HasSubstr("What next\n  Nothing: it may still be running in pid " +
                                         std::to_string(live.pid())));
    live.resume();
    EXPECT_EQ(live.wait().exit_code, 0);
}

TEST_F(Explain, TellsWhoMadeAForeignBranch) {
    ASSERT_EQ(register_user(1).exit_code, 0);
    users_.execute("begin");
    users_.execute("insert into users values (7, 'foreign')");
    users_.execute("prepare transaction 'citus_0_4242_17_1'");

    const auto explained = over_shop({"explain", "citus_0_4242_17_1"});
    const auto listed = over_shop({"list"});
    users_.execute("rollback prepared 'citus_0_4242_17_1'");

    EXPECT_EQ(explained.exit_code, 0) << explained;
    EXPECT_THAT(explained.out,
                AllOf(HasSubstr("    made by   Citus: coordinator's group 0, pid 4242"),
                      HasSubstr("leave it to Citus, whose log knows the outcome"),
                      HasSubstr("    xa-recover rollback citus_0_4242_17_1 --force ")));
    EXPECT_THAT(listed.out, HasSubstr("    made by Citus: coordinator's group 0"));
}

TEST_F(Explain, ExitsWith2WhenNobodyKnowsTheTransaction) {
    ASSERT_EQ(register_user(1).exit_code, 0);

    const auto explained = over_shop({"explain", node() + ":0123456789abcdef:1:1"});

    EXPECT_EQ(explained.exit_code, 2) << explained;
    EXPECT_THAT(explained.err, HasSubstr(" is in doubt: it has finished, or its gtrid is another"));
}

}  // namespace
}  // namespace xa_tm::test
