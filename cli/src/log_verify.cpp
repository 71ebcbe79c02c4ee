#include <algorithm>
#include <memory>

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
using recovery_log::InspectedSegment;
using recovery_log::LogInspection;
using recovery_log::SegmentRole;

/// More of them would not tell a person more.
constexpr std::size_t kPagesNamedMax = 5;

bool counts(const InspectedSegment& segment) {
    return segment.role != SegmentRole::replaced;
}

/// Which pages have a bad copy, and what is wrong there.
std::string name_single_copies(const InspectedSegment& segment) {
    std::vector<std::string> named;
    std::size_t left = segment.single_copy_pages;
    for (const auto& page : segment.bad_pages) {
        const bool is_read = page.condition == recovery_log::PageCondition::intact ||
                             page.condition == recovery_log::PageCondition::zero;
        if (is_read && !page.problem.empty() && named.size() < kPagesNamedMax && left > 0) {
            named.push_back(fmt::format("page {}: {}", page.index, printable(page.problem)));
            --left;
        }
    }
    auto text = fmt::format("{}", fmt::join(named, "; "));
    if (left > 0) {
        text += fmt::format("; and {} more", left);
    }
    return text;
}

std::vector<std::string> warnings_of(const LogInspection& log) {
    std::vector<std::string> warnings;
    for (const auto& segment : log.segments) {
        if (!counts(segment)) {
            continue;
        }
        if (segment.single_copy_pages > 0) {
            warnings.push_back(fmt::format(
                "{}: {} with a bad copy and a good one: {}. Nothing is lost, and the next opening "
                "writes what is live anew; check the disk",
                segment.file, count_of(segment.single_copy_pages, "page"),
                name_single_copies(segment)));
        }
        if (segment.torn_pages > 0) {
            warnings.push_back(fmt::format(
                "{}: a crash cut off the last flush ({} not as written). Nobody had been told that "
                "it was durable, and each whole record in it counts",
                segment.file, count_of(segment.torn_pages, "page")));
        }
        if (segment.role == SegmentRole::incomplete) {
            warnings.push_back(
                fmt::format("{}: its owner died while taking the log over; the "
                            "segment before it still counts",
                            segment.file));
        }
    }
    if (log.quarantined_through > 0) {
        warnings.push_back(fmt::format(
            "decisions of the incarnations up to {} may be missing, because a person accepted the "
            "loss of damaged pages; branches of these are not rolled back without being asked for",
            log.quarantined_through));
    }
    return warnings;
}

std::vector<std::string> unknown_entries(const LogInspection& log) {
    std::vector<std::string> unknown;
    if (log.image) {
        for (const auto& entry : entries_of(*log.image)) {
            if (!entry.record) {
                unknown.push_back(fmt::format(
                    "entry {} is whole, but of a version that this program does not know: use the "
                    "version that wrote it, or a later one",
                    entry.id));
            }
        }
    }
    return unknown;
}

std::vector<std::string> errors_of(const LogInspection& log) {
    auto errors = unknown_entries(log);
    if (log.error) {
        errors.emplace_back(log.error->what());
    }
    for (const auto& segment : log.segments) {
        if (is_untold(segment, log)) {
            errors.push_back(segment.damage);
        }
    }
    return errors;
}

std::string read_text(const LogInspection& log) {
    std::uint64_t pages = 0;
    std::uint64_t flushes = 0;
    bool has_two_copies = false;
    for (const auto& segment : log.segments) {
        pages += segment.pages_used;
        flushes += segment.flushes;
        has_two_copies = has_two_copies || segment.copies == 2;
    }
    return fmt::format("Read {}: {} in {}{}.", count_of(log.segments.size(), "segment"),
                       count_of(pages, "page"), count_of(flushes, "flush", "flushes"),
                       has_two_copies ? ", both copies of each" : "");
}

std::string live_text(const recovery_log::LogImage& image) {
    const auto entries = entries_of(image);
    const auto unconfirmed = std::ranges::count(entries, false, &LogEntry::is_known_durable);
    auto text = entries.empty()
                    ? std::string{"No entry is live."}
                    : fmt::format("{} live.", entries.size() == 1
                                                  ? std::string{"1 entry is"}
                                                  : fmt::format("{} entries are", entries.size()));
    if (unconfirmed > 0) {
        text += fmt::format(
            " The last {} not yet known to be durable.",
            unconfirmed == 1 ? std::string{"one is"} : fmt::format("{} are", unconfirmed));
    }
    return text;
}

std::string verify_text(const LogInspection& log, bool has_colour) {
    auto text = header_text(header_of(log), has_colour) + "\n" + wrapped(read_text(log), 0);
    if (log.image) {
        text += wrapped(live_text(*log.image), 0);
    }
    for (const auto& warning : warnings_of(log)) {
        constexpr std::string_view kWord = "warning";
        const auto lines = wrapped(fmt::format("{}: {}.", kWord, printable(warning)), 2);
        text += painted(std::string{kWord}, Colour::yellow, has_colour) +
                lines.substr(2 + kWord.size());
    }
    const auto errors = errors_of(log);
    if (errors.empty()) {
        return text + painted("The log is sound.", Colour::green, has_colour) + "\n";
    }
    text += "\n" + painted("The log does not open:", Colour::red, has_colour) + "\n";
    for (const auto& error : errors) {
        text += wrapped(printable(error) + ".", 2);
    }
    return text + "\nRun `xa-recover log repair` with the same options to see what can be saved.\n";
}

nlohmann::ordered_json verify_json(const LogInspection& log) {
    nlohmann::ordered_json json{{"log", header_json(header_of(log))},
                                {"sound", is_sound(log)},
                                {"errors", errors_of(log)},
                                {"warnings", warnings_of(log)},
                                {"live_entries", nullptr},
                                {"quarantined_through", log.quarantined_through},
                                {"segments", nlohmann::ordered_json::array()}};
    if (log.image) {
        json["live_entries"] = log.image->entries.size();
    }
    for (const auto& segment : log.segments) {
        json["segments"].push_back({{"file", segment.file},
                                    {"role", to_string(segment.role)},
                                    {"pages_used", segment.pages_used},
                                    {"torn_pages", segment.torn_pages},
                                    {"single_copy_pages", segment.single_copy_pages},
                                    {"damaged_pages", segment.damaged_pages}});
    }
    return json;
}

}  // namespace

bool is_sound(const LogInspection& log) {
    return errors_of(log).empty();
}

std::string render_log_verify(const LogInspection& log, RenderOptions options) {
    return options.is_json ? document(verify_json(log)) : verify_text(log, options.has_colour);
}

namespace {

int log_verify(const LogRequest& request) {
    const auto log = recovery_log::inspect_log(request.directory);
    if (log.id) {
        check_node(request.directory, request.node, log.node);
    }
    write_out(render_log_verify(log, {request.is_json, wants_colour()}));
    return is_sound(log) ? kNothingInDoubt : kUnreadable;
}

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<LogOptions>(app);
    options->add_directory(app);
    return [options] { return log_verify(options->request()); };
}

}  // namespace

constinit const Command kLogVerifyCommand{
    .name = "log verify",
    .about = "Read and check all of it",
    .notes = R"(Reads every page of every copy and judges the log as its next opening would. It is
sound also with warnings: a write that a crash cut off, or a bad copy of a page whose
other copy is good. Exit code 3 when it would not open.)",
    .examples = R"(xa-recover log verify /var/lib/shop/xa
xa-recover log verify --config /etc/shop/xa.toml --json)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
