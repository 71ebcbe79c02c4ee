// Invariants:
// - a branch of a decision is Progress::heuristic exactly while heuristics holds it;
// - a decision stays until every branch is finished, or a person forgets it.

#include "transaction_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "global_id.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

/// Beyond that a transaction is left to a person although a proof had been seen.
constexpr std::size_t kNeverDecidedMax = 100'000;

Progress* progress_of(PendingDecision& pending, std::string_view bqual) {
    const auto& branches = pending.decision.branches;
    const auto branch = std::ranges::find(branches, bqual, &DecidedBranch::bqual);
    return branch == branches.end()
               ? nullptr
               : &pending.progress[static_cast<std::size_t>(branch - branches.begin())];
}

/// Up to `count_max` from the end.
std::vector<std::string> taken_from(std::vector<std::string>& rows, std::size_t count_max) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(count_max, rows.size()));
    std::vector<std::string> taken{std::make_move_iterator(rows.end() - count),
                                   std::make_move_iterator(rows.end())};
    rows.erase(rows.end() - count, rows.end());
    return taken;
}

void append(std::vector<recovery_log::EntryId>& entries,
            const std::optional<recovery_log::EntryId>& entry) {
    if (entry) {
        entries.push_back(*entry);
    }
}

}  // namespace

std::vector<recovery_log::EntryId> TransactionTable::load(LoggedState state) {
    std::vector<recovery_log::EntryId> replaced;
    for (auto& sighting : state.sightings) {
        append(replaced, note(std::move(sighting)));
    }
    const std::scoped_lock lock{mutex_};
    for (auto& pending : state.decisions) {
        const auto [place, is_new] =
            state_.decisions.try_emplace(pending.decision.gtrid, PendingDecision{});
        append(replaced, std::exchange(place->second, std::move(pending)).entry);
    }
    for (auto& heuristic : state.heuristics) {
        BranchKey key{heuristic.record.gtrid, heuristic.record.bqual};
        auto& kept = state_.heuristics[std::move(key)];
        append(replaced, std::exchange(kept, std::move(heuristic)).entry);
    }
    state_.server_doubts = std::move(state.server_doubts);
    for (const auto& last : state.last_resources) {
        state_.last_resources.try_emplace(last.record.resource, false);
    }
    if (!state.log_doubts.empty()) {
        state_.log_doubt = state.log_doubts.front().record.words;
        state_.is_log_doubt_in_log = true;
        has_log_doubt_ = true;
    }
    return replaced;
}

void TransactionTable::enter(const std::string& gtrid) {
    const std::scoped_lock lock{mutex_};
    state_.live.insert(gtrid);
}

void TransactionTable::leave(const std::string& gtrid) {
    const std::scoped_lock lock{mutex_};
    state_.live.erase(gtrid);
    changed_.notify_all();
}

void TransactionTable::leave(const PendingDecision& finished) {
    const std::scoped_lock lock{mutex_};
    drop_rows_of(finished);
    state_.live.erase(finished.decision.gtrid);
    changed_.notify_all();
}

void TransactionTable::hand_over(PendingDecision pending) {
    const std::scoped_lock lock{mutex_};
    state_.live.erase(pending.decision.gtrid);
    auto gtrid = pending.decision.gtrid;
    state_.decisions.insert_or_assign(std::move(gtrid), std::move(pending));
    changed_.notify_all();
}

std::shared_ptr<const RowVerdict> TransactionTable::wait_for_row(const std::string& gtrid,
                                                                 const std::string& last_resource) {
    auto verdict = std::make_shared<RowVerdict>();
    const std::scoped_lock lock{mutex_};
    state_.live.erase(gtrid);
    state_.waiting_for_row.insert_or_assign(gtrid, last_resource);
    row_verdicts_.insert_or_assign(gtrid, verdict);
    changed_.notify_all();
    return verdict;
}

void TransactionTable::await(const RowVerdict& verdict,
                             std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock{mutex_};
    changed_.wait_until(lock, deadline, [&] { return verdict.is_committed().has_value(); });
}

bool TransactionTable::wait_until_none_is_live(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock{mutex_};
    return changed_.wait_until(lock, deadline, [this] { return state_.live.empty(); });
}

