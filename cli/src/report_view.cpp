#include "report_view.h"

#include <algorithm>

#include "exit_code.h"

namespace xa_tm::cli {

RecoveryAction done_or_to_do(const RecoveryBranch& branch) noexcept {
    switch (branch.state) {
        case RecoveredState::committed: return RecoveryAction::commit;
        case RecoveredState::rolled_back: return RecoveryAction::rollback;
        case RecoveredState::finished: return RecoveryAction::confirm;
        case RecoveredState::prepared:
        case RecoveredState::absent:
        case RecoveredState::unreachable:
        case RecoveredState::heuristic: return branch.action;
    }
    return branch.action;
}

RecoveryAction done_or_to_do(const RecoveryTransaction& transaction) noexcept {
    auto found = transaction.action();
    for (const auto& branch : transaction.branches) {
        const auto action = done_or_to_do(branch);
        if (found == RecoveryAction::none || found == RecoveryAction::confirm) {
            found = action == RecoveryAction::none ? found : action;
        }
    }
    return found;
}

bool is_finished(const RecoveryTransaction& transaction) noexcept {
    return std::ranges::all_of(transaction.branches, [](const RecoveryBranch& branch) {
        return branch.state == RecoveredState::committed ||
               branch.state == RecoveredState::rolled_back ||
               branch.state == RecoveredState::finished;
    });
}

bool is_merely_unforgotten(const RecoveryTransaction& transaction) noexcept {
    return transaction.state == TransactionState::commit_decided &&
           std::ranges::all_of(transaction.branches, [](const RecoveryBranch& branch) {
               return branch.state == RecoveredState::absent;
           });
}

bool waits_for_a_person(const RecoveryTransaction& transaction) noexcept {
    return transaction.is_in_doubt() && transaction.action() == RecoveryAction::none;
}

std::string_view without_name(const RecoveryResource& resource) noexcept {
    constexpr std::string_view kBefore = "resource ";
    constexpr std::string_view kBehind = ": ";
    std::string_view error = resource.error;
    for (const auto part : {kBefore, std::string_view{resource.name}, kBehind}) {
        if (!error.starts_with(part)) {
            return resource.error;
        }
        error.remove_prefix(part.size());
    }
    return error;
}

std::string_view home_of(TransactionState state, const RecoveryBranch& branch) noexcept {
    const bool is_ours =
        state == TransactionState::commit_decided || state == TransactionState::quarantined ||
        state == TransactionState::presumed_abort || state == TransactionState::live ||
        state == TransactionState::at_last_resource || state == TransactionState::restored ||
        state == TransactionState::heuristic;
    if (!is_ours || !branch.xid) {
        return {};
    }
    // A bqual of ours is RESOURCE:ORDINAL, with more behind a further colon.
    const std::string_view bqual = branch.xid->bqual;
    return bqual.substr(0, bqual.find(':'));
}

const RecoveryBranch* find_misplaced(const RecoveryReport& all,
                                     const RecoveryReport& alone) noexcept {
    const auto& listing = alone.resources.front().name;
    const auto is_asked = [&](std::string_view name) {
        return std::ranges::any_of(all.resources, [&](const RecoveryResource& resource) {
            return resource.name == name && resource.is_reachable;
        });
    };
    const auto is_listed_at_home = [&](const RecoveryBranch& branch, std::string_view home) {
        for (const auto& transaction : all.transactions) {
            for (const auto& other : transaction.branches) {
                if (other.xid == branch.xid && other.resource == home && !other.name.empty()) {
                    return true;
                }
            }
        }
        return false;
    };
    for (const auto& transaction : alone.transactions) {
        for (const auto& branch : transaction.branches) {
            const auto home = home_of(transaction.state, branch);
            if (!branch.name.empty() && home != listing && is_asked(home) &&
                !is_listed_at_home(branch, home)) {
                return &branch;
            }
        }
    }
    return nullptr;
}

RecoveryReport only(RecoveryReport report, std::string_view gtrid) {
    std::erase_if(report.transactions, [&](const RecoveryTransaction& transaction) {
        return transaction.gtrid != gtrid;
    });
    return report;
}

int exit_code_of(const RecoveryReport& report) noexcept {
    if (!report.is_complete()) {
        return kUnreadable;
    }
    return report.is_anything_in_doubt() ? kInDoubt : kNothingInDoubt;
}

}  // namespace xa_tm::cli
