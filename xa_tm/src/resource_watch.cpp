// Invariant: since_ has exactly the branches that the last pass left in doubt.

#include "resource_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "logging.h"

namespace xa_tm {
namespace {

constexpr std::chrono::minutes kWarningAge{1};
constexpr std::chrono::minutes kCriticalAge{10};

bool waits_for_a_person(const PlannedBranch& planned, RecoveredState state) {
    const bool is_there = state == RecoveredState::prepared || state == RecoveredState::heuristic;
    return is_there && !planned.is_unfinished() && planned.state != TransactionState::live &&
           planned.state != TransactionState::foreign;
}

LogLevel level_of(AlarmLevel alarm) {
    switch (alarm) {
        case AlarmLevel::none:
        case AlarmLevel::notice: return LogLevel::info;
        case AlarmLevel::warning: return LogLevel::warning;
        case AlarmLevel::critical: return LogLevel::error;
    }
    return LogLevel::error;
}

std::string_view sentence_of(AlarmLevel alarm) {
    switch (alarm) {
        case AlarmLevel::none: return "Nothing is in doubt at the resource any more.";
        case AlarmLevel::notice: return "Branches are in doubt; recovery is finishing them.";
        case AlarmLevel::warning:
            return "Branches stay in doubt, or wait for a person; recovery keeps trying.";
        case AlarmLevel::critical:
            return "Branches have been in doubt for long and may hold locks; a person should look.";
    }
    return "Branches are in doubt.";
}

}  // namespace

AlarmLevel alarm_of(std::size_t in_doubt, std::size_t for_a_person,
                    std::chrono::seconds oldest) noexcept {
    if (in_doubt + for_a_person == 0) {
        return AlarmLevel::none;
    }
    if (oldest >= kCriticalAge) {
        return AlarmLevel::critical;
    }
    return for_a_person > 0 || oldest >= kWarningAge ? AlarmLevel::warning : AlarmLevel::notice;
}

void ResourceWatch::note(const ResourcePass& pass,
                         const std::vector<TransactionTable::BranchKey>& waiting, Time now) {
    const auto before = status(now);
    status_.name = pass.resource.name;
    status_.kind = pass.resource.kind;
    status_.is_reachable = pass.resource.is_reachable;
    status_.error = pass.resource.error;
    status_.unended_session = pass.resource.unended_session;
    ++status_.passes;
    is_idle_ = pass.is_done() && waiting.empty();
    count(pass);
    keep_ages(pass, waiting, now);
    say_what_changed(before, status(now));
}

ResourceStatus ResourceWatch::status(Time now) const {
    auto status = status_;
    status.in_doubt = since_.size();
    if (!since_.empty()) {
        const auto oldest =
            std::ranges::min_element(since_, {}, [](const auto& item) { return item.second; });
        status.oldest = std::chrono::duration_cast<std::chrono::seconds>(now - oldest->second);
    }
    status.alarm = alarm_of(status.in_doubt, status.for_a_person, status.oldest);
    return status;
}

void ResourceWatch::count(const ResourcePass& pass) {
    if (pass.resource.is_reachable) {
        status_.for_a_person = 0;
    }
    for (std::size_t i = 0; i < pass.planned.size(); ++i) {
        const auto state = pass.states[i];
        status_.committed += state == RecoveredState::committed ? 1 : 0;
        status_.rolled_back += state == RecoveredState::rolled_back ? 1 : 0;
        status_.confirmed += state == RecoveredState::finished ? 1 : 0;
        if (pass.resource.is_reachable && waits_for_a_person(pass.planned[i], state)) {
            ++status_.for_a_person;
        }
    }
}

void ResourceWatch::keep_ages(const ResourcePass& pass,
                              const std::vector<TransactionTable::BranchKey>& waiting, Time now) {
    auto before = std::exchange(since_, {});
    const auto keep = [&](TransactionTable::BranchKey key) {
        const auto known = before.find(key);
        since_.emplace(std::move(key), known == before.end() ? now : known->second);
    };
    for (const auto& key : waiting) {
        keep(key);
    }
    for (const auto& planned : pass.planned) {
        if (planned.is_unfinished() && planned.listed.xid) {
            keep({planned.listed.xid->gtrid, planned.listed.xid->bqual});
        }
    }
}

/// One message per change of state, not per pass.
void ResourceWatch::say_what_changed(const ResourceStatus& before,
                                     const ResourceStatus& after) const {
    const bool is_first = after.passes == 1;
    if (before.is_reachable != after.is_reachable || (is_first && !after.is_reachable)) {
        if (!after.is_reachable) {
            log_message(LogChannel::recovery, LogLevel::warning,
                        "Resource can't be listed; recovery keeps trying.",
                        {.resource = after.name, .detail = after.error});
        } else if (!is_first) {
            log_message(LogChannel::recovery, LogLevel::info,
                        "Resource can be reached again; recovery goes on there.",
                        {.resource = after.name});
        }
    }
    if (before.unended_session.empty() && !after.unended_session.empty()) {
        log_message(LogChannel::recovery, LogLevel::warning,
                    "An old session has not ended; recovery waits for it.",
                    {.resource = after.name, .detail = after.unended_session});
    }
    if (before.alarm != after.alarm) {
        log_message(
            LogChannel::recovery, level_of(after.alarm), sentence_of(after.alarm),
            {.resource = after.name,
             .detail = fmt::format("{} in doubt, the oldest for {} s; {} for a person",
                                   after.in_doubt, after.oldest.count(), after.for_a_person)});
    }
    const auto finished = [](const ResourceStatus& status) {
        return status.committed + status.rolled_back + status.confirmed;
    };
    if (finished(after) > finished(before)) {
        log_message(LogChannel::recovery, LogLevel::info, "Branches finished by recovery.",
                    {.resource = after.name,
                     .detail = fmt::format("{} committed, {} rolled back, {} found finished",
                                           after.committed - before.committed,
                                           after.rolled_back - before.rolled_back,
                                           after.confirmed - before.confirmed)});
    }
}

}  // namespace xa_tm
