#include <algorithm>
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

using recovery_log::InspectedPage;
using recovery_log::InspectedRecord;
using recovery_log::InspectedSegment;
using recovery_log::LogInspection;
using recovery_log::RecordPart;
using recovery_log::SegmentRole;

using Json = nlohmann::ordered_json;

std::string_view role_text(SegmentRole role) {
    switch (role) {
        case SegmentRole::in_use: return "in use";
        case SegmentRole::spare: return "spare: all zeros, ready for use";
        case SegmentRole::replaced: return "replaced: it says nothing any more";
        case SegmentRole::incomplete: return "incomplete: its owner died while taking over";
    }
    return "";
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::uint64_t kKib = 1024;
    return bytes < kKib * kKib ? fmt::format("{} KiB", bytes / kKib)
                               : fmt::format("{:.1f} MiB", static_cast<double>(bytes) /
                                                               static_cast<double>(kKib * kKib));
}

std::string content_text(const InspectedRecord& record) {
    if (record.part != RecordPart::whole) {
        return fmt::format("{} part, {}", to_string(record.part),
                           count_of(record.body.size(), "byte"));
    }
    const bool is_entry = recovery_log::record_type_name(record.type) == "ENTRY";
    return is_entry ? entry_text(record.body) : printable(record.text);
}

std::string page_text(const InspectedPage& page) {
    auto text =
        fmt::format("  page {}, byte {}: {}", page.index, page.offset, to_string(page.condition));
    if (page.has_header) {
        text += fmt::format(", number {}, flush {} + {}", page.page_no, page.flush_first,
                            page.flush_pages);
    }
    text += page.is_seal ? ", seal" : "";
    text += page.is_clean_shutdown ? ", clean shutdown" : "";
    if (page.second_copy) {
        text += fmt::format(", copies {} and {}", to_string(page.first_copy),
                            to_string(*page.second_copy));
    }
    text += '\n';
    if (!page.problem.empty()) {
        text += wrapped(printable(page.problem), 6);
    }
    for (const auto& record : page.records) {
        text +=
            fmt::format("      {:<14}  {:>6}  {}\n", recovery_log::record_type_name(record.type),
                        record.id, content_text(record));
    }
    return text;
}

std::string numbers_text(const InspectedSegment& segment) {
    auto text = fmt::format("  pages {} to {} in {}", segment.first_page_no, segment.last_page_no,
                            count_of(segment.flushes, "flush", "flushes"));
    if (segment.is_closed_cleanly) {
        text += "; closed cleanly";
    } else if (segment.is_sealed) {
        text += "; sealed";
    }
    text += '\n';
    if (!segment.writer.empty()) {
        text +=
            fmt::format("  made by version {}, {}\n", printable(segment.writer),
                        segment.predecessor.empty() ? "without a predecessor"
                                                    : fmt::format("after {}", segment.predecessor));
    }
    return text;
}

std::string segment_text(const SegmentDump& dump, const LogInspection& log, bool has_colour) {
    const auto& segment = dump.segment;
    auto text = painted(segment.file, Colour::bold, has_colour) +
                fmt::format("  {}\n  {}, {} of {} used", role_text(segment.role),
                            size_text(segment.size_bytes), segment.pages_used,
                            count_of(segment.pages, "page"));
    if (segment.pages_used > 0) {
        text += fmt::format(", {} of each\n", count_of(segment.copies, "copy", "copies"));
        text += numbers_text(segment);
    } else {
        text += '\n';
    }
    if (segment.torn_pages + segment.single_copy_pages + segment.damaged_pages > 0) {
        text += fmt::format(
            "  pages not as written: {} cut off by a crash, {} whole in one copy "
            "only, {} damaged\n",
            segment.torn_pages, segment.single_copy_pages, segment.damaged_pages);
    }
    if (is_untold(segment, log)) {
        text += wrapped(printable(segment.damage), 2);
    }
    for (const auto& page : dump.pages.value_or(segment.bad_pages)) {
        text += page_text(page);
    }
    return text;
}

std::string notes_text(const LogInspection& log) {
    std::string text;
    if (log.quarantined_through > 0) {
        text += fmt::format("  quarantined: entries of the incarnations up to {} may be missing\n",
                            log.quarantined_through);
    }
    for (const auto& note : log.notes) {
        text += wrapped(
            fmt::format("note of {:%Y-%m-%d %H:%M:%S} UTC: {}",
                        std::chrono::floor<std::chrono::seconds>(note.at), printable(note.text)),
            2);
    }
    return text;
}

Json page_json(const InspectedPage& page) {
    Json json{{"index", page.index},
              {"offset", page.offset},
              {"condition", to_string(page.condition)},
              {"copies", Json::array({to_string(page.first_copy)})},
              {"page_no", page.page_no},
              {"flush_first", page.flush_first},
              {"flush_pages", page.flush_pages},
              {"seal", page.is_seal},
              {"clean_shutdown", page.is_clean_shutdown},
              {"problem", page.problem},
              {"records", Json::array()}};
    if (page.second_copy) {
        json["copies"].push_back(to_string(*page.second_copy));
    }
    for (const auto& record : page.records) {
        json["records"].push_back({{"type", recovery_log::record_type_name(record.type)},
                                   {"type_number", record.type},
                                   {"id", record.id},
                                   {"part", to_string(record.part)},
                                   {"offset", record.offset},
                                   {"bytes", record.body.size()},
                                   {"text", content_text(record)}});
    }
    return json;
}

