#pragma once

#include "file_system.h"
#include "xa_tm/recovery_log/log_repair.h"

namespace xa_tm::recovery_log {

/// plan_repair() and repair_log() on a file system of the caller's choice. Throw LogError.
[[nodiscard]] RepairPlan plan_repair(FileSystem& file_system, const RepairOptions& options);
RepairPlan repair_log(FileSystem& file_system, const RepairOptions& options);

}  // namespace xa_tm::recovery_log
