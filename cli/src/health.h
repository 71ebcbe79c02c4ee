#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "watch_state.h"

namespace xa_tm::cli {

/// Why a person should look, as a sentence each; empty when nobody needs to. Pure: the level of
/// alarm, a resource that can't be reached, and the log decide. While another process owns the log
/// the work is its own, and nobody needs to look at us.
[[nodiscard]] std::vector<std::string> complaints_of(const WatchView& view);

/// What GET /health answers.
[[nodiscard]] nlohmann::ordered_json health_json(const WatchView& view);

/// In a few words, for who asks the service manager.
[[nodiscard]] std::string status_line(const WatchView& view);

}  // namespace xa_tm::cli
