// Invariants:
// - the log is not opened, which would raise its incarnation, before every resource's name and URI
//   have been found to be right;
// - only the log's owner acts: beside a live one this process shows and does nothing.

#include <memory>

#include <CLI/CLI.hpp>

#include "commands.h"
#include "look.h"
#include "progress.h"
#include "report_view.h"
#include "take_over.h"

namespace xa_tm::cli {
namespace {

int resolve(const Request& request, bool is_dry_run) {
    return look_and_act([&] {
        auto report = look(request);
        check_names(report);
        if (is_dry_run || report.log.owner) {
            print(report, request, {.is_resolved = !is_dry_run, .is_dry_run = is_dry_run});
            return exit_code_of(report);
        }
        {
            ProgressLine progress;
            report =
                take_over(request, report.log.node)
                    ->recover({.timeout = request.timeout, .on_progress = progress.callback()});
        }
        print(report, request, {.is_resolved = true});
        return exit_code_of(report);
    });
}

struct ResolveOptions {
    explicit ResolveOptions(CLI::App& app) : server{app} {
        app.add_flag("--dry-run", is_dry_run, "Only show what would be done");
    }

    ServerOptions server;
    bool is_dry_run = false;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ResolveOptions>(app);
    return [options] { return resolve(options->server.request(), options->is_dry_run); };
}

}  // namespace

constinit const Command kResolveCommand{
    .name = "resolve",
    .about = "Finish what is in doubt",
    .notes = R"(Takes the log of a process that has died, commits what that process had decided
to commit, and rolls back what it can no longer decide. May be repeated, and
killed at any moment. It does nothing beside the log's live owner, which finishes
everything by itself, nor when the log names a resource that is not given here.)",
    .examples = R"(xa-recover resolve --dry-run --config /etc/shop/xa.toml
xa-recover resolve --config /etc/shop/xa.toml --timeout 60)",
    .exit_codes = kExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli
