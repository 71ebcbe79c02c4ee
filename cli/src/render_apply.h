#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan_file.h"

/// What became of a plan, as text and as JSON.
namespace xa_tm::cli {

enum class EntryResult {
    done,          ///< by this command
    would_be,      ///< nothing was done, and it still holds
    done_before,   ///< its branch was finished already
    changed,       ///< refused: it is not as it was judged
    unproven,      ///< not done: its server could not be read
    not_finished,  ///< the server did not do it, or did not say so
    heuristic,     ///< the branch had ended, or may have, against the decision: a person is needed
};

[[nodiscard]] std::string_view to_string(EntryResult result) noexcept;

struct AppliedEntry {
    EntryResult result;
    /// Why, or in the server's words; empty when there is nothing to say.
    std::string why;
};

struct AppliedPlan {
    std::string file;
    const Plan& plan;
    /// Who owns the log, so that nothing was done.
    std::optional<recovery_log::LogOwner> owner;
    bool is_dry_run;
    /// One for each entry of the plan.
    std::vector<AppliedEntry> results;
};

/// When nothing was done.
[[nodiscard]] std::vector<AppliedEntry> results_of(const std::vector<CheckedEntry>& checked);
/// When recovery has done what holds, and reports this.
[[nodiscard]] std::vector<AppliedEntry> results_of(const Plan& plan,
                                                   const std::vector<CheckedEntry>& checked,
                                                   const RecoveryReport& report);

[[nodiscard]] std::string render_apply(const AppliedPlan& applied, bool has_colour);
[[nodiscard]] std::string render_apply_json(const AppliedPlan& applied);
[[nodiscard]] int exit_code_of(const AppliedPlan& applied) noexcept;

}  // namespace xa_tm::cli
