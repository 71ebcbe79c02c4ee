#include "contender.h"

#include <stdexcept>

#include <fmt/format.h>

namespace xa_tm::bench {

std::unique_ptr<Contender> make_contender(const Workload& workload) {
    const auto& name = workload.contender;
    if (workload.null_resources > 0) {
        if (name != "ours") {
            throw std::runtime_error(
                fmt::format("\"{}\" has no transaction manager to run alone; name ours", name));
        }
        return make_alone(workload);
    }
    if (name == "ours" || name == "ours_last") {
        return make_ours(workload, name == "ours_last");
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
        fmt::format("there is no contender \"{}\"; there are ours, ours_last, by_hand, scatter, "
                    "local and local_scatter",
                    name));
}

}  // namespace xa_tm::bench
