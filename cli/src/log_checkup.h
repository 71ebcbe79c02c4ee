#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/recovery_log/log_inspection.h"
#include "xa_tm/recovery_log/log_place.h"

namespace xa_tm::cli {

/// Pure: what recovery will need of a log, and how its place does for it. `node` is the one that
/// the configuration names, if it does.
[[nodiscard]] std::vector<ServerFact> judged_log(const recovery_log::LogPlace& place,
                                                 const recovery_log::LogInspection& log,
                                                 const std::optional<std::string>& node);

}  // namespace xa_tm::cli
