// Invariants:
// - nothing is done before the whole file has been read and understood;
// - every entry is judged again before the log is taken, and once more by recovery itself: what
//   is approved is this branch with this action, and nothing else;
// - an entry whose server could not be read is not done: nothing is known of it (law 7).

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "commands.h"
#include "configuration.h"
#include "plan_facts.h"
#include "progress.h"
#include "render_apply.h"
#include "take_over.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

constexpr ExitCode kApplyExitCodes[] = {
    {kNothingInDoubt, "every entry is done, or was done before"},
    {kInDoubt,
     "an entry was refused because its branch has changed, or is not finished; or "
     "another process owns the log, and nothing was done"},
    {kUsage, "wrong usage or configuration, or no plan for this log; nothing was done"},
    {kUnreadable, "the log or a resource could not be read, so entries of it were not done"},
};

Plan read_plan(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (!file) {
        throw ConfigurationError{fmt::format("can't read the plan {}", path)};
    }
    return parse_plan(text, path);
}

void check_log(const Plan& plan, const RecoveryLogSummary& log, const std::string& path) {
    if (plan.log != log.id) {
        throw ConfigurationError{fmt::format(
            "{}: it was made for log {} of node {}, and {} is log {} of node {}; nothing was done",
            path, plan.log.to_string(), printable(plan.node), log.path.string(), log.id.to_string(),
            printable(log.node))};
    }
}

/// What may be done, and nothing else.
using Approved = std::set<std::tuple<std::string, Xid, RecoveryAction>, std::less<>>;

Approved approved_of(const Plan& plan, const std::vector<CheckedEntry>& checked) {
    Approved approved;
    for (std::size_t i = 0; i < checked.size(); ++i) {
        if (checked[i].verdict == EntryVerdict::holds) {
            approved.emplace(plan.entries[i].resource, plan.entries[i].xid, checked[i].action);
        }
    }
    return approved;
}

RecoveryReport recover(const Request& request, const std::string& node, const Approved& approved) {
    ProgressLine progress;
    return take_over(request, node)
        ->recover({.timeout = request.timeout,
                   .approve =
                       [&](std::string_view resource, const Xid& xid, RecoveryAction action) {
                           return approved.contains({std::string{resource}, xid, action});
                       },
                   .on_progress = progress.callback()});
}

int apply(const Request& request, const std::string& path, bool is_dry_run) {
    const auto plan = read_plan(path);
    return look_and_act([&] {
        auto facts = look_for_plan(request);
        check_log(plan, facts.report.log, path);
        const auto checked = check(plan, facts);
        const auto approved = approved_of(plan, checked);
        const bool may_act = !is_dry_run && !facts.report.log.owner;
        auto results =
            may_act && !approved.empty()
                ? results_of(plan, checked, recover(request, facts.report.log.node, approved))
                : results_of(checked);
        const AppliedPlan applied{.file = path,
                                  .plan = plan,
                                  .owner = facts.report.log.owner,
                                  .is_dry_run = is_dry_run,
                                  .results = std::move(results)};
        write_out(request.is_json ? render_apply_json(applied)
                                  : render_apply(applied, wants_colour()));
        return exit_code_of(applied);
    });
}

struct ApplyOptions {
    explicit ApplyOptions(CLI::App& app) : server{app} {
        app.add_option("FILE", file, "The plan, as `plan` wrote it")->type_name("FILE")->required();
        app.add_flag("--dry-run", is_dry_run, "Only show what would be done");
    }

    ServerOptions server;
    std::string file;
    bool is_dry_run = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ApplyOptions>(app);
    return
        [options] { return apply(options->server.request(), options->file, options->is_dry_run); };
}

}  // namespace

constinit const Command kApplyCommand{
    .name = "apply",
    .about = "Do what a plan says, as far as it still holds",
    .notes = R"(Looks again, and does of the plan what is still as it was judged; what has changed
is refused, and told. Takes the log of a process that has died, and does nothing
beside a live one. May be killed at any moment and repeated: entries that are done
already are told so.)",
    .examples = R"(xa-recover apply --dry-run shop.plan --config /etc/shop/xa.toml
xa-recover apply shop.plan --config /etc/shop/xa.toml)",
    .exit_codes = kApplyExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
