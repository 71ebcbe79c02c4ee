#include "xa_tm/recovery_log/log_place.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "directory_lock.h"
#include "file_system_type.h"
#include "ident_file.h"
#include "io.h"
#include "segment_file.h"

namespace xa_tm::recovery_log {
namespace {

constexpr unsigned kPermissionBits = 07777;

/// Asks with the rights that an opening would have. A file that is not there is made by its
/// directory's rights.
std::optional<LogError> write_error_of(const std::filesystem::path& path, int wanted) {
    if (::faccessat(AT_FDCWD, path.c_str(), wanted, AT_EACCESS) == 0 || errno == ENOENT) {
        return std::nullopt;
    }
    return to_log_error(IoError{"write", path, errno});
}

std::optional<LogError> find_write_error(const std::filesystem::path& directory) {
    auto error = write_error_of(directory, R_OK | W_OK | X_OK);
    for (const auto file : {kLockFile, kIdentFile}) {
        if (!error) {
            error = write_error_of(directory / file, R_OK | W_OK);
        }
    }
    if (error) {
        return error;
    }
    for (const auto name : list_segments(posix_file_system(), directory)) {
        if ((error = write_error_of(directory / file_name(name), R_OK | W_OK))) {
            break;
        }
    }
    return error;
}

}  // namespace

LogPlace examine_place(const std::filesystem::path& directory) {
    try {
        const auto trait = file_system_trait(require_directory(posix_file_system(), directory));
        struct statvfs space {};
        struct stat status {};
        if (::statvfs(directory.c_str(), &space) != 0 || ::stat(directory.c_str(), &status) != 0) {
            throw IoError{"examine", directory, errno};
        }
        return {.directory = directory,
                .kind = trait.kind,
                .file_system = trait.name,
                .free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize,
                .permissions = status.st_mode & kPermissionBits,
                .write_error = find_write_error(directory)};
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

}  // namespace xa_tm::recovery_log