TransactionTable::Snapshot TransactionTable::snapshot() const {
    const std::scoped_lock lock{mutex_};
    return state_;
}

TransactionTable::Counts TransactionTable::counts() const {
    const std::scoped_lock lock{mutex_};
    const auto open = std::ranges::count_if(state_.decisions,
                                            [](const auto& item) { return item.second.is_open(); });
    return {state_.live.size(), static_cast<std::size_t>(open), state_.heuristics.size(),
            state_.waiting_for_row.size()};
}

std::vector<recovery_log::EntryId> TransactionTable::finish(std::string_view gtrid,
                                                            std::string_view bqual) {
    const std::scoped_lock lock{mutex_};
    std::vector<recovery_log::EntryId> needless;
    const auto found = state_.decisions.find(gtrid);
    if (found == state_.decisions.end()) {
        return needless;
    }
    auto* progress = progress_of(found->second, bqual);
    XA_TM_CHECK(progress != nullptr, "recovery acts on branches that the decision names");
    const auto hazard = state_.heuristics.find(BranchKey{gtrid, bqual});
    if (hazard != state_.heuristics.end()) {
        append(needless, hazard->second.entry);
        state_.heuristics.erase(hazard);
    }
    *progress = Progress::finished;
    if (found->second.is_finished()) {
        append(needless, found->second.entry);
        drop_rows_of(found->second);
        state_.decisions.erase(found);
    }
    return needless;
}

std::optional<recovery_log::EntryId> TransactionTable::add(Kept<Heuristic> heuristic) {
    const std::scoped_lock lock{mutex_};
    const auto found = state_.decisions.find(heuristic.record.gtrid);
    if (found != state_.decisions.end()) {
        if (auto* progress = progress_of(found->second, heuristic.record.bqual)) {
            *progress = Progress::heuristic;
        }
    }
    BranchKey key{heuristic.record.gtrid, heuristic.record.bqual};
    auto& kept = state_.heuristics[std::move(key)];
    auto replaced = kept.entry;
    if (!heuristic.entry) {
        heuristic.entry = std::exchange(replaced, std::nullopt);  // better an older word than none
    }
    kept = std::move(heuristic);
    return replaced;
}

std::optional<Decision> TransactionTable::unwritten_progress(std::string_view gtrid) const {
    const std::scoped_lock lock{mutex_};
    const auto found = state_.decisions.find(gtrid);
    if (found == state_.decisions.end() || found->second.is_open() ||
        (!found->second.entry && found->second.row_at.empty())) {
        return std::nullopt;
    }
    auto decision = found->second.decision;
    for (std::size_t i = 0; i < decision.branches.size(); ++i) {
        decision.branches[i].is_finished = found->second.progress[i] == Progress::finished;
    }
    return decision == found->second.decision ? std::nullopt : std::optional{std::move(decision)};
}

std::optional<recovery_log::EntryId> TransactionTable::note_written(const Decision& decision,
                                                                    recovery_log::EntryId entry) {
    const std::scoped_lock lock{mutex_};
    const auto found = state_.decisions.find(decision.gtrid);
    if (found == state_.decisions.end()) {
        return entry;  // a person has forgotten it meanwhile
    }
    found->second.decision = decision;
    return std::exchange(found->second.entry, entry);
}

std::optional<std::vector<recovery_log::EntryId>> TransactionTable::forget(std::string_view gtrid) {
    const std::scoped_lock lock{mutex_};
    const auto decision = state_.decisions.find(gtrid);
    if (decision != state_.decisions.end() && decision->second.is_open()) {
        return std::nullopt;
    }
    std::vector<recovery_log::EntryId> needless;
    for (auto it = state_.heuristics.lower_bound(BranchKey{gtrid, ""});
         it != state_.heuristics.end() && it->first.first == gtrid;
         it = state_.heuristics.erase(it)) {
        append(needless, it->second.entry);
    }
    if (decision != state_.decisions.end()) {
        append(needless, decision->second.entry);
        drop_rows_of(decision->second);
        state_.decisions.erase(decision);
    }
    return needless;
}

