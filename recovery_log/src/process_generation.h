#pragma once

namespace xa_tm::recovery_log {

/// Tells a process from the one that it was forked from, without a system call: greater by one in
/// the child of each fork(2) since the first call. Never throws.
[[nodiscard]] unsigned process_generation() noexcept;

}  // namespace xa_tm::recovery_log
