#pragma once

#include <chrono>
#include <functional>
#include <span>

#include "time_limit.h"
#include "xa_tm/one_shot.h"

namespace xa_tm {

class OpenTransaction;
class TransactionManagerState;

/// How statements that are the last ones of their transaction are run.
struct LastRun {
    /// All branches at once, since something else has seen to it that no other transaction of this
    /// process wants the same locks; else the first branch goes before the others.
    bool sends_all_at_once = false;
    /// From when the first is sent until all have to be answered; 0: until the transaction's time
    /// is over.
    std::chrono::milliseconds lock_wait_timeout{0};
    Return until = Return::when_finished;
    /// See OpenTransaction::commit().
    std::function<void()> on_votes = {};
};

/// As Transaction::finish_with().
RunReport run_last(OpenTransaction& transaction, std::span<const Statement> statements,
                   const LastRun& options);

/// As TransactionManager::run().
RunReport run_one_shot(TransactionManagerState& state, std::span<const Statement> statements,
                       const RunOptions& options);

}  // namespace xa_tm
