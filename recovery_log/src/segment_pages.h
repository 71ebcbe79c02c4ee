#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "file_system.h"
#include "page_codec.h"
#include "segment_name.h"
#include "xa_tm/recovery_log/log_inspection.h"

namespace xa_tm::recovery_log {

/// The pages of one segment file, each put together from its copies and described.
///
/// Ownership: holds the file open; the file system outlives it.
/// Thread safety: one thread at a time.
class SegmentPages {
public:
    /// Without a log id, that of the first page is taken. Throws IoError.
    SegmentPages(FileSystem& file_system, const std::filesystem::path& directory, SegmentName name,
                 std::optional<LogId> log_id);

    /// Whether one of the copies of its first page was written; cheap. Throws IoError.
    [[nodiscard]] static bool has_first_page(FileSystem& file_system,
                                             const std::filesystem::path& directory,
                                             SegmentName name);

    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    /// 1 also when no page tells.
    [[nodiscard]] unsigned copies() const noexcept { return copies_; }
    /// How many pages it has room for.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

    /// Shows the pages from index `first` on that are not zero, until the end or until `visit`
    /// answers false. A page that can't be read is shown as such. Throws IoError.
    void visit(std::uint64_t first, const std::function<bool(InspectedPage&&)>& visit);

private:
    /// What reading past the memory of the machine wants to be aligned.
    struct alignas(kPageBytes) Block {
        std::array<std::byte, kPageBytes> bytes;
    };
    /// Pages that are read at once; the error number of each that the disk refused, else 0.
    struct Chunk {
        std::vector<Block> blocks;
        std::vector<int> errors;
    };

    SegmentPages(std::unique_ptr<File> file, SegmentName name, std::optional<LogId> log_id);

    [[nodiscard]] std::uint64_t measure_file();
    void find_layout();
    void take_layout(std::uint64_t block, const Block& page, const PageHeader& header);
    void read(Chunk& chunk, std::uint64_t first_block, std::size_t blocks);
    [[nodiscard]] std::size_t read_blocks(std::span<Block> blocks, std::uint64_t first_block);

    std::unique_ptr<File> file_;
    SegmentName name_;
    std::optional<LogId> log_id_;
    std::uint64_t size_bytes_ = 0;
    unsigned copies_ = 1;
    std::uint64_t count_ = 0;
    /// Number of the page at index 0; nothing when no page tells.
    std::optional<std::uint64_t> first_page_no_;
};

}  // namespace xa_tm::recovery_log
