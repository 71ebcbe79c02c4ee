#include "transaction_table.h"

#include <algorithm>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

void set_progress(PendingDecision& pending, std::string_view bqual, Progress progress) {
    const auto& branches = pending.decision.branches;
    const auto branch = std::ranges::find(branches, bqual, &DecidedBranch::bqual);
    XA_TM_CHECK(branch != branches.end(), "recovery acts on branches that the decision names");
    pending.progress[static_cast<std::size_t>(branch - branches.begin())] = progress;
}

}  // namespace

void TransactionTable::enter(const std::string& gtrid) {
    const std::scoped_lock lock{mutex_};
    state_.live.insert(gtrid);
}

void TransactionTable::leave(const std::string& gtrid) {
    const std::scoped_lock lock{mutex_};
    state_.live.erase(gtrid);
}

void TransactionTable::hand_over(PendingDecision pending) {
    const std::scoped_lock lock{mutex_};
    state_.live.erase(pending.decision.gtrid);
    auto gtrid = pending.decision.gtrid;
    state_.decisions.insert_or_assign(std::move(gtrid), std::move(pending));
}

TransactionTable::Snapshot TransactionTable::snapshot() const {
    const std::scoped_lock lock{mutex_};
    return state_;
}

std::optional<PendingDecision> TransactionTable::finish(std::string_view gtrid,
                                                        std::string_view bqual) {
    const std::scoped_lock lock{mutex_};
    const auto found = state_.decisions.find(gtrid);
    if (found == state_.decisions.end()) {
        return std::nullopt;
    }
    set_progress(found->second, bqual, Progress::finished);
    if (!found->second.is_finished()) {
        return std::nullopt;
    }
    auto finished = std::move(found->second);
    state_.decisions.erase(found);
    return finished;
}

void TransactionTable::mark_heuristic(std::string_view gtrid, std::string_view bqual) {
    const std::scoped_lock lock{mutex_};
    const auto found = state_.decisions.find(gtrid);
    if (found != state_.decisions.end()) {
        set_progress(found->second, bqual, Progress::heuristic);
    }
}

bool TransactionTable::is_waiting_for(std::string_view resource) const {
    const std::scoped_lock lock{mutex_};
    return std::ranges::any_of(state_.decisions, [&](const auto& item) {
        const auto& pending = item.second;
        for (std::size_t i = 0; i < pending.progress.size(); ++i) {
            if (pending.decision.branches[i].resource == resource &&
                pending.progress[i] == Progress::open) {
                return true;
            }
        }
        return false;
    });
}

}  // namespace xa_tm
