#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace xa_tm::test {

/// An ext4 file system in an image file, mounted through a loop device. A copy of the image holds
/// what the disk was given, and not what is only in the memory of the machine: what a power cut
/// leaves.
///
/// Ownership: the mount, seen by this process and its children alone, and the image stay until
/// destroyed.
/// Thread safety: one thread at a time.
class LoopDisk {
public:
    /// Why this process can't mount; nothing when it can. To be called before any disk is made.
    [[nodiscard]] static std::optional<std::string> obstacle();
    /// A new file system; or the one in an existing image, as after a crash.
    LoopDisk(std::filesystem::path image, std::filesystem::path mount_point,
             std::size_t size_bytes = std::size_t{32} << 20);
    LoopDisk(const LoopDisk&) = delete;
    LoopDisk& operator=(const LoopDisk&) = delete;
    ~LoopDisk();

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return mount_point_; }
    /// Takes all the space that is left, until free_up(). May be repeated.
    void fill_up() const;
    void free_up() const;
    /// Copies the image, all of it at one instant of the disk; waits until nothing is written.
    void copy_image(const std::filesystem::path& to) const;

private:
    [[nodiscard]] std::string write_counters() const;
    [[nodiscard]] std::filesystem::path ballast() const { return mount_point_ / "ballast"; }

    const std::filesystem::path image_;
    const std::filesystem::path mount_point_;
    const std::size_t size_bytes_;
    std::string device_;  ///< for example loop0
};

}  // namespace xa_tm::test
