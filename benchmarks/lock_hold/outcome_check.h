#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cell.h"
#include "scratch_tables.h"

namespace xa_tm::bench {

/// What is wrong with the change of the branches' sums after so many transactions that were told to
/// have committed; nothing when they are exactly what they must be.
[[nodiscard]] std::optional<std::string> wrong_in(const std::vector<std::int64_t>& changes,
                                                  std::uint64_t committed, const Cell& cell);

/// Follows the sums of a cell's tables from turn to turn.
///
/// Ownership: borrows the tables.
/// Thread safety: one thread at a time.
class OutcomeCheck {
public:
    OutcomeCheck(ScratchTables& tables, const Cell& cell);
    /// Before a contender's turn.
    void begin();
    /// After it. A branch whose commit is still under way is waited for. Throws
    /// std::runtime_error when the sums are not what the contender has told.
    void check(std::uint64_t committed);

private:
    ScratchTables& tables_;
    const Cell& cell_;
    std::vector<std::int64_t> before_;
};

}  // namespace xa_tm::bench
