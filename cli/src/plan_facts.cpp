#include "plan_facts.h"

#include "log_view.h"
#include "look.h"
#include "take_over.h"

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

}  // namespace

PlanFacts look_for_plan(const Request& request) {
    PlanFacts facts{.report = look(request), .decisions = {}};
    check_names(facts.report);
    add_decisions(request, facts);
    return facts;
}

}  // namespace xa_tm::cli
