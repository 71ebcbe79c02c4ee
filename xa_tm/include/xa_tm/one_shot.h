#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "xa_tm/error.h"
#include "xa_tm/outcome.h"
#include "xa_tm/statement.h"

namespace xa_tm {

/// How far a one-shot transaction may be carried by another one, see RunOptions::combine.
struct CombineOptions {
    /// Transactions in one batch, the one that carries the others included; at least 1.
    std::size_t members_max = 64;
    /// How long a batch's statements may take, from when the first is sent, until it is dissolved
    /// and each of its transactions is run alone; to 24 h.
    std::chrono::milliseconds time_max{1000};
};

/// How one one-shot transaction differs from others.
struct RunOptions {
    /// In place of Config::transaction_timeout, from the call on; 0: no limit. One that another one
    /// carries ends with that.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    /// How long its statements may take from when they are sent; what takes longer waits for locks
    /// of others, perhaps in a deadlock across servers, which none of them sees. It is rolled back
    /// then, with a conflict. 0: until the timeout.
    std::chrono::milliseconds lock_wait_timeout{10000};
    /// Names for the rows that others may want at the same time, such as "acct:42": transactions of
    /// this manager that share one are run one after the other, in the order of the calls, so that
    /// they wait here and not in the servers. The next one's statements leave once the one before
    /// has all its votes. A hint: a wrong or missing key, or another process at the same rows,
    /// costs waiting and nothing else.
    std::vector<std::string> conflict_keys = {};
    /// Set: where it would have to wait for its turn among those with the same conflict keys, the
    /// one in front may carry it in its own branches, within savepoints, if its datasources are the
    /// same: they are committed together or not at all. What its statements may not be, see
    /// TransactionManager::run().
    std::optional<CombineOptions> combine = std::nullopt;
    /// Ends the wait for its turn, with timed_out. Once its statements are sent it has no effect.
    std::stop_token cancel = {};
    Return until = Return::when_finished;
};

/// What became of a one-shot transaction: a value that the caller has to look at, as
/// CommitReport.
///
/// Ownership: a value. Thread safety: const members may be called from several threads at once.
class [[nodiscard]] RunReport {
public:
    RunReport(CommitReport report, std::vector<StatementResult> results,
              std::optional<Error> error = std::nullopt)
        : report_{std::move(report)}, results_{std::move(results)}, error_{std::move(error)} {}

    [[nodiscard]] Outcome outcome() const noexcept { return report_.outcome(); }
    /// Of the transaction; of a combined one, of the batch that carried it. It never began where
    /// its gtrid is empty.
    [[nodiscard]] const CommitReport& commit() const noexcept { return report_; }
    /// One for each statement, in their order; valid while *this is.
    [[nodiscard]] std::span<const StatementResult> results() const noexcept { return results_; }
    /// Why it was rolled back, where that was not at the servers' prepare: the first statement that
    /// failed (statement_failed) or had other rows (unexpected_rows), what kept a branch from being
    /// opened, or what Error::is_retryable() says of running it again.
    [[nodiscard]] const std::optional<Error>& error() const noexcept {
        if (error_) {
            static_cast<void>(report_.outcome());  // whoever sees the error knows the outcome
        }
        return error_;
    }

private:
    CommitReport report_;
    std::vector<StatementResult> results_;
    std::optional<Error> error_;
};

}  // namespace xa_tm
