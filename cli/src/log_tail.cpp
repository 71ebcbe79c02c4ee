#include <chrono>
#include <deque>
#include <memory>
#include <thread>

#include <CLI/CLI.hpp>
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

using recovery_log::LoggedRecord;

std::string what_of(const LoggedRecord& record) {
    const bool is_entry = record.entry == record.id;
    return is_entry ? entry_text(record.body) : printable(record.text);
}

nlohmann::ordered_json json_of(const LoggedRecord& record) {
    nlohmann::ordered_json json{
        {"file", record.file},
        {"page", record.page},
        {"page_no", record.page_no},
        {"offset", record.offset},
        {"type", recovery_log::record_type_name(record.type)},
        {"id", record.id},
        {"bytes", record.body.size()},
        {"repeated", record.is_repeated},
        {"entry", nullptr},
        {"text",
         record.text.empty() ? nlohmann::ordered_json{} : nlohmann::ordered_json(record.text)}};
    if (record.entry) {
        json["entry"] = *record.entry;
    }
    json.update(record_json(record.entry == record.id ? decode(record.body) : std::nullopt));
    return json;
}

/// The last `count` of what is there already.
std::deque<LoggedRecord> last_records(recovery_log::RecordReader& reader, std::size_t count) {
    std::deque<LoggedRecord> last;
    reader.read_new([&](const LoggedRecord& record) {
        last.push_back(record);
        if (last.size() > count) {
            last.pop_front();
        }
    });
    return last;
}

}  // namespace

std::string render_log_record(const LoggedRecord& record, RenderOptions options) {
    if (options.is_json) {
        return json_line(json_of(record));
    }
    return fmt::format("number {:<6}  {:<14}  {:>6}  {}{}\n", record.page_no,
                       recovery_log::record_type_name(record.type), record.id,
                       record.is_repeated ? "again: " : "", what_of(record));
}

namespace {

int log_tail(const LogRequest& request, std::size_t count, bool follows) {
    constexpr std::chrono::milliseconds kPause{100};
    const auto log = recovery_log::inspect_log(request.directory);
    if (log.id) {
        check_node(request.directory, request.node, log.node);
    }
    const RenderOptions options{request.is_json, wants_colour()};
    recovery_log::RecordReader reader{request.directory};
    for (const auto& record : last_records(reader, count)) {
        write_out(render_log_record(record, options));
    }
    if (log.error) {
        throw recovery_log::LogError{*log.error};
    }
    while (follows) {
        std::this_thread::sleep_for(kPause);
        reader.read_new(
            [&](const LoggedRecord& record) { write_out(render_log_record(record, options)); });
    }
    return kNothingInDoubt;
}

struct LogTailOptions {
    explicit LogTailOptions(CLI::App& app) : log{app} {
        app.add_option("-n,--lines", record_count, "How many; default 10")->type_name("N");
        app.add_flag("-f,--follow", follows, "Go on with those that come, until\ninterrupted");
        log.add_directory(app);
    }

    LogOptions log;
    std::size_t record_count = 10;
    bool follows = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<LogTailOptions>(app);
    return [options] {
        return log_tail(options->log.request(), options->record_count, options->follows);
    };
}

}  // namespace

constinit const Command kLogTailCommand{
    .name = "log tail",
    .about = "Show the last records",
    .notes = R"(One line a record: the number of its page, its type, its id, and what it says.
With --json one object a line. A new segment repeats what is live: "again". An owner
that fills several segments between two looks of --follow leaves gaps.)",
    .examples = R"(xa-recover log tail -n 50 /var/lib/shop/xa
xa-recover log tail --follow --json /var/lib/shop/xa)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
