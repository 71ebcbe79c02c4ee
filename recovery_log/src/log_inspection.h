#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "file_system.h"
#include "xa_tm/recovery_log/log_inspection.h"

namespace xa_tm::recovery_log {

/// inspect_log() and inspect_pages() on a file system of the caller's choice. Throw LogError.
[[nodiscard]] LogInspection inspect_log(FileSystem& file_system,
                                        const std::filesystem::path& directory);
void inspect_pages(FileSystem& file_system, const std::filesystem::path& directory,
                   std::string_view file, const std::function<void(const InspectedPage&)>& visit);

}  // namespace xa_tm::recovery_log
