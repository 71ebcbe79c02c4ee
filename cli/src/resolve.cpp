// Invariants:
// - the log is not opened, which would raise its incarnation, before every resource's name and URI
//   have been found to be right;
// - only the log's owner acts: beside a live one this process shows and does nothing.

#include <algorithm>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "commands.h"
#include "datasources.h"
#include "look.h"
#include "report_view.h"
#include "xa_tm/error.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::cli {
namespace {

/// An application that starts while we look takes the log before us; then we look once more.
constexpr int kAttemptsMax = 3;

/// A name that the application does not use is most likely a slip, and would leave branches behind.
void check_names(const RecoveryReport& report) {
    for (const auto& transaction : report.transactions) {
        for (const auto& branch : transaction.branches) {
            const auto home = home_of(transaction.state, branch);
            const bool is_configured =
                home.empty() || std::ranges::any_of(report.resources, [&](const auto& resource) {
                    return resource.name == home;
                });
            if (!is_configured) {
                throw ConfigurationError{fmt::format(
                    "transaction {} has a branch of resource {}, which is not given; add it as "
                    "--resource {}=URI or in the configuration file, also when its server is down",
                    transaction.gtrid, home, home)};
            }
        }
    }
}

RecoveryReport recover(const Request& request, const std::string& node) {
    TransactionManager manager{{.node = node,
                                .log_directory = request.configuration.log,
                                .answer_timeout = request.timeout,
                                .create_log = false,
                                // The application has chosen where its log lies; nothing is decided
                                // anew.
                                .allow_volatile_log = true}};
    add_datasources(manager, request.configuration.resources, request.timeout);
    return manager.recover({.timeout = request.timeout});
}

int resolve(const Request& request, bool is_dry_run) {
    for (int attempt = 1;; ++attempt) {
        auto report = look(request);
        check_names(report);
        if (is_dry_run || report.log.owner) {
            print(report, request, {.is_resolved = !is_dry_run, .is_dry_run = is_dry_run});
            return exit_code_of(report);
        }
        try {
            report = recover(request, report.log.node);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::log_in_use || attempt == kAttemptsMax) {
                throw;
            }
            continue;
        }
        print(report, request, {.is_resolved = true});
        return exit_code_of(report);
    }
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
