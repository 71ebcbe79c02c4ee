#include "branch_history.h"

#include "server_facts.h"

namespace xa_tm::mysql {
namespace {

/// ER_XAER_RMFAIL, which answers a statement that can't be run in a branch's state.
constexpr int kNotInGlobalTransaction = 1399;
constexpr std::string_view kEndsTransaction =
    "DDL, LOCK TABLES and statements that begin or end a transaction can't be run inside a global "
    "transaction; the branch can only be rolled back";

}  // namespace

void BranchHistory::add_state(std::string_view transaction_state) {
    has_changed_for_good_ = has_changed_for_good_ || has_changed_for_good(transaction_state);
}

void BranchHistory::add_lent_statement(int error) {
    if (error == kNotInGlobalTransaction && why_rollback_only_.empty()) {
        why_rollback_only_ = kEndsTransaction;
    }
}

void BranchHistory::add_refused(std::span<const Reply> results) {
    if (results.back().error == kNotInGlobalTransaction) {
        why_rollback_only_ = kEndsTransaction;
    } else if (results.size() > 1) {
        why_rollback_only_ = "a statement failed after a part of it had been carried out";
    }
}

void BranchHistory::add_swallowing() {
    why_rollback_only_ = "a statement's text has swallowed what was sent behind it";
}

std::string_view BranchHistory::caveat() const noexcept {
    return has_changed_for_good_ ? kChangedForGood : std::string_view{};
}

}  // namespace xa_tm::mysql
