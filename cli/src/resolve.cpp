// Invariants:
// - the log is not opened, which would raise its incarnation, before every resource's name and URI
//   have been found to be right;
// - only the log's owner acts: beside a live one this process shows and does nothing.

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "commands.h"
#include "datasources.h"
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

}  // namespace

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

}  // namespace xa_tm::cli
