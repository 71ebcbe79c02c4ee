#include "running_contender.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include <fmt/format.h>

#include "scratch_tables.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kStart{120};  // with thousands of connections to open

std::vector<Network::Upstream> upstreams_of(const std::vector<Resource>& resources) {
    std::vector<Network::Upstream> upstreams;
    for (const auto& resource : resources) {
        upstreams.push_back({resource.kind, resource.host, resource.port});
    }
    return upstreams;
}

json branch_of(const Resource& resource, unsigned number, const Network* network) {
    json branch{{"name", fmt::format("b{}", number)},
                {"kind", to_text(resource.kind)},
                {"host", resource.host},
                {"port", resource.port},
                {"user", resource.user},
                {"password", resource.password},
                {"database", resource.database},
                {"table", table_of(number)}};
    if (network != nullptr) {
        branch["host"] = "127.0.0.1";
        branch["port"] = network->port(number - 1);
    }
    return branch;
}

}  // namespace

std::vector<Resource> Bench::resources_of(const Cell& cell) const {
    std::vector<Resource> chosen;
    for (unsigned branch = 0; branch < cell.branches; ++branch) {
        const auto& server = cell.servers[branch % cell.servers.size()];
        const auto found = std::ranges::find(resources, server, &Resource::name);
        if (found == resources.end()) {
            throw std::runtime_error(fmt::format("there is no resource {}", server));
        }
        chosen.push_back(*found);
    }
    return chosen;
}

std::vector<std::string> Bench::contenders_in(const Cell& cell) const {
    auto chosen = contenders;
    if (cell.threads >= kCrowd) {
        std::erase_if(chosen, [](const auto& name) { return !is_for_crowds(name); });
    }
    return chosen;
}

Route route_of(const Cell& cell) noexcept {
    return cell.rtt_ms > 0 ? Route::network : Route::direct;
}

RunningContender::RunningContender(const Bench& bench, const Cell& cell, const std::string& name,
                                   Route route, unsigned open)
    : name_{name}, directory_{bench.directory} {
    const auto resources = bench.resources_of(cell);
    if (route == Route::network) {
        network_ = std::make_unique<Network>(
            upstreams_of(resources),
            std::chrono::microseconds{static_cast<std::int64_t>(cell.rtt_ms * 1000)});
    }
    auto branches = json::array();
    for (unsigned i = 0; i < resources.size(); ++i) {
        branches.push_back(branch_of(resources[i], i + 1, network_.get()));
    }
    start(bench, {{"branches", branches},
                  {"null_resources", 0},
                  {"threads", cell.threads},
                  {"open", open},
                  {"rows", to_text(cell.rows)},
                  {"read_only_share", cell.read_only_share},
                  {"log", "durable"}});
}

RunningContender::RunningContender(const Bench& bench, const std::string& name, unsigned threads,
                                   const std::string& log)
    : name_{name}, directory_{bench.directory} {
    start(bench, {{"branches", json::array()},
                  {"null_resources", 2},
                  {"threads", threads},
                  {"rows", to_text(Rows::hot)},
                  {"read_only_share", 0},
                  {"log", log}});
}

void RunningContender::start(const Bench& bench, json workload) {
    if (const auto missing = missing_for(name_, bench.programs)) {
        throw std::runtime_error(*missing);
    }
    const auto log_directory = directory_.path() / "log";
    std::filesystem::create_directory(log_directory);
    workload["contender"] = name_;
    workload["log_directory"] = log_directory;
    process_ = std::make_unique<ContenderProcess>(command_of(name_, bench.programs), workload,
                                                  directory_.path());
    const auto event = process_->next_event(kStart);
    if (event.value("event", "") != "ready") {
        throw std::runtime_error(fmt::format("answers {} instead of ready", event.dump()));
    }
    settings_ = event.value("settings", "");
}

}  // namespace xa_tm::bench
