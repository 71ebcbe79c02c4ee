#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "workload.h"
#include "xa_tm/value.h"

namespace xa_tm::bench {

/// A statement on one row, both as text and with arguments.
struct RowStatement {
    std::string text;
    std::string with_placeholders;
    std::vector<Value> arguments;
    std::uint64_t row;
};

/// What one place sends to one branch, one statement a row; a place is what runs one transaction
/// after the other, and has cold rows of its own.
struct BranchStatements {
    std::vector<RowStatement> updates;
    std::vector<RowStatement> reads;
};

/// For every branch. A transaction takes from the first one what it adds to the others.
[[nodiscard]] std::vector<BranchStatements> statements_of(const Workload& workload,
                                                          std::size_t place);

}  // namespace xa_tm::bench
