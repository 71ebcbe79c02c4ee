#include "recovery_plan.h"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "global_id.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

struct Judgement {
    TransactionState state;
    RecoveryAction action;
    std::string reason;
    std::string server = {};
    std::string evidence = {};
    std::optional<XaCode> heuristic = std::nullopt;
};

constexpr std::string_view kNeverDecided =
    "a branch of the same transaction was still prepared elsewhere when it could no longer be "
    "decided, so it never was";

std::pair<std::uint32_t, std::uint64_t> reach_of(const ServerDoubt& doubt) {
    return {doubt.through_incarnation, doubt.through_sequence};
}

bool concerns(const ServerDoubt& doubt, const GlobalId& id) {
    return std::pair{id.incarnation, id.sequence} <= reach_of(doubt);
}

/// The doubt about the server that was listed which reaches furthest; null when there is none.
const Kept<ServerDoubt>* doubt_of(const PlanInput& input) {
    const Kept<ServerDoubt>* found = nullptr;
    for (const auto& doubt : input.known.server_doubts) {
        if (doubt.record.resource == input.resource && doubt.record.server == input.server &&
            (found == nullptr || reach_of(found->record) < reach_of(doubt.record))) {
            found = &doubt;
        }
    }
    return found;
}

std::string reason_of_log_doubt(const std::string& words) {
    return fmt::format(
        "this log is an old copy of itself, so its decision may be lost ({}); "
        "restore the newest copy of the log",
        words);
}

/// Why the log can't say by its silence that the branch was never decided; nothing when it can.
std::optional<Judgement> judge_by_doubts(const PlanInput& input, const GlobalId& id,
                                         const std::string& gtrid) {
    const bool is_of_future =
        id.incarnation > input.incarnation ||
        (input.view == LogView::owner && id.incarnation == input.incarnation &&
         id.sequence > input.sequences_issued);
    if (is_of_future) {
        return Judgement{
            TransactionState::lost_log, RecoveryAction::none,
            fmt::format("made by incarnation {}, but this log has seen only {}: it was restored "
                        "from an old copy, so the decision may be lost; restore the newest copy of "
                        "the log",
                        id.incarnation, input.incarnation)};
    }
    if (!input.known.log_doubt.empty()) {
        return Judgement{TransactionState::lost_log, RecoveryAction::none,
                         reason_of_log_doubt(input.known.log_doubt)};
    }
    if (id.incarnation <= input.quarantined_through) {
        return Judgement{
            TransactionState::quarantined, RecoveryAction::none,
            fmt::format("the log holds no decision, but it lost pages of incarnations up to {} "
                        "that may have held one: compare the data of all its branches, then "
                        "commit or roll back by hand",
                        input.quarantined_through)};
    }
    const auto* doubt = doubt_of(input);
    if (doubt != nullptr && concerns(doubt->record, id) &&
        !input.known.never_decided->contains(gtrid)) {
        return Judgement{
            TransactionState::restored, RecoveryAction::none,
            fmt::format("{}; so this branch may have been committed and its decision forgotten "
                        "long ago: compare the data of its other branches, then order it to "
                        "commit or to roll back",
                        doubt->record.words)};
    }
    return std::nullopt;
}

/// Why the rows at the last resources can't say by their absence that the branch was never decided;
/// nothing when they can.
std::optional<Judgement> judge_by_last_resources(const PlanInput& input, const GlobalId& id,
                                                 const std::string& gtrid) {
    const auto open = [](std::string reason) {
        return Judgement{TransactionState::at_last_resource, RecoveryAction::none,
                         std::move(reason)};
    };
    const auto waiting = input.known.waiting_for_row.find(gtrid);
    if (waiting != input.known.waiting_for_row.end()) {
        return open(
            fmt::format("its last resource {} did not answer the commit that decides it, so a row "
                        "there will tell, once that can be asked",
                        waiting->second));
    }
    if (input.known.last_resources.empty()) {
        return open(
            "the log does not say at which last resource its decision may lie: a person "
            "has to compare the data");
    }
    for (const auto& [resource, is_read] : input.known.last_resources) {
        if (!is_read) {
            return open(fmt::format("its decision may be a row at the last resource {}, which {}",
                                    resource,
                                    input.resources.contains(resource)
                                        ? "could not be asked yet, or is not configured as one here"
                                        : "is not configured here: add it"));
        }
    }
    for (const auto& doubt : input.known.server_doubts) {
        if (input.known.last_resources.contains(doubt.record.resource) &&
            concerns(doubt.record, id)) {
            return Judgement{TransactionState::restored, RecoveryAction::none,
                             fmt::format("its decision may have been a row at the last resource "
                                         "{}, and {}: compare the data of its other branches, "
                                         "then order it to commit or to roll back",
                                         doubt.record.resource, doubt.record.words)};
        }
    }
    return std::nullopt;
}

