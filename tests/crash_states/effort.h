#pragma once

#include <cstdlib>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::test {

/// How much more than usual is to be tried: XA_TM_CRASH_STATES_EFFORT, or 1; less by itself under a
/// sanitizer, which makes everything slower.
[[nodiscard]] inline double effort() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr double kUsual = 0.05;
#else
    constexpr double kUsual = 1;
#endif
    const char* value = std::getenv("XA_TM_CRASH_STATES_EFFORT");
    return value == nullptr ? kUsual : std::atof(value);
}

/// What all lives and all draws begin with; it stands in what a failed test says.
inline constexpr unsigned kSeed = 20'240'607;

[[nodiscard]] inline recovery_log::Options log_options(unsigned copies) {
    return {.directory = "/log",
            .node = "shop-1",
            .segment_size_bytes = std::size_t{64} * 1024,
            .copies = copies};
}

}  // namespace xa_tm::test
