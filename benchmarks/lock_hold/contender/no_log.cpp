#include "no_log.h"

namespace xa_tm::bench {

using recovery_log::Forced;
using recovery_log::ForceResult;
using recovery_log::Reservation;

Forced NoLog::force(Reservation reservation, std::span<const std::byte>) noexcept {
    reservation.take_over();
    return {ForceResult::durable, ++entries_, {}};
}

std::vector<Forced> NoLog::force_many(std::vector<recovery_log::ForceRequest> requests) {
    std::vector<Forced> answers;
    for (auto& request : requests) {
        answers.push_back(force(std::move(request.reservation), request.body));
    }
    return answers;
}

void NoLog::force_async(Reservation reservation, std::vector<std::byte> body,
                        recovery_log::Completion completion) {
    completion(force(std::move(reservation), body));
}

recovery_log::LogStatus NoLog::status() const {
    return {.health = recovery_log::Health::healthy,
            .reason = {},
            .forces = entries_,
            .syncs = 0,
            .live_entries = 0,
            .torn_pages_at_open = 0,
            .degraded_pages_at_open = 0};
}

}  // namespace xa_tm::bench
