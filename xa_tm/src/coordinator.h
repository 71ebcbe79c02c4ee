#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "commit_run.h"
#include "decision_log.h"
#include "enlistments.h"
#include "transaction_table.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

/// Ends transactions: on the caller's thread, or by a run that the caller advances.
///
/// Ownership: borrows the log and the table, which outlive it; outlives its runs.
/// Thread safety: all members may be called from several threads at once, each with its own
/// branches.
class Coordinator {
public:
    /// Called with the name of a resource at which recovery has something to do soon.
    using WakeRecovery = std::function<void(std::string_view resource)>;

    Coordinator(DecisionLog& log, TransactionTable& table, std::chrono::milliseconds answer_timeout,
                WakeRecovery wake_recovery)
        : environment_{log, table, answer_timeout, std::move(wake_recovery)} {}

    /// Ends the transaction. Every branch is visited whatever another one answers.
    [[nodiscard]] CommitReport commit(const std::string& gtrid, std::span<EnlistedBranch> branches,
                                      CommitOptions options = {});
    [[nodiscard]] CommitReport rollback(const std::string& gtrid,
                                        std::span<EnlistedBranch> branches);

    /// A run for the caller to start; gtrid and branches live as long as it does.
    [[nodiscard]] std::unique_ptr<CommitRun> make_run(const std::string& gtrid,
                                                      std::span<EnlistedBranch> branches,
                                                      CommitOptions options);

private:
    CommitRun::Environment environment_;
};

}  // namespace xa_tm
