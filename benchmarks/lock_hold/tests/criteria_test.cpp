#include "criteria.h"

#include <string>

#include <gtest/gtest.h>

namespace xa_tm::bench {
namespace {

using nlohmann::json;

const std::vector<std::string> kBase{"a", "b"};

json contender(const std::string& name, double rate, double commit_us) {
    return {{"name", name},
            {"throughput", {{"median", rate}}},
            {"commit_us", {{"p50", commit_us}, {"p99", 2 * commit_us}}}};
}

json entry_of(Cell cell, const json& contenders) {
    cell.servers = kBase;
    auto entry = to_json(cell);
    entry["contenders"] = contenders;
    return entry;
}

json result_with(const json& cell) {
    auto cells = json::array();
    if (!cell.empty()) {
        cells.push_back(cell);
    }
    return {{"cells", cells}, {"tm_alone", json::array()}};
}

json criterion(const json& result, const std::string& id) {
    for (const auto& each : criteria_of(result, kBase)) {
        if (each.at("id") == id) {
            return each;
        }
    }
    ADD_FAILURE() << "no criterion " << id;
    return {};
}

TEST(Criteria, CompareOursWithTheBestOfTheJavaPeers) {
    const auto result =
        result_with(entry_of({.servers = {}, .branches = 2, .threads = 8, .rtt_ms = 1},
                             {contender("ours", 300, 1), contender("bitronix_default", 100, 1),
                              contender("narayana_best", 200, 1), contender("local", 900, 1)}));
    const auto best = criterion(result, "hot_n2_1ms_best");
    EXPECT_EQ(best.at("measured"), 1.5);
    EXPECT_EQ(best.at("wanted"), ">= 1.25");
    EXPECT_EQ(best.at("met"), true);
    EXPECT_EQ(criterion(result, "hot_n2_1ms_bitronix").at("measured"), 3);
}

TEST(Criteria, JudgeOneShotTransactionsOnAHotRowByPeersAndLocalCommits) {
    const auto result =
        result_with(entry_of({.servers = {}, .branches = 2, .threads = 8, .rtt_ms = 1},
                             {contender("ours_one_shot", 160, 1), contender("ours_keys", 260, 1),
                              contender("ours_combined", 450, 1),
                              contender("narayana_best", 100, 1), contender("local", 500, 1)}));
    EXPECT_EQ(criterion(result, "hot_n2_1ms_ours_one_shot_8threads").at("met"), false);
    EXPECT_EQ(criterion(result, "hot_n2_1ms_ours_keys_8threads").at("met"), true);
    EXPECT_EQ(criterion(result, "hot_n2_1ms_ours_combined_8threads").at("measured"), 4.5);
    EXPECT_EQ(criterion(result, "hot_n2_1ms_ours_combined_8threads_local").at("measured"), 0.9);
}

TEST(Criteria, CompareOneShotTransactionsOnColdRowsWithInteractiveOnes) {
    const auto result = result_with(
        entry_of({.servers = {}, .branches = 4, .threads = 8, .rtt_ms = 0, .rows = Rows::cold},
                 {contender("ours", 100, 1), contender("ours_keys", 98, 1),
                  contender("ours_combined", 96, 1)}));
    EXPECT_EQ(criterion(result, "cold_n4_0ms_ours_keys").at("met"), true);
    EXPECT_EQ(criterion(result, "cold_n4_0ms_ours_combined").at("met"), false);
}

TEST(Criteria, MissACommitThatTakesTooLong) {
    const auto result =
        result_with(entry_of({.servers = {}, .branches = 2, .threads = 1, .rows = Rows::cold},
                             {contender("ours", 1, 110), contender("scatter", 1, 100)}));
    EXPECT_EQ(criterion(result, "commit_p50_n2").at("met"), false);
    EXPECT_EQ(criterion(result, "commit_p99_n2").at("met"), true);
}

TEST(Criteria, SayWhatWasNotMeasured) {
    for (const auto& each : criteria_of(result_with({}), kBase)) {
        EXPECT_TRUE(each.at("measured").is_null());
        EXPECT_TRUE(each.at("met").is_null());
    }
}

TEST(Criteria, JudgeTheManagerAloneAndItsMemory) {
    auto result = result_with({});
    result["tm_alone"] = {
        {{"log", "none"}, {"threads", 64}, {"contenders", {contender("ours", 2e6, 1)}}}};
    result["memory"] = {{"growth_bytes_over_million", 0}, {"bytes_per_open_transaction", 5000}};
    EXPECT_EQ(criterion(result, "alone_no_log").at("met"), true);
    EXPECT_EQ(criterion(result, "memory_growth").at("met"), true);
    EXPECT_EQ(criterion(result, "memory_open").at("met"), false);
}

}  // namespace
}  // namespace xa_tm::bench