Judgement judge_undecided(const PlanInput& input, const GlobalId& id, const BranchId& branch,
                          const std::string& gtrid) {
    const bool is_live =
        input.view == LogView::beside_the_owner && id.incarnation == input.incarnation;
    if (is_live) {
        return {TransactionState::live, RecoveryAction::none,
                "its transaction may still be running in the process that owns the log"};
    }
    if (auto doubtful = judge_by_doubts(input, id, gtrid)) {
        return *std::move(doubtful);
    }
    if (branch.has_last_resource) {
        if (auto open = judge_by_last_resources(input, id, gtrid)) {
            return *std::move(open);
        }
    }
    if (id.incarnation < input.incarnation || input.view == LogView::ownerless) {
        return {
            TransactionState::presumed_abort, RecoveryAction::rollback,
            fmt::format(
                "the log holds no decision and incarnation {} has ended, so it can't commit any "
                "more",
                id.incarnation)};
    }
    return {TransactionState::presumed_abort, RecoveryAction::rollback,
            "this process has ended its transaction without a decision to commit"};
}

/// What the log says of a branch that did not end as it was to; null when it says nothing.
const Heuristic* heuristic_of(const PlanInput& input, const std::string& gtrid,
                              const std::string& bqual) {
    const auto found = input.known.heuristics.find({gtrid, bqual});
    return found == input.known.heuristics.end() ? nullptr : &found->second.record;
}

/// A hazard was only that nobody could know. It is none any more when the branch's own server lists
/// it as prepared, or answers at last where another one had answered for it.
bool is_overcome(const Heuristic& heuristic, const PlanInput& input, const DecidedBranch& branch,
                 bool is_listed) {
    return heuristic.code == XaCode::heurhaz &&
           (branch.server.empty() || branch.server == input.server) &&
           (is_listed || heuristic.server != input.server);
}

/// Where the decision stands, as the subject of a sentence.
std::string holder_of(const PendingDecision& pending) {
    return pending.row_at.empty() ? std::string{"the log"}
                                  : fmt::format("a row at the last resource {}", pending.row_at);
}

Judgement judge_decided(const PlanInput& input, const PendingDecision& pending,
                        const std::string& bqual) {
    const auto& branches = pending.decision.branches;
    const auto branch = std::ranges::find(branches, bqual, &DecidedBranch::bqual);
    if (branch == branches.end()) {
        return {TransactionState::commit_decided, RecoveryAction::none,
                "the decision to commit does not name this branch, so neither outcome is safe: a "
                "person has "
                "to compare the data"};
    }
    const auto* heuristic = heuristic_of(input, pending.decision.gtrid, bqual);
    if (heuristic != nullptr && !is_overcome(*heuristic, input, *branch, true)) {
        return {TransactionState::commit_decided,
                RecoveryAction::none,
                words_of(*heuristic),
                branch->server,
                branch->evidence,
                heuristic->code};
    }
    return {TransactionState::commit_decided, RecoveryAction::commit,
            fmt::format("{} holds the decision to commit and the branch is still prepared",
                        holder_of(pending)),
            branch->server, branch->evidence};
}

Judgement judge_ours(const PlanInput& input, const GlobalId& id, const BranchId& branch,
                     const Xid& xid) {
    if (input.known.live.contains(xid.gtrid)) {
        return {TransactionState::live, RecoveryAction::none,
                "its transaction is still running in this process"};
    }
    const auto pending = input.known.decisions.find(xid.gtrid);
    return pending != input.known.decisions.end() ? judge_decided(input, pending->second, xid.bqual)
                                                  : judge_undecided(input, id, branch, xid.gtrid);
}

