#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

namespace xa_tm::bench {

/// The least that makes a decision durable: a write of 200 bytes to a file whose blocks are
/// allocated and written already, and a sync; again from the start once it is full.
///
/// Ownership: owns the file's descriptor; the file stays.
/// Thread safety: force() may be called from several threads at once.
class ForcedFile {
public:
    /// Makes the file. Throws std::system_error.
    explicit ForcedFile(const std::filesystem::path& path);
    ForcedFile(const ForcedFile&) = delete;
    ForcedFile& operator=(const ForcedFile&) = delete;
    ~ForcedFile();

    /// Throws std::system_error.
    void force();

private:
    int file_;
    std::atomic<std::uint64_t> writes_{0};
};

}  // namespace xa_tm::bench
