#include "log_view.h"

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string owner_text(const std::optional<recovery_log::LogOwner>& owner) {
    return owner ? fmt::format("owned by pid {} on {}", owner->pid, printable(owner->host))
                 : "owned by no process";
}

Json decision_json(const Decision& decision) {
    Json json{{"gtrid", decision.gtrid},
              {"decided_at_us", decision.decided_at.time_since_epoch().count()},
              {"branches", Json::array()}};
    for (const auto& branch : decision.branches) {
        json["branches"].push_back({{"resource", branch.resource},
                                    {"bqual", branch.bqual},
                                    {"server", branch.server},
                                    {"evidence", branch.evidence}});
    }
    return json;
}

std::string describe(const Decision& decision) {
    std::vector<std::string> resources;
    for (const auto& branch : decision.branches) {
        resources.push_back(printable(branch.resource));
    }
    return fmt::format("decision to commit {} at {}", printable(decision.gtrid),
                       fmt::join(resources, ", "));
}

std::string describe(const Heuristic& heuristic) {
    return fmt::format("{} of branch {} of {}", to_string(heuristic.code),
                       printable(heuristic.bqual), printable(heuristic.gtrid));
}

std::string describe(const OperatorAct& act) {
    return fmt::format("order of {} to {} {}", printable(act.who), to_string(act.verb),
                       printable(act.gtrid));
}

std::string describe(const ServerSighting& sighting) {
    return fmt::format("resource {} seen at {}{}{}", printable(sighting.resource),
                       sighting.position.flushed, sighting.position.history.empty() ? "" : " of ",
                       printable(sighting.position.history));
}

std::string describe(const ServerDoubt& doubt) {
    return fmt::format("doubt about the server of resource {}: {}", printable(doubt.resource),
                       printable(doubt.words));
}

std::string describe(const LogDoubt& doubt) {
    return fmt::format("doubt about this log: {}", printable(doubt.words));
}

std::string describe(const LastResource& last) {
    return fmt::format("decisions may lie as rows at the last resource {}", last.resource);
}

Json heuristic_json(const Heuristic& heuristic) {
    return {{"gtrid", heuristic.gtrid},
            {"bqual", heuristic.bqual},
            {"code", to_string(heuristic.code)},
            {"resource", heuristic.resource},
            {"noticed_at_us", heuristic.noticed_at.time_since_epoch().count()},
            {"words", heuristic.words}};
}

Json order_json(const OperatorAct& act) {
    return {{"ordered_at_us", act.ordered_at.time_since_epoch().count()},
            {"who", act.who},
            {"verb", to_string(act.verb)},
            {"format_id", act.format_id},
            {"gtrid", act.gtrid},
            {"resource", act.resource},
            {"reason", act.reason},
            {"overridden", act.overridden}};
}

}  // namespace

LogHeader header_of(const std::filesystem::path& directory, const recovery_log::LogImage& image) {
    return {directory, image.node, image.id, image.incarnation, image.owner};
}

LogHeader header_of(const recovery_log::LogInspection& log) {
    const auto* segment = log.in_use();
    return {log.directory, log.node, log.id,
            segment == nullptr ? std::nullopt : std::optional{segment->epoch}, log.owner};
}

std::string header_text(const LogHeader& header, bool has_colour) {
    const auto id = header.id ? header.id->to_string() : "unknown";
    const auto incarnation =
        header.incarnation ? fmt::format("{}", *header.incarnation) : std::string{"unknown"};
    return painted(fmt::format("log {}", printable(header.directory.string())), Colour::bold,
                   has_colour) +
           fmt::format("\n  node {}, id {}, incarnation {}, {}\n",
                       header.node.empty() ? "unknown" : printable(header.node), id, incarnation,
                       owner_text(header.owner));
}

nlohmann::ordered_json header_json(const LogHeader& header) {
    Json json{{"path", header.directory.string()},
              {"node", header.node},
              {"id", nullptr},
              {"epoch", nullptr},
              {"owner", nullptr}};
    if (header.id) {
        json["id"] = header.id->to_string();
    }
    if (header.incarnation) {
        json["epoch"] = *header.incarnation;
    }
    if (header.owner) {
        json["owner"] = Json{{"pid", header.owner->pid}, {"host", header.owner->host}};
    }
    return json;
}

bool is_untold(const recovery_log::InspectedSegment& segment,
               const recovery_log::LogInspection& log) {
    const std::string_view told = log.error ? log.error->what() : "";
    return !segment.damage.empty() && !told.starts_with(segment.damage);
}

const Decision* LogEntry::decision() const noexcept {
    return record ? std::get_if<Decision>(&*record) : nullptr;
}

const Heuristic* LogEntry::heuristic() const noexcept {
    return record ? std::get_if<Heuristic>(&*record) : nullptr;
}

std::string_view LogEntry::gtrid() const noexcept {
    if (const auto* found = decision()) {
        return found->gtrid;
    }
    const auto* found = heuristic();
    return found == nullptr ? std::string_view{} : found->gtrid;
}

std::optional<std::chrono::seconds> LogEntry::age() const {
    const auto* found = decision();
    if (found == nullptr) {
        return std::nullopt;
    }
    const auto age = std::chrono::system_clock::now() - found->decided_at;
    return std::max(std::chrono::duration_cast<std::chrono::seconds>(age), std::chrono::seconds{0});
}

std::vector<LogEntry> entries_of(const recovery_log::LogImage& image) {
    std::vector<LogEntry> entries;
    for (const auto& entry : image.entries) {
        entries.push_back({.id = entry.id,
                           .bytes = entry.body.size(),
                           .record = decode(entry.body),
                           .is_known_durable = entry.id < image.first_unconfirmed});
    }
    return entries;
}

std::string record_text(const LogRecord& record) {
    return std::visit([](const auto& content) { return describe(content); }, record);
}

std::string entry_text(std::span<const std::byte> body) {
    const auto record = decode(body);
    return record ? record_text(*record)
                  : fmt::format("{} of a version that this program does not know",
                                count_of(body.size(), "byte"));
}

nlohmann::ordered_json record_json(const std::optional<LogRecord>& record) {
    Json json{{"decision", nullptr}, {"heuristic", nullptr}, {"order", nullptr}, {"note", nullptr}};
    if (!record) {
        return json;
    }
    if (const auto* decision = std::get_if<Decision>(&*record)) {
        json["decision"] = decision_json(*decision);
    } else if (const auto* heuristic = std::get_if<Heuristic>(&*record)) {
        json["heuristic"] = heuristic_json(*heuristic);
    } else if (const auto* act = std::get_if<OperatorAct>(&*record)) {
        json["order"] = order_json(*act);
    } else {
        json["note"] = std::visit([](const auto& content) { return describe(content); }, *record);
    }
    return json;
}

}  // namespace xa_tm::cli
