#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "file_system.h"
#include "simulated_file.h"

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
    size,
    identity,
    try_lock,
    is_locked,
};

[[nodiscard]] std::string_view name_of(Operation operation) noexcept;

struct Call {
    std::size_t number;  ///< from 0, over the life of the file system
    Operation operation;
    const std::string& file;  ///< without the directory; empty for the directory itself
};

/// What the disk does wrong in a call that succeeds.
enum class SilentFault {
    none,
    lost_write,         ///< of pwrite: programs see it, and no sync makes it durable
    misdirected_write,  ///< of pwrite: also, the disk has it `misdirection_bytes` further on
    lying_sync,         ///< of sync, datasync, sync_directory: nothing becomes durable
};

/// Something that is not durable yet: a crash may keep it or lose it.
struct PendingThing {
    enum class Kind { size, sector, name };
    Kind kind;
    std::string file;    ///< as programs know it, or once knew it
    std::size_t sector;  ///< of Kind::sector
};

/// What becomes of a pending thing in a crash.
enum class Fate {
    lost,
    kept,
    garbled,  ///< of a sector: neither the old bytes nor the new ones, which no sound disk does
};

/// One directory in memory that keeps apart what programs see and what is on disk, so that a test
/// can cut the power at any call with any part of what was not synced, and can fail any call.
///
/// It promises no more than POSIX does: a name is durable only when the directory was synced, data
/// only when the file was; what was not synced survives a crash in units of 512 bytes, of one file
/// size and of one directory operation, each by itself. A sync that fails forgets what it should
/// have written, as Linux does, and no later sync writes it. What programs see then differs from
/// what is on the disk; a direct read shows the disk.
///
/// Ownership: outlives the files opened from it.
/// Thread safety: what FileSystem and File promise; everything else one thread at a time. Copies
/// (after_crash(), after_kill()) share memory with the original: one thread at a time for all.
class SimulatedFileSystem final : public recovery_log::FileSystem {
public:
    static constexpr std::size_t kSectorBytes = FileContent::kSectorBytes;
    static constexpr recovery_log::SysResult kExt4 = 0xEF53;

    explicit SimulatedFileSystem(std::filesystem::path directory);
    ~SimulatedFileSystem() override;

    /// Called before each call. What it answers is answered in the call's stead: a failed write
    /// still leaves its first half behind unless it answers -EINTR, a failed sync loses what it
    /// should have written, and a positive answer to a write makes it that short.
    std::function<std::optional<recovery_log::SysResult>(const Call&)> on_call;
    /// Called for each write and sync that is not failed.
    std::function<SilentFault(const Call&)> on_success;
    std::size_t misdirection_bytes = FileContent::kBlockBytes;
    /// Programs see the old content again after a failed sync, as on Btrfs; ext4 and XFS go on
    /// showing what is not on the disk.
    bool failed_sync_reverts = false;
    /// Which of the sectors that a failed sync should have written were written all the same.
    std::function<bool(std::size_t)> failed_sync_writes;
    /// Answer of type().
    recovery_log::SysResult file_system_type = kExt4;
    /// Calls that need more than this for all files together are answered -ENOSPC.
    std::size_t capacity_bytes = std::numeric_limits<std::size_t>::max();
    /// So many calls that make a file larger succeed, the later ones are answered -ENOSPC.
    std::size_t allocations_left = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }

    /// Everything that is not durable now and would make a difference.
    [[nodiscard]] std::vector<PendingThing> pending_things() const;
    /// How many these are.
    [[nodiscard]] std::size_t pending() const;
    /// The disk after a power cut at this moment; `keeps` tells for each of the pending() things
    /// whether it survived.
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> after_crash(
        const std::function<bool(std::size_t)>& keeps) const;
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> after_crash(
        const std::function<Fate(std::size_t)>& fate_of) const;
    /// After the death of all programs: the system still knows what is not durable.
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> after_kill() const;
    /// Of what programs see, except in the file `ignored`; equal for equal content.
    [[nodiscard]] std::uint64_t fingerprint(std::string_view ignored) const;

    /// Names of the files that programs see, in order.
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] std::vector<std::byte> read(const std::string& file) const;

    // Behind the back of every program, on disk as well.
    void edit(const std::string& file, const std::function<void(std::vector<std::byte>&)>& change);
    void flip_bit(const std::string& file, std::size_t byte, unsigned bit);
    void zero_sector(const std::string& file, std::size_t sector);
    /// Reads that touch it are answered -EIO until it is written again.
    void break_sector(const std::string& file, std::size_t sector);

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
    struct NamedInode {
        std::shared_ptr<Inode> inode;
        std::string name;
    };

    std::optional<recovery_log::SysResult> enter(Operation operation, const std::string& file,
                                                 SilentFault& fault);
    [[nodiscard]] recovery_log::SysResult take_space(const Inode& inode, std::size_t size_bytes);
    void change_names(DirectoryChange change);
    static void apply(Names& names, const DirectoryChange& change);
    /// All that a crash may leave, by number.
    [[nodiscard]] std::vector<NamedInode> inodes() const;
    [[nodiscard]] std::unique_ptr<SimulatedFileSystem> empty_copy() const;

    std::filesystem::path directory_;
    std::uint64_t device_;
    mutable std::mutex mutex_;  // guards everything below
    std::uint64_t last_inode_ = 0;
    std::size_t calls_ = 0;
    Names seen_;
    Names durable_;
    std::vector<DirectoryChange> changes_;
};

}  // namespace xa_tm::test
