#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "contender.h"
#include "database.h"
#include "wire_proxy.h"

namespace xa_tm::bench {

/// Two servers of the sandbox with the accounts that contenders write to, and a network in between.
///
/// Ownership: owns the proxy; the servers are the sandbox's.
/// Thread safety: one thread at a time.
class Pair {
public:
    Pair(const std::string& first, const std::string& second);

    /// Over the proxy.
    [[nodiscard]] const std::vector<Account>& accounts() const noexcept { return accounts_; }
    [[nodiscard]] test::WireProxy& network() noexcept { return *network_; }
    /// The sum of all balances; every transaction adds 1 to each.
    [[nodiscard]] std::array<std::int64_t, 2> sums();
    /// Branches that were left prepared.
    [[nodiscard]] std::size_t count_prepared();

private:
    std::vector<test::Database> databases_;
    std::optional<test::WireProxy> network_;
    std::vector<Account> accounts_;
};

/// So many that concurrent transactions never meet on one.
inline constexpr int kAccounts = 1000;

}  // namespace xa_tm::bench
