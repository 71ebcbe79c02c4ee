#include "managed_session.h"

#include <chrono>
#include <stdexcept>

namespace xa_tm::bench {

Config config_of(const Workload& workload) {
    return {.node = "lock_hold",
            .log_directory = workload.log_directory,
            // Longer than a run: recovery has nothing to do in one.
            .recovery_interval = std::chrono::hours{24}};
}

void ManagedSession::commit() {
    const auto report = transaction->commit();
    if (report.outcome() != Outcome::committed) {
        throw std::runtime_error(report.reason());
    }
    transaction.reset();
}

void ManagedSession::abandon() {
    transaction.reset();
}

}  // namespace xa_tm::bench
