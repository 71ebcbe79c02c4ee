#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "file_system.h"
#include "recovery_rule.h"

namespace xa_tm::recovery_log {

/// Reads a segment page by page, each in all its copies. What can't be read is handed out as such
/// and stops nothing.
///
/// Ownership: owns the file.
/// Thread safety: one thread at a time.
class SegmentReader {
public:
    /// Takes the page's copies; they are gone when it returns.
    using Visit = std::function<void(std::span<const PageCopy>)>;
    /// The same, until it answers false.
    using VisitUntil = std::function<bool(std::span<const PageCopy>)>;

    /// `copies_if_unknown` holds for a segment without an intact page; `mode` is OpenMode::read or
    /// read_direct. Throws IoError.
    SegmentReader(FileSystem& file_system, const std::filesystem::path& path,
                  unsigned copies_if_unknown = 1, OpenMode mode = OpenMode::read_direct);

    /// Of the whole file, a partial page included.
    [[nodiscard]] std::size_t file_pages() const noexcept { return file_pages_; }
    /// An intact page has told how many copies there are.
    [[nodiscard]] bool knows_copies() const noexcept { return knows_copies_; }
    /// Every page is zero: nothing was ever written. All of the file has been read to tell that.
    [[nodiscard]] bool is_blank() const noexcept { return is_blank_; }
    /// How many pages there are, copies not counted.
    [[nodiscard]] std::size_t pages() const noexcept { return pages_; }
    [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_bytes_; }
    [[nodiscard]] unsigned copies() const noexcept { return copies_; }
    /// The header of the page at index 0, as the first intact page tells it; nothing when there is
    /// none.
    [[nodiscard]] const std::optional<PageHeader>& first_header() const noexcept {
        return first_header_;
    }

    /// All pages in order. Throws IoError when the file can't be read at all.
    void read(const Visit& visit);
    /// The same, of the pages from index `first` to before `end`.
    void read_range(std::size_t first, std::size_t end, const VisitUntil& visit);

private:
    struct Free {
        void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
    };
    using Buffer = std::unique_ptr<std::byte, Free>;
    static constexpr std::size_t kChunkPagesMax = 256;
    /// Pages that were read at once, in all their copies.
    struct Chunk {
        std::array<Buffer, 2> buffers;
        std::array<std::array<int, kChunkPagesMax>, 2> errors{};
        std::size_t pages = 0;
    };

    [[nodiscard]] Buffer make_buffer() const;
    void read_pages(std::span<std::byte> out, std::uint64_t offset);
    void fill(std::byte* out, std::span<int> errors, std::size_t first_page);
    void load(Chunk& chunk, std::size_t begin, std::size_t end);
    [[nodiscard]] bool show(const Chunk& chunk, const VisitUntil& visit) const;
    [[nodiscard]] bool take_layout(ConstPageBytes page, std::size_t file_page);
    void measure(unsigned copies_if_unknown);

    std::unique_ptr<File> file_;
    std::size_t chunk_pages_ = 0;  ///< read at once; no more than the file has
    std::array<Chunk, 2> chunks_;
    std::uint64_t file_bytes_ = 0;
    std::size_t file_pages_ = 0;
    std::size_t pages_ = 0;
    unsigned copies_ = 1;
    bool knows_copies_ = false;
    bool is_blank_ = false;
    std::optional<PageHeader> first_header_;
};

}  // namespace xa_tm::recovery_log