std::optional<recovery_log::EntryId> TransactionTable::note(Kept<ServerSighting> sighting) {
    const std::scoped_lock lock{mutex_};
    std::optional<recovery_log::EntryId> replaced;
    std::erase_if(state_.sightings, [&](const auto& other) {
        const bool is_same = other.record.resource == sighting.record.resource &&
                             other.record.server == sighting.record.server;
        replaced = is_same ? other.entry : replaced;
        return is_same;
    });
    state_.sightings.push_back(std::move(sighting));
    return replaced;
}

bool TransactionTable::add(Kept<ServerDoubt> doubt) {
    const std::scoped_lock lock{mutex_};
    const auto unwritten = std::erase_if(state_.server_doubts, [&](const auto& other) {
        return !other.entry && other.record.resource == doubt.record.resource &&
               other.record.server == doubt.record.server;
    });
    state_.server_doubts.push_back(std::move(doubt));
    return unwritten == 0;
}

std::vector<recovery_log::EntryId> TransactionTable::drop_doubts(
    std::string_view resource, std::string_view server, std::uint32_t through_incarnation) {
    const std::scoped_lock lock{mutex_};
    std::vector<recovery_log::EntryId> needless;
    std::erase_if(state_.server_doubts, [&](const auto& doubt) {
        const bool is_needless = doubt.record.resource == resource &&
                                 doubt.record.server == server &&
                                 doubt.record.through_incarnation <= through_incarnation;
        if (is_needless) {
            append(needless, doubt.entry);
        }
        return is_needless;
    });
    return needless;
}

bool TransactionTable::add(const LogDoubt& doubt, bool is_in_log) {
    const std::scoped_lock lock{mutex_};
    state_.is_log_doubt_in_log = state_.is_log_doubt_in_log || is_in_log;
    const bool is_new = state_.log_doubt.empty();
    if (is_new) {
        state_.log_doubt = doubt.words;
        has_log_doubt_ = true;
    }
    return is_new;
}

std::string TransactionTable::log_doubt() const {
    const std::scoped_lock lock{mutex_};
    return state_.log_doubt;
}

void TransactionTable::add_never_decided(const GtridSet& gtrids) {
    const std::scoped_lock lock{mutex_};
    const auto& known = *state_.never_decided;
    if (known.size() >= kNeverDecidedMax || std::ranges::includes(known, gtrids)) {
        return;
    }
    auto more = std::make_shared<GtridSet>(known);
    more->insert(gtrids.begin(), gtrids.end());
    state_.never_decided = std::move(more);
}

bool TransactionTable::add_last_resource(const std::string& resource) {
    const std::scoped_lock lock{mutex_};
    return state_.last_resources.try_emplace(resource, false).second;
}

std::vector<std::string> TransactionTable::waiting_for_rows_of(std::string_view resource) const {
    const std::scoped_lock lock{mutex_};
    std::vector<std::string> waiting;
    for (const auto& [gtrid, last_resource] : state_.waiting_for_row) {
        if (last_resource == resource) {
            waiting.push_back(gtrid);
        }
    }
    return waiting;
}

void TransactionTable::settle_by_rows(const std::string& resource, std::vector<Decision> rows,
                                      const std::vector<std::string>& waited_for,
                                      std::uint32_t incarnation) {
    const std::scoped_lock lock{mutex_};
    auto& is_read = state_.last_resources[resource];
    GtridSet told;
    for (auto& row : rows) {
        told.insert(row.gtrid);
        const auto known = state_.decisions.find(row.gtrid);
        if (known != state_.decisions.end()) {
            known->second.row_at = resource;  // its progress stands in the log, too
            continue;
        }
        const auto id = parse_gtrid(row.gtrid);
        const bool is_left_over = !is_read && id && id->incarnation < incarnation;
        // What is of this incarnation and not waited for is being finished, or was a moment ago.
        if (is_left_over || std::ranges::find(waited_for, row.gtrid) != waited_for.end()) {
            auto gtrid = row.gtrid;
            auto pending = PendingDecision::fresh(std::move(row), std::nullopt);
            pending.row_at = resource;
            if (pending.is_finished()) {
                drop_rows_of(pending);  // it was the row of an only branch
            } else {
                state_.decisions.insert_or_assign(std::move(gtrid), std::move(pending));
            }
        }
    }
    for (const auto& gtrid : waited_for) {
        const auto verdict = row_verdicts_.extract(gtrid);
        if (!verdict.empty()) {
            verdict.mapped()->tell(told.contains(gtrid));
        }
        state_.waiting_for_row.erase(gtrid);
    }
    is_read = true;
    changed_.notify_all();
}

