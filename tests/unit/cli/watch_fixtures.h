#pragma once

#include "watch_state.h"

namespace xa_tm::cli {

/// Two resources: users, where nothing is in doubt, and points, which is down with three branches
/// in doubt for 75 s and one for a person.
[[nodiscard]] inline WatchView recovering_view() {
    RecoveryStatus status;
    status.resources = {{.name = "users",
                         .kind = "postgresql",
                         .is_reachable = true,
                         .passes = 12,
                         .committed = 5,
                         .rolled_back = 4,
                         .confirmed = 2},
                        {.name = "points",
                         .kind = "mysql",
                         .is_reachable = false,
                         .error = "connection refused",
                         .passes = 9,
                         .in_doubt = 3,
                         .for_a_person = 1,
                         .oldest = std::chrono::seconds{75},
                         .alarm = AlarmLevel::warning}};
    status.open_decisions = 3;
    status.heuristics = 1;
    status.log.forces = 21;
    status.log.syncs = 8;
    status.log.live_entries = 4;
    status.alarm = AlarmLevel::warning;
    return {.phase = WatchPhase::recovering, .status = status};
}

/// The same with nothing in doubt.
[[nodiscard]] inline WatchView quiet_view() {
    auto view = recovering_view();
    auto& points = view.status->resources[1];
    points = {.name = points.name, .kind = points.kind, .is_reachable = true};
    view.status->open_decisions = 0;
    view.status->heuristics = 0;
    view.status->alarm = AlarmLevel::none;
    return view;
}

[[nodiscard]] inline WatchView waiting_view() {
    return {.phase = WatchPhase::waiting,
            .owner = recovery_log::LogOwner{.pid = 4711, .host = "shop-1"}};
}

}  // namespace xa_tm::cli
