#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "xa_tm/connection.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

/// A commit that an event loop of the application carries on without ever waiting:
///
///     auto commit = tx.start_commit(Return::when_finished, [] { /* wake the loop */ });
///     while (!commit.is_done()) {
///         // until one of commit.waits() is ready, commit.deadline() has passed, or woken:
///         commit.advance();
///     }
///     auto report = commit.report();
///
/// xa_tm/async_commit.h does that for Boost.Asio. One write and sync of the recovery log is done by
/// advance(), where no other thread is about to do it for this one.
///
/// One that ends before it is done ends the transaction: it rolls back, unless the decision to
/// commit is durable. Votes and commits that are outstanding are not waited for; recovery finishes
/// their branches.
///
/// Ownership: keeps what it needs of the transaction, whose scope may end before it; must not
/// outlive the TransactionManager. A moved-from one may only be destroyed or assigned to.
/// Thread safety: one thread at a time.
class CommitOperation {
public:
    /// A connection whose answer is outstanding.
    struct Wait {
        std::size_t branch;  ///< in the order of enlistment
        Connection::Readiness readiness;
    };

    class State;
    explicit CommitOperation(std::unique_ptr<State> state) noexcept;
    CommitOperation(CommitOperation&&) noexcept;
    CommitOperation& operator=(CommitOperation&&) noexcept;
    ~CommitOperation();

    /// Takes what has arrived and sends what follows from it. Nothing happens when nothing has.
    void advance();
    /// What to poll before the next advance(), until then; the descriptors stay the connections'
    /// own, and may be closed by advance(). Empty while the log is waited for, and when done.
    [[nodiscard]] std::span<const Wait> waits() const noexcept;
    /// When to advance() at the latest.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const;
    [[nodiscard]] bool is_done() const noexcept;
    /// Once it is_done().
    [[nodiscard]] CommitReport report() const;

private:
    std::unique_ptr<State> state_;
};

}  // namespace xa_tm
