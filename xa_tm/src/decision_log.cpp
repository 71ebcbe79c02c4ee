#include "decision_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "xa_tm/error.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

void mark_heuristic(std::vector<PendingDecision>& pending, const Heuristic& heuristic) {
    for (auto& item : pending) {
        for (std::size_t i = 0; i < item.progress.size(); ++i) {
            if (item.decision.gtrid == heuristic.gtrid &&
                item.decision.branches[i].bqual == heuristic.bqual) {
                item.progress[i] = Progress::heuristic;
            }
        }
    }
}

}  // namespace

PendingDecision PendingDecision::fresh(Decision decision,
                                       std::optional<recovery_log::EntryId> entry) {
    const auto branches = decision.branches.size();
    return {std::move(decision), entry, std::vector(branches, Progress::open)};
}

bool PendingDecision::is_finished() const noexcept {
    return std::ranges::all_of(progress, [](Progress p) { return p == Progress::finished; });
}

std::vector<PendingDecision> decisions_of(const std::vector<recovery_log::Entry>& entries) {
    std::vector<PendingDecision> pending;
    std::vector<Heuristic> heuristics;
    for (const auto& entry : entries) {
        auto record = decode(entry.body);
        if (!record) {
            throw Error(
                {.code = ErrorCode::log_damaged},
                fmt::format("entry {} of the log is intact but of a version that this program "
                            "does not know; use the version that wrote it",
                            entry.id));
        }
        if (auto* decision = std::get_if<Decision>(&*record)) {
            pending.push_back(PendingDecision::fresh(std::move(*decision), entry.id));
        } else if (auto* heuristic = std::get_if<Heuristic>(&*record)) {
            heuristics.push_back(std::move(*heuristic));
        }
    }
    for (const auto& heuristic : heuristics) {
        mark_heuristic(pending, heuristic);
    }
    return pending;
}

bool DecisionLog::takes_decisions() {
    // A full log looks for space only when it is asked for some, so that is how it is asked.
    return log_->status().health == recovery_log::Health::healthy || log_->reserve(1).has_value();
}

recovery_log::Forced DecisionLog::force(recovery_log::Reservation reservation,
                                        const Decision& decision) noexcept {
    return log_->force(std::move(reservation), encode(decision));
}

bool DecisionLog::record(const Heuristic& heuristic) noexcept {
    const auto bytes = encode(heuristic);
    auto reservation = log_->reserve(bytes.size());
    return reservation.has_value() &&
           log_->force(std::move(*reservation), bytes).result == recovery_log::ForceResult::durable;
}

}  // namespace xa_tm
