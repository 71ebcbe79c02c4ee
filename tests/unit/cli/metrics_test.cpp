#include "metrics.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watch_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

/// "xa_tm_heuristics 1" and the like: every line that is a sample.
std::vector<std::string> samples_of(const std::string& text) {
    auto lines = lines_of(text);
    std::erase_if(lines, [](const auto& line) { return line.starts_with('#'); });
    return lines;
}

TEST(Metrics, GiveEachFamilyOneHelpAndOneTypeBeforeItsSamples) {
    const std::regex form{
        R"re((?:# (HELP|TYPE) )?([a-z_]+)(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? .+)re"};
    std::vector<std::string> families;
    std::set<std::string> seen;
    for (const auto& line : lines_of(metrics_text(recovering_view()))) {
        std::smatch parts;
        ASSERT_TRUE(std::regex_match(line, parts, form)) << line;
        const std::string kind = parts[1];
        const std::string name = parts[2];
        if (kind == "HELP") {
            EXPECT_TRUE(seen.insert(name).second) << "twice: " << name;
            families.push_back(name);
        }
        ASSERT_THAT(families, Not(IsEmpty())) << line;
        EXPECT_EQ(name, families.back()) << line;
    }
    EXPECT_GT(families.size(), 15U);
}

TEST(Metrics, NeverGiveOneSampleTwice) {
    std::set<std::string> seen;
    for (const auto& line : samples_of(metrics_text(recovering_view()))) {
        EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
}

TEST(Metrics, NameCountersAndUnitsAsPrometheusWantsThem) {
    for (const auto& family : metrics_of(recovering_view())) {
        const bool is_counter = family.type == prometheus::MetricType::Counter;
        EXPECT_EQ(is_counter, family.name.ends_with("_total")) << family.name;
        EXPECT_TRUE(family.name.starts_with("xa_tm_") ||
                    family.name.starts_with("xa_recover_watch_"))
            << family.name;
        EXPECT_THAT(family.help, EndsWith(".")) << family.name;
        EXPECT_THAT(family.name, Not(testing::ContainsRegex("_(ms|minutes|count)$")));
    }
}

TEST(Metrics, TellOfEachResourceByItsName) {
    const auto text = metrics_text(recovering_view());

    for (const auto* sample :
         {R"(xa_tm_resource_reachable{resource="users",kind="postgresql"} 1)",
          R"(xa_tm_resource_reachable{resource="points",kind="mysql"} 0)",
          R"(xa_tm_branches_in_doubt{resource="points",kind="mysql"} 3)",
          R"(xa_tm_branches_for_a_person{resource="points",kind="mysql"} 1)",
          R"(xa_tm_oldest_in_doubt_seconds{resource="points",kind="mysql"} 75)",
          R"(xa_tm_resource_alarm_level{resource="points",kind="mysql"} 2)",
          R"(xa_tm_recovery_passes_total{resource="users",kind="postgresql"} 12)"}) {
        EXPECT_THAT(text, HasSubstr(std::string{sample} + "\n"));
    }
}

TEST(Metrics, CountFinishedBranchesByOutcome) {
    const auto text = metrics_text(recovering_view());

    const std::string head =
        R"(xa_tm_recovery_branches_finished_total{resource="users",kind="postgresql",outcome=)";
    EXPECT_THAT(text, HasSubstr(head + "\"committed\"} 5\n"));
    EXPECT_THAT(text, HasSubstr(head + "\"rolled_back\"} 4\n"));
    EXPECT_THAT(text, HasSubstr(head + "\"confirmed\"} 2\n"));
}

TEST(Metrics, TellOfTheLogAndOfTransactions) {
    const auto text = metrics_text(recovering_view());

    for (const auto* sample :
         {"xa_tm_alarm_level 2", "xa_tm_live_transactions 0", "xa_tm_open_decisions 3",
          "xa_tm_heuristics 1", R"(xa_tm_log_health{health="healthy"} 1)",
          R"(xa_tm_log_health{health="poisoned"} 0)", "xa_tm_log_outdated 0",
          "xa_tm_log_live_entries 4", "xa_tm_log_forces_total 21", "xa_tm_log_syncs_total 8"}) {
        EXPECT_THAT(text, HasSubstr("\n" + std::string{sample} + "\n"));
    }
}

TEST(Metrics, TellNothingOfRecoveryBeforeTheLogIsTakenOver) {
    EXPECT_THAT(samples_of(metrics_text(waiting_view())),
                ElementsAre(R"(xa_recover_watch_phase{phase="waiting"} 1)",
                            R"(xa_recover_watch_phase{phase="starting"} 0)",
                            R"(xa_recover_watch_phase{phase="recovering"} 0)"));
}

}  // namespace
}  // namespace xa_tm::cli
