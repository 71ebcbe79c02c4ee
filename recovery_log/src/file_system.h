#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/// The one seam between the log and the system, as thin as the calls behind it, so that a test can
/// fail, cut short or lose each of them.
namespace xa_tm::recovery_log {

/// What a system call answers: zero or more on success, else -errno.
using SysResult = std::int64_t;

/// Tells two open files from each other, whatever their paths are.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    friend bool operator<(const FileIdentity& a, const FileIdentity& b) noexcept {
        return std::tie(a.device, a.inode) < std::tie(b.device, b.inode);
    }
};

/// An open file; closed when destroyed.
///
/// Ownership: exclusive.
/// Thread safety: one thread at a time.
class File {
public:
    explicit File(std::filesystem::path path) : path_{std::move(path)} {}
    virtual ~File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    /// As it was opened, for messages.
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

    /// Bytes read; fewer than asked for at the end of the file.
    [[nodiscard]] virtual SysResult pread(std::span<std::byte> out, std::uint64_t offset) = 0;
    /// Bytes written; may be fewer than asked for.
    [[nodiscard]] virtual SysResult pwrite(std::span<const std::byte> bytes,
                                           std::uint64_t offset) = 0;
    /// Promises space up to `size_bytes`, or answers -EOPNOTSUPP where writing is the only promise.
    [[nodiscard]] virtual SysResult allocate(std::uint64_t size_bytes) = 0;
    [[nodiscard]] virtual SysResult sync() = 0;
    /// As sync(), without the metadata that reading the data does not need.
    [[nodiscard]] virtual SysResult datasync() = 0;
    /// In bytes.
    [[nodiscard]] virtual SysResult size() = 0;
    [[nodiscard]] virtual SysResult identity(FileIdentity& out) = 0;
    /// Takes the lock on the whole file, or answers -EAGAIN when another open of the file has it.
    [[nodiscard]] virtual SysResult try_lock() = 0;
    /// 1 when another open of the file has the lock, 0 when none has.
    [[nodiscard]] virtual SysResult is_locked() = 0;

private:
    std::filesystem::path path_;
};

enum class OpenMode {
    read,
    /// From the disk and not from memory, where the file system can. Buffer, offset and length of
    /// a read must be multiples of 4096 then.
    read_direct,
    read_write,      ///< an existing file
    create_new,      ///< read and write; -EEXIST when it exists
    create_or_open,  ///< read and write
    create_or_truncate,
};

/// Names in directories.
///
/// Ownership: outlives the files it opens.
/// Thread safety: all members may be called from several threads at once.
class FileSystem {
public:
    FileSystem() = default;
    virtual ~FileSystem() = default;
    FileSystem(const FileSystem&) = delete;
    FileSystem& operator=(const FileSystem&) = delete;

    [[nodiscard]] virtual SysResult open(const std::filesystem::path& path, OpenMode mode,
                                         std::unique_ptr<File>& out) = 0;
    [[nodiscard]] virtual SysResult list(const std::filesystem::path& directory,
                                         std::vector<std::string>& out) = 0;
    [[nodiscard]] virtual SysResult rename(const std::filesystem::path& from,
                                           const std::filesystem::path& to) = 0;
    [[nodiscard]] virtual SysResult remove(const std::filesystem::path& path) = 0;
    [[nodiscard]] virtual SysResult sync_directory(const std::filesystem::path& directory) = 0;
    /// statfs(2)'s f_type of a directory; -ENOTDIR for anything else.
    [[nodiscard]] virtual SysResult type(const std::filesystem::path& directory) = 0;
};

/// The real one.
[[nodiscard]] FileSystem& posix_file_system() noexcept;

}  // namespace xa_tm::recovery_log
