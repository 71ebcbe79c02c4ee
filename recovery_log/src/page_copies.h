#pragma once

#include <array>
#include <cstddef>

#include "page_codec.h"

/// A page that is stored twice, read as one. Bytes in, values out; no I/O.
namespace xa_tm::recovery_log {

/// The two copies of a page put together.
struct MergedPage {
    std::array<std::byte, kPageBytes> bytes;
    PageVerdict verdict;  ///< of `bytes`
    bool copies_differ;   ///< one of them is not as it was written
};

/// Takes each sector from a copy in which it is intact. A sector that is intact in neither is zero
/// when one of the copies has it zero: a crash can do that, and rot in the other copy as well.
/// Both copies were written by one flush, so what was acknowledged is intact in one of them unless
/// both were hit in the same place. Of two whole pages that differ the first is taken.
[[nodiscard]] MergedPage merge_copies(ConstPageBytes first, ConstPageBytes second) noexcept;

}  // namespace xa_tm::recovery_log
