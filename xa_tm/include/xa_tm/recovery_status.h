#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm {

/// How urgently a person should look. Rises with the time that something has been in doubt, as
/// this process has seen it (monotonic clock); nothing is ever decided by it.
enum class AlarmLevel {
    none,      ///< nothing is in doubt
    notice,    ///< something is, for less than a minute: recovery is at it
    warning,   ///< for a minute, or something waits for a person
    critical,  ///< for ten minutes: locks are held, and a person is needed
};

[[nodiscard]] std::string_view to_string(AlarmLevel level) noexcept;

/// Recovery at one resource, as its last pass found it.
struct ResourceStatus {
    std::string name;
    std::string kind;
    bool is_reachable = false;
    /// Why it could not be listed; empty when reachable.
    std::string error = {};
    /// Why an old session has not ended, with the grant that would help; empty when none is left.
    std::string unended_session = {};
    std::uint64_t passes = 0;
    /// Branches that recovery has still to finish there.
    std::size_t in_doubt = 0;
    /// Branches that wait for a person.
    std::size_t for_a_person = 0;
    /// How long the oldest of those in doubt has been known to this process.
    std::chrono::seconds oldest{0};
    /// Branches that recovery has finished since the start.
    std::uint64_t committed = 0;
    std::uint64_t rolled_back = 0;
    std::uint64_t confirmed = 0;
    AlarmLevel alarm = AlarmLevel::none;
};

/// What is going on, for metrics and health checks.
struct RecoveryStatus {
    std::vector<ResourceStatus> resources;
    /// Transactions that have begun and not ended.
    std::size_t live_transactions = 0;
    /// Decisions with a branch that is not known to be finished, heuristics apart.
    std::size_t open_decisions = 0;
    /// Branches that did not end as they were to, and that nobody has forgotten yet.
    std::size_t heuristics = 0;
    /// Why the log is an old copy of itself; empty when nothing speaks for that.
    std::string log_doubt = {};
    recovery_log::LogStatus log = {};
    /// The highest of all.
    AlarmLevel alarm = AlarmLevel::none;
};

/// What drain() ended with.
struct DrainReport {
    /// True when nothing is left but what waits for a person.
    bool is_drained;
    RecoveryStatus left;
};

}  // namespace xa_tm
