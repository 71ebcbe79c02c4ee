#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// What becomes of bytes that a file system has synced.
enum class FileSystemKind {
    local,                ///< they stay, as far as the disk keeps its promises
    lost_with_container,  ///< they are gone with the container
    lost_with_machine,    ///< they are gone with the machine
    network,              ///< that is up to another machine, or to another program
};

/// The directory of a log as the system shows it to this process.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
struct LogPlace {
    std::filesystem::path directory;
    FileSystemKind kind;
    /// Such as "ext4"; the type's number where that has no name here.
    std::string file_system;
    /// What a user without privileges may still write there.
    std::uint64_t free_bytes;
    /// Those of chmod(1).
    unsigned permissions;
    /// What an opening would meet first that this user must not write, with what to change; nothing
    /// when it may write all.
    std::optional<LogError> write_error;
};

/// Looks at the place and not into the log; changes nothing. Throws LogError: not_found when there
/// is no such directory, io when the system refuses a call.
[[nodiscard]] LogPlace examine_place(const std::filesystem::path& directory);

}  // namespace xa_tm::recovery_log
