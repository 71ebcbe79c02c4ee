#include "zeroed_file.h"

#include <cerrno>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

int create_zeroed_file(const std::filesystem::path& path, std::size_t bytes) {
    const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) {
        fail("open");
    }
    const std::vector<std::byte> zeros(std::size_t{1} << 20);
    for (std::size_t offset = 0; offset < bytes; offset += zeros.size()) {
        write_at(file, zeros, offset);
    }
    if (::fsync(file) != 0) {
        fail("fsync");
    }
    return file;
}

void write_at(int file, std::span<const std::byte> bytes, std::size_t offset) {
    const auto written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written != static_cast<ssize_t>(bytes.size())) {
        fail("pwrite");
    }
}

void read_at(int file, std::span<std::byte> bytes, std::size_t offset) {
    const auto read = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (read != static_cast<ssize_t>(bytes.size())) {
        fail("pread");
    }
}

void sync_data(int file) {
    if (::fdatasync(file) != 0) {
        fail("fdatasync");
    }
}

}  // namespace xa_tm::bench
