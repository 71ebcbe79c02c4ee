#pragma once

#include <filesystem>

namespace xa_tm::bench {

/// A new folder inside another one; gone with this object.
///
/// Ownership: owns the folder and everything in it.
/// Thread safety: const members may be called from several threads at once.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(const std::filesystem::path& parent);
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace xa_tm::bench
