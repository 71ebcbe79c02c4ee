#include "look.h"

#include <cstdio>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "datasources.h"
#include "render_json.h"
#include "report_view.h"
#include "text.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::cli {
namespace {

/// A URI that leads to another resource's server makes prepared branches look absent. Beside a
/// live owner nothing is concluded from that, and new branches come between two looks.
void check_places(const Request& request, const RecoveryReport& report,
                  std::span<Datasource* const> datasources) {
    if (report.log.owner || datasources.size() < 2) {
        return;
    }
    for (auto* const datasource : datasources) {
        Datasource* const only_one[] = {datasource};
        const auto alone = inspect(request.configuration.log, only_one, request.timeout);
        if (alone.log.owner || alone.log.incarnation != report.log.incarnation) {
            return;  // an owner has come meanwhile
        }
        if (const auto* branch = find_misplaced(report, alone)) {
            throw ConfigurationError{fmt::format(
                "the server of resource {} holds a branch of resource {} (xid {}), and the server "
                "of {} does not: their URIs are swapped, or one is wrong",
                datasource->name(), home_of(TransactionState::commit_decided, *branch),
                branch->name, home_of(TransactionState::commit_decided, *branch))};
        }
    }
}

}  // namespace

RecoveryReport look(const Request& request) {
    const auto& configuration = request.configuration;
    const auto datasources = make_datasources(configuration.resources, request.timeout);
    check_node(configuration.log, configuration.node,
               recovery_log::read_log(configuration.log).node);
    std::vector<Datasource*> pointers;
    pointers.reserve(datasources.size());
    for (const auto& datasource : datasources) {
        pointers.push_back(datasource.get());
    }
    auto report = inspect(configuration.log, pointers, request.timeout);
    check_places(request, report, pointers);
    return report;
}

std::optional<RecoveryReport> look_for(const Request& request, std::string_view gtrid) {
    auto report = only(look(request), gtrid);
    if (!report.transactions.empty()) {
        return report;
    }
    for (const auto& resource : report.resources) {
        if (!resource.is_reachable) {
            fmt::print(stderr, "xa-recover: {} could hide the transaction: {}\n", resource.name,
                       resource.error);
        }
    }
    if (!report.is_complete()) {
        return std::nullopt;
    }
    throw ConfigurationError{fmt::format(
        "no transaction {} is in doubt: it has finished, or its gtrid is another; `xa-recover "
        "list` shows all",
        gtrid)};
}

void print(const RecoveryReport& report, const Request& request, TableOptions options) {
    options.has_colour = wants_colour();
    write_out(request.is_json ? render_json(report) : render_table(report, options));
}

}  // namespace xa_tm::cli
