#include "criteria.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "contender_list.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;
using Number = std::optional<double>;

struct Criterion {
    std::string id;
    std::string text;
    bool is_at_least;
    double limit;
    Number measured;
    std::string unit = {};
};

json to_json(const Criterion& criterion) {
    json entry{{"id", criterion.id},
               {"text", criterion.text},
               {"wanted", fmt::format("{} {:g}{}", criterion.is_at_least ? ">=" : "<=",
                                      criterion.limit, criterion.unit)},
               {"measured", nullptr},
               {"met", nullptr}};
    if (criterion.measured) {
        entry["measured"] = *criterion.measured;
        entry["met"] = criterion.is_at_least ? *criterion.measured >= criterion.limit
                                             : *criterion.measured <= criterion.limit;
    }
    return entry;
}

Number ratio(Number number, Number to) {
    return number && to && *to > 0 ? Number{*number / *to} : std::nullopt;
}

/// The contenders of the first entry that agrees with the key; none when there is no such entry.
json contenders_at(const json& entries, const json& key) {
    for (const auto& entry : entries) {
        const bool agrees = std::ranges::all_of(key.items(), [&](const auto& member) {
            return entry.at(member.key()) == member.value();
        });
        if (agrees) {
            return entry.at("contenders");
        }
    }
    return json::array();
}

Number figure(const json& contenders, const std::string& name, const json::json_pointer& path) {
    for (const auto& contender : contenders) {
        if (contender.at("name") == name && contender.contains(path)) {
            return contender.at(path).get<double>();
        }
    }
    return std::nullopt;
}

const json::json_pointer kThroughput{"/throughput/median"};
const json::json_pointer kCommitP50{"/commit_us/p50"};
const json::json_pointer kCommitP99{"/commit_us/p99"};

Number rate(const json& contenders, const std::string& name) {
    return figure(contenders, name, kThroughput);
}

Number best_peer_rate(const json& contenders) {
    Number best;
    for (const auto& contender : contenders) {
        const auto name = contender.at("name").get<std::string>();
        if (is_peer(name)) {
            best = std::max(best, rate(contenders, name));
        }
    }
    return best;
}

class Judge {
public:
    Judge(const json& result, const std::vector<std::string>& base)
        : result_{result}, base_{base} {}

    std::vector<Criterion> all() const {
        std::vector<Criterion> criteria;
        add_commit(criteria);
        add_hot(criteria);
        add_cold(criteria);
        add_one_shot_hot(criteria);
        add_one_shot_cold(criteria);
        add_growth(criteria);
        add_alone(criteria);
        add_memory(criteria);
        return criteria;
    }

private:
    json at(unsigned branches, unsigned threads, double rtt_ms, Rows rows) const {
        const Cell cell{.servers = base_,
                        .branches = branches,
                        .threads = threads,
                        .rtt_ms = rtt_ms,
                        .rows = rows};
        return contenders_at(result_.at("cells"), bench::to_json(cell));
    }

    void add_commit(std::vector<Criterion>& criteria) const {
        for (const unsigned branches : {2U, 4U}) {
            const auto cell = at(branches, 1, 0, Rows::cold);
            const auto text =
                fmt::format("commit of {} branches over scatter/gather by hand", branches);
            criteria.push_back(
                {fmt::format("commit_p50_n{}", branches), text + ", p50", false, 1.05,
                 ratio(figure(cell, "ours", kCommitP50), figure(cell, "scatter", kCommitP50))});
            criteria.push_back(
                {fmt::format("commit_p99_n{}", branches), text + ", p99", false, 1.15,
                 ratio(figure(cell, "ours", kCommitP99), figure(cell, "scatter", kCommitP99))});
        }
    }

    void add_hot(std::vector<Criterion>& criteria) const {
        struct Limits {
            unsigned branches;
            double rtt_ms;
            double over_bitronix;
            double over_best;
        };
        for (const auto& limits :
             {Limits{2, 0, 1.8, 1.15}, Limits{2, 1, 2, 1.25}, Limits{4, 1, 2.6, 1.2}}) {
            const auto cell = at(limits.branches, 8, limits.rtt_ms, Rows::hot);
            const auto where = fmt::format("hot row, 8 threads, {} branches, {:g} ms",
                                           limits.branches, limits.rtt_ms);
            const auto id = fmt::format("hot_n{}_{:g}ms", limits.branches, limits.rtt_ms);
            const auto ours = rate(cell, "ours");
            criteria.push_back({id + "_bitronix",
                                where + ": throughput over Bitronix at its defaults", true,
                                limits.over_bitronix, ratio(ours, rate(cell, "bitronix_default"))});
            criteria.push_back({id + "_best", where + ": throughput over the best Java peer", true,
                                limits.over_best, ratio(ours, best_peer_rate(cell))});
        }
    }

    void add_cold(std::vector<Criterion>& criteria) const {
        for (const unsigned branches : {2U, 4U}) {
            const auto cell = at(branches, 8, 1, Rows::cold);
            criteria.push_back(
                {fmt::format("cold_n{}_1ms", branches),
                 fmt::format("cold rows, 8 threads, {} branches, 1 ms: throughput over the best "
                             "Java peer",
                             branches),
                 true, 1.8, ratio(rate(cell, "ours"), best_peer_rate(cell))});
        }
    }

