#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "file_system.h"
#include "xa_tm/recovery_log/log_place.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// The type of the directory's file system, as statfs(2) names it. Throws LogError: not_found when
/// there is no such directory, io when it can't be examined.
[[nodiscard]] std::uint32_t require_directory(FileSystem& file_system,
                                              const std::filesystem::path& directory);

struct FileSystemTrait {
    std::string name;
    FileSystemKind kind;
};

/// What is known of a type; one that is not known counts as local, and has its number for a name.
[[nodiscard]] FileSystemTrait file_system_trait(std::uint32_t type);

/// Throws LogError (unsupported) when a file system of this type does not keep what was synced.
void check_file_system(const Options& options, std::uint32_t type);

}  // namespace xa_tm::recovery_log
