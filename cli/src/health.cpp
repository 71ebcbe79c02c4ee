#include "health.h"

#include <fmt/format.h>

#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

bool is_alarming(AlarmLevel level) {
    switch (level) {
        case AlarmLevel::none:
        case AlarmLevel::notice: return false;
        case AlarmLevel::warning:
        case AlarmLevel::critical: return true;
    }
    return true;
}

void complain_of(std::vector<std::string>& complaints, const ResourceStatus& resource) {
    if (!resource.is_reachable) {
        complaints.push_back(
            fmt::format("resource {} can't be listed: {}", resource.name, resource.error));
    }
    if (resource.is_reachable && !resource.unended_session.empty()) {
        complaints.push_back(fmt::format("resource {} has an old session: {}", resource.name,
                                         resource.unended_session));
    }
    if (resource.for_a_person > 0) {
        complaints.push_back(fmt::format(
            "{} at {} for a person; see `xa-recover list`",
            count_of(resource.for_a_person, "branch waits", "branches wait"), resource.name));
    }
    if (is_alarming(resource.alarm) && resource.in_doubt > 0) {
        complaints.push_back(fmt::format("{} in doubt at {} for {}",
                                         count_of(resource.in_doubt, "branch is", "branches are"),
                                         resource.name, age_text(resource.oldest)));
    }
}

Json or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json as_json(const ResourceStatus& resource) {
    return {{"name", resource.name},
            {"kind", resource.kind},
            {"reachable", resource.is_reachable},
            {"error", or_null(resource.error)},
            {"unended_session", or_null(resource.unended_session)},
            {"in_doubt", resource.in_doubt},
            {"for_a_person", resource.for_a_person},
            {"oldest_s", resource.oldest.count()},
            {"alarm", to_string(resource.alarm)}};
}

Json recovery_json(const RecoveryStatus& status) {
    auto resources = Json::array();
    for (const auto& resource : status.resources) {
        resources.push_back(as_json(resource));
    }
    return {{"alarm", to_string(status.alarm)},
            {"open_decisions", status.open_decisions},
            {"heuristics", status.heuristics},
            {"log",
             {{"health", to_text(status.log.health)},
              {"reason", or_null(status.log.reason)},
              {"doubt", or_null(status.log_doubt)}}},
            {"resources", resources}};
}

}  // namespace

std::vector<std::string> complaints_of(const WatchView& view) {
    std::vector<std::string> complaints;
    if (view.phase == WatchPhase::starting) {
        complaints.emplace_back("the log is being taken over");
    }
    if (!view.status) {
        return complaints;
    }
    const auto& status = *view.status;
    if (status.log.health != recovery_log::Health::healthy) {
        complaints.push_back(
            fmt::format("the log is {}: {}", to_text(status.log.health), status.log.reason));
    }
    if (!status.log_doubt.empty()) {
        complaints.push_back(fmt::format("the log is an old copy: {}", status.log_doubt));
    }
    for (const auto& resource : status.resources) {
        complain_of(complaints, resource);
    }
    if (status.heuristics > 0) {
        complaints.push_back(
            fmt::format("{} not as decided; see `xa-recover list`",
                        count_of(status.heuristics, "branch has ended", "branches have ended")));
    }
    if (complaints.empty() && is_alarming(status.alarm)) {
        complaints.push_back(fmt::format("the alarm level is {}", to_string(status.alarm)));
    }
    return complaints;
}

Json health_json(const WatchView& view) {
    const auto complaints = complaints_of(view);
    Json json{{"healthy", complaints.empty()},
              {"phase", to_string(view.phase)},
              {"why", complaints},
              {"owner", view.owner ? Json{{"pid", view.owner->pid}, {"host", view.owner->host}}
                                   : Json(nullptr)},
              {"recovery", view.status ? recovery_json(*view.status) : Json(nullptr)}};
    return json;
}

std::string status_line(const WatchView& view) {
    if (view.owner) {
        return fmt::format("waiting until pid {} on {} ends, which owns the log", view.owner->pid,
                           view.owner->host);
    }
    if (!view.status) {
        return "taking the log over";
    }
    std::size_t in_doubt = 0;
    for (const auto& resource : view.status->resources) {
        in_doubt += resource.in_doubt;
    }
    const auto complaints = complaints_of(view);
    return fmt::format("recovering, {} in doubt{}{}", count_of(in_doubt, "branch", "branches"),
                       complaints.empty() ? "" : "; ", fmt::join(complaints, "; "));
}

}  // namespace xa_tm::cli
