#include "statements.h"

#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

constexpr std::size_t kColdRows = 100;

RowStatement update(const WorkloadBranch& branch, int amount, std::uint64_t row) {
    const auto* clock = branch.is_postgresql() ? "clock_timestamp()" : "sysdate(6)";
    const auto with = [&](const auto& number, const auto& id) {
        return fmt::format("update {} set balance = balance + {}, granted_at = {} where id = {}",
                           branch.table, number, clock, id);
    };
    const bool is_numbered = branch.is_postgresql();
    return {.text = with(amount, row),
            .with_placeholders = with(is_numbered ? "$1" : "?", is_numbered ? "$2" : "?"),
            .arguments = {to_value(amount), to_value(row)},
            .row = row};
}

RowStatement read(const WorkloadBranch& branch, std::uint64_t row) {
    const auto with = [&](const auto& id) {
        return fmt::format("select balance from {} where id = {}", branch.table, id);
    };
    return {.text = with(row),
            .with_placeholders = with(branch.is_postgresql() ? "$1" : "?"),
            .arguments = {to_value(row)},
            .row = row};
}

BranchStatements statements_for(const Workload& workload, std::size_t branch, std::size_t place) {
    const bool takes = branch == 0 && workload.branches.size() > 1;
    const auto amount = takes ? 1 - static_cast<int>(workload.branches.size()) : 1;
    BranchStatements statements;
    for (std::size_t i = 0; i < (workload.is_hot ? 1 : kColdRows); ++i) {
        const std::uint64_t row = workload.is_hot ? 1 : 2 + place * kColdRows + i;
        statements.updates.push_back(update(workload.branches[branch], amount, row));
        statements.reads.push_back(read(workload.branches[branch], row));
    }
    return statements;
}

}  // namespace

std::vector<BranchStatements> statements_of(const Workload& workload, std::size_t place) {
    std::vector<BranchStatements> statements;
    for (std::size_t branch = 0; branch < workload.branches.size(); ++branch) {
        statements.push_back(statements_for(workload, branch, place));
    }
    return statements;
}

}  // namespace xa_tm::bench