Json pages_json(const std::vector<InspectedPage>& pages) {
    auto json = Json::array();
    for (const auto& page : pages) {
        json.push_back(page_json(page));
    }
    return json;
}

Json segment_json(const SegmentDump& dump) {
    const auto& segment = dump.segment;
    Json json{{"file", segment.file},
              {"epoch", segment.epoch},
              {"number", segment.number},
              {"role", to_string(segment.role)},
              {"size_bytes", segment.size_bytes},
              {"copies", segment.copies},
              {"pages", segment.pages},
              {"pages_used", segment.pages_used},
              {"first_page_no", segment.first_page_no},
              {"last_page_no", segment.last_page_no},
              {"flushes", segment.flushes},
              {"sealed", segment.is_sealed},
              {"closed_cleanly", segment.is_closed_cleanly},
              {"writer", segment.writer},
              {"predecessor", segment.predecessor},
              {"torn_pages", segment.torn_pages},
              {"single_copy_pages", segment.single_copy_pages},
              {"damaged_pages", segment.damaged_pages},
              {"damage", segment.damage},
              {"bad_pages", pages_json(segment.bad_pages)}};
    if (dump.pages) {
        json["content"] = pages_json(*dump.pages);
    }
    return json;
}

Json inspection_json(const LogInspection& log, const std::vector<SegmentDump>& segments) {
    Json json{{"log", header_json(header_of(log))},
              {"error", nullptr},
              {"quarantined_through", log.quarantined_through},
              {"notes", Json::array()},
              {"segments", Json::array()}};
    if (log.error) {
        json["error"] = log.error->what();
    }
    for (const auto& note : log.notes) {
        json["notes"].push_back(
            {{"at_us", note.at.time_since_epoch().count()}, {"text", note.text}});
    }
    for (const auto& dump : segments) {
        json["segments"].push_back(segment_json(dump));
    }
    return json;
}

/// Nothing when a live owner has removed the segment meanwhile.
std::optional<std::vector<InspectedPage>> pages_of(const LogInspection& log,
                                                   const InspectedSegment& segment) {
    try {
        std::vector<InspectedPage> pages;
        recovery_log::inspect_pages(log.directory, segment.file,
                                    [&](const InspectedPage& page) { pages.push_back(page); });
        return pages;
    } catch (const recovery_log::LogError& error) {
        if (error.code() == recovery_log::LogErrorCode::not_found && log.owner) {
            return std::nullopt;
        }
        throw;
    }
}

std::vector<SegmentDump> dumps_of(const LogInspection& log, std::string_view wanted,
                                  bool has_pages) {
    std::vector<SegmentDump> dumps;
    for (const auto& segment : log.segments) {
        if (!wanted.empty() && segment.file != wanted) {
            continue;
        }
        auto& dump = dumps.emplace_back(SegmentDump{.segment = segment, .pages = {}});
        if (has_pages) {
            dump.pages = pages_of(log, segment);
        }
    }
    if (dumps.empty() && !wanted.empty()) {
        throw ConfigurationError{
            fmt::format("no segment {} in {}; `xa-recover log inspect` without --segment shows all",
                        printable(wanted), log.directory.string())};
    }
    return dumps;
}

}  // namespace

std::string render_log_inspect(const LogInspection& log, const std::vector<SegmentDump>& segments,
                               RenderOptions options) {
    if (options.is_json) {
        return document(inspection_json(log, segments));
    }
    auto text = header_text(header_of(log), options.has_colour) + notes_text(log);
    for (const auto& dump : segments) {
        text += "\n" + segment_text(dump, log, options.has_colour);
    }
    if (log.error) {
        text += "\n" + painted("The log does not open:", Colour::red, options.has_colour) + "\n" +
                wrapped(printable(log.error->what()) + ".", 2);
    }
    return text;
}

namespace {

int log_inspect(const LogRequest& request, std::string_view segment, bool has_pages) {
    const auto log = recovery_log::inspect_log(request.directory);
    if (log.id) {
        check_node(request.directory, request.node, log.node);
    }
    write_out(render_log_inspect(log, dumps_of(log, segment, has_pages),
                                 {request.is_json, wants_colour()}));
    return log.error ? kUnreadable : kNothingInDoubt;
}

struct LogInspectOptions {
    explicit LogInspectOptions(CLI::App& app) : log{app} {
        app.add_option("--segment", segment, "Only this segment")->type_name("SEGMENT");
        app.add_flag("--pages", has_pages, "Every page with its records");
        log.add_directory(app);
    }

    LogOptions log;
    /// A file name, empty for all segments.
    std::string segment;
    bool has_pages = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<LogInspectOptions>(app);
    return [options] {
        return log_inspect(options->log.request(), options->segment, options->has_pages);
    };
}

}  // namespace

constinit const Command kLogInspectCommand{
    .name = "log inspect",
    .about = "Show its files and pages",
    .notes = R"(Shows the segments as they lie on disk, every page that is not as it was written,
and why an opening would refuse them. Exit code 3 when it would.)",
    .examples = R"(xa-recover log inspect /var/lib/shop/xa
xa-recover log inspect --pages --segment decision-0000000007-0000000001.xlog \
                       /var/lib/shop/xa)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
