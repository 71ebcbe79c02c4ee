#pragma once

#include <chrono>
#include <string_view>

#include "configuration.h"
#include "render_table.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// What every command is given.
struct Request {
    Configuration configuration;
    std::chrono::seconds timeout;
    bool is_json;
};

/// Each prints to standard output and gives the exit code. Throws ConfigurationError, Error, or
/// recovery_log::LogError; nothing was changed then.
[[nodiscard]] int list(const Request& request);
[[nodiscard]] int show(const Request& request, std::string_view gtrid);
/// Asks each server what it is and what follows from that; needs nothing of the log.
[[nodiscard]] int describe(const Request& request);
[[nodiscard]] int resolve(const Request& request, bool is_dry_run);

/// Looks without touching anything. Throws before any server is asked when a URI, the node or the
/// log is wrong.
[[nodiscard]] RecoveryReport look(const Request& request);

/// Prints in the format that was asked for; throws std::system_error when that fails.
void print(const RecoveryReport& report, const Request& request, TableOptions options = {});

}  // namespace xa_tm::cli
