#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/recovery_log/recovery_log.h"
#include "xa_tm/recovery_report.h"

/// What `plan` writes and `apply` reads: what is to be done with each branch, and everything that
/// it was judged by, so that it can be judged again.
namespace xa_tm::cli {

inline constexpr int kPlanVersion = 1;

/// What is to be done with one branch.
struct PlanEntry {
    std::string resource;
    Xid xid;
    TransactionState transaction;
    RecoveredState state;
    RecoveryAction action;
    std::string reason;
    /// The log's entry with the decision; nothing when there is none.
    std::optional<recovery_log::EntryId> decision;
    /// Connection::server_identity() of the server that answered; may be empty.
    std::string server;

    friend bool operator==(const PlanEntry&, const PlanEntry&) = default;
};

struct Plan {
    /// For a person: when, in UTC, and by whom.
    std::string made_at;
    std::string made_by;
    recovery_log::LogId log;
    std::string node;
    std::uint32_t incarnation = 0;
    std::vector<PlanEntry> entries;

    friend bool operator==(const Plan&, const Plan&) = default;
};

/// What is known now, for a plan and for what is left of one.
struct PlanFacts {
    RecoveryReport report;
    /// The entry of each decision that the log holds, by gtrid.
    std::map<std::string, recovery_log::EntryId, std::less<>> decisions;
};

/// Everything that recovery may do by the laws. Who and when are the caller's to fill in.
[[nodiscard]] Plan make_plan(const PlanFacts& facts);

/// One JSON document that ends with a line break.
[[nodiscard]] std::string render_plan(const Plan& plan);

/// Reads what render_plan() gives, and nothing else. Throws ConfigurationError that begins with
/// `file` and says what is wrong and where.
[[nodiscard]] Plan parse_plan(std::string_view json, std::string_view file);

enum class EntryVerdict {
    holds,        ///< as it was, or further on the same way
    done_before,  ///< its branch is finished, or gone from its server
    changed,      ///< it is not as it was judged
    unproven,     ///< its server could not be read, so nothing is known of it (law 7)
};

struct CheckedEntry {
    EntryVerdict verdict;
    /// What there is to do now: that of the plan, or to confirm what was committed meanwhile.
    RecoveryAction action;
    /// What has changed, what proves that it is done, or why nothing is known; empty when it holds.
    std::string why;
};

/// One for each entry of the plan. Pure: nothing but the plan and the facts decides.
[[nodiscard]] std::vector<CheckedEntry> check(const Plan& plan, const PlanFacts& facts);

}  // namespace xa_tm::cli
