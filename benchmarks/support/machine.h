#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace xa_tm::bench {

/// The set-up that figures depend on.
struct Machine {
    std::string cpu;
    unsigned cpus = 0;
    double memory_gib = 0;
    std::string kernel;
    std::string file_system;  ///< type and mount options
    std::string disk;         ///< device and its write cache
};

[[nodiscard]] Machine describe_machine(const std::filesystem::path& directory);

void print(const Machine& machine);
[[nodiscard]] nlohmann::json to_json(const Machine& machine);

}  // namespace xa_tm::bench
