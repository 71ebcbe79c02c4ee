#pragma once

#include <functional>

#include "segment_pages.h"

namespace xa_tm::recovery_log {

/// How long to wait for pages that a live owner may just be writing.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class Patience {
public:
    explicit Patience(bool has_owner) noexcept : attempts_left_{has_owner ? kAttempts : 0} {}

    /// Waits a moment; false, at once, when nothing is to be waited for any more.
    [[nodiscard]] bool wait();

private:
    static constexpr int kAttempts = 50;
    int attempts_left_;
};

/// As SegmentPages::visit(), but a page that is not as it should be, or stands behind one that is
/// still zero, is read again while there is patience. Gives the index behind the last page.
std::uint64_t visit_settled(SegmentPages& pages, std::uint64_t first, std::uint64_t end,
                            Patience& patience, const std::function<void(InspectedPage&&)>& visit);

}  // namespace xa_tm::recovery_log
