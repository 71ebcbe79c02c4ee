#pragma once

namespace xa_tm::cli {

/// The exit codes of every command, as `xa-recover --help` promises them.
inline constexpr int kNothingInDoubt = 0;
inline constexpr int kInDoubt = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreadable = 3;

}  // namespace xa_tm::cli
