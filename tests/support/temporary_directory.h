#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace xa_tm::test {

/// A new folder, on the file system of the build folder; gone with this object.
///
/// Ownership: owns the folder and everything in it.
/// Thread safety: const members may be called from several threads at once.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// Every file in a folder with what it holds.
[[nodiscard]] std::map<std::string, std::string> content_of(const std::filesystem::path& folder);

}  // namespace xa_tm::test
