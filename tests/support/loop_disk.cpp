#include "loop_disk.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child_process.h"

namespace xa_tm::test {
namespace {

void run(std::vector<std::string> command) {
    const auto completed = run_program(command);
    if (completed.exit_code != 0) {
        throw std::runtime_error{fmt::format("{}: {}", command.front(), completed.err)};
    }
}

std::string device_of(const std::filesystem::path& mount_point) {
    struct stat status {};
    if (::stat(mount_point.c_str(), &status) != 0) {
        throw std::runtime_error{mount_point.native() + ": " + std::strerror(errno)};
    }
    const auto link = std::filesystem::read_symlink(
        fmt::format("/sys/dev/block/{}:{}", major(status.st_dev), minor(status.st_dev)));
    return link.filename();
}

}  // namespace

std::optional<std::string> LoopDisk::obstacle() {
    if (::geteuid() != 0) {
        return "only root can mount";
    }
    // A mount that no other process sees ends with this one, however that ends.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return std::string{"no mount name space of its own: "} + std::strerror(errno);
    }
    for (const char* needed : {"/dev/loop-control", "/usr/sbin/mkfs.ext4", "/usr/bin/mount"}) {
        if (!std::filesystem::exists(needed)) {
            return std::string{needed} + " is missing";
        }
    }
    return std::nullopt;
}

LoopDisk::LoopDisk(std::filesystem::path image, std::filesystem::path mount_point,
                   std::size_t size_bytes)
    : image_{std::move(image)}, mount_point_{std::move(mount_point)}, size_bytes_{size_bytes} {
    std::filesystem::create_directory(mount_point_);
    if (!std::filesystem::exists(image_)) {
        std::ofstream{image_}.close();
        std::filesystem::resize_file(image_, size_bytes);
        run({"/usr/sbin/mkfs.ext4", "-q", "-E", "lazy_itable_init=0", image_});
    }
    run({"/usr/bin/mount", "-o", "loop", image_, mount_point_});
    device_ = device_of(mount_point_);
}

LoopDisk::~LoopDisk() {
    ::umount2(mount_point_.c_str(), MNT_DETACH);
    std::error_code ignored;
    std::filesystem::remove(image_, ignored);
}

void LoopDisk::fill_up() const {
    const int descriptor = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        throw std::system_error{errno, std::generic_category(), ballast()};
    }
    off_t size = ::lseek(descriptor, 0, SEEK_END);
    for (auto chunk = static_cast<off_t>(size_bytes_); chunk > 0; chunk /= 2) {
        while (::fallocate(descriptor, 0, size, chunk) == 0) {
            size += chunk;
        }
    }
    ::close(descriptor);
}

void LoopDisk::free_up() const {
    std::filesystem::remove(ballast());
}

/// How many writes the disk has carried out, and how many requests it has not answered yet.
std::string LoopDisk::write_counters() const {
    std::ifstream file{fmt::format("/sys/block/{}/stat", device_)};
    const std::vector<std::string> fields{std::istream_iterator<std::string>{file}, {}};
    constexpr std::size_t kWrites = 4;
    constexpr std::size_t kInFlight = 8;
    return fmt::format("{} writes, {} in flight", fields.at(kWrites), fields.at(kInFlight));
}

void LoopDisk::copy_image(const std::filesystem::path& to) const {
    for (;;) {
        const auto before = write_counters();
        run({"/usr/bin/cp", "--sparse=always", image_, to});
        if (before.ends_with(" 0 in flight") && write_counters() == before) {
            return;
        }
    }
}

}  // namespace xa_tm::test
