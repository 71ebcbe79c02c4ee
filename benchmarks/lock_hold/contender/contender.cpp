#include "contender.h"

#include <map>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

std::optional<OursWay> ours_way(const std::string& name) {
    static const std::map<std::string, OursWay> ways{{"ours", OursWay::plain},
                                                     {"ours_last", OursWay::last_told},
                                                     {"ours_last_resource", OursWay::last_resource},
                                                     {"ours_early", OursWay::early}};
    const auto found = ways.find(name);
    return found != ways.end() ? std::optional{found->second} : std::nullopt;
}

std::optional<OneShotWay> one_shot_way(const std::string& name) {
    static const std::map<std::string, OneShotWay> ways{{"ours_one_shot", OneShotWay::gate},
                                                        {"ours_keys", OneShotWay::conflict_keys},
                                                        {"ours_combined", OneShotWay::combined}};
    const auto found = ways.find(name);
    return found != ways.end() ? std::optional{found->second} : std::nullopt;
}

}  // namespace

std::unique_ptr<Contender> make_contender(const Workload& workload) {
    const auto& name = workload.contender;
    if (workload.null_resources > 0) {
        if (name != "ours") {
            throw std::runtime_error(
                fmt::format("\"{}\" has no transaction manager to run alone; name ours", name));
        }
        return make_alone(workload);
    }
    if (const auto way = ours_way(name)) {
        return make_ours(workload, *way);
    }
    if (const auto way = one_shot_way(name)) {
        return make_one_shot(workload, *way);
    }
    if (name == "by_hand") {
        return make_by_hand(workload);
    }
    if (name == "scatter") {
        return make_scatter(workload);
    }
    if (name == "local" || name == "local_scatter") {
        return make_local(workload, name == "local_scatter");
    }
    throw std::runtime_error(
        fmt::format("there is no contender \"{}\"; there are ours, ours_last, "
                    "ours_last_resource, ours_early, ours_async, ours_one_shot, ours_keys, "
                    "ours_combined, by_hand, scatter, local and local_scatter",
                    name));
}

}  // namespace xa_tm::bench
