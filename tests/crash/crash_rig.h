#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "child_process.h"
#include "database.h"
#include "temporary_directory.h"
#include "xa_tm/logged_decision.h"
#include "xa_tm/recovery_report.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {

/// What a child may do with its one transaction.
enum class Scenario {
    commit,          ///< every branch writes and commits
    refuse,          ///< PostgreSQL branches vote no: their deferred constraint fails
    rollback,        ///< the application rolls back
    last_resource,   ///< as commit; the last server is a last resource
    recover,         ///< no transaction: it finishes what an earlier child has left
    order_commit,    ///< a person orders that for what an earlier child has left
    order_rollback,  ///< the same
};

[[nodiscard]] std::string to_string(Scenario scenario);

/// A log, some databases with a table each, and children that are killed at work: what they leave
/// is recovered and judged by plain reads of every database.
///
/// Ownership: owns the log's folder; the databases are the sandbox's.
/// Thread safety: one thread at a time.
class CrashRig {
public:
    /// The last server becomes a last resource if so asked, with its decision table.
    explicit CrashRig(std::vector<std::string> servers, bool has_last_resource = false);

    /// Starts a child with its transaction; `point` as in XA_TM_CRASH_POINT, none when empty.
    [[nodiscard]] ChildProcess start(Scenario scenario, const std::string& point);
    /// Starts it and waits for its end.
    [[nodiscard]] Completed run(Scenario scenario, const std::string& point);

    /// Waits until the servers have noticed that the child is gone.
    void wait_until_sessions_are_gone();
    /// Opens the log as its next owner and recovers; every resource has to be reachable.
    [[nodiscard]] RecoveryReport recover();
    /// As insist(), in this process.
    void insist(OrderVerb verb);
    /// Looks without touching.
    [[nodiscard]] RecoveryReport look();
    /// Recovers with another log of the same node, which must not touch anything of this one.
    [[nodiscard]] RecoveryReport recover_with_another_log();

    /// Recovers, then expects: nothing in doubt, nothing prepared, nothing left in the log or in a
    /// decision table, and the row of the last child everywhere or nowhere. Gives which of them.
    [[nodiscard]] bool expect_settled();
    /// How many databases have the row of the last child.
    [[nodiscard]] std::size_t count_rows();
    /// How many branches of ours the servers list as prepared.
    [[nodiscard]] std::size_t count_prepared();
    /// How many decisions lie at the last resource.
    [[nodiscard]] std::size_t count_decisions();

    [[nodiscard]] const std::vector<std::string>& servers() const noexcept { return servers_; }

private:
    [[nodiscard]] std::unique_ptr<TransactionManager> open(const std::filesystem::path& log) const;
    /// Its name, where there is one.
    [[nodiscard]] std::string last_resource() const;

    std::vector<std::string> servers_;
    bool has_last_resource_;
    TemporaryDirectory log_;
    int key_ = 0;
};

/// A name with underscores for whatever is no letter and no digit, for tables and tests.
[[nodiscard]] std::string plain_name(std::string name);

/// The outcome that a child printed; nothing when it died before.
[[nodiscard]] std::optional<std::string> reported_outcome(const Completed& end);

}  // namespace xa_tm::test
