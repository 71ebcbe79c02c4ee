#include "statements.h"

#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

constexpr std::size_t kColdRows = 100;

BranchStatements statements_for(const Workload& workload, std::size_t branch, std::size_t place) {
    const auto& [name, uri, table] = workload.branches[branch];
    const bool takes = branch == 0 && workload.branches.size() > 1;
    const auto amount = takes ? 1 - static_cast<int>(workload.branches.size()) : 1;
    const auto* clock =
        workload.branches[branch].is_postgresql() ? "clock_timestamp()" : "sysdate(6)";
    BranchStatements statements;
    for (std::size_t i = 0; i < (workload.is_hot ? 1 : kColdRows); ++i) {
        const std::uint64_t id = workload.is_hot ? 1 : 2 + place * kColdRows + i;
        statements.updates.push_back(
            {fmt::format("update {} set balance = balance + {}, granted_at = {} where id = {}",
                         table, amount, clock, id),
             id});
        statements.reads.push_back(
            {fmt::format("select balance from {} where id = {}", table, id), id});
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
