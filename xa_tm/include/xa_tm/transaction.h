#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "xa_tm/branch.h"
#include "xa_tm/commit_operation.h"
#include "xa_tm/datasource.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

class TransactionManagerState;

/// One global transaction. Rolls back at the end of its scope unless it was committed.
///
/// The branches' connections stay with it until then, and until the commit has finished, refusing
/// work once the transaction has ended: no later statement escapes into autocommit.
///
/// Ownership: movable; must not outlive the TransactionManager, nor branches it.
/// Thread safety: one thread at a time.
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
    std::tuple<typename First::Branch, typename Second::Branch, typename Rest::Branch...> enlist(
        First& first, Second& second, Rest&... rest) {
        Datasource* const all[] = {&first, &second, &rest...};
        const auto branches = enlist_all(all);
        return enlist_as<First, Second, Rest...>(branches,
                                                 std::index_sequence_for<First, Second, Rest...>{});
    }

    /// Commits everywhere or nowhere. Never throws: whatever happens is in the report. A second
    /// call gives the same report; after rollback() it says so. In-doubt branches are finished by
    /// recovery. With when_decided a commit on several branches answers while they are still
    /// `committing`: the TransactionManager finishes them, and keeps their connections until then;
    /// the report's completion() tells.
    CommitReport commit(Return until = Return::when_finished) noexcept;

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
    explicit Transaction(TransactionManagerState& manager);

    /// One branch per datasource, in this order.
    [[nodiscard]] std::vector<Branch> enlist_all(std::span<Datasource* const> datasources);

    template <class... D, std::size_t... I>
    static std::tuple<typename D::Branch...> enlist_as(const std::vector<Branch>& branches,
                                                       std::index_sequence<I...>) {
        return {typename D::Branch{branches[I]}...};
    }

    std::shared_ptr<OpenTransaction> state_;
};

}  // namespace xa_tm
