#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "configuration.h"
#include "json_document.h"
#include "options.h"
#include "render_log.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using recovery_log::EntryId;
using recovery_log::LoggedRecord;

std::string place_text(const LoggedRecord& place) {
    return fmt::format("{}, page {}, byte {}{}", place.file, place.page, place.offset,
                       place.is_repeated ? " (repeated there)" : "");
}

std::string line(std::string_view name, std::string_view value) {
    return fmt::format("  {:<9} {}\n", name, value);
}

std::string state_text(const LogHistory& history) {
    if (history.forgotten_by) {
        return fmt::format("forgotten: every branch is finished ({})",
                           place_text(*history.forgotten_by));
    }
    if (!history.is_live) {
        return "not known, because the log is damaged";
    }
    if (!*history.is_live) {
        return "not live: the segment that it stands in has been replaced";
    }
    return history.entry.is_known_durable
               ? "live"
               : "live, not yet known durable: it stands in the log's last flush";
}

std::string decision_text(const Decision& decision, std::optional<std::chrono::seconds> age) {
    auto text =
        line("gtrid", printable(decision.gtrid)) +
        line("decided", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC, {} ago",
                                    std::chrono::floor<std::chrono::seconds>(decision.decided_at),
                                    age_text(age)));
    for (const auto& branch : decision.branches) {
        text += line("branch",
                     fmt::format("{} at {}", printable(branch.bqual), printable(branch.resource)));
        text += fmt::format("    server    {}\n    evidence  {}\n",
                            branch.server.empty() ? "-" : printable(branch.server),
                            branch.evidence.empty() ? "-" : printable(branch.evidence));
    }
    return text;
}

std::string heuristic_text(const Heuristic& heuristic) {
    return line("gtrid", printable(heuristic.gtrid)) + line("branch", printable(heuristic.bqual)) +
           line("outcome", fmt::format("{}, by its resource manager itself; a person has to "
                                       "compare the data",
                                       to_string(heuristic.code)));
}

std::string history_text(const LogHistory& history, bool has_colour) {
    const auto& entry = history.entry;
    const auto* decision = entry.decision();
    const auto* heuristic = entry.heuristic();
    auto text = painted(fmt::format("entry {}, {}", entry.id,
                                    decision != nullptr    ? "decision to commit"
                                    : heuristic != nullptr ? "heuristic outcome"
                                                           : "of a version that this program does "
                                                             "not know"),
                        Colour::bold, has_colour) +
                "\n";
    text += line("state", state_text(history));
    if (decision != nullptr) {
        text += decision_text(*decision, entry.age());
    } else if (heuristic != nullptr) {
        text += heuristic_text(*heuristic);
    }
    text += line("length", count_of(entry.bytes, "byte"));
    for (const auto& place : history.places) {
        text += line("stands in", place_text(place));
    }
    return text;
}

nlohmann::ordered_json place_json(const LoggedRecord& place) {
    return {{"file", place.file},
            {"page", place.page},
            {"page_no", place.page_no},
            {"offset", place.offset},
            {"repeated", place.is_repeated}};
}

nlohmann::ordered_json json_of(const LogHistory& history) {
    const auto& entry = history.entry;
    nlohmann::ordered_json json{
        {"entry", entry.id},      {"bytes", entry.bytes},
        {"live", nullptr},        {"known_durable", entry.is_known_durable},
        {"age_s", nullptr},       {"places", nlohmann::ordered_json::array()},
        {"forgotten_by", nullptr}};
    if (history.is_live) {
        json["live"] = *history.is_live;
    }
    if (const auto age = entry.age()) {
        json["age_s"] = age->count();
    }
    for (const auto& place : history.places) {
        json["places"].push_back(place_json(place));
    }
    if (history.forgotten_by) {
        json["forgotten_by"] = place_json(*history.forgotten_by);
    }
    json.update(record_json(entry.record));
    return json;
}

/// Collects what is wanted while the records of the log go by.
class Search {
public:
    explicit Search(std::string_view wanted) : wanted_{wanted} {
        EntryId id = 0;
        const auto* end = wanted.data() + wanted.size();
        if (const auto parsed = std::from_chars(wanted.data(), end, id);
            parsed.ec == std::errc{} && parsed.ptr == end) {
            wanted_id_ = id;
        }
    }

