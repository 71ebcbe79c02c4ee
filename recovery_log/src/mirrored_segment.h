#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "file_system.h"
#include "page_view.h"
#include "segment_name.h"
#include "segment_reader.h"

namespace xa_tm::recovery_log {

/// A segment whose bad pages are taken from a copy of its file, where they are intact. A page that
/// is zero or torn in the copy says nothing: the copy may be older.
///
/// Ownership: holds the file open, and the copy's pages in memory; the file system outlives it.
/// Thread safety: one thread at a time.
class MirroredSegment {
public:
    /// Either file may be missing. Throws IoError.
    MirroredSegment(FileSystem& file_system, const std::filesystem::path& file,
                    const std::optional<std::filesystem::path>& copy, SegmentName name,
                    std::optional<LogId> log_id, unsigned copies_if_unknown);

    [[nodiscard]] std::size_t file_pages() const noexcept { return file_pages_; }
    [[nodiscard]] std::size_t pages() const noexcept { return pages_; }
    [[nodiscard]] unsigned copies() const noexcept { return copies_; }
    [[nodiscard]] bool knows_copies() const noexcept { return first_header_.has_value(); }
    /// See SegmentReader::first_header().
    [[nodiscard]] const std::optional<PageHeader>& first_header() const noexcept {
        return first_header_;
    }
    [[nodiscard]] PagePlace place_of(std::uint64_t index) const;

    /// All pages in order; the number of those that the copy gave. Throws IoError.
    std::uint64_t read(const SegmentReader::Visit& visit);

private:
    using Bytes = std::array<std::byte, kPageBytes>;

    void take_layout(const SegmentReader& reader);
    void load_copy(SegmentReader& copy);

    SegmentName name_;
    std::optional<LogId> log_id_;
    std::optional<SegmentReader> reader_;
    std::map<std::uint64_t, Bytes> mirrored_;  ///< the copy's intact pages
    std::size_t file_pages_ = 0;
    std::size_t pages_ = 0;
    unsigned copies_ = 1;
    std::optional<PageHeader> first_header_;
};

}  // namespace xa_tm::recovery_log
