#include "server_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Told {
    std::vector<Row> variables;
    std::vector<Row> grants = {};
    bool tracks = true;
};

ServerFacts facts_of(const Told& told) {
    const std::vector<Reply> replies{{.is_ok = true, .rows = told.variables},
                                     {.is_ok = true, .rows = {{"Uptime", "100"}}},
                                     {.is_ok = true, .rows = {{"1700000100"}}},
                                     {.is_ok = true, .rows = told.grants},
                                     {.is_ok = told.tracks}};
    return ServerFacts{replies};
}

TEST(ServerFacts, TellBehaviourFromSettings) {
    const auto mysql = facts_of({{{"version", "9.7.4-2"}, {"xa_detach_on_prepare", "ON"}}});
    EXPECT_TRUE(mysql.detaches_prepared_branches());
    EXPECT_TRUE(mysql.tells_whether_written());
    EXPECT_FALSE(mysql.is_galera());
    const auto attached = facts_of({{{"version", "9.7.4-2"}, {"xa_detach_on_prepare", "OFF"}}});
    EXPECT_FALSE(attached.detaches_prepared_branches());
    const auto mariadb =
        facts_of({{{"version", "10.11.19-MariaDB-0+deb12u1"}, {"wsrep_on", "ON"}}});
    EXPECT_TRUE(mariadb.is_mariadb());
    EXPECT_TRUE(mariadb.is_galera());
    EXPECT_FALSE(mariadb.detaches_prepared_branches());
    EXPECT_FALSE(mariadb.tells_whether_written());
    EXPECT_FALSE(
        facts_of({.variables = {{"version", "5.6.1"}}, .tracks = false}).tells_whether_written());
}

TEST(ServerFacts, SayWhatFollowsForGlobalTransactions) {
    const auto text = to_string(facts_of({{{"version", "9.7.4-2"},
                                           {"xa_detach_on_prepare", "ON"},
                                           {"innodb_flush_log_at_trx_commit", "2"},
                                           {"log_bin", "OFF"},
                                           {"sync_binlog", "0"}},
                                          {{"GRANT PROCESS, RELOAD ON *.* TO `app`@`%`"}}})
                                    .describe());
    EXPECT_THAT(text, HasSubstr("MySQL 9.7.4"));
    EXPECT_THAT(text, HasSubstr("set it to 1"));
    EXPECT_THAT(text, HasSubstr("XA_RECOVER_ADMIN"));
    EXPECT_THAT(text, HasSubstr("can't be listed"));
    EXPECT_THAT(text, Not(HasSubstr("with log_bin=ON"))) << "there is no binary log";
    EXPECT_THAT(text, Not(HasSubstr("only this user's sessions")));
}

TEST(ServerFacts, ReadGrantsOfTheWholeServerOnly) {
    const auto sees = [](std::string grant) {
        return facts_of({{{"version", "9"}}, {{std::move(grant)}}}).sees_every_session();
    };
    EXPECT_TRUE(sees("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"));
    EXPECT_TRUE(sees("GRANT SELECT, PROCESS ON *.* TO `a`@`%`"));
    EXPECT_FALSE(sees("GRANT USAGE ON *.* TO `a`@`%`"));
    EXPECT_FALSE(sees("GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`"));
    EXPECT_FALSE(sees("GRANT `PROCESS`@`%` TO `a`@`%`"));
}

TEST(ServerFacts, KnowAServersLifeByItsStartGiveOrTakeTheClocksSeconds) {
    EXPECT_EQ(facts_of({}).started(), "1700000000");
    EXPECT_TRUE(may_be_same_life("1700000000", "1700000002"));
    EXPECT_FALSE(may_be_same_life("1700000000", "1700000003"));
    EXPECT_TRUE(may_be_same_life("", "1700000003"));
}

}  // namespace
}  // namespace xa_tm::mysql
