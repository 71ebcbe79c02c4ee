#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "flush_encoder.h"
#include "xa_tm/recovery_log/recovery_log.h"

/// Which promises of space a log can keep. Pure arithmetic; no I/O.
namespace xa_tm::recovery_log {

/// A checkpoint is one flush, and flush_pages has 16 bits.
inline constexpr std::size_t kCheckpointPagesMax = UINT16_MAX;

/// What a segment's head, the end of its list of entries, and a quarantine take at most.
inline constexpr std::size_t kCheckpointFrameBytesMax = 1024;

/// What has been promised. The pages that forces will take, and the bytes that the entries, those
/// that are live and those that will be, take in a checkpoint.
struct Promised {
    std::size_t pages = 0;
    std::size_t checkpoint_bytes = 0;
    std::size_t longest_entry_pages = 1;  ///< that was ever promised

    [[nodiscard]] constexpr Promised with_entry(std::size_t body_bytes) const noexcept {
        const auto entry_pages = pages_for(body_bytes);
        return {pages + entry_pages, checkpoint_bytes + record_bytes(body_bytes),
                std::max(longest_entry_pages, entry_pages)};
    }
    [[nodiscard]] constexpr std::size_t checkpoint_pages_max() const noexcept {
        return dense_pages_max(checkpoint_bytes + kCheckpointFrameBytesMax);
    }
    [[nodiscard]] constexpr bool fits_a_checkpoint() const noexcept {
        return checkpoint_pages_max() <= kCheckpointPagesMax;
    }
};

/// True when every promise can be kept with `free_pages` in the segment in use and a spare of
/// `spare_pages` (0 without one), whatever the order of the forces and however few share a flush.
/// What does not fit any more where an entry is longer than the rest of the segment is lost, and
/// the spare starts with a checkpoint.
[[nodiscard]] constexpr bool holds(const Promised& promised, std::size_t free_pages,
                                   std::size_t spare_pages) noexcept {
    return promised.pages <= free_pages ||
           promised.pages + promised.longest_entry_pages + promised.checkpoint_pages_max() <=
               free_pages + spare_pages;
}

/// How many pages the next spare must have: twice what is in use, so that the cost of copying the
/// live entries is spread over as much new work.
[[nodiscard]] constexpr std::size_t spare_pages_wanted(const Promised& promised,
                                                       std::size_t usual_pages) noexcept {
    const auto in_use =
        promised.checkpoint_pages_max() + promised.pages + promised.longest_entry_pages;
    return std::max(usual_pages, 2 * in_use);
}

}  // namespace xa_tm::recovery_log
