#pragma once

#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "resource.h"

namespace xa_tm::bench {

/// The member "machine" of a result: the machine, the disk of this folder and its syncs.
[[nodiscard]] nlohmann::json describe_set_up(const std::filesystem::path& directory);
/// The member "versions".
[[nodiscard]] nlohmann::json versions_of(const std::vector<Resource>& resources);

}  // namespace xa_tm::bench
