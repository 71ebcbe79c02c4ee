#pragma once

#include <optional>
#include <string_view>

#include "options.h"
#include "render_table.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// Looks without touching anything. Throws before any server is asked when a URI, the node or the
/// log is wrong.
[[nodiscard]] RecoveryReport look(const Request& request);

/// The same with this one transaction. Nothing, and standard error says why, when it is not there
/// but may be known to a resource that could not be read. Throws ConfigurationError when everything
/// could be read and nothing knows it.
[[nodiscard]] std::optional<RecoveryReport> look_for(const Request& request,
                                                     std::string_view gtrid);

/// Prints in the format that was asked for; throws std::system_error when that fails.
void print(const RecoveryReport& report, const Request& request, TableOptions options = {});

}  // namespace xa_tm::cli
