#include "file_system_type.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>

#include "io.h"

namespace xa_tm::recovery_log {
namespace {

struct Refused {
    std::uint32_t type;  ///< statfs(2), f_type
    std::string_view name;
    bool is_volatile;
};

constexpr auto kRefused = std::to_array<Refused>({
    {0x01021994, "tmpfs", true},
    {0x858458F6, "ramfs", true},
    {0x00006969, "NFS", false},
    {0x0000517B, "SMB", false},
    {0xFF534D42, "CIFS", false},
    {0xFE534D42, "SMB2", false},
    {0x65735546, "FUSE", false},
    {0x01021997, "9P", false},
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

void check_file_system(const Options& options, std::uint32_t type) {
    const auto* const refused = std::ranges::find(kRefused, type, &Refused::type);
    if (refused == kRefused.end() || (refused->is_volatile ? options.allow_volatile_file_system
                                                           : options.allow_network_file_system)) {
        return;
    }
    throw LogError{
        LogErrorCode::unsupported,
        fmt::format("{} is on {}, which {}; choose a directory on a local disk, or {}",
                    options.directory.native(), refused->name,
                    refused->is_volatile ? "loses its content with the machine"
                                         : "does not promise that what was synced stays",
                    refused->is_volatile ? "allow a volatile file system where losing the log "
                                           "does not matter"
                                         : "allow a network file system if its server is known to "
                                           "keep what was synced and to honour locks")};
}

}  // namespace xa_tm::recovery_log
