#pragma once

#include "options.h"
#include "render_table.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// Looks without touching anything. Throws before any server is asked when a URI, the node or the
/// log is wrong.
[[nodiscard]] RecoveryReport look(const Request& request);

/// Prints in the format that was asked for; throws std::system_error when that fails.
void print(const RecoveryReport& report, const Request& request, TableOptions options = {});

}  // namespace xa_tm::cli
