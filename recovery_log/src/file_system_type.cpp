#include "file_system_type.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>

#include "io.h"

namespace xa_tm::recovery_log {
namespace {

struct Known {
    std::uint32_t type;  ///< statfs(2), f_type
    std::string_view name;
    FileSystemKind kind;
};

constexpr auto kKnown = std::to_array<Known>({
    {0x0000EF53, "ext4", FileSystemKind::local},
    {0x58465342, "XFS", FileSystemKind::local},
    {0x9123683E, "Btrfs", FileSystemKind::local},
    {0x2FC12FC1, "ZFS", FileSystemKind::local},
    {0x794C7630, "overlayfs", FileSystemKind::lost_with_container},
    {0x01021994, "tmpfs", FileSystemKind::lost_with_machine},
    {0x858458F6, "ramfs", FileSystemKind::lost_with_machine},
    {0x00006969, "NFS", FileSystemKind::network},
    {0x0000517B, "SMB", FileSystemKind::network},
    {0xFF534D42, "CIFS", FileSystemKind::network},
    {0xFE534D42, "SMB2", FileSystemKind::network},
    {0x65735546, "FUSE", FileSystemKind::network},
    {0x01021997, "9P", FileSystemKind::network},
});

}  // namespace

std::uint32_t require_directory(FileSystem& file_system, const std::filesystem::path& directory) {
    const auto type = file_system.type(directory);
    if (type == -ENOENT || type == -ENOTDIR) {
        throw LogError{
            LogErrorCode::not_found,
            fmt::format("{} is not a directory: correct the path, or create it with `mkdir -p "
                        "{}` if this is to be a new log",
                        directory.native(), directory.native())};
    }
    if (type < 0) {
        throw to_log_error(IoError{"examine", directory, static_cast<int>(-type)});
    }
    return static_cast<std::uint32_t>(type);
}

FileSystemTrait file_system_trait(std::uint32_t type) {
    const auto* const known = std::ranges::find(kKnown, type, &Known::type);
    if (known == kKnown.end()) {
        return {fmt::format("type {:x}", type), FileSystemKind::local};
    }
    return {std::string{known->name}, known->kind};
}

void check_file_system(const Options& options, std::uint32_t type) {
    const auto [name, kind] = file_system_trait(type);
    const auto refuse = [&](std::string_view why, std::string_view otherwise) {
        throw LogError{LogErrorCode::unsupported,
                       fmt::format("{} is on {}, which {}; choose a directory on a local disk, or "
                                   "{}",
                                   options.directory.native(), name, why, otherwise)};
    };
    switch (kind) {
        case FileSystemKind::local:
        case FileSystemKind::lost_with_container: return;
        case FileSystemKind::lost_with_machine:
            if (!options.allow_volatile_file_system) {
                refuse("loses its content with the machine",
                       "allow a volatile file system where losing the log does not matter");
            }
            return;
        case FileSystemKind::network:
            if (!options.allow_network_file_system) {
                refuse("does not promise that what was synced stays",
                       "allow a network file system if its server is known to keep what was synced "
                       "and to honour locks");
            }
            return;
    }
}

}  // namespace xa_tm::recovery_log
