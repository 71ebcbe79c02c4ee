#include "xa_tm/outcome.h"

#include <algorithm>

#include <fmt/format.h>

#include "commit_completion.h"

namespace xa_tm {

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::committed: return "committed";
        case Outcome::rolled_back: return "rolled back";
        case Outcome::unknown: return "unknown";
        case Outcome::heuristic_rollback: return "heuristic rollback";
        case Outcome::heuristic_mixed: return "heuristic mixed";
        case Outcome::heuristic_hazard: return "heuristic hazard";
    }
    return "not an outcome";
}

std::string_view to_string(BranchState state) noexcept {
    switch (state) {
        case BranchState::active: return "active";
        case BranchState::preparing: return "preparing";
        case BranchState::prepared: return "prepared";
        case BranchState::read_only: return "read-only";
        case BranchState::committing: return "committing";
        case BranchState::committed: return "committed";
        case BranchState::rolling_back: return "rolling back";
        case BranchState::rolled_back: return "rolled back";
        case BranchState::unknown: return "unknown";
        case BranchState::heuristic_commit: return "heuristic commit";
        case BranchState::heuristic_rollback: return "heuristic rollback";
        case BranchState::heuristic_mixed: return "heuristic mixed";
        case BranchState::heuristic_hazard: return "heuristic hazard";
    }
    return "not a branch state";
}

bool CommitReport::is_settled() const noexcept {
    const auto has_reached = [this](const BranchReport& branch) {
        return branch.state == BranchState::read_only ||
               (outcome_ == Outcome::committed && branch.state == BranchState::committed) ||
               (outcome_ == Outcome::rolled_back && branch.state == BranchState::rolled_back);
    };
    return std::ranges::all_of(branches_, has_reached);
}

std::shared_future<CommitReport> CommitReport::completion() const {
    mark_.set();
    if (completion_ != nullptr) {
        return completion_->future();
    }
    Completion completed;
    completed.complete(*this);
    return completed.future();
}

std::string to_string(const CommitReport& report) {
    auto text = fmt::format("{}: {}", report.gtrid(), to_string(report.outcome()));
    if (!report.reason().empty()) {
        text += fmt::format(" ({})", report.reason());
    }
    for (const auto& branch : report.branches()) {
        text += fmt::format("\n  {}: {}, {}", branch.resource, to_string(branch.state),
                            to_string(branch.code));
        for (const auto& detail : {branch.message, branch.next}) {
            if (!detail.empty()) {
                text += fmt::format("; {}", detail);
            }
        }
    }
    return text;
}

}  // namespace xa_tm
