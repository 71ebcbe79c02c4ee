#pragma once

#include <chrono>
#include <memory>

#include "file_system.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// How long nothing must have been forced before maintain() seals the log.
inline constexpr std::chrono::milliseconds kIdleBeforeSeal{50};

/// RecoveryLog::open() and read_log() on a file system of the caller's choice. Throw LogError.
[[nodiscard]] std::unique_ptr<RecoveryLog> open_log(
    FileSystem& file_system, const Options& options,
    std::chrono::nanoseconds idle_before_seal = kIdleBeforeSeal);
[[nodiscard]] LogImage read_log(FileSystem& file_system, const std::filesystem::path& directory);

}  // namespace xa_tm::recovery_log
