#include "log_checkup.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

#include "log_view.h"
#include "render_log.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using recovery_log::FileSystemKind;
using recovery_log::LogInspection;
using recovery_log::LogPlace;

/// How many segments a log takes at most; see recovery_log::Options::segment_size_bytes.
constexpr std::uint64_t kSegmentsMax = 3;
constexpr unsigned kOthersMayWrite = 0002;
constexpr unsigned kSticky = 01000;

std::string mebibytes(std::uint64_t bytes) {
    return fmt::format("{} MiB", bytes >> 20);
}

ServerFact node_fact(const LogInspection& log, const std::optional<std::string>& node) {
    ServerFact fact{"node", log.node.empty() ? "not told" : log.node};
    if (node && log.id && *node != log.node) {
        fact.severity = Severity::bad;
        fact.meaning =
            fmt::format("the configuration says node {}: this is another one's log", *node);
        fact.remedy = "correct the log's path or the node in the configuration";
    }
    return fact;
}

ServerFact owner_fact(const LogInspection& log) {
    if (!log.owner) {
        return {"owner", "no process"};
    }
    return {"owner", fmt::format("pid {} on {}", log.owner->pid, log.owner->host),
            "it finishes what is in doubt by itself; `resolve` leaves that to it"};
}

ServerFact file_system_fact(const LogPlace& place) {
    constexpr std::string_view kMove =
        "stop the application, move the folder to a local disk, and name it there";
    ServerFact fact{"file system", place.file_system};
    switch (place.kind) {
        case FileSystemKind::local: return fact;
        case FileSystemKind::lost_with_container:
            fact.severity = Severity::notice;
            fact.meaning = "the log is gone with its container, unless a volume is mounted there";
            break;
        case FileSystemKind::lost_with_machine:
            fact.severity = Severity::bad;
            fact.meaning = "the log, and with it every decision, is gone with the machine";
            break;
        case FileSystemKind::network:
            fact.severity = Severity::bad;
            fact.meaning =
                "it does not promise that what was synced stays, nor that one process "
                "at a time owns the log";
            break;
    }
    fact.remedy = kMove;
    return fact;
}

/// Two segments are there at most times; the third is made before the first is given up.
ServerFact space_fact(const LogPlace& place, const LogInspection& log) {
    std::uint64_t taken = 0;
    std::uint64_t segment_bytes = 0;
    for (const auto& segment : log.segments) {
        taken += segment.size_bytes;
        segment_bytes = std::max(segment_bytes, segment.size_bytes);
    }
    const auto wanted = kSegmentsMax * segment_bytes;
    const auto missing = wanted > taken ? wanted - taken : 0;
    ServerFact fact{
        "space", fmt::format("{} free, the log takes {} of at most {}", mebibytes(place.free_bytes),
                             mebibytes(taken), mebibytes(wanted))};
    if (place.free_bytes < missing) {
        fact.severity = Severity::bad;
        fact.meaning = "a full log refuses new transactions; nothing is lost";
        fact.remedy = fmt::format("make room for {} more", mebibytes(missing));
    }
    return fact;
}

ServerFact permissions_fact(const LogPlace& place) {
    ServerFact fact{"permissions", fmt::format("{:04o}", place.permissions)};
    if ((place.permissions & kOthersMayWrite) != 0) {
        fact.severity = (place.permissions & kSticky) != 0 ? Severity::notice : Severity::bad;
        fact.meaning = "any user of this machine can put files into the log's folder";
        fact.remedy = fmt::format("chmod o-w {}", place.directory.native());
    }
    return fact;
}

ServerFact writable_fact(const LogPlace& place) {
    if (!place.write_error) {
        return {"writable", "by this user"};
    }
    return {"writable", "not by this user",
            fmt::format("`resolve` can't take it over: {}", place.write_error->what()),
            Severity::bad, "run as the application's user, or do what the reason says"};
}

void add_content(std::vector<ServerFact>& facts, const LogInspection& log) {
    const auto errors = errors_of(log);
    if (errors.empty()) {
        facts.push_back({"content", "sound"});
    }
    for (const auto& error : errors) {
        facts.push_back({"content", "damaged", error, Severity::bad,
                         fmt::format("xa-recover log repair {}", log.directory.native())});
    }
    for (const auto& warning : page_warnings_of(log)) {
        facts.push_back({"content", "not as it was written", warning, Severity::notice,
                         "start the application, or run `xa-recover resolve`: an opening writes "
                         "what is live anew"});
    }
    if (log.quarantined_through > 0) {
        facts.push_back(
            {"quarantine", fmt::format("incarnations up to {}", log.quarantined_through),
             quarantine_warning(log), Severity::notice,
             "compare the data of the transactions that `xa-recover list` shows as quarantined"});
    }
}

void add_entries(std::vector<ServerFact>& facts, const LogInspection& log) {
    std::size_t decisions = 0;
    std::size_t heuristics = 0;
    const auto entries = entries_of(*log.image);
    for (const auto& entry : entries) {
        decisions += entry.decision() != nullptr ? 1 : 0;
        heuristics += entry.heuristic() != nullptr ? 1 : 0;
        if (const auto* doubt = std::get_if<LogDoubt>(entry.record ? &*entry.record : nullptr)) {
            facts.push_back({"log's age", "an old copy", doubt->words, Severity::bad,
                             "put the latest log back; its place is where the application last "
                             "wrote it"});
        }
        if (const auto* doubt = std::get_if<ServerDoubt>(entry.record ? &*entry.record : nullptr)) {
            facts.push_back({fmt::format("server of {}", doubt->resource), "not the one it was",
                             doubt->words, Severity::notice,
                             "compare the data of the transactions that `xa-recover list` shows as "
                             "restored"});
        }
    }
    ServerFact open{"open decisions", fmt::format("{}", decisions)};
    if (decisions > 0 && !log.owner) {
        open.severity = Severity::notice;
        open.meaning = "no process is there to finish them";
        open.remedy = "start the application, or run `xa-recover resolve`";
    }
    facts.push_back(std::move(open));
    ServerFact ended_otherwise{"heuristics", fmt::format("{}", heuristics)};
    if (heuristics > 0) {
        ended_otherwise.severity = Severity::notice;
        ended_otherwise.meaning = "branches that did not end as decided wait for a person";
        ended_otherwise.remedy =
            "compare their data, then `xa-recover forget GTRID --reason WHY`; `xa-recover list` "
            "shows them";
    }
    facts.push_back(std::move(ended_otherwise));
}

}  // namespace

std::vector<ServerFact> judged_log(const LogPlace& place, const LogInspection& log,
                                   const std::optional<std::string>& node) {
    std::vector facts{node_fact(log, node),   owner_fact(log),         file_system_fact(place),
                      space_fact(place, log), permissions_fact(place), writable_fact(place)};
    add_content(facts, log);
    if (log.image) {
        add_entries(facts, log);
    }
    return facts;
}

}  // namespace xa_tm::cli
