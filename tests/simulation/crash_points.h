#pragma once

#include <string_view>

namespace xa_tm::simulation {

/// Thrown through the product's code to take the flows of a dead process down; no handler of the
/// product's catches it. What runs meanwhile reaches nobody any more.
struct ProcessDied {};

/// The product has come to a point at which a process may die, or be held up.
void reach(std::string_view point) noexcept;

/// Throws ProcessDied in a flow whose process is dead, unless the flow goes on to its own end.
void end_flow_of_dead_process();

}  // namespace xa_tm::simulation
