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

constexpr std::string_view kUnconfirmed = "not yet known durable";

std::string resources_of(const LogEntry& entry) {
    const auto* decision = entry.decision();
    if (decision == nullptr) {
        if (const auto* heuristic = entry.heuristic()) {
            return fmt::format("{} at branch {}", to_string(heuristic->code),
                               printable(heuristic->bqual));
        }
        return entry.record ? record_text(*entry.record)
                            : "of a version that this program does not know";
    }
    std::vector<std::string> names;
    for (const auto& branch : decision->branches) {
        names.push_back(printable(branch.resource));
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

std::string table_of(const std::vector<LogEntry>& entries, bool has_colour) {
    std::size_t width = std::string_view{"TRANSACTION"}.size();
    for (const auto& entry : entries) {
        width = std::max(width, printable(entry.gtrid()).size());
    }
    auto text = "\n" +
                painted(fmt::format("{:>8}  {:<{}}  {:<7}  BRANCHES AT", "ENTRY", "TRANSACTION",
                                    width, "AGE"),
                        Colour::bold, has_colour) +
                "\n";
    for (const auto& entry : entries) {
        text += fmt::format("{:>8}  {:<{}}  {:<7}  {}{}\n", entry.id, printable(entry.gtrid()),
                            width, age_text(entry.age()), resources_of(entry),
                            entry.is_known_durable ? ""
                                                   : "  " + painted(std::string{kUnconfirmed},
                                                                    Colour::yellow, has_colour));
    }
    return text;
}

std::string summary_of(const std::vector<LogEntry>& entries) {
    if (entries.empty()) {
        return "The log holds no decision.";
    }
    const auto count = [&](auto is_counted) {
        return static_cast<std::size_t>(std::ranges::count_if(entries, is_counted));
    };
    const auto decisions = count([](const LogEntry& entry) { return entry.decision() != nullptr; });
    const auto unconfirmed = count([](const LogEntry& entry) { return !entry.is_known_durable; });
    auto text = fmt::format("The log holds {}", count_of(decisions, "decision"));
    if (decisions < entries.size()) {
        text += fmt::format(" and {}",
                            count_of(entries.size() - decisions, "other entry", "other entries"));
    }
    text += '.';
    if (unconfirmed > 0) {
        text += fmt::format(" Its last flush, with {}, may still be on its way to the disk.",
                            count_of(unconfirmed, "entry", "entries"));
    }
    return text;
}

nlohmann::ordered_json json_of(const LogEntry& entry) {
    nlohmann::ordered_json json{{"entry", entry.id},
                                {"bytes", entry.bytes},
                                {"known_durable", entry.is_known_durable},
                                {"age_s", nullptr}};
    if (const auto age = entry.age()) {
        json["age_s"] = age->count();
    }
    json.update(record_json(entry.record));
    return json;
}

}  // namespace

std::string render_log_list(const std::filesystem::path& directory,
                            const recovery_log::LogImage& image, RenderOptions options) {
    const auto header = header_of(directory, image);
    const auto entries = entries_of(image);
    if (options.is_json) {
        nlohmann::ordered_json json{{"log", header_json(header)},
                                    {"quarantined_through", image.quarantined_through},
                                    {"entries", nlohmann::ordered_json::array()}};
        for (const auto& entry : entries) {
            json["entries"].push_back(json_of(entry));
        }
        return document(json);
    }
    auto text = header_text(header, options.has_colour);
    if (!entries.empty()) {
        text += table_of(entries, options.has_colour);
    }
    return text + "\n" + wrapped(summary_of(entries), 0);
}

namespace {

int log_list(const LogRequest& request) {
    const auto image = recovery_log::read_log(request.directory);
    check_node(request.directory, request.node, image.node);
    write_out(render_log_list(request.directory, image, {request.is_json, wants_colour()}));
    return kNothingInDoubt;
}

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<LogOptions>(app);
    options->add_directory(app);
    return [options] { return log_list(options->request()); };
}

}  // namespace

constinit const Command kLogListCommand{
    .name = "log list",
    .about = "Show the live decisions",
    .notes = R"(Shows the decisions that are live: logged, and not yet known to be finished in
every branch. What the log's owner has written last may still be on its way to
the disk; such entries are marked.)",
    .examples = R"(xa-recover log list /var/lib/shop/xa
xa-recover log list --config /etc/shop/xa.toml --json)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
