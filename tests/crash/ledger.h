#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "database.h"

namespace xa_tm::test {

/// A sum that moves between two servers: what one of them gains the other one loses.
struct Transfer {
    std::int64_t id = 0;
    int account = 0;
    std::int64_t amount = 0;
};

/// As Ledger::transfers_from() gives it.
[[nodiscard]] std::string to_string(const Transfer& transfer);

/// One server's accounts, and the ledger of the transfers that have changed them. Beside these, a
/// branch of another transaction manager stays prepared at the server for as long as this lives.
///
/// The tables and the foreign branch carry the name of the run: a run that has failed leaves them
/// for a person to look at, and what they lock hinders no other run.
///
/// Ownership: owns its tables and the foreign branch at the server, until clear().
/// Thread safety: const members may be called from several threads at once.
class Ledger {
public:
    enum class Side { gains, loses };

    static constexpr int kAccounts = 16;

    /// Makes the tables and prepares the foreign branch. The server is one of the sandbox.
    Ledger(std::string server, Side side, const std::string& run);

    [[nodiscard]] const std::string& server() const noexcept { return server_; }
    [[nodiscard]] const std::string& uri() const noexcept { return uri_; }
    [[nodiscard]] bool is_postgresql() const noexcept { return uri_.starts_with("postgres"); }

    /// The two statements of a transfer at this server.
    [[nodiscard]] std::string change_account(const Transfer& transfer) const;
    [[nodiscard]] std::string write_down(const Transfer& transfer) const;

    /// Every transfer that was written down, from this id on, as to_string() writes it.
    [[nodiscard]] std::set<std::string> transfers_from(std::int64_t id) const;
    /// True when the accounts hold what the ledger says.
    [[nodiscard]] bool is_balanced() const;
    /// The branches that the server lists as prepared and whose names contain this.
    [[nodiscard]] std::vector<std::string> prepared(const std::string& part_of_name) const;
    [[nodiscard]] bool is_foreign_branch_prepared() const;

    /// Ends the foreign branch and drops the tables.
    void clear() const;

private:
    std::string server_;
    std::string uri_;
    int sign_;
    std::string ledger_;
    std::string accounts_;
    std::string foreign_;
};

}  // namespace xa_tm::test
