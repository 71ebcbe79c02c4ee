#include "io.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace xa_tm::recovery_log {
namespace {

std::string reason(int error_number) {
    return fmt::format("{} (errno {})", std::generic_category().message(error_number),
                       error_number);
}

/// Repeats a call that a signal interrupted before it did anything.
template <typename Call>
SysResult uninterrupted(Call call) {
    SysResult result = call();
    while (result == -EINTR) {
        result = call();
    }
    return result;
}

int error_of(SysResult result) noexcept {
    return static_cast<int>(-result);
}

std::string_view advice(int error_number) noexcept {
    switch (error_number) {
        case EACCES:
        case EPERM:
            return "let the user of this process write in the directory and to the files in it";
        case ENOSPC:
        case EDQUOT: return "make room for one more segment and try again";
        case EROFS: return "mount the file system for writing, after finding out why it is not";
        case EMFILE:
        case ENFILE: return "raise the limit of open files";
        default:
            return "nothing was lost by trying; see the system's journal for the cause, mend it, "
                   "and "
                   "try again";
    }
}

}  // namespace

IoError::IoError(std::string_view verb, const std::filesystem::path& path, int error_number)
    : std::runtime_error{fmt::format("cannot {} {}: {}", verb, path.native(),
                                     reason(error_number))},
      error_number_{error_number} {}

IoError::IoError(std::string_view verb, const std::filesystem::path& path, std::uint64_t offset,
                 int error_number)
    : std::runtime_error{fmt::format("cannot {} {} at byte {}: {}", verb, path.native(), offset,
                                     reason(error_number))},
      error_number_{error_number} {}

bool IoError::is_shortage() const noexcept {
    switch (error_number_) {
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return true;
        default: return false;
    }
}

LogError to_log_error(const IoError& error) {
    return {LogErrorCode::io, fmt::format("{}; {}", error.what(), advice(error.error_number()))};
}

std::unique_ptr<File> open_file(FileSystem& file_system, const std::filesystem::path& path,
                                OpenMode mode) {
    std::unique_ptr<File> file;
    const auto result = uninterrupted([&] { return file_system.open(path, mode, file); });
    if (result < 0) {
        const bool creates = mode == OpenMode::create_new || mode == OpenMode::create_or_open ||
                             mode == OpenMode::create_or_truncate;
        throw IoError{creates ? "create" : "open", path, error_of(result)};
    }
    return file;
}

std::uint64_t file_size(File& file) {
    const auto result = file.size();
    if (result < 0) {
        throw IoError{"examine", file.path(), error_of(result)};
    }
    return static_cast<std::uint64_t>(result);
}

std::size_t read_some(File& file, std::span<std::byte> out, std::uint64_t offset) {
    const auto result = uninterrupted([&] { return file.pread(out, offset); });
    if (result < 0) {
        throw IoError{"read", file.path(), offset, error_of(result)};
    }
    return static_cast<std::size_t>(result);
}

std::vector<std::byte> read_whole(File& file) {
    constexpr std::size_t kSmallFileBytes = 4096;
    std::vector<std::byte> bytes(kSmallFileBytes);
    std::size_t filled = 0;
    for (std::size_t count = 1; filled < bytes.size() && count > 0; filled += count) {
        count = read_some(file, std::span{bytes}.subspan(filled), filled);
    }
    bytes.resize(filled);
    return bytes;
}

void write_all(File& file, std::span<const std::byte> bytes, std::uint64_t offset) {
    const auto result = uninterrupted([&] { return file.pwrite(bytes, offset); });
    if (result < 0) {
        throw IoError{"write", file.path(), offset, error_of(result)};
    }
    if (static_cast<std::size_t>(result) < bytes.size()) {
        // The system gives no reason with a short write; on a disk it is nearly always a lack of
        // space.
        throw IoError{"write more of", file.path(), offset + static_cast<std::uint64_t>(result),
                      ENOSPC};
    }
}

void allocate(File& file, std::uint64_t size_bytes) {
    const auto result = uninterrupted([&] { return file.allocate(size_bytes); });
    // Where it is not supported, writing the zeros allocates as well.
    if (result < 0 && result != -EOPNOTSUPP && result != -ENOSYS) {
        throw IoError{"allocate space for", file.path(), error_of(result)};
    }
}

void sync(File& file) {
    const auto result = file.sync();
    if (result < 0) {
        throw IoError{"sync", file.path(), error_of(result)};
    }
}

void datasync(File& file) {
    const auto result = file.datasync();
    if (result < 0) {
        throw IoError{"sync", file.path(), error_of(result)};
    }
}

void sync_directory(FileSystem& file_system, const std::filesystem::path& directory) {
    const auto result = file_system.sync_directory(directory);
    if (result < 0) {
        throw IoError{"sync the directory", directory, error_of(result)};
    }
}

std::vector<std::string> list(FileSystem& file_system, const std::filesystem::path& directory) {
    std::vector<std::string> names;
    const auto result = uninterrupted([&] { return file_system.list(directory, names); });
    if (result < 0) {
        throw IoError{"list", directory, error_of(result)};
    }
    return names;
}

void rename(FileSystem& file_system, const std::filesystem::path& from,
            const std::filesystem::path& to) {
    const auto result = file_system.rename(from, to);
    if (result < 0) {
        throw IoError{"rename a file to", to, error_of(result)};
    }
}

}  // namespace xa_tm::recovery_log
