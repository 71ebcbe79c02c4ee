#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "xa_tm/branch.h"
#include "xa_tm/datasource.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

class TransactionManagerState;

/// One global transaction. Rolls back at the end of its scope unless it was committed.
///
/// The branches' connections stay with it until then, refusing work once the transaction has ended:
/// no later statement escapes into autocommit.
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

    /// Commits everywhere or nowhere. Never throws: whatever happens is in the report. A second
    /// call gives the same report; after rollback() it says so. In-doubt branches are finished by
    /// recovery.
    CommitReport commit() noexcept;

    /// Rolls back everywhere. What can't be reached is rolled back by recovery (presumed abort).
    void rollback() noexcept;

    /// As it shows in XA RECOVER, pg_prepared_xacts and xa-recover.
    [[nodiscard]] const std::string& gtrid() const noexcept;

private:
    friend class TransactionManager;
    explicit Transaction(TransactionManagerState& manager);

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

    std::unique_ptr<OpenTransaction> state_;
};

}  // namespace xa_tm