/// Nothing when the branch is another configured resource's to judge.
std::optional<Judgement> judge(const PlanInput& input, const ListedBranch& listed) {
    const Judgement foreign{TransactionState::foreign, RecoveryAction::none,
                            "another transaction manager's"};
    if (!listed.xid || listed.xid->format_id != kFormatId) {
        return foreign;
    }
    const auto id = parse_gtrid(listed.xid->gtrid);
    const auto branch = parse_bqual(listed.xid->bqual);
    if (!id || !branch) {
        return foreign;
    }
    if (id->log != input.log) {
        if (id->node != input.node) {
            return foreign;
        }
        return Judgement{
            TransactionState::lost_log, RecoveryAction::none,
            fmt::format("made by node {} with log {}, which is not this log: only that log knows "
                        "the decision",
                        id->node, id->log.to_string())};
    }
    if (branch->resource != input.resource && input.resources.contains(branch->resource)) {
        return std::nullopt;
    }
    auto judgement = judge_ours(input, *id, *branch, *listed.xid);
    if (branch->resource != input.resource) {
        judgement.action = RecoveryAction::none;
        judgement.reason = fmt::format(
            "belongs to resource {}, which is not configured here: add it", branch->resource);
    }
    return judgement;
}

/// Why the server's silence says nothing of a branch that it does not list: it is not the one that
/// prepared it, or it was put back since. Empty when its silence counts.
std::string why_silence_is_no_answer(const PlanInput& input, const PendingDecision& pending,
                                     const DecidedBranch& branch) {
    if (!branch.server.empty() && branch.server != input.server) {
        return fmt::format(
            "it was prepared at another server or database ({}) than the one that answers as {} "
            "({}): correct the URI; after a failover or a restored backup compare the data",
            branch.server, input.resource, input.server);
    }
    const auto* doubt = doubt_of(input);
    const auto id = parse_gtrid(pending.decision.gtrid);
    const bool is_doubtful = doubt != nullptr && (!id || concerns(doubt->record, *id));
    return is_doubtful ? fmt::format(
                             "{}, and no longer lists the branch: whether that had "
                             "committed before can't be known",
                             doubt->record.words)
                       : std::string{};
}

/// A decided branch that the resource does not list.
PlannedBranch judge_unlisted(const PlanInput& input, const PendingDecision& pending,
                             const DecidedBranch& branch, const Xid& xid) {
    PlannedBranch planned{
        .listed = {.xid = xid, .name = {}},
        .seen = RecoveredState::absent,
        .state = TransactionState::commit_decided,
        .action = RecoveryAction::confirm,
        .reason = fmt::format("{} holds the decision to commit and the server does not list the "
                              "branch: it has committed, or an old session is still at it",
                              holder_of(pending)),
        .server = branch.server,
        .evidence = branch.evidence};
    const auto* heuristic = heuristic_of(input, xid.gtrid, xid.bqual);
    if (heuristic != nullptr && !is_overcome(*heuristic, input, branch, false)) {
        planned.seen = RecoveredState::heuristic;
        planned.action = RecoveryAction::none;
        planned.heuristic = heuristic->code;
        planned.reason = words_of(*heuristic);
    } else if (auto why = why_silence_is_no_answer(input, pending, branch); !why.empty()) {
        planned.seen = RecoveredState::heuristic;
        planned.action = RecoveryAction::none;
        planned.heuristic = XaCode::heurhaz;
        planned.is_finding = heuristic == nullptr;
        planned.reason = std::move(why);
    } else if (!input.unended_session.empty()) {
        planned.reason = fmt::format("{}; it is not known yet that no session is at it: {}",
                                     planned.reason, input.unended_session);
        planned.action = RecoveryAction::none;
    }
    return planned;
}

using XidSet = std::unordered_set<std::string>;

/// Distinct for distinct xids and names.
std::string key_of(const ListedBranch& branch) {
    return branch.xid
               ? fmt::format("{}:{}:{}{}:{}", branch.xid->format_id, branch.xid->gtrid.size(),
                             branch.xid->gtrid, branch.xid->bqual, branch.name)
               : branch.name;
}

