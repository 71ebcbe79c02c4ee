#pragma once

#include <deque>
#include <future>
#include <optional>

#include "contender.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::bench {

/// How the transaction manager is opened, whatever its resources.
[[nodiscard]] Config config_of(const Workload& workload);

/// Transactions of the transaction manager; begin() is to fill `transaction`.
///
/// Ownership: owns the transaction that is open.
/// Thread safety: one thread at a time.
class ManagedSession : public Session {
public:
    explicit ManagedSession(Return until = Return::when_finished) : until_{until} {}

    void commit() override;
    void finish() override;
    void abandon() override;

protected:
    std::optional<Transaction> transaction;

private:
    Return until_;
    /// Of what was committed early, the oldest first.
    std::deque<std::shared_future<CommitReport>> completions_;
};

}  // namespace xa_tm::bench
