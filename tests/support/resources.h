#pragma once

#include <memory>
#include <string>

#include "xa_tm/transaction_manager.h"

namespace soci {
class session;
}

namespace xa_tm::test {

/// A datasource of either kind, chosen by the scheme of its URI.
///
/// Ownership: borrows the datasource from its manager, which outlives it.
/// Thread safety: enlist() and branch_of() may be called from several threads at once, each with
/// its own transaction.
class Resource {
public:
    [[nodiscard]] static std::unique_ptr<Resource> add(TransactionManager& manager,
                                                       const std::string& name,
                                                       const std::string& uri,
                                                       DatasourceOptions options = {});
    virtual ~Resource() = default;

    [[nodiscard]] virtual const std::string& name() const = 0;
    [[nodiscard]] virtual bool is_postgresql() const = 0;
    /// Makes it take part and gives the session of its branch.
    [[nodiscard]] virtual soci::session& enlist(Transaction& transaction) = 0;
    /// The same without its views of the connection, which is not opened by it.
    [[nodiscard]] virtual Branch branch_of(Transaction& transaction) = 0;
    [[nodiscard]] virtual Datasource& datasource() = 0;
};

}  // namespace xa_tm::test
