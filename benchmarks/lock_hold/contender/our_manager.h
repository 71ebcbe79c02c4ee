#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "managed_session.h"
#include "resources.h"

namespace xa_tm::bench {

/// The transaction manager over the workload's databases, with a full pool for each.
///
/// Ownership: owns the manager.
/// Thread safety: all members may be called from several threads at once.
class OurManager {
public:
    /// A transaction and its branches, none of them used yet.
    struct Work {
        Transaction transaction;
        std::vector<Branch> branches;
    };
    struct Options {
        std::size_t connections;  ///< in each pool
        /// Whether the last branch is a last resource; its decision table exists.
        bool has_last_resource = false;
    };

    /// Throws when a server can't be reached.
    OurManager(const Workload& workload, const Options& options);

    [[nodiscard]] Work begin();
    [[nodiscard]] TransactionManager& manager() noexcept { return manager_; }
    [[nodiscard]] Datasource& datasource(std::size_t branch) noexcept {
        return resources_[branch]->datasource();
    }

private:
    /// Each of them once, for what belongs to a session.
    void set_up_connections(const Workload& workload, std::size_t count);

    TransactionManager manager_;
    std::vector<std::unique_ptr<test::Resource>> resources_;
};

}  // namespace xa_tm::bench
