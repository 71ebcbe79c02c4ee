#include "outcome_check.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace xa_tm::bench {
namespace {

constexpr std::chrono::seconds kPatience{5};

std::string told(std::size_t branch, std::int64_t is, std::int64_t must_be) {
    return fmt::format("the balance of branch {} has changed by {} and not by {}", branch + 1, is,
                       must_be);
}

}  // namespace

std::optional<std::string> wrong_in(const std::vector<std::int64_t>& changes,
                                    std::uint64_t committed, const Cell& cell) {
    const auto transactions = static_cast<std::int64_t>(committed);
    const auto others = static_cast<std::int64_t>(cell.branches) - 1;
    const auto first = others > 0 ? -others * transactions : transactions;
    if (changes[0] != first) {
        return told(0, changes[0], first);
    }
    for (std::size_t i = 1; i < changes.size(); ++i) {
        // A transaction writes to all of the other branches or to none of them.
        const auto wanted = cell.read_only_share > 0 ? changes[1] : transactions;
        if (changes[i] != wanted || changes[i] > transactions) {
            return told(i, changes[i], wanted);
        }
    }
    return std::nullopt;
}

OutcomeCheck::OutcomeCheck(ScratchTables& tables, const Cell& cell)
    : tables_{tables}, cell_{cell} {}

void OutcomeCheck::begin() {
    before_ = tables_.sums();
}

void OutcomeCheck::check(std::uint64_t committed) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        auto changes = tables_.sums();
        std::ranges::transform(changes, before_, changes.begin(), std::minus{});
        const auto wrong = wrong_in(changes, committed, cell_);
        if (!wrong) {
            return;
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            throw std::runtime_error(fmt::format("told {} commits, but {}", committed, *wrong));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
}

}  // namespace xa_tm::bench
