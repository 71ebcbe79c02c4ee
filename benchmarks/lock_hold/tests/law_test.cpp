#include "law.h"

#include <gtest/gtest.h>

namespace xa_tm::bench {
namespace {

using nlohmann::json;

json cell(double rtt_ms, double rate) {
    return {{"servers", {"a", "b"}},
            {"branches", 2},
            {"threads", 8},
            {"rtt_ms", rtt_ms},
            {"rows", "hot"},
            {"read_only_share", 0},
            {"contenders", {{{"name", "ours"}, {"throughput", {{"median", rate}}}}}}};
}

json result(const json& cells) {
    return {{"cells", cells},
            {"counted",
             {{{"servers", {"a", "b"}},
               {"branches", 2},
               {"contenders", {{{"name", "ours"}, {"trips_in_hold", 3}}}}}}}};
}

TEST(Law, PredictsFromTheThroughputWithoutDelayAndTheTripsInTheHold) {
    const auto law = law_of(result(json::array({cell(0, 1000), cell(1, 240)})));
    const auto& contender = law.at(0).at("contenders").at(0);
    EXPECT_EQ(contender.at("h0_us"), 1000);
    EXPECT_EQ(contender.at("k"), 3);
    EXPECT_EQ(contender.at("predicted_tx_s").at("1"), 250);
    EXPECT_EQ(contender.at("measured_tx_s").at("1"), 240);
}

TEST(Law, SharesTheTripsOfACommitAmongItsTransactions) {
    auto measured = result(json::array({cell(0, 1000), cell(1, 600)}));
    auto& counted = measured["counted"][0]["contenders"][0];
    counted["trips_in_hold"] = 2;
    counted["transactions_a_commit"] = 4;
    EXPECT_EQ(law_of(measured).at(0).at("contenders").at(0).at("k"), 0.5);
}

TEST(Law, IsSilentWithoutAMeasurementToPredict) {
    EXPECT_TRUE(law_of(result(json::array({cell(0, 1000)}))).empty());
    EXPECT_TRUE(law_of(result(json::array({cell(1, 240)}))).empty());
}

}  // namespace
}  // namespace xa_tm::bench
