#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "log_view.h"
#include "xa_tm/connection.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// What one branch's server said when it was asked about the branch.
struct ExaminedBranch {
    /// Connection::server_identity() of the server that answers now; empty when none did, or when
    /// it has no such name.
    std::string server = {};
    /// Nothing when it was not asked, because it does not list the branch.
    std::optional<Holdings> holdings = std::nullopt;
    /// Why it said nothing; empty when it was asked or had nothing to be asked.
    std::string error = {};
};

/// Everything that is known of the transactions with one gtrid.
struct Explanation {
    /// Has only those.
    RecoveryReport report;
    /// What the log holds about them, oldest first.
    std::vector<LogEntry> entries;
    /// For each transaction of the report, one for each of its branches.
    std::vector<std::vector<ExaminedBranch>> examined;
};

/// For a person: the evidence, what it blocks, and what to type next.
[[nodiscard]] std::string render_explanation(const Explanation& explanation, bool has_colour);

/// As report_json(), with `log_entries` and `next` of each transaction and `examined` of each
/// branch.
[[nodiscard]] nlohmann::ordered_json explanation_json(const Explanation& explanation);

}  // namespace xa_tm::cli
