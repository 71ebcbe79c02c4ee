#include "insistence.h"

#include <chrono>

namespace xa_tm::test {

void insist(TransactionManager& manager, OrderVerb verb) {
    const auto report = manager.recover(
        {.timeout = std::chrono::seconds{30},
         .approve = [](std::string_view, const Xid&, RecoveryAction) { return false; }});
    for (const auto& transaction : report.transactions) {
        if (!transaction.is_in_doubt()) {
            continue;
        }
        OperatorDesk desk{manager};
        Order order{.verb = verb,
                    .gtrid = transaction.gtrid,
                    .reason = "test",
                    .who = "test@test",
                    .is_forced = true};
        const auto shown = desk.carry_out(order);
        if (shown.verdict.permission == Permission::needs_confirmation) {
            order.confirmation = shown.verdict.confirmation;
            std::ignore = desk.carry_out(order);
        }
    }
}

}  // namespace xa_tm::test
