#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "file_system.h"
#include "segment_name.h"

namespace xa_tm::recovery_log {

/// Appends flushes to a segment of zeros, each page in all its copies.
///
/// Ownership: owns the file.
/// Thread safety: one thread at a time.
class SegmentWriter {
public:
    /// `pages` are those of one copy.
    SegmentWriter(std::unique_ptr<File> file, SegmentName name, std::size_t pages,
                  unsigned copies) noexcept
        : file_{std::move(file)}, name_{name}, pages_{pages}, copies_{copies} {}

    [[nodiscard]] SegmentName name() const noexcept { return name_; }
    [[nodiscard]] std::size_t pages() const noexcept { return pages_; }
    [[nodiscard]] unsigned copies() const noexcept { return copies_; }
    [[nodiscard]] std::size_t file_pages() const noexcept { return pages_ * copies_; }
    [[nodiscard]] std::size_t free_pages() const noexcept { return pages_ - used_pages_; }

    /// Whole pages, behind those that are there. Not durable before sync(). Throws IoError; what
    /// was written then is not known, so nothing may be written behind it.
    void write(std::span<const std::byte> flush);
    /// Throws IoError; never to be called again then.
    void sync();

private:
    std::unique_ptr<File> file_;
    SegmentName name_;
    std::size_t pages_;
    unsigned copies_;
    std::size_t used_pages_ = 0;
};

}  // namespace xa_tm::recovery_log
