#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "xa_tm/branch.h"
#include "xa_tm/commit_operation.h"
#include "xa_tm/datasource.h"
#include "xa_tm/one_shot.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

class TransactionManagerState;

/// How one transaction differs from others.
struct TransactionOptions {
    /// In place of Config::transaction_timeout; 0: no limit.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    /// How long locks may have been held when commit() is called: once more time has passed since
    /// the first branch was opened, it rolls back instead and prepares nothing. 0: no budget.
    std::chrono::milliseconds lock_hold_budget{0};
};

/// One global transaction. Rolls back at the end of its scope unless it was committed.
///
/// The branches' connections stay with it until then, and until the commit has finished, refusing
/// work once the transaction has ended: no later statement escapes into autocommit. When its time
/// is over (TransactionOptions::timeout) its sessions are ended at their servers, whatever its
/// thread is doing: the locks are released, and every use but commit() and rollback(), which report
/// a rollback, throws timed_out.
///
/// Ownership: movable; must not outlive the TransactionManager, nor branches it.
/// Thread safety: one thread at a time, any thread: a move to another one is all that suspend and
/// resume need. A thread may have several at once.
class Transaction {
public:
    /// More would not fit one record of the log.
    static constexpr std::size_t kMaxBranches = 128;

    Transaction(Transaction&&) noexcept;
    /// Rolls back what this was before, unless that had ended.
    Transaction& operator=(Transaction&&) noexcept;
    ~Transaction();

    /// Makes the datasource take part and gives its branch; the same one when it takes part
    /// already. Asks no server yet: a branch is opened when it is first used, and what can't be
    /// reached or refuses is told then; the transaction stays usable. Throws Error: the transaction
    /// has ended or has kMaxBranches already.
    template <class D>
    typename D::Branch enlist(D& datasource) {
        Datasource* const one[] = {&datasource};
        return typename D::Branch{enlist_all(one).front()};
    }

    /// Makes several datasources take part and gives their branches as a tuple; the first use of
    /// one opens all of them in one wait.
    template <class First, class Second, class... Rest>
    requires std::convertible_to<Second*, Datasource*>
        std::tuple<typename First::Branch, typename Second::Branch, typename Rest::Branch...>
        enlist(First& first, Second& second, Rest&... rest) {
        Datasource* const all[] = {&first, &second, &rest...};
        const auto branches = enlist_all(all);
        return enlist_as<First, Second, Rest...>(branches,
                                                 std::index_sequence_for<First, Second, Rest...>{});
    }

    /// Makes the datasource take part with a connection that the caller has opened: a PGconn*, a
    /// MYSQL* or a soci::session&, to the datasource's own server and database and as its user,
    /// idle and with no transaction open. It takes no place in the pool.
    ///
    /// Until this transaction's scope has ended, it stays open, is used through the branch alone,
    /// and refuses work where it can once the branch has ended. Then it is as before, and it is the
    /// caller's to close: unless its state had become uncertain (the report says unknown, or a
    /// verb's answer did not come). Its session is ended then, and its handle says that it is lost.
    ///
    /// Asks no server yet, like enlist(datasource). Throws Error as that does, and (invalid_state)
    /// when the datasource takes part already; the first use of the branch throws
    /// (invalid_configuration) what is to be changed when recovery could not finish this
    /// connection's branch, or (invalid_state) when the connection is not fit to be lent.
    template <class D>
    typename D::Branch enlist(D& datasource, typename D::Lent connection) {
        return typename D::Branch{
            enlist_lent(datasource, [&datasource, connection](const SessionMark& mark) {
                return datasource.adopt(connection, mark);
            })};
    }
    /// Has this run at the beginning of commit(), while statements can still be run, in the order
    /// of the calls; not when the transaction rolls back. What it throws rolls back: what() is the
    /// report's reason. Throws Error: the transaction has ended.
    void before_prepare(std::function<void()> callback);
    /// Has this run once, on the thread that ends the transaction, when its outcome is known and
    /// commit() has not returned yet, early or not; also for a rollback at the end of the scope and
    /// for one by timeout, then when the transaction is next used. What it throws is logged, and
    /// changes nothing. Throws Error: the transaction has ended.
    void after_completion(std::function<void(const CommitReport&)> callback);
    /// From now on commit() rolls back, and reports the first reason given. Statements may still be
    /// run. Throws Error: the transaction has ended otherwise than by a rollback.
    void set_rollback_only(std::string reason);
    /// Whether it was so set, or is over its time or rolled back.
    [[nodiscard]] bool is_rollback_only() const;

    /// Commits everywhere or nowhere. Never throws: whatever happens is in the report. A second
    /// call gives the same report; after rollback() it says so. In-doubt branches are finished by
    /// recovery. With when_decided a commit on several branches answers while they are still
    /// `committing`: the TransactionManager finishes them, and keeps their connections until then;
    /// the report's completion() tells.
    CommitReport commit(Return until = Return::when_finished) noexcept;

    /// Runs these statements as the last ones and commits. The first of their branches, in the
    /// order in which the datasources were added to the manager, goes first, and behind its answer
    /// all others at once, together with its prepare: so two transactions that meet in its rows
    /// don't wait for each other elsewhere. What fails rolls back everywhere and is in the report.
    /// Throws Error: the transaction has ended, or a datasource can't take part (see enlist()).
    RunReport finish_with(std::vector<Statement> statements, Return until = Return::when_finished);

    /// Begins a commit that the caller advances instead of waiting for it, and sends the first
    /// verbs. `on_log_answer` is called by another thread when the recovery log has answered, and
    /// only has the operation advanced then. Until the operation has ended the transaction may be
    /// destroyed or moved, and nothing else.
    [[nodiscard]] CommitOperation start_commit(Return until, std::function<void()> on_log_answer);

    /// Rolls back everywhere. What can't be reached is rolled back by recovery (presumed abort).
    void rollback() noexcept;

    /// As it shows in XA RECOVER, pg_prepared_xacts and xa-recover.
    [[nodiscard]] const std::string& gtrid() const noexcept;

private:
    friend class TransactionManager;
    Transaction(TransactionManagerState& manager, const TransactionOptions& options);

    /// One branch per datasource, in this order.
    [[nodiscard]] std::vector<Branch> enlist_all(std::span<Datasource* const> datasources);

    [[nodiscard]] Branch enlist_lent(
        Datasource& datasource,
        std::function<std::unique_ptr<Connection>(const SessionMark&)> adopt);

    template <class... D, std::size_t... I>
    static std::tuple<typename D::Branch...> enlist_as(const std::vector<Branch>& branches,
                                                       std::index_sequence<I...>) {
        return {typename D::Branch{branches[I]}...};
    }

    std::shared_ptr<OpenTransaction> state_;
};

}  // namespace xa_tm
