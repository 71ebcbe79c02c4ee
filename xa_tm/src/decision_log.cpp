#include "decision_log.h"

#include <algorithm>
#include <type_traits>
#include <unordered_map>

#include <fmt/format.h>

#include "xa_tm/error.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

/// Sorts a record into the list of its kind.
class Sorter {
public:
    Sorter(LoggedState& state, recovery_log::EntryId entry) : state_{state}, entry_{entry} {}

    void operator()(Decision&& decision) {
        state_.decisions.push_back(PendingDecision::fresh(std::move(decision), entry_));
    }
    void operator()(Heuristic&& record) { keep(state_.heuristics, std::move(record)); }
    void operator()(OperatorAct&& record) { keep(state_.acts, std::move(record)); }
    void operator()(ServerSighting&& record) { keep(state_.sightings, std::move(record)); }
    void operator()(ServerDoubt&& record) { keep(state_.server_doubts, std::move(record)); }
    void operator()(LogDoubt&& record) { keep(state_.log_doubts, std::move(record)); }

private:
    template <class Record>
    void keep(std::vector<Kept<Record>>& list, Record&& record) {
        list.push_back({std::move(record), entry_});
    }

    LoggedState& state_;
    recovery_log::EntryId entry_;
};

void mark_heuristics(LoggedState& state) {
    std::unordered_map<std::string_view, PendingDecision*> by_gtrid;
    for (auto& pending : state.decisions) {
        by_gtrid.insert_or_assign(pending.decision.gtrid, &pending);  // the later record counts
    }
    for (const auto& [heuristic, entry] : state.heuristics) {
        const auto found = by_gtrid.find(heuristic.gtrid);
        if (found == by_gtrid.end()) {
            continue;
        }
        auto& pending = *found->second;
        for (std::size_t i = 0; i < pending.progress.size(); ++i) {
            if (pending.decision.branches[i].bqual == heuristic.bqual) {
                pending.progress[i] = Progress::heuristic;
            }
        }
    }
}

}  // namespace

PendingDecision PendingDecision::fresh(Decision decision,
                                       std::optional<recovery_log::EntryId> entry) {
    std::vector<Progress> progress;
    progress.reserve(decision.branches.size());
    for (const auto& branch : decision.branches) {
        progress.push_back(branch.is_finished ? Progress::finished : Progress::open);
    }
    return {std::move(decision), entry, std::move(progress)};
}

bool PendingDecision::is_finished() const noexcept {
    return std::ranges::all_of(progress, [](Progress p) { return p == Progress::finished; });
}

bool PendingDecision::is_open() const noexcept {
    return std::ranges::find(progress, Progress::open) != progress.end();
}

LoggedState state_of(const std::vector<recovery_log::Entry>& entries) {
    LoggedState state;
    for (const auto& entry : entries) {
        auto record = decode(entry.body);
        if (!record) {
            throw Error(
                {.code = ErrorCode::log_damaged},
                fmt::format("entry {} of the log is intact but of a version that this program "
                            "does not know; use the version that wrote it",
                            entry.id));
        }
        std::visit(Sorter{state, entry.id}, std::move(*record));
    }
    mark_heuristics(state);
    return state;
}

bool DecisionLog::takes_decisions() {
    // A full log looks for space only when it is asked for some, so that is how it is asked.
    return log_->status().health == recovery_log::Health::healthy || log_->reserve(1).has_value();
}

recovery_log::Forced DecisionLog::force(recovery_log::Reservation reservation,
                                        const Decision& decision) noexcept {
    return log_->force(std::move(reservation), encode(decision));
}

void DecisionLog::force_async(recovery_log::Reservation reservation, const Decision& decision,
                              recovery_log::Completion completion) {
    log_->force_async(std::move(reservation), encode(decision), std::move(completion));
}

std::optional<recovery_log::EntryId> DecisionLog::record(const LogRecord& record) noexcept {
    const auto bytes = encode(record);
    auto reservation = log_->reserve(bytes.size());
    if (!reservation) {
        return std::nullopt;
    }
    const auto forced = log_->force(std::move(*reservation), bytes);
    return forced.result == recovery_log::ForceResult::durable ? std::optional{forced.id}
                                                               : std::nullopt;
}

}  // namespace xa_tm
