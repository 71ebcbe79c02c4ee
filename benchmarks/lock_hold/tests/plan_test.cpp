#include "plan.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "criteria.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;

const std::vector<Resource> kResources{{.name = "p", .uri = {}, .kind = Kind::postgres},
                                       {.name = "m", .uri = {}, .kind = Kind::mariadb},
                                       {.name = "p2", .uri = {}, .kind = Kind::postgres}};

TEST(Plan, HasEveryCellThatACriterionIsJudgedBy) {
    const auto plan = full_plan(kResources, 1000);
    json result{{"cells", json::array()}, {"tm_alone", json::array()}};
    const auto figures = [](const char* name) {
        return json{{"name", name},
                    {"throughput", {{"median", 1}}},
                    {"commit_us", {{"p50", 1}, {"p99", 1}}}};
    };
    const json all{figures("ours"),          figures("scatter"),   figures("bitronix_default"),
                   figures("ours_one_shot"), figures("ours_keys"), figures("ours_combined"),
                   figures("local")};
    for (const auto& cell : plan.cells) {
        auto entry = to_json(cell);
        entry["contenders"] = all;
        result["cells"].push_back(entry);
    }
    for (const auto& [log, threads] : plan.alone) {
        result["tm_alone"].push_back({{"log", log}, {"threads", threads}, {"contenders", all}});
    }
    result["memory"] = {{"growth_bytes_over_million", 0}, {"bytes_per_open_transaction", 0}};
    ASSERT_TRUE(plan.has_memory);
    for (const auto& criterion : criteria_of(result, {"p", "m"})) {
        EXPECT_FALSE(criterion.at("measured").is_null()) << criterion;
    }
}

TEST(Plan, VariesTheServersAmongThoseThatAreThere) {
    const auto plan = full_plan(kResources, 1000);
    EXPECT_THAT(plan.cells, Contains(Cell{.servers = {"p", "p2"}}));
    EXPECT_THAT(plan.cells, Contains(Cell{.servers = {"p", "m"}}));
}

TEST(Plan, LetsCrowdsWaitForAHotRow) {
    for (const double rtt_ms : {0.0, 1.0}) {
        for (const unsigned branches : {2U, 4U}) {
            EXPECT_THAT(full_plan(kResources, 1000).cells, Contains(Cell{.servers = {"p", "m"},
                                                                         .branches = branches,
                                                                         .threads = kCrowd,
                                                                         .rtt_ms = rtt_ms}));
        }
    }
}

TEST(Bench, LeavesOutOfACrowdWhatSaysNothingThere) {
    const Bench bench{.resources = {},
                      .contenders = {"local", "ours", "ours_keys", "ours_combined", "bitronix_best",
                                     "bitronix_default"},
                      .programs = {},
                      .directory = {}};
    EXPECT_THAT(bench.contenders_in({.servers = {}, .threads = kCrowd}),
                ElementsAre("local", "ours_combined", "bitronix_best"));
    EXPECT_EQ(bench.contenders_in({.servers = {}, .threads = 8}), bench.contenders);
}

TEST(Plan, OpensManyTransactionsAtOnceInTheBasePair) {
    for (const auto& plan : {full_plan(kResources, 1000), quick_plan(kResources, 1000)}) {
        ASSERT_FALSE(plan.many_open.empty());
        EXPECT_EQ(to_json(plan.many_open.front()),
                  (json{{"servers", {"p", "m"}}, {"rtt_ms", 0.0}, {"open", 1000}}));
    }
}

}  // namespace
}  // namespace xa_tm::bench
