#include "server_facts.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

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
