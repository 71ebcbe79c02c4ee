#include "take_over.h"

#include <algorithm>

#include <fmt/format.h>

#include "datasources.h"
#include "report_view.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {

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

std::unique_ptr<TransactionManager> take_over(const Request& request, const std::string& node) {
    auto manager = std::make_unique<TransactionManager>(
        Config{.node = node,
               .log_directory = request.configuration.log,
               .answer_timeout = request.timeout,
               .create_log = false,
               // The application has chosen where its log lies; nothing is decided anew.
               .allow_volatile_log = true});
    add_datasources(*manager, request.configuration.resources, request.timeout);
    return manager;
}

int look_and_act(const std::function<int()>& attempt) {
    constexpr int kAttemptsMax = 3;
    for (int i = 1;; ++i) {
        try {
            return attempt();
        } catch (const Error& error) {
            if (error.code() != ErrorCode::log_in_use || i == kAttemptsMax) {
                throw;
            }
        }
    }
}

}  // namespace xa_tm::cli
