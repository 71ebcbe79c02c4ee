#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "raw_connection.h"
#include "resource.h"

namespace xa_tm::bench {

inline constexpr unsigned kBranchesMax = 8;

/// "xa_bench_account_K" for branch K, which counts from 1.
[[nodiscard]] std::string table_of(unsigned branch);

/// Takes a database for one run: another run refuses to begin there as long as this lives.
///
/// Ownership: owns a session, which holds a named lock of the server.
/// Thread safety: one thread at a time.
class DatabaseClaim {
public:
    /// Throws std::runtime_error when another run has it, and when it has a table of such a name
    /// that no benchmark has made, which the table's comment tells.
    explicit DatabaseClaim(const Resource& resource);

private:
    std::unique_ptr<RawConnection> session_;
};

/// The tables of one cell, one a branch, and the decision table of the last branch, for whom it is
/// a last resource; made anew and removed in the end.
///
/// Ownership: owns the tables and a session for each.
/// Thread safety: one thread at a time.
class ScratchTables {
public:
    /// Branch K works at resources[K - 1], in rows for so many transactions at once. Tables that an
    /// earlier run has left are replaced. Throws std::runtime_error, also for a foreign table, and
    /// leaves nothing behind then.
    ScratchTables(std::vector<Resource> resources, unsigned places);
    ScratchTables(const ScratchTables&) = delete;
    ScratchTables& operator=(const ScratchTables&) = delete;
    /// A table that can't be removed is named on stderr.
    ~ScratchTables();

    [[nodiscard]] const std::vector<Resource>& resources() const noexcept { return resources_; }
    /// The sum of the balances of each branch.
    [[nodiscard]] std::vector<std::int64_t> sums();

private:
    struct Table {
        const Resource& resource;
        std::string name;
    };

    /// In the database where the session is, in place of what an earlier run has left there.
    void make(const Resource& resource, const std::string& name,
              const std::function<void(RawConnection&)>& create);
    void remove_all() noexcept;

    std::vector<Resource> resources_;
    std::vector<std::unique_ptr<RawConnection>> sessions_;
    std::vector<Table> made_;
};

}  // namespace xa_tm::bench
