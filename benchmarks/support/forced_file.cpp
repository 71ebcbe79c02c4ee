#include "forced_file.h"

#include <array>
#include <span>

#include <unistd.h>

#include "zeroed_file.h"

namespace xa_tm::bench {
namespace {

constexpr std::size_t kWriteBytes = 200;
constexpr std::uint64_t kWritesInFile = 100'000;

}  // namespace

ForcedFile::ForcedFile(const std::filesystem::path& path)
    : file_{create_zeroed_file(path, kWriteBytes * kWritesInFile)} {}

ForcedFile::~ForcedFile() {
    ::close(file_);
}

void ForcedFile::force() {
    static constexpr std::array<char, kWriteBytes> kDecision{'d'};
    write_at(file_, std::as_bytes(std::span{kDecision}), writes_++ % kWritesInFile * kWriteBytes);
    sync_data(file_);
}

}  // namespace xa_tm::bench
