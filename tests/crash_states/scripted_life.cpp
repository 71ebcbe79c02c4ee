#include "scripted_life.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "open_log.h"

// Invariants:
// - An entry is offered before the log may write it, and answered before anything else is done.
namespace xa_tm::test {

using recovery_log::EntryId;
using recovery_log::FileSystem;
using recovery_log::Forced;
using recovery_log::ForceRequest;
using recovery_log::ForceResult;
using recovery_log::Health;
using recovery_log::LogError;
using recovery_log::RecoveryLog;
using recovery_log::Reservation;

namespace {

constexpr std::size_t kLiveMax = 6;
/// So that maintain() seals the last entries whenever it is called.
constexpr std::chrono::nanoseconds kIdleBeforeSeal{0};

}  // namespace

ScriptedLife::ScriptedLife(recovery_log::Options options, unsigned seed, Promises& promises,
                           Script script)
    : options_{std::move(options)}, random_{seed}, promises_{promises}, script_{script} {}

std::size_t ScriptedLife::draw(std::size_t low, std::size_t high) {
    return low + random_() % (high - low + 1);
}

std::size_t ScriptedLife::draw_size() {
    switch (draw(0, 5)) {
        case 0:
        case 1: return draw(20, 400);
        case 2:
        case 3: return draw(400, 3'900);
        case 4: return draw(4'000, 8'000);
        default: return draw(8'000, 15'900);
    }
}

void ScriptedLife::live(FileSystem& file_system) {
    try {
        for (const std::size_t steps : {script_.steps_of_the_first, script_.steps_of_the_second}) {
            const auto log = open_log(file_system, options_, kIdleBeforeSeal);
            if (auto broken = promises_.opened(*log)) {
                broken_ = std::move(*broken);
            }
            use(*log, steps);
        }
    } catch (const LogError& error) {
        trouble_ = error.what();
    }
}

void ScriptedLife::use(RecoveryLog& log, std::size_t steps) {
    for (std::size_t step = 0; step < steps; ++step) {
        take_step(log);
        forget_some(log);
    }
}

void ScriptedLife::take_step(RecoveryLog& log) {
    switch (draw(0, 7)) {
        case 0:
        case 1: force_many(log); break;
        case 2:
        case 3: force_async(log); break;
        case 4: log.maintain(); [[fallthrough]];
        default: force(log); break;
    }
}

std::optional<Reservation> ScriptedLife::reserve(RecoveryLog& log, std::size_t entry) {
    auto reservation = log.reserve(promises_.body(entry).size());
    if (!reservation) {
        const auto status = log.status();
        trouble_ = status.reason;
        if (status.health == Health::healthy || status.reason.empty()) {
            broken_ = "a reservation was refused without a reason";
        }
    }
    return reservation;
}

void ScriptedLife::judge(const RecoveryLog& log, const Forced& answer) {
    if (answer.result == ForceResult::durable) {
        if (!answer.reason.empty() || answer.id == 0) {
            broken_ = "a durable entry has no id, or a reason not to be durable";
        }
        return;
    }
    ++failed_forces_;
    trouble_ = answer.reason;
    if (log.status().health != Health::poisoned || answer.reason.empty() || answer.id != 0) {
        broken_ = fmt::format("a reserved entry was not made durable, and the log goes on: '{}'",
                              answer.reason);
    }
}

void ScriptedLife::force(RecoveryLog& log) {
    const auto entry = promises_.make_entry(draw_size());
    if (auto reservation = reserve(log, entry)) {
        promises_.offered(entry);
        const auto answer =
            log.force(std::move(*reservation), std::as_bytes(std::span{promises_.body(entry)}));
        promises_.answered(entry, answer);
        judge(log, answer);
    }
}

void ScriptedLife::force_many(RecoveryLog& log) {
    std::vector<std::pair<std::size_t, std::string>> offered;
    std::vector<Reservation> reservations;
    const std::size_t count = draw(2, 4);
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = promises_.make_entry(draw_size() / count);
        if (auto reservation = reserve(log, entry)) {
            offered.emplace_back(entry, promises_.body(entry));
            reservations.push_back(std::move(*reservation));
        }
    }
    std::vector<ForceRequest> requests;
    for (std::size_t i = 0; i < offered.size(); ++i) {
        promises_.offered(offered[i].first);
        requests.push_back({std::move(reservations[i]),
                            std::as_bytes(std::span{std::as_const(offered[i].second)})});
    }
    const auto answers = log.force_many(std::move(requests));
    if (answers.size() != offered.size()) {
        broken_ = "not every entry got its answer";
        return;
    }
    for (std::size_t i = 0; i < offered.size(); ++i) {
        promises_.answered(offered[i].first, answers[i]);
        judge(log, answers[i]);
    }
}

void ScriptedLife::force_async(RecoveryLog& log) {
    std::size_t unanswered = 0;
    std::vector<Forced> answers;
    for (std::size_t i = draw(1, 4); i > 0; --i) {
        const auto entry = promises_.make_entry(draw_size() / 2);
        auto reservation = reserve(log, entry);
        if (!reservation) {
            continue;
        }
        promises_.offered(entry);
        ++unanswered;
        const auto bytes = std::as_bytes(std::span{promises_.body(entry)});
        log.force_async(std::move(*reservation), {bytes.begin(), bytes.end()},
                        [this, &answers, &unanswered, entry](const Forced& answer) {
                            promises_.answered(entry, answer);
                            answers.push_back(answer);
                            --unanswered;
                        });
    }
    // Nobody else writes, so that each was answered by the call that gave it to the log.
    if (unanswered != 0) {
        broken_ = "an entry got no answer";
    }
    for (const auto& answer : answers) {
        judge(log, answer);
    }
}

void ScriptedLife::forget_some(RecoveryLog& log) {
    const auto forget = [&](EntryId id) {
        // From here on the log may drop it, but need not.
        promises_.forgotten(id);
        log.forget(id);
    };
    while (promises_.owed().size() > kLiveMax) {
        forget(promises_.owed().begin()->first);
    }
    if (!promises_.owed().empty() && draw(0, 1) == 0) {
        forget(promises_.owed().rbegin()->first);
    }
}

}  // namespace xa_tm::test
