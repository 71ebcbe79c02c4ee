#pragma once

#include <span>
#include <string_view>

namespace xa_tm {

/// The name of every crash point, in the order of crash_points.def. Empty when they are not
/// compiled in.
[[nodiscard]] std::span<const std::string_view> crash_point_names() noexcept;

/// Ends this process with SIGKILL when the environment variable XA_TM_CRASH_POINT names this point:
/// `NAME` at the first time it is reached, `NAME@K` at the K-th. `stop:NAME` stops it with SIGSTOP
/// instead, so that somebody outside can act before it goes on. Aborts on a name that is not in
/// crash_points.def.
void reach_crash_point(std::string_view name) noexcept;

}  // namespace xa_tm

/// Marks a moment at which the process may die. Compiled to nothing unless XA_TM_CRASH_POINTS is
/// on.
#ifdef XA_TM_CRASH_POINTS
#define XA_TM_CRASH_POINT(name) ::xa_tm::reach_crash_point(name)
#else
#define XA_TM_CRASH_POINT(name) static_cast<void>(0)
#endif
