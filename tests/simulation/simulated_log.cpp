// Invariants:
// - an entry that force() has called durable is on the disk until it is forgotten;
// - after crash() nothing changes the disk any more.

#include "simulated_log.h"

#include <utility>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm::simulation {

using recovery_log::EntryId;
using recovery_log::Forced;
using recovery_log::ForceResult;
using namespace std::chrono_literals;

SimulatedLog::SimulatedLog(SimulatedDisk& disk, Environment environment)
    : disk_{disk}, environment_{std::move(environment)}, live_{disk.entries} {
    ++disk_.incarnation;
}

void SimulatedLog::crash() {
    for (auto& [id, body] : std::exchange(on_the_way_, {})) {
        if (environment_.random.chance(1, 2)) {
            disk_.entries.emplace(id, std::move(body));
        }
    }
    for (const auto id : std::exchange(forgotten_, {})) {
        if (environment_.random.chance(1, 2)) {
            disk_.entries.erase(id);
        }
    }
}

std::vector<recovery_log::Entry> SimulatedLog::live_entries() const {
    std::vector<recovery_log::Entry> entries;
    if (environment_.hides_entries) {
        return entries;
    }
    for (const auto& [id, body] : live_) {
        entries.push_back({id, body});
    }
    return entries;
}

std::optional<recovery_log::Reservation> SimulatedLog::reserve(std::size_t bytes) {
    const bool is_refused = environment_.faults.refusals > 0 &&
                            environment_.random.chance(environment_.faults.refusals, 100'000);
    return is_poisoned_ || is_refused
               ? std::nullopt
               : std::optional<recovery_log::Reservation>{std::in_place, *this, bytes};
}

Forced SimulatedLog::force(recovery_log::Reservation reservation,
                           std::span<const std::byte> body) noexcept {
    reservation.take_over();
    if (is_poisoned_) {
        return {ForceResult::refused, 0, "the log is poisoned"};
    }
    if (environment_.life->is_over) {
        return {ForceResult::unknown, 0, "the process is dead"};
    }
    const auto id = ++disk_.last_id;
    on_the_way_.emplace(id, std::vector<std::byte>{body.begin(), body.end()});
    auto& random = environment_.random;
    const auto time =
        random.chance(1, 100) ? random.between(1ms, 30ms) : random.between(50us, 400us);
    if (environment_.acknowledges_too_early) {
        environment_.machine.after(time, [this, id, life = environment_.life] {
            if (!life->is_over) {
                settle(id);
            }
        });
        return {ForceResult::durable, id, {}};
    }
    environment_.machine.sleep(time);
    if (environment_.life->is_over) {
        return {ForceResult::unknown, 0, "the process is dead"};
    }
    if (is_poisoned_) {
        return {ForceResult::unknown, 0, "the sync failed"};
    }
    if (environment_.faults.failed_syncs > 0 &&
        random.chance(environment_.faults.failed_syncs, 100'000)) {
        is_poisoned_ = true;  // what is on the way stays there: the disk has it, or has not
        return {ForceResult::unknown, 0, "the sync failed"};
    }
    settle(id);
    return {ForceResult::durable, id, {}};
}

void SimulatedLog::settle(EntryId id) {
    auto node = on_the_way_.extract(id);
    environment_.on_durable(node.mapped());
    live_.emplace(id, node.mapped());
    disk_.entries.insert(std::move(node));
    for (const auto forgotten : std::exchange(forgotten_, {})) {
        disk_.entries.erase(forgotten);
    }
    ++forces_;
}

std::vector<Forced> SimulatedLog::force_many(std::vector<recovery_log::ForceRequest> requests) {
    std::vector<Forced> forced;
    forced.reserve(requests.size());
    for (auto& request : requests) {
        forced.push_back(force(std::move(request.reservation), request.body));
    }
    return forced;
}

void SimulatedLog::force_async(recovery_log::Reservation reservation, std::vector<std::byte> body,
                               recovery_log::Completion completion) {
    // A flow is copied, which a reservation can't be.
    auto kept = std::make_shared<recovery_log::Reservation>(std::move(reservation));
    environment_.run([this, kept = std::move(kept), body = std::move(body),
                      completion = std::move(completion), life = environment_.life] {
        const auto forced = force(std::move(*kept), body);
        if (!life->is_over) {
            completion(forced);
        }
    });
}

void SimulatedLog::forget(EntryId id) noexcept {
    const auto found = live_.find(id);
    if (environment_.life->is_over || found == live_.end()) {
        return;
    }
    environment_.on_forget(found->second);
    live_.erase(found);
    forgotten_.push_back(id);
}

recovery_log::LogStatus SimulatedLog::status() const {
    return {.health = is_poisoned_ ? recovery_log::Health::poisoned : recovery_log::Health::healthy,
            .reason = is_poisoned_ ? "the sync failed" : "",
            .forces = forces_,
            .syncs = forces_,
            .live_entries = live_.size(),
            .torn_pages_at_open = 0,
            .degraded_pages_at_open = 0};
}

}  // namespace xa_tm::simulation
