#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace xa_tm::test {

/// A new folder inside another one, gone with this object. By default it is on the file system of
/// the build folder, and not in /tmp, which may be a tmpfs: a log there would be refused.
///
/// Ownership: owns the folder and everything in it.
/// Thread safety: const members may be called from several threads at once.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(
        const std::filesystem::path& parent = std::filesystem::current_path());
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
