#pragma once

#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

inline constexpr auto kGtrid = "shop-1:91b52e0c7a14d3f8:7:42";

/// A branch of ours at the resource that lists it.
[[nodiscard]] RecoveryBranch branch_at(const std::string& resource, RecoveredState state,
                                       RecoveryAction action, const std::string& reason);

/// Two reachable resources, `points` and `users`, and nothing in doubt.
[[nodiscard]] RecoveryReport calm_report();

/// calm_report() with kGtrid decided 12 s ago: prepared at users, committed already at points.
[[nodiscard]] RecoveryReport decided_report();

/// decided_report() after recovery has finished it.
[[nodiscard]] RecoveryReport resolved_report();

}  // namespace xa_tm::cli
