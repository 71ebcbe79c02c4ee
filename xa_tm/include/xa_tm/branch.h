#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "xa_tm/connection.h"

namespace xa_tm {

class OpenTransaction;

/// The application's way into one branch. Each driver derives its own from it, with the views of
/// the connection that its server's clients have.
///
/// Ownership: a light handle, valid until the Transaction that gave it has ended its scope.
/// Thread safety: one thread at a time, the one that uses the Transaction.
class Branch {
public:
    Branch(OpenTransaction& transaction, std::size_t index) noexcept
        : transaction_{&transaction}, index_{index} {}

    /// Runs one SQL statement and gives the number of rows that it wrote, or gave. The first use of
    /// a branch opens it in the same round trip; and a branch that is used in no other way than by
    /// execute() and execute_last() lets the pool start its next transaction with the commit of
    /// this one. Throws Error: statement_failed with the server's words, or conflict when it was a
    /// deadlock's victim or the like; what opening a branch throws; timed_out; invalid_state when
    /// the branch has ended.
    std::uint64_t execute(const std::string& statement) const;
    /// The same for the branch's last statement: the branch is prepared in the same round trip,
    /// and takes no statement after it. Not prepared when the statement fails. The branch's locks
    /// are held, as always, until the transaction ends.
    std::uint64_t execute_last(const std::string& statement) const;

protected:
    /// The connection that the branch is open on; opened now, with all others of the transaction
    /// in one wait, unless it is. Throws Error: the server can't be reached or refuses the branch;
    /// pool_exhausted; timed_out; invalid_state when the branch has ended.
    [[nodiscard]] Connection& connection() const;

private:
    OpenTransaction* transaction_;
    std::size_t index_;
};

}  // namespace xa_tm
