#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cell.h"
#include "contender_list.h"
#include "contender_process.h"
#include "network.h"
#include "resource.h"
#include "temporary_directory.h"

namespace xa_tm::bench {

/// What is the same for everything that one run measures.
struct Bench {
    std::vector<Resource> resources;
    std::vector<std::string> contenders;
    Programs programs;
    std::filesystem::path directory;  ///< for logs, on the disk that is to be measured
    unsigned rounds = 5;
    double seconds = 2;
    double warm_up_seconds = 2;

    /// Those of a cell's branches. Throws std::runtime_error for a server that is not there.
    [[nodiscard]] std::vector<Resource> resources_of(const Cell& cell) const;
    /// Those that run in a cell.
    [[nodiscard]] std::vector<std::string> contenders_in(const Cell& cell) const;
};

/// How a contender reaches its servers.
enum class Route { direct, network };

/// Over the network when there is a delay: without one it would only cost.
[[nodiscard]] Route route_of(const Cell& cell) noexcept;

/// A contender that is ready to go, with the network to its servers and a folder for its log.
///
/// Ownership: owns all three; the folder is deleted.
/// Thread safety: one thread at a time.
class RunningContender {
public:
    /// In the tables of the cell, which exist; with so many transactions open at once, unless one a
    /// thread. Throws std::runtime_error with why it can't run.
    RunningContender(const Bench& bench, const Cell& cell, const std::string& name, Route route,
                     unsigned open = 0);
    /// Over null resources. `log` is "durable" or "none".
    RunningContender(const Bench& bench, const std::string& name, unsigned threads,
                     const std::string& log);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// What it says of its versions and settings.
    [[nodiscard]] const std::string& settings() const noexcept { return settings_; }
    [[nodiscard]] ContenderProcess& process() noexcept { return *process_; }
    /// Only of one that was started over it.
    [[nodiscard]] Network& network() noexcept { return *network_; }

private:
    void start(const Bench& bench, nlohmann::json workload);

    std::string name_;
    std::string settings_;
    test::TemporaryDirectory directory_;
    std::unique_ptr<Network> network_;
    std::unique_ptr<ContenderProcess> process_;
};

}  // namespace xa_tm::bench
