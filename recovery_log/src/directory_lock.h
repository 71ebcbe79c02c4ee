#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <sys/types.h>

#include "file_system.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

inline constexpr std::string_view kLockFile = "LOCK";

/// DIR/LOCK, held: no other process, and no other owner in this one, can hold it at the same time.
/// It ends with this object or with the process; a forked child does not hold it.
///
/// Ownership: exclusive.
/// Thread safety: one thread at a time.
class DirectoryLock {
public:
    /// Throws LogError (in_use, naming the owner) and IoError.
    [[nodiscard]] static std::unique_ptr<DirectoryLock> acquire(
        FileSystem& file_system, const std::filesystem::path& directory);

    ~DirectoryLock();
    DirectoryLock(const DirectoryLock&) = delete;
    DirectoryLock& operator=(const DirectoryLock&) = delete;

    /// Writes into the file, for people and readers, who owns the log in which incarnation. Throws
    /// IoError.
    void publish(std::uint32_t epoch);

private:
    DirectoryLock(File& file, FileIdentity identity);

    File& file_;  // belongs to the table of the locks of this process
    FileIdentity identity_;
    pid_t pid_;
};

/// Who holds the lock; nothing when nobody does. Takes no lock and writes nothing. Throws IoError.
[[nodiscard]] std::optional<LogOwner> find_owner(FileSystem& file_system,
                                                 const std::filesystem::path& directory);

}  // namespace xa_tm::recovery_log
