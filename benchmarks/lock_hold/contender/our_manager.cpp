#include "our_manager.h"

#include <stdexcept>

#include "session_isolation.h"

namespace xa_tm::bench {
namespace {

Config manager_config(const Workload& workload, const OurManager::Options& options) {
    auto config = config_of(workload);
    if (options.has_last_resource) {
        // Recovery removes the rows of decisions that are not needed any more: often enough that
        // each turn pays for its own.
        config.recovery_interval = std::chrono::seconds{1};
    }
    return config;
}

}  // namespace

OurManager::OurManager(const Workload& workload, const Options& options)
    : manager_{manager_config(workload, options)} {
    for (const auto& branch : workload.branches) {
        const bool is_last = &branch == &workload.branches.back();
        resources_.push_back(
            test::Resource::add(manager_, branch.name, branch.uri,
                                {.pool_size_max = options.connections,
                                 .pool_size_min = options.connections,
                                 .is_last_resource = is_last && options.has_last_resource}));
    }
    manager_.start();
    set_up_connections(workload, options.connections);
}

OurManager::Work OurManager::begin() {
    Work work{.transaction = manager_.begin(), .branches = {}};
    for (const auto& resource : resources_) {
        work.branches.push_back(resource->branch_of(work.transaction));
    }
    return work;
}

void OurManager::set_up_connections(const Workload& workload, std::size_t count) {
    std::vector<Work> all;
    for (std::size_t i = 0; i < count; ++i) {
        auto& branches = all.emplace_back(begin()).branches;
        for (std::size_t branch = 0; branch < branches.size(); ++branch) {
            branches[branch].execute(read_committed_for(workload.branches[branch]));
        }
    }
    for (auto& work : all) {
        const auto report = work.transaction.commit();
        if (report.outcome() != Outcome::committed) {
            throw std::runtime_error(report.reason());
        }
    }
}

}  // namespace xa_tm::bench
