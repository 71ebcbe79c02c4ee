#pragma once

#include "options.h"
#include "plan_file.h"

namespace xa_tm::cli {

/// look(), and what else a plan is judged by. Touches nothing.
[[nodiscard]] PlanFacts look_for_plan(const Request& request);

}  // namespace xa_tm::cli
