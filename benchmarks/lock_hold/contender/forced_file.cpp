#include "forced_file.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

constexpr std::size_t kWriteBytes = 200;
constexpr std::uint64_t kWritesInFile = 100'000;

void check(bool is_ok, const char* call) {
    if (!is_ok) {
        throw std::system_error(errno, std::generic_category(), call);
    }
}

}  // namespace

ForcedFile::ForcedFile(const std::filesystem::path& path)
    : descriptor_{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)} {
    check(descriptor_ >= 0, path.c_str());
    const std::vector<char> zeros(kWriteBytes * kWritesInFile);
    check(::pwrite(descriptor_, zeros.data(), zeros.size(), 0) ==
                  static_cast<ssize_t>(zeros.size()) &&
              ::fsync(descriptor_) == 0,
          path.c_str());
}

ForcedFile::~ForcedFile() {
    ::close(descriptor_);
}

void ForcedFile::force() {
    static constexpr std::array<char, kWriteBytes> kDecision{'d'};
    const auto place = static_cast<off_t>(writes_++ % kWritesInFile * kWriteBytes);
    check(::pwrite(descriptor_, kDecision.data(), kDecision.size(), place) ==
              static_cast<ssize_t>(kDecision.size()),
          "pwrite");
    check(::fdatasync(descriptor_) == 0, "fdatasync");
}

}  // namespace xa_tm::bench
