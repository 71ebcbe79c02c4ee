#include "plan_facts.h"

#include <algorithm>

#include "datasources.h"
#include "log_view.h"
#include "look.h"
#include "take_over.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

void add_decisions(const Request& request, PlanFacts& facts) {
    const auto image = recovery_log::read_log(request.configuration.log);
    for (const auto& entry : entries_of(image)) {
        if (const auto* decision = entry.decision()) {
            facts.decisions.emplace(decision->gtrid, entry.id);
        }
    }
}

/// A resource that is lost in the meantime counts as one that could not be read.
void add_servers(const Request& request, PlanFacts& facts) {
    for (const auto& datasource :
         make_datasources(request.configuration.resources, request.timeout)) {
        auto& resource =
            *std::ranges::find(facts.report.resources, datasource->name(), &RecoveryResource::name);
        if (!resource.is_reachable) {
            continue;
        }
        try {
            const auto connection = datasource->connect({"xa-recover"});
            facts.servers.emplace(datasource->name(), connection->server_identity());
        } catch (const Error& error) {
            resource.is_reachable = false;
            resource.error = error.what();
        }
    }
}

}  // namespace

PlanFacts look_for_plan(const Request& request) {
    PlanFacts facts{.report = look(request), .decisions = {}, .servers = {}};
    check_names(facts.report);
    add_decisions(request, facts);
    add_servers(request, facts);
    return facts;
}

}  // namespace xa_tm::cli
