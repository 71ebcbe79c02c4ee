#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bank.h"

namespace xa_tm::test {

/// What one database holds at a moment at which nothing goes on.
struct BankBooks {
    struct Entry {
        int account = 0;
        std::int64_t amount = 0;

        friend bool operator==(const Entry&, const Entry&) = default;
    };

    std::string database;
    /// By transfer, from the id on that was asked for.
    std::map<std::int64_t, Entry> entries = {};
    /// Accounts that do not hold what all entries for them add up to.
    std::vector<int> wrong_accounts = {};
    /// Over all accounts.
    std::int64_t balance = 0;
    /// As the server names them.
    std::set<std::string> prepared = {};
    /// Of other transaction managers, there from the start.
    std::set<std::string> planted = {};
    /// Of the decision table, by gtrid.
    std::set<std::string> rows = {};
    /// One of another transaction manager, there from the start.
    std::set<std::string> planted_rows = {};
};

/// How the transfers have gone and ended, as far as somebody knows.
struct BankTally {
    // Begun so; one may be several of these.
    std::size_t with_last_resource = 0;
    std::size_t early = 0;
    std::size_t async = 0;
    std::size_t with_timeout = 0;
    std::size_t by_keys = 0;
    std::size_t combinable = 0;
    /// Of those, told committed by one commit with others.
    std::size_t combined = 0;
    /// Of all, those whose time was over before they were decided.
    std::size_t timed_out = 0;
    std::map<Outcome, std::size_t> told = {};
    /// Of those told rolled back: not even begun, because the log refused, or their turn
    /// did not come.
    std::size_t not_begun = 0;
    /// Begun by a process that died before it had an answer.
    std::size_t untold_written = 0;
    std::size_t untold_absent = 0;
};

/// The memory of a run outside of its databases: what was begun, what was told, what was seen.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class Audit {
public:
    /// One whole line of the application's file. Throws std::runtime_error for one that is none.
    void read(std::string_view line);

    /// Everything that contradicts what was told or seen before, one sentence each; the books hold
    /// the entries from this id on, and are remembered.
    [[nodiscard]] std::vector<std::string> judge(const std::vector<BankBooks>& books,
                                                 std::int64_t first_id);
    [[nodiscard]] BankTally tally() const;
    [[nodiscard]] std::size_t committed() const noexcept { return committed_; }

private:
    struct Known {
        BankTransfer transfer;
        std::optional<BankOutcome> told = {};
        /// Behind an early answer.
        std::optional<BankOutcome> told_in_the_end = {};
        std::optional<bool> was_written = {};
    };

    std::map<std::int64_t, Known> transfers_;
    std::size_t committed_ = 0;
};

}  // namespace xa_tm::test
