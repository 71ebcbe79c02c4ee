#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "file_system.h"
#include "xa_tm/recovery_log/recovery_log.h"

/// The calls of the seam, done whole: each does all it was asked for, or throws IoError.
namespace xa_tm::recovery_log {

/// A call that the system refused. what() is "cannot VERB PATH[ at byte OFFSET]: REASON (errno N)".
class IoError : public std::runtime_error {
public:
    IoError(std::string_view verb, const std::filesystem::path& path, int error_number);
    IoError(std::string_view verb, const std::filesystem::path& path, std::uint64_t offset,
            int error_number);

    [[nodiscard]] int error_number() const noexcept { return error_number_; }
    /// The call asked for something that is used up, and failing did no harm.
    [[nodiscard]] bool is_shortage() const noexcept;

private:
    int error_number_;
};

/// An IoError as the caller of the library sees it, with what to do about it.
[[nodiscard]] LogError to_log_error(const IoError& error);

[[nodiscard]] std::unique_ptr<File> open_file(FileSystem& file_system,
                                              const std::filesystem::path& path, OpenMode mode);
/// The whole of a small file.
[[nodiscard]] std::vector<std::byte> read_whole(File& file);
/// One call; how many bytes it gave, 0 at the end of the file.
[[nodiscard]] std::size_t read_some(File& file, std::span<std::byte> out, std::uint64_t offset);
[[nodiscard]] std::uint64_t file_size(File& file);

/// One call; a short write is a failure, because what was written of it can't be taken back.
void write_all(File& file, std::span<const std::byte> bytes, std::uint64_t offset);
void allocate(File& file, std::uint64_t size_bytes);
// Never call one of these again after it has failed: the kernel then reports a success that means
// nothing.
void sync(File& file);
void datasync(File& file);
void sync_directory(FileSystem& file_system, const std::filesystem::path& directory);

[[nodiscard]] std::vector<std::string> list(FileSystem& file_system,
                                            const std::filesystem::path& directory);
void rename(FileSystem& file_system, const std::filesystem::path& from,
            const std::filesystem::path& to);

}  // namespace xa_tm::recovery_log
