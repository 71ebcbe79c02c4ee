#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

#include "file_system.h"
#include "segment_name.h"

namespace xa_tm::recovery_log {

/// A segment of zeros, durable in size and name. `pages` are those of one copy.
struct BlankSegment {
    std::unique_ptr<File> file;
    SegmentName name;
    std::size_t pages;
};

/// Another owner has opened the log: a segment of a later incarnation stands in the directory.
class Fenced : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Makes segments for one incarnation, out of replaced ones where they fit, because that takes no
/// new space.
///
/// Ownership: the file system outlives it.
/// Thread safety: make() and tidy() from one thread at a time; retire() from any thread, also
/// beside them.
class SegmentSupply {
public:
    SegmentSupply(FileSystem& file_system, std::filesystem::path directory, std::uint32_t epoch,
                  unsigned copies);

    /// A segment that the incarnation before has left unused, all zeros. Throws IoError.
    [[nodiscard]] BlankSegment adopt(SegmentFile unused);
    /// One of at least so many pages. Throws IoError, and Fenced.
    [[nodiscard]] BlankSegment make(std::size_t pages);
    /// Takes a segment that a later one has replaced, or that is of no use.
    void retire(SegmentFile segment);
    /// Removes what was retired and was not taken for another segment.
    void tidy() noexcept;

private:
    [[nodiscard]] SegmentName next_name() noexcept;
    [[nodiscard]] std::optional<SegmentFile> take_retired(std::size_t file_pages);
    void check_fence() const;

    FileSystem& file_system_;
    const std::filesystem::path directory_;
    const std::uint32_t epoch_;
    const unsigned copies_;
    std::uint32_t last_segment_no_ = 0;
    std::mutex mutex_;  // guards what follows
    std::vector<SegmentFile> retired_;
};

}  // namespace xa_tm::recovery_log