void TransactionTable::add_needless_row(const std::string& resource, std::string gtrid) {
    const std::scoped_lock lock{mutex_};
    needless_rows_[resource].push_back(std::move(gtrid));
}

bool TransactionTable::has_rows_left() const {
    const std::scoped_lock lock{mutex_};
    const auto has_rows = [](const auto& entry) { return !entry.second.empty(); };
    return std::ranges::any_of(needless_rows_, has_rows) ||
           std::ranges::any_of(needless_witnesses_, has_rows) ||
           std::ranges::any_of(state_.decisions,
                               [](const auto& entry) { return !entry.second.row_at.empty(); });
}

std::vector<std::string> TransactionTable::take_needless_rows(std::string_view resource,
                                                              std::size_t count_max) {
    const std::scoped_lock lock{mutex_};
    const auto found = needless_rows_.find(resource);
    return found == needless_rows_.end() ? std::vector<std::string>{}
                                         : taken_from(found->second, count_max);
}

/// Called with the lock held, before the decision goes.
void TransactionTable::drop_rows_of(const PendingDecision& pending) {
    if (!pending.row_at.empty()) {
        needless_rows_[pending.row_at].push_back(pending.decision.gtrid);
    }
    for (const auto& branch : pending.decision.branches) {
        const auto found = needless_witnesses_.find(branch.resource);
        if (found != needless_witnesses_.end() && !branch.evidence.empty()) {
            found->second.push_back(branch.evidence);
        }
    }
}

void TransactionTable::add_witness_resource(const std::string& resource) {
    const std::scoped_lock lock{mutex_};
    needless_witnesses_.try_emplace(resource);
}

void TransactionTable::add_left_witnesses(const std::string& resource,
                                          const std::vector<WitnessRow>& rows,
                                          std::uint32_t incarnation) {
    const std::scoped_lock lock{mutex_};
    for (const auto& row : rows) {
        const auto id = parse_gtrid(row.gtrid);
        if (id && id->incarnation < incarnation && !state_.decisions.contains(row.gtrid)) {
            needless_witnesses_[resource].push_back(row.evidence);
        }
    }
}

void TransactionTable::add_needless_witness(const std::string& resource, std::string evidence) {
    const std::scoped_lock lock{mutex_};
    needless_witnesses_[resource].push_back(std::move(evidence));
}

std::vector<std::string> TransactionTable::take_needless_witnesses(std::string_view resource,
                                                                   std::size_t count_max) {
    const std::scoped_lock lock{mutex_};
    const auto found = needless_witnesses_.find(resource);
    return found == needless_witnesses_.end() || is_waited_for_at(resource)
               ? std::vector<std::string>{}
               : taken_from(found->second, count_max);
}

/// Called with the lock held.
bool TransactionTable::is_waited_for_at(std::string_view resource) const {
    return std::ranges::any_of(state_.decisions, [resource](const auto& item) {
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

std::vector<TransactionTable::BranchKey> TransactionTable::waiting_for(
    std::string_view resource) const {
    const std::scoped_lock lock{mutex_};
    std::vector<BranchKey> waiting;
    for (const auto& [gtrid, pending] : state_.decisions) {
        for (std::size_t i = 0; i < pending.progress.size(); ++i) {
            const auto& branch = pending.decision.branches[i];
            if (branch.resource == resource && pending.progress[i] == Progress::open) {
                waiting.emplace_back(gtrid, branch.bqual);
            }
        }
    }
    return waiting;
}

void keep_progress(std::string_view gtrid, TransactionTable& table, DecisionLog& log) {
    const auto decision = table.unwritten_progress(gtrid);
    const auto entry = decision ? log.record(*decision) : std::nullopt;
    if (!entry) {
        return;
    }
    if (const auto replaced = table.note_written(*decision, *entry)) {
        log.forget(*replaced);
    }
}

}  // namespace xa_tm
