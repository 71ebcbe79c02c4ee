#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commit_protocol.h"
#include "decision_log.h"
#include "enlistments.h"
#include "gather.h"
#include "transaction_table.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

/// How far that branch of a decision is.
[[nodiscard]] PendingDecision::Progress progress_of(BranchState state) noexcept;

/// Drives the commit protocol over real connections, on the caller's thread: every verb is written
/// to all branches first, then one poll waits for all answers. A commit takes along the first
/// requests of a transaction that waits for the same connection.
///
/// Ownership: borrows the log and the table, which outlive it.
/// Thread safety: all members may be called from several threads at once, each with its own
/// branches.
class Coordinator {
public:
    /// Called with the name of a resource at which recovery has something to do soon.
    using WakeRecovery = std::function<void(std::string_view resource)>;

    Coordinator(DecisionLog& log, TransactionTable& table, std::chrono::milliseconds answer_timeout,
                WakeRecovery wake_recovery)
        : log_{log},
          table_{table},
          answer_timeout_{answer_timeout},
          wake_recovery_{std::move(wake_recovery)} {}

    /// Ends the transaction. Every branch is visited whatever another one answers.
    [[nodiscard]] CommitReport commit(const std::string& gtrid, std::span<EnlistedBranch> branches);
    [[nodiscard]] CommitReport rollback(const std::string& gtrid,
                                        std::span<EnlistedBranch> branches);

private:
    class Run;

    DecisionLog& log_;
    TransactionTable& table_;
    std::chrono::milliseconds answer_timeout_;
    WakeRecovery wake_recovery_;
};

}  // namespace xa_tm
