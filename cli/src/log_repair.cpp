#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "configuration.h"
#include "json_document.h"
#include "operator_name.h"
#include "options.h"
#include "render_log.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using recovery_log::RepairPlan;

/// More of them would not tell a person more.
constexpr std::size_t kPagesNamedMax = 20;

std::string lost_pages_text(const RepairPlan& plan) {
    std::string text;
    for (std::size_t i = 0; i < plan.lost_pages.size() && i < kPagesNamedMax; ++i) {
        const auto& page = plan.lost_pages[i];
        text += wrapped(fmt::format("lost: page {} of {} (byte {}): {}", page.index, page.file,
                                    page.offset, printable(page.problem)),
                        2);
    }
    if (plan.lost_pages.size() > kPagesNamedMax) {
        text += fmt::format("  and {} more pages\n", plan.lost_pages.size() - kPagesNamedMax);
    }
    return text;
}

/// What is, or would be, the same whether it was done or not.
std::string outcome_text(const RepairPlan& plan) {
    std::string text;
    if (plan.pages_from_mirror > 0) {
        text +=
            fmt::format("  taken from the copy: {}\n", count_of(plan.pages_from_mirror, "page"));
    }
    if (plan.restores_identity) {
        text += "  written anew: the file ident\n";
    }
    text += lost_pages_text(plan);
    if (plan.quarantined_through > 0) {
        text += wrapped(fmt::format("in quarantine: the incarnations up to {}; decisions of them "
                                    "may be missing, so their prepared branches are not rolled "
                                    "back without being asked for",
                                    plan.quarantined_through),
                        2);
    }
    for (const auto& file : plan.set_aside) {
        text += fmt::format("  kept: {0} as {0}.broken\n", file);
    }
    for (const auto& entry : plan.entries) {
        text += fmt::format("  goes on: entry {}, {}\n", entry.id, entry_text(entry.body));
    }
    if (plan.entries.empty()) {
        text += "  goes on: no entry\n";
    }
    return text;
}

std::string error_text(const RepairPlan& plan, bool has_colour) {
    return painted("The log does not open:", Colour::red, has_colour) + "\n" +
           wrapped(printable(plan.error->what()) + ".", 2) + "\n";
}

std::string next_step(const RepairPlan& plan, bool has_mirror) {
    if (plan.loss.empty()) {
        return "Nothing was changed, and nothing would be lost: give --accept-loss to do it.";
    }
    return has_mirror ? "Nothing was changed. The copy does not have what is lost: look for a "
                        "newer one, or give --accept-loss to go on with what is left."
                      : "Nothing was changed. Look for a copy of the directory and give it with "
                        "--from DIR2; --accept-loss goes on with what is left.";
}

std::string repair_text(const RepairPlan& plan, const RepairView& view, bool has_colour) {
    if (!plan.error) {
        return "The log is sound: there is nothing to repair.\n";
    }
    if (view.is_done) {
        return painted("The log is repaired and opens again:", Colour::green, has_colour) + "\n" +
               outcome_text(plan);
    }
    return error_text(plan, has_colour) + "A repair would end with this:\n" + outcome_text(plan) +
           "\n" + wrapped(next_step(plan, view.has_mirror), 0);
}

nlohmann::ordered_json repair_json(const RepairPlan& plan, const RepairView& view) {
    using Json = nlohmann::ordered_json;
    Json json{{"sound", !plan.error.has_value()},
              {"done", view.is_done && plan.error.has_value()},
              {"error", nullptr},
              {"pages_from_mirror", plan.pages_from_mirror},
              {"restores_identity", plan.restores_identity},
              {"loss", plan.loss.empty() ? Json{} : Json(plan.loss)},
              {"lost_pages", Json::array()},
              {"quarantined_through", plan.quarantined_through},
              {"set_aside", plan.set_aside},
              {"entries", Json::array()}};
    if (plan.error) {
        json["error"] = plan.error->what();
    }
    for (const auto& page : plan.lost_pages) {
        json["lost_pages"].push_back({{"file", page.file},
                                      {"page", page.index},
                                      {"offset", page.offset},
                                      {"problem", page.problem}});
    }
    for (const auto& entry : plan.entries) {
        Json one{{"entry", entry.id}};
        one.update(record_json(decode(entry.body)));
        json["entries"].push_back(std::move(one));
    }
    return json;
}

}  // namespace

std::string render_log_repair(const RepairPlan& plan, const RepairView& view,
                              RenderOptions options) {
    return options.is_json ? document(repair_json(plan, view))
                           : repair_text(plan, view, options.has_colour);
}

namespace {

int log_repair(const LogRequest& request, const std::optional<std::filesystem::path>& mirror,
               bool accepts_loss) {
    const recovery_log::RepairOptions options{.directory = request.directory,
                                              .mirror = mirror,
                                              .accept_loss = accepts_loss,
                                              .operator_name = operator_name()};
    const RenderOptions rendering{request.is_json, wants_colour()};
    auto plan = recovery_log::plan_repair(options);
    if (plan.error) {
        check_node(request.directory, request.node, plan.node);
    }
    const bool is_asked_for = accepts_loss || mirror.has_value();
    const bool is_allowed = accepts_loss || plan.loss.empty();
    if (plan.error && is_asked_for && is_allowed) {
        plan = recovery_log::repair_log(options);
        write_out(render_log_repair(plan, {.is_done = true, .has_mirror = mirror.has_value()},
                                    rendering));
        return kNothingInDoubt;
    }
    write_out(
        render_log_repair(plan, {.is_done = false, .has_mirror = mirror.has_value()}, rendering));
    return plan.error ? kUnreadable : kNothingInDoubt;
}

struct LogRepairOptions {
    explicit LogRepairOptions(CLI::App& app) : log{app} {
        app.add_option("--from", mirror, "A copy of the log's folder")->type_name("DIR2");
        app.add_flag("--accept-loss", accepts_loss, "Go on without what is lost");
        log.add_directory(app);
    }

    LogOptions log;
    std::string mirror;
    bool accepts_loss = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<LogRepairOptions>(app);
    return [options] {
        const auto mirror = options->mirror.empty()
                                ? std::nullopt
                                : std::optional<std::filesystem::path>{options->mirror};
        return log_repair(options->log.request(), mirror, options->accepts_loss);
    };
}

}  // namespace

constinit const Command kLogRepairCommand{
    .name = "log repair",
    .about = "Make a damaged log open again",
    .notes = R"(Alone it shows what a repair would end with, and changes nothing: exit code 3 when
the log is damaged. --from takes the pages that are bad here from a copy of the
folder, however old; it acts when nothing is lost then. --accept-loss goes on with
what is left, and puts the incarnations that may lack decisions in quarantine.
A repair takes the log's lock, writes what is intact into a new segment, leaves a
note, and keeps the old files as *.broken. It may be killed and repeated.)",
    .examples = R"(xa-recover log repair /var/lib/shop/xa
xa-recover log repair --from /mnt/mirror/xa /var/lib/shop/xa
xa-recover log repair --accept-loss /var/lib/shop/xa)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
