#include "settled_pages.h"

#include <chrono>
#include <thread>

namespace xa_tm::recovery_log {

bool Patience::wait() {
    constexpr std::chrono::milliseconds kPause{2};
    if (attempts_left_ == 0) {
        return false;
    }
    --attempts_left_;
    std::this_thread::sleep_for(kPause);
    return true;
}

std::uint64_t visit_settled(SegmentPages& pages, std::uint64_t first, std::uint64_t end,
                            Patience& patience, const std::function<void(InspectedPage&&)>& visit) {
    auto next = first;
    bool is_settled = false;
    while (!is_settled) {
        is_settled = true;
        pages.visit(next, end, [&](InspectedPage&& page) {
            const bool may_be_in_the_making = !page.is_whole() || page.index != next;
            if (may_be_in_the_making && patience.wait()) {
                is_settled = false;
                return false;
            }
            next = page.index + 1;
            visit(std::move(page));
            return true;
        });
    }
    return next;
}

}  // namespace xa_tm::recovery_log