    void take(const LoggedRecord& record) {
        if (!record.entry) {
            return;
        }
        const auto known = found_.find(*record.entry);
        if (*record.entry != record.id) {
            if (known != found_.end()) {
                known->second.forgotten_by = record;
            }
        } else if (known != found_.end()) {
            known->second.places.push_back(record);
        } else if (auto entry = entry_of(record); is_wanted(entry)) {
            found_.emplace(record.id, LogHistory{.entry = std::move(entry),
                                                 .is_live = {},
                                                 .places = {record},
                                                 .forgotten_by = {}});
        }
    }

    /// What the log as a whole says of them.
    void confirm(const recovery_log::LogImage& image) {
        for (auto& [id, history] : found_) {
            history.is_live = false;
        }
        for (auto& entry : entries_of(image)) {
            const auto known = found_.find(entry.id);
            if (known != found_.end()) {
                known->second.is_live = true;
                known->second.entry = std::move(entry);
            }
        }
    }

    [[nodiscard]] std::vector<LogHistory> found() const {
        std::vector<LogHistory> entries;
        for (const auto& [id, history] : found_) {
            entries.push_back(history);
        }
        return entries;
    }

private:
    static LogEntry entry_of(const LoggedRecord& record) {
        return {.id = record.id,
                .bytes = record.body.size(),
                .record = decode(record.body),
                .is_known_durable = true};
    }

    [[nodiscard]] bool is_wanted(const LogEntry& entry) const {
        return entry.id == wanted_id_ || entry.gtrid() == wanted_;
    }

    std::string_view wanted_;
    std::optional<EntryId> wanted_id_;
    std::map<EntryId, LogHistory> found_;
};

}  // namespace

std::string render_log_show(const LogHeader& header, const std::vector<LogHistory>& entries,
                            RenderOptions options) {
    if (options.is_json) {
        nlohmann::ordered_json json{{"log", header_json(header)},
                                    {"entries", nlohmann::ordered_json::array()}};
        for (const auto& history : entries) {
            json["entries"].push_back(json_of(history));
        }
        return document(json);
    }
    auto text = header_text(header, options.has_colour);
    for (const auto& history : entries) {
        text += "\n" + history_text(history, options.has_colour);
    }
    return text;
}

namespace {

int log_show(const LogRequest& request, std::string_view wanted) {
    Search search{wanted};
    recovery_log::RecordReader{request.directory}.read_new(
        [&](const LoggedRecord& record) { search.take(record); });
    const auto log = recovery_log::inspect_log(request.directory);
    if (log.id) {
        check_node(request.directory, request.node, log.node);
    }
    if (log.image) {
        search.confirm(*log.image);
    }
    const auto found = search.found();
    if (!found.empty()) {
        write_out(render_log_show(header_of(log), found, {request.is_json, wants_colour()}));
    }
    if (log.error) {
        throw recovery_log::LogError{*log.error};
    }
    if (found.empty()) {
        throw ConfigurationError{
            fmt::format("no entry {} stands in the log: it has finished, or it is another log's; "
                        "`xa-recover log list` shows the live ones",
                        printable(wanted))};
    }
    return kNothingInDoubt;
}

struct LogShowOptions {
    explicit LogShowOptions(CLI::App& app) : log{app} {
        app.add_option("ENTRY|GTRID", wanted, "The id of an entry, or a transaction")->required();
        log.add_directory(app);
    }

    LogOptions log;
    std::string wanted;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<LogShowOptions>(app);
    return [options] { return log_show(options->log.request(), options->wanted); };
}

}  // namespace

constinit const Command kLogShowCommand{
    .name = "log show",
    .about = "Show entries in full",
    .notes = R"(Shows entries in full: the branches, what proves their fate at their servers, and
where in the files they stand. Also finds forgotten ones that still stand there.)",
    .examples = R"(xa-recover log show 42 /var/lib/shop/xa
xa-recover log show shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
