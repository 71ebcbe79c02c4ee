#pragma once

#include <cstddef>

#include "xa_tm/connection.h"

namespace xa_tm {

class OpenTransaction;

/// The application's way into one branch. Each driver derives its own from it, with the views of the
/// connection that its server's clients have.
///
/// Ownership: a light handle, valid until the Transaction that gave it has ended its scope.
/// Thread safety: one thread at a time, the one that uses the Transaction.
class Branch {
public:
    Branch(OpenTransaction& transaction, std::size_t index) noexcept
        : transaction_{&transaction}, index_{index} {}

protected:
    /// The connection that the branch is open on. Throws Error (invalid_state) when the branch has
    /// ended.
    [[nodiscard]] Connection& connection() const;

private:
    OpenTransaction* transaction_;
    std::size_t index_;
};

}  // namespace xa_tm
