#pragma once

#include <string>

#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

struct TableOptions {
    /// True when the report tells what was done, not what would be.
    bool is_resolved = false;
    /// True when the report tells what resolve would do.
    bool is_dry_run = false;
    /// True: each branch with its xid and the server's own name for it.
    bool has_details = false;
    bool has_colour = false;
};

/// The report for a person, lines of up to 100 columns unless a name is longer. Names that come
/// from a server are shown with control characters escaped, so that they can't drive the terminal.
[[nodiscard]] std::string render_table(const RecoveryReport& report, TableOptions options);

}  // namespace xa_tm::cli
