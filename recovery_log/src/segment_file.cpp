#include "segment_file.h"

#include <algorithm>

#include "io.h"
#include "segment_reader.h"

namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t kChunkBytes = 256 * kPageBytes;

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
                                     std::size_t file_pages) {
    const auto path = directory / file_name(name);
    auto file = open_file(file_system, path, OpenMode::create_new);
    try {
        allocate(*file, file_pages * kPageBytes);
        // Allocated space alone is not enough: the first write to it would change metadata, which
        // makes the force slower, and on some file systems can fail.
        write_zeros(*file, file_pages * kPageBytes);
        sync(*file);
        sync_directory(file_system, directory);
    } catch (const IoError&) {
        static_cast<void>(file_system.remove(path));
        throw;
    }
    return file;
}

std::unique_ptr<File> recycle_segment(FileSystem& file_system,
                                      const std::filesystem::path& directory, SegmentFile replaced,
                                      SegmentName name) {
    {
        const auto file =
            open_file(file_system, directory / file_name(replaced.name), OpenMode::read_write);
        write_zeros(*file, replaced.file_pages * kPageBytes);
        sync(*file);
    }
    // It must be zero before it has the name of a later segment.
    return adopt_segment(file_system, directory, replaced.name, name);
}

std::unique_ptr<File> adopt_segment(FileSystem& file_system, const std::filesystem::path& directory,
                                    SegmentName unused, SegmentName name) {
    const auto path = directory / file_name(name);
    rename(file_system, directory / file_name(unused), path);
    sync_directory(file_system, directory);
    return open_file(file_system, path, OpenMode::read_write);
}

void sync_segment(FileSystem& file_system, const std::filesystem::path& directory,
                  SegmentName name) {
    sync(*open_file(file_system, directory / file_name(name), OpenMode::read));
}

ScannedSegment scan_segment(FileSystem& file_system, const std::filesystem::path& directory,
                            SegmentName name, std::optional<LogId> log_id,
                            unsigned copies_if_unknown, OpenMode mode) {
    const auto path = directory / file_name(name);
    SegmentReader reader{file_system, path, copies_if_unknown, mode};
    SegmentScan scan{path.native(), name, log_id};
    if (!reader.is_blank()) {
        reader.read([&scan](std::span<const PageCopy> copies) { scan.add_page(copies); });
    }
    return {.file_pages = reader.file_pages(),
            .is_unused = scan.is_unused(),
            .knows_copies = reader.knows_copies(),
            .verdict = scan.finish(reader.file_pages())};
}

void remove_replaced_segment(FileSystem& file_system, const std::filesystem::path& directory,
                             SegmentName name) {
    static_cast<void>(file_system.remove(directory / file_name(name)));
}

}  // namespace xa_tm::recovery_log
