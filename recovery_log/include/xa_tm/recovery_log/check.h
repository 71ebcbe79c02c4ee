#pragma once

namespace xa_tm {

/// Prints the broken invariant with its reason to standard error and aborts the process.
[[noreturn]] void check_failed(const char* condition, const char* why, const char* file,
                               int line) noexcept;

}  // namespace xa_tm

/// Aborts, in every build, when an invariant of ours is broken; `why` says why it must hold.
/// Never for what the surroundings can cause: disk, server, network, clock and configuration are
/// handled.
#define XA_TM_CHECK(condition, why)     \
    ((condition) ? static_cast<void>(0) \
                 : ::xa_tm::check_failed(#condition, why, __FILE__, __LINE__))
