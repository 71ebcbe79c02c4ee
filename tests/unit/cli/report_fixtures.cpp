#include "report_fixtures.h"

namespace xa_tm::cli {

RecoveryBranch branch_at(const std::string& resource, RecoveredState state, RecoveryAction action,
                         const std::string& reason) {
    return {.resource = resource,
            .xid = Xid{.gtrid = kGtrid, .bqual = resource + ":1"},
            .name = state == RecoveredState::absent ? "" : "name-at-" + resource,
            .state = state,
            .action = action,
            .reason = reason};
}

RecoveryReport calm_report() {
    RecoveryReport report{};
    report.log = {.path = "/var/lib/shop/xa",
                  .node = "shop-1",
                  .id = recovery_log::LogId{0x91b52e0c7a14d3f8},
                  .incarnation = 7,
                  .owner = std::nullopt};
    report.resources = {
        {.name = "points",
         .kind = "mysql",
         .is_reachable = true,
         .error = "",
         .server = "mariadb-1"},
        {.name = "users",
         .kind = "postgresql",
         .is_reachable = true,
         .error = "",
         .server = "pg-7"},
    };
    return report;
}

RecoveryReport decided_report() {
    auto report = calm_report();
    report.transactions.push_back(
        {.gtrid = kGtrid,
         .state = TransactionState::commit_decided,
         .age = std::chrono::seconds{12},
         .branches = {branch_at("points", RecoveredState::absent, RecoveryAction::confirm,
                                "the server does not list the branch"),
                      branch_at("users", RecoveredState::prepared, RecoveryAction::commit,
                                "the log holds the decision to commit")}});
    return report;
}

RecoveryReport resolved_report() {
    auto report = decided_report();
    auto& branches = report.transactions.front().branches;
    branches[0].state = RecoveredState::finished;
    branches[1].state = RecoveredState::committed;
    for (auto& branch : branches) {
        branch.action = RecoveryAction::none;
    }
    return report;
}

}  // namespace xa_tm::cli
