#include "segment_file.h"

#include <algorithm>

#include "io.h"

namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t kChunkBytes = 16 * kPageBytes;

void write_zeros(File& file, std::size_t size_bytes) {
    const std::vector<std::byte> zeros(std::min(kChunkBytes, size_bytes));
    for (std::size_t offset = 0; offset < size_bytes; offset += zeros.size()) {
        write_all(file, std::span{zeros}.first(std::min(zeros.size(), size_bytes - offset)),
                  offset);
    }
}

}  // namespace

std::vector<SegmentName> list_segments(FileSystem& file_system,
                                       const std::filesystem::path& directory) {
    std::vector<SegmentName> names;
    for (const auto& file : list(file_system, directory)) {
        if (const auto name = parse_segment_name(file)) {
            names.push_back(*name);
        }
    }
    std::ranges::sort(names);
    return names;
}

std::unique_ptr<File> create_segment(FileSystem& file_system,
                                     const std::filesystem::path& directory, SegmentName name,
                                     std::size_t pages) {
    const auto path = directory / file_name(name);
    auto file = open_file(file_system, path, OpenMode::create_new);
    try {
        allocate(*file, pages * kPageBytes);
        // Allocated space alone is not enough: the first write to it would change metadata, which
        // makes the force slower, and on some file systems can fail.
        write_zeros(*file, pages * kPageBytes);
        sync(*file);
        sync_directory(file_system, directory);
    } catch (const IoError&) {
        static_cast<void>(file_system.remove(path));
        throw;
    }
    return file;
}

void sync_segment(FileSystem& file_system, const std::filesystem::path& directory,
                  SegmentName name) {
    sync(*open_file(file_system, directory / file_name(name), OpenMode::read));
}

SegmentVerdict scan_segment(FileSystem& file_system, const std::filesystem::path& directory,
                            SegmentName name, std::optional<LogId> log_id) {
    const auto path = directory / file_name(name);
    const auto file = open_file(file_system, path, OpenMode::read);
    SegmentScan scan{path.native(), name, log_id};
    std::vector<std::byte> chunk(kChunkBytes);
    for (std::uint64_t offset = 0;; offset += kChunkBytes) {
        const std::size_t filled = read_up_to(*file, chunk, offset);
        // Only a file whose making was cut off, or one that was cut since, ends inside a page.
        const std::size_t whole = (filled + kPageBytes - 1) / kPageBytes * kPageBytes;
        std::fill(chunk.data() + filled, chunk.data() + whole, std::byte{0});
        for (std::size_t begin = 0; begin < whole; begin += kPageBytes) {
            scan.add_page(std::span<const std::byte>{chunk}.subspan(begin).first<kPageBytes>());
        }
        if (filled < kChunkBytes) {
            return scan.finish();
        }
    }
}

void remove_replaced_segment(FileSystem& file_system, const std::filesystem::path& directory,
                             SegmentName name) {
    static_cast<void>(file_system.remove(directory / file_name(name)));
}

}  // namespace xa_tm::recovery_log