std::string key_of(const Xid& xid) {
    return fmt::format("{}:{}:{}{}", xid.format_id, xid.gtrid.size(), xid.gtrid, xid.bqual);
}

void plan_unlisted(const PlanInput& input, std::vector<PlannedBranch>& plan) {
    XidSet listed;
    for (const auto* list : {&input.before, &input.after}) {
        for (const auto& branch : *list) {
            if (branch.xid) {
                listed.insert(key_of(*branch.xid));
            }
        }
    }
    for (const auto& [gtrid, pending] : input.known.decisions) {
        for (std::size_t i = 0; i < pending.decision.branches.size(); ++i) {
            const auto& branch = pending.decision.branches[i];
            const Xid xid{kFormatId, gtrid, branch.bqual};
            if (branch.resource == input.resource && pending.progress[i] != Progress::finished &&
                !listed.contains(key_of(xid))) {
                plan.push_back(judge_unlisted(input, pending, branch, xid));
            }
        }
    }
}

}  // namespace

std::optional<RecoveredState> end_of_branch(RecoveryAction action, XaCode code) {
    const bool is_ok = code == XaCode::ok || code == XaCode::rdonly;
    switch (action) {
        case RecoveryAction::commit:
            return is_ok ? std::optional{RecoveredState::committed} : std::nullopt;
        case RecoveryAction::rollback:
            return is_ok ? std::optional{RecoveredState::rolled_back} : std::nullopt;
        case RecoveryAction::confirm:
            return code == XaCode::nota ? std::optional{RecoveredState::finished} : std::nullopt;
        case RecoveryAction::none: break;
    }
    return std::nullopt;
}

std::string words_of(const Heuristic& heuristic) {
    return fmt::format("{}: a person has to compare the data, then forget it",
                       heuristic.words.empty() ? "it did not end as decided" : heuristic.words);
}

std::vector<PlannedBranch> plan_recovery(const PlanInput& input) {
    std::vector<PlannedBranch> plan;
    XidSet before;
    for (const auto& listed : input.before) {
        before.insert(key_of(listed));
    }
    for (const auto& listed : input.after) {
        if (!before.contains(key_of(listed))) {
            continue;  // it came in between: the next pass judges it
        }
        if (auto judgement = judge(input, listed)) {
            plan.push_back(
                {listed,
                 judgement->heuristic ? RecoveredState::heuristic : RecoveredState::prepared,
                 judgement->state, judgement->action, std::move(judgement->reason),
                 std::move(judgement->server), std::move(judgement->evidence),
                 judgement->heuristic});
        }
    }
    plan_unlisted(input, plan);
    return plan;
}

std::string words_of_doubt(const PlanInput& input) {
    const auto* doubt = doubt_of(input);
    return doubt == nullptr ? std::string{} : doubt->record.words;
}

std::set<std::string, std::less<>> never_decided_by(const std::vector<PlannedBranch>& plan) {
    std::set<std::string, std::less<>> gtrids;
    for (const auto& branch : plan) {
        if (branch.state == TransactionState::presumed_abort && branch.listed.xid) {
            gtrids.insert(branch.listed.xid->gtrid);
        }
    }
    return gtrids;
}

void apply_log_doubt(std::vector<PlannedBranch>& plan, const std::string& words) {
    for (auto& branch : plan) {
        if (branch.state == TransactionState::presumed_abort) {
            branch.state = TransactionState::lost_log;
            branch.action = RecoveryAction::none;
            branch.reason = reason_of_log_doubt(words);
        }
    }
}

void apply_never_decided(std::vector<PlannedBranch>& plan,
                         const std::set<std::string, std::less<>>& gtrids) {
    for (auto& branch : plan) {
        if (branch.state == TransactionState::restored && branch.listed.xid &&
            gtrids.contains(branch.listed.xid->gtrid)) {
            branch.state = TransactionState::presumed_abort;
            branch.action = RecoveryAction::rollback;
            branch.reason = kNeverDecided;
        }
    }
}

}  // namespace xa_tm