    /// Statements that are known up front.
    void add_one_shot_hot(std::vector<Criterion>& criteria) const {
        struct Limits {
            unsigned branches;
            double rtt_ms;
            double one_shot;
            double keys;
            double combined;
            double crowd_combined;
        };
        for (const auto& limits : {Limits{2, 0, 1.2, 1.5, 3, 5}, Limits{4, 0, 1.5, 1.7, 3, 5},
                                   Limits{2, 1, 1.65, 2.6, 6, 20}, Limits{4, 1, 2.2, 3.7, 8, 20}}) {
            const auto add_over_peers = [&](const char* name, unsigned threads, double limit) {
                const auto cell = at(limits.branches, threads, limits.rtt_ms, Rows::hot);
                criteria.push_back({id_of(name, limits.branches, threads, limits.rtt_ms),
                                    text_of(name, limits.branches, threads, limits.rtt_ms) +
                                        ": throughput over the best Java peer",
                                    true, limit, ratio(rate(cell, name), best_peer_rate(cell))});
            };
            add_over_peers("ours_one_shot", 8, limits.one_shot);
            add_over_peers("ours_keys", 8, limits.keys);
            add_over_peers("ours_combined", 8, limits.combined);
            add_over_peers("ours_combined", kCrowd, limits.crowd_combined);
            for (const unsigned threads : {8U, kCrowd}) {
                const auto cell = at(limits.branches, threads, limits.rtt_ms, Rows::hot);
                const auto* name = "ours_combined";
                criteria.push_back({id_of(name, limits.branches, threads, limits.rtt_ms) + "_local",
                                    text_of(name, limits.branches, threads, limits.rtt_ms) +
                                        ": throughput over local commits",
                                    true, 1, ratio(rate(cell, name), rate(cell, "local"))});
            }
        }
    }

    void add_one_shot_cold(std::vector<Criterion>& criteria) const {
        for (const double rtt_ms : {0.0, 1.0}) {
            for (const unsigned branches : {2U, 4U}) {
                const auto cell = at(branches, 8, rtt_ms, Rows::cold);
                for (const auto* name : {"ours_one_shot", "ours_keys", "ours_combined"}) {
                    criteria.push_back({fmt::format("cold_n{}_{:g}ms_{}", branches, rtt_ms, name),
                                        fmt::format("{}, cold rows, 8 threads, {} branches, {:g} "
                                                    "ms: throughput over ours",
                                                    name, branches, rtt_ms),
                                        true, 0.97, ratio(rate(cell, name), rate(cell, "ours"))});
                }
            }
        }
    }

    static std::string id_of(const char* name, unsigned branches, unsigned threads, double rtt_ms) {
        return fmt::format("hot_n{}_{:g}ms_{}_{}threads", branches, rtt_ms, name, threads);
    }
    static std::string text_of(const char* name, unsigned branches, unsigned threads,
                               double rtt_ms) {
        return fmt::format("{}, hot row, {} threads, {} branches, {:g} ms", name, threads, branches,
                           rtt_ms);
    }

    void add_growth(std::vector<Criterion>& criteria) const {
        criteria.push_back({"commit_growth", "commit of 8 branches over that of 2, 1 ms, p50",
                            false, 1.15,
                            ratio(figure(at(8, 1, 1, Rows::cold), "ours", kCommitP50),
                                  figure(at(2, 1, 1, Rows::cold), "ours", kCommitP50))});
    }

    void add_alone(std::vector<Criterion>& criteria) const {
        const auto alone = [&](const char* log) {
            return contenders_at(result_.at("tm_alone"), {{"log", log}, {"threads", 64}});
        };
        const auto durable = alone("durable");
        criteria.push_back({"alone_durable",
                            "the manager alone with a durable log, 64 threads: throughput over the "
                            "best peer",
                            true, 2, ratio(rate(durable, "ours"), best_peer_rate(durable))});
        criteria.push_back({"alone_no_log", "the manager alone without a log, 64 threads", true,
                            1e6, rate(alone("none"), "ours"), " tx/s"});
    }

    void add_memory(std::vector<Criterion>& criteria) const {
        const auto memory = result_.value("memory", json::object());
        const auto bytes = [&](const char* key) {
            return memory.contains(key) ? Number{memory.at(key).get<double>()} : std::nullopt;
        };
        // A heap that does not grow still moves by some pages.
        criteria.push_back({"memory_growth", "growth over 1 million transactions", false, 65536,
                            bytes("growth_bytes_over_million"), " bytes"});
        criteria.push_back({"memory_open", "memory of an open transaction of two branches", false,
                            4096, bytes("bytes_per_open_transaction"), " bytes"});
    }

    const json& result_;
    const std::vector<std::string>& base_;
};

}  // namespace

json criteria_of(const json& result, const std::vector<std::string>& base) {
    auto entries = json::array();
    for (const auto& criterion : Judge{result, base}.all()) {
        entries.push_back(to_json(criterion));
    }
    return entries;
}

}  // namespace xa_tm::bench
