#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "file_system.h"

namespace xa_tm::test {

enum class Operation {
    open,
    list,
    rename,
    remove,
    sync_directory,
    type,
    pread,
    pwrite,
    allocate,
    sync,
    datasync,
    identity,
    try_lock,
    is_locked,
};

[[nodiscard]] std::string_view name_of(Operation operation) noexcept;

struct Call {
    std::size_t number;  ///< from 0, over the life of the file system
    Operation operation;
    std::string file;  ///< without the directory; empty for the directory itself
};

/// One directory in memory that keeps apart what programs see and what is on disk, so that a test
/// can cut the power at any call with any part of what was not synced, and can fail any call.
///
/// It promises no more than POSIX does: a name is durable only when the directory was synced, data
/// only when the file was; what was not synced survives a crash in units of 512 bytes, of one file
/// size and of one directory operation, each by itself. A sync that fails forgets what it should
/// have written, as Linux does: programs still see it, and no later sync writes it.
///
/// Ownership: outlives the files opened from it.
/// Thread safety: one thread at a time.
class SimulatedFileSystem final : public recovery_log::FileSystem {
public:
    static constexpr std::size_t kSectorBytes = 512;
    static constexpr recovery_log::SysResult kExt4 = 0xEF53;

    explicit SimulatedFileSystem(std::filesystem::path directory);
    ~SimulatedFileSystem() override;

    /// Called before each call. What it answers is answered in the call's stead: a failed write
    /// still leaves its first half behind, a failed sync loses what it should have written, and a
    /// positive answer to a write makes it that short.
    std::function<std::optional<recovery_log::SysResult>(const Call&)> on_call;
    /// Answer of type().
    recovery_log::SysResult file_system_type = kExt4;
    /// Calls that need more than this for all files together are answered -ENOSPC.
    std::size_t capacity_bytes = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }

    /// How many things, each of which a crash may keep or lose, are not durable now.
    [[nodiscard]] std::size_t pending() const;
    /// The disk after a power cut at this moment; `keeps` tells for each of the pending() things
    /// whether it survived.
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> after_crash(
        const std::function<bool(std::size_t)>& keeps) const;

    /// Names of the files that programs see, in order.
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] std::vector<std::byte> read(const std::string& file) const;
    /// Changes a file behind the back of every program, on disk as well.
    void edit(const std::string& file, const std::function<void(std::vector<std::byte>&)>& change);

    recovery_log::SysResult open(const std::filesystem::path& path, recovery_log::OpenMode mode,
                                 std::unique_ptr<recovery_log::File>& out) override;
    recovery_log::SysResult list(const std::filesystem::path& directory,
                                 std::vector<std::string>& out) override;
    recovery_log::SysResult rename(const std::filesystem::path& from,
                                   const std::filesystem::path& to) override;
    recovery_log::SysResult remove(const std::filesystem::path& path) override;
    recovery_log::SysResult sync_directory(const std::filesystem::path& directory) override;
    recovery_log::SysResult type(const std::filesystem::path& directory) override;

private:
    class OpenFile;
    struct Inode;
    using Names = std::map<std::string, std::shared_ptr<Inode>>;
    /// Gives `to` to `inode` and takes `from` away; either may be empty.
    struct DirectoryChange {
        std::string from;
        std::string to;
        std::shared_ptr<Inode> inode;
    };

    std::optional<recovery_log::SysResult> enter(Operation operation, std::string file);
    [[nodiscard]] bool has_space(const Inode& inode, std::size_t size_bytes) const;
    void change_names(DirectoryChange change);
    static void apply(Names& names, const DirectoryChange& change);
    /// All that a crash may leave, by number.
    [[nodiscard]] std::map<std::uint64_t, std::shared_ptr<Inode>> inodes() const;

    std::filesystem::path directory_;
    std::uint64_t device_;
    std::uint64_t last_inode_ = 0;
    std::size_t calls_ = 0;
    Names seen_;
    Names durable_;
    std::vector<DirectoryChange> changes_;
};

}  // namespace xa_tm::test
