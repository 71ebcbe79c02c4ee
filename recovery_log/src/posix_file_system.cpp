#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "file_system.h"

namespace xa_tm::recovery_log {
namespace {

/// The convention of system calls, -1 and errno, as a SysResult.
template <typename Int>
SysResult answer(Int result) noexcept {
    return result < 0 ? -SysResult{errno} : SysResult{result};
}

struct flock whole_file() noexcept {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

class PosixFile final : public File {
public:
    PosixFile(std::filesystem::path path, int fd) : File{std::move(path)}, fd_{fd} {}
    ~PosixFile() override { ::close(fd_); }

    SysResult pread(std::span<std::byte> out, std::uint64_t offset) override {
        return answer(::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset)));
    }

    SysResult pwrite(std::span<const std::byte> bytes, std::uint64_t offset) override {
        return answer(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)));
    }

    SysResult allocate(std::uint64_t size_bytes) override {
        return answer(::fallocate(fd_, 0, 0, static_cast<off_t>(size_bytes)));
    }

    SysResult sync() override { return answer(::fsync(fd_)); }
    SysResult datasync() override { return answer(::fdatasync(fd_)); }

    SysResult size() override {
        struct stat status {};
        const auto result = answer(::fstat(fd_, &status));
        return result < 0 ? result : SysResult{status.st_size};
    }

    SysResult identity(FileIdentity& out) override {
        struct stat status {};
        const auto result = answer(::fstat(fd_, &status));
        out = {.device = status.st_dev, .inode = status.st_ino};
        return result;
    }

    // Locks of the open file description: unlike those of the process they also stand between two
    // opens in one process, and are not lost when some other descriptor of the file is closed.
    SysResult try_lock() override {
        auto lock = whole_file();
        const auto result = answer(::fcntl(fd_, F_OFD_SETLK, &lock));
        return result == -EACCES ? -EAGAIN : result;
    }

    SysResult is_locked() override {
        auto lock = whole_file();
        const auto result = answer(::fcntl(fd_, F_OFD_GETLK, &lock));
        return result < 0 ? result : SysResult{lock.l_type != F_UNLCK};
    }

private:
    int fd_;
};

int open_flags(OpenMode mode) noexcept {
    switch (mode) {
        case OpenMode::read: return O_RDONLY;
        case OpenMode::read_direct: return O_RDONLY | O_DIRECT;
        case OpenMode::read_write: return O_RDWR;
        case OpenMode::create_new: return O_RDWR | O_CREAT | O_EXCL;
        case OpenMode::create_or_open: return O_RDWR | O_CREAT;
        case OpenMode::create_or_truncate: return O_RDWR | O_CREAT | O_TRUNC;
    }
    return O_RDONLY;
}

class PosixFileSystem final : public FileSystem {
public:
    SysResult open(const std::filesystem::path& path, OpenMode mode,
                   std::unique_ptr<File>& out) override {
        // What the log says is nobody's business but its owner's and the group's.
        constexpr mode_t kPermissions = 0640;
        int fd = ::open(path.c_str(), open_flags(mode) | O_CLOEXEC, kPermissions);
        if (fd < 0 && errno == EINVAL && mode == OpenMode::read_direct) {
            fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);  // tmpfs, for one, has no other way
        }
        if (fd >= 0) {
            out = std::make_unique<PosixFile>(path, fd);
        }
        return answer(fd);
    }

    SysResult list(const std::filesystem::path& directory, std::vector<std::string>& out) override {
        DIR* stream = ::opendir(directory.c_str());
        if (stream == nullptr) {
            return -SysResult{errno};
        }
        out.clear();
        errno = 0;
        while (const dirent* entry = ::readdir(stream)) {
            out.emplace_back(entry->d_name);
            errno = 0;
        }
        const SysResult result = -SysResult{errno};
        ::closedir(stream);
        return result;
    }

    SysResult rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
        return answer(::rename(from.c_str(), to.c_str()));
    }

    SysResult remove(const std::filesystem::path& path) override {
        return answer(::unlink(path.c_str()));
    }

    SysResult sync_directory(const std::filesystem::path& directory) override {
        const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
            return -SysResult{errno};
        }
        const auto result = answer(::fsync(fd));
        ::close(fd);
        return result;
    }

    SysResult type(const std::filesystem::path& directory) override {
        struct stat status {};
        if (::stat(directory.c_str(), &status) != 0) {
            return -SysResult{errno};
        }
        if (!S_ISDIR(status.st_mode)) {
            return -ENOTDIR;
        }
        struct statfs file_system {};
        if (::statfs(directory.c_str(), &file_system) != 0) {
            return -SysResult{errno};
        }
        // Some types have the highest of their 32 bits set; they must not look like an error.
        return static_cast<std::uint32_t>(file_system.f_type);
    }
};

}  // namespace

FileSystem& posix_file_system() noexcept {
    static PosixFileSystem file_system;
    return file_system;
}

}  // namespace xa_tm::recovery_log
