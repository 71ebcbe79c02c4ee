#pragma once

#include "running_contender.h"

namespace xa_tm::bench {

/// What our manager takes of memory, over null resources: the member "memory" of a result. Throws
/// std::runtime_error.
[[nodiscard]] nlohmann::json measure_memory(const Bench& bench);

}  // namespace xa_tm::bench
