#include "law.h"

#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

using nlohmann::json;

/// Throughput by delay, of one contender in cells that differ in nothing else.
using Rates = std::map<double, double>;

bool is_in_law(const json& cell) {
    // Fewer threads do not keep the row busy, and cold rows have other limits.
    return cell.at("rows") == "hot" && cell.at("threads") == 8 && cell.at("read_only_share") == 0;
}

/// By contender.
std::map<std::string, Rates> rates_of(const json& result, const json& servers,
                                      const json& branches) {
    std::map<std::string, Rates> rates;
    for (const auto& cell : result.at("cells")) {
        if (is_in_law(cell) && cell.at("servers") == servers && cell.at("branches") == branches) {
            for (const auto& contender : cell.at("contenders")) {
                rates[contender.at("name")][cell.at("rtt_ms")] =
                    contender.at("throughput").at("median");
            }
        }
    }
    return rates;
}

json prediction(const json& counted, const Rates& rates) {
    const double h0_us = 1e6 / rates.at(0);
    // Those that share a commit share its hold.
    const double k =
        counted.at("trips_in_hold").get<double>() / counted.value("transactions_a_commit", 1.0);
    json entry{{"name", counted.at("name")}, {"h0_us", h0_us}, {"k", k}};
    for (const auto& [rtt_ms, rate] : rates) {
        const auto key = fmt::format("{:g}", rtt_ms);
        entry["predicted_tx_s"][key] = 1e6 / (h0_us + k * rtt_ms * 1000);
        entry["measured_tx_s"][key] = rate;
    }
    return entry;
}

}  // namespace

json law_of(const json& result) {
    auto law = json::array();
    for (const auto& counted : result.at("counted")) {
        const auto rates = rates_of(result, counted.at("servers"), counted.at("branches"));
        auto contenders = json::array();
        for (const auto& contender : counted.at("contenders")) {
            const auto found = rates.find(contender.at("name").get<std::string>());
            if (found != rates.end() && found->second.contains(0) && found->second.size() > 1) {
                contenders.push_back(prediction(contender, found->second));
            }
        }
        if (!contenders.empty()) {
            law.push_back({{"servers", counted.at("servers")},
                           {"branches", counted.at("branches")},
                           {"contenders", contenders}});
        }
    }
    return law;
}

}  // namespace xa_tm::bench
