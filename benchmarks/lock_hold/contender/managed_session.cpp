#include "managed_session.h"

#include <chrono>
#include <stdexcept>

namespace xa_tm::bench {
namespace {

void check_is_settled(const CommitReport& report) {
    if (!report.is_settled()) {
        throw std::runtime_error("a commit was left to recovery: " + to_string(report));
    }
}

bool is_ready(const std::shared_future<CommitReport>& completion) {
    return completion.wait_for(std::chrono::seconds::zero()) == std::future_status::ready;
}

}  // namespace

Config config_of(const Workload& workload) {
    return {.node = "lock_hold",
            .log_directory = workload.log_directory,
            // Longer than a run: recovery has nothing to do in one.
            .recovery_interval = std::chrono::hours{24}};
}

void ManagedSession::commit() {
    const auto report = transaction->commit(until_);
    if (report.outcome() != Outcome::committed) {
        throw std::runtime_error(report.reason());
    }
    transaction.reset();
    if (until_ == Return::when_decided) {
        completions_.push_back(report.completion());
        while (!completions_.empty() && is_ready(completions_.front())) {
            check_is_settled(completions_.front().get());
            completions_.pop_front();
        }
    }
}

void ManagedSession::finish() {
    for (const auto& completion : completions_) {
        check_is_settled(completion.get());
    }
    completions_.clear();
}

void ManagedSession::abandon() {
    transaction.reset();
}

}  // namespace xa_tm::bench
