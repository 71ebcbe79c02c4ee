#pragma once

#include <cstddef>
#include <vector>

#include "null_resource.h"
#include "workload.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::bench {

/// The transaction manager over resources that do nothing.
///
/// Ownership: owns the manager.
/// Thread safety: begin() may be called from several threads at once.
class ManagerAlone {
public:
    /// For so many transactions at once.
    ManagerAlone(const Workload& workload, std::size_t transactions_max);

    /// A transaction with an open branch in every resource.
    [[nodiscard]] Transaction begin();

private:
    TransactionManager manager_;
    std::vector<NullResource*> resources_;
};

}  // namespace xa_tm::bench
