#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace xa_tm::bench {

/// One database with the table that a branch of every transaction writes to. Several may be at the
/// same server, each with a table of its own.
struct WorkloadBranch {
    std::string name;
    std::string uri;
    std::string table;

    [[nodiscard]] bool is_postgresql() const { return uri.starts_with("postgresql:"); }
};

/// What a contender is to do, as the harness wrote it.
struct Workload {
    std::string contender;
    std::vector<WorkloadBranch> branches;
    /// Resources that do nothing, in place of branches: the transaction manager alone.
    std::size_t null_resources = 0;
    std::size_t threads = 1;
    /// Transactions that are open at once, of the contender whose threads don't say that.
    std::size_t open = 0;
    bool is_hot = true;
    double read_only_share = 0;
    bool is_log_durable = true;
    /// Empty without a durable log.
    std::filesystem::path log_directory;
    /// Memory instead of time.
    bool measures_memory = false;
};

/// Throws std::runtime_error with one line that says what is wrong in the file.
[[nodiscard]] Workload read_workload(const std::filesystem::path& file);

}  // namespace xa_tm::bench
