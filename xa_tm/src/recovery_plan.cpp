#include "recovery_plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "global_id.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

struct Judgement {
    TransactionState state;
    RecoveryAction action;
    std::string reason;
    std::string evidence = {};
};

Judgement judge_undecided(const PlanInput& input, const GlobalId& id, const std::string& gtrid) {
    if (id.incarnation > input.incarnation) {
        return {
            TransactionState::lost_log, RecoveryAction::none,
            fmt::format(
                "made by incarnation {}, but this log has seen only {}: it was restored from an "
                "old copy, so the decision may be lost; restore the newest copy of the log",
                id.incarnation, input.incarnation)};
    }
    if (id.incarnation <= input.quarantined_through) {
        return {TransactionState::quarantined, RecoveryAction::none,
                fmt::format("the log holds no decision, but it lost pages of incarnations up to {} "
                            "that may have held one: compare the data of all its branches, then "
                            "commit or roll back by hand",
                            input.quarantined_through)};
    }
    if (id.incarnation < input.incarnation || input.view == LogView::ownerless) {
        return {
            TransactionState::presumed_abort, RecoveryAction::rollback,
            fmt::format(
                "the log holds no decision and incarnation {} has ended, so it can't commit any "
                "more",
                id.incarnation)};
    }
    if (input.view == LogView::beside_the_owner) {
        return {TransactionState::live, RecoveryAction::none,
                "its transaction may still be running in the process that owns the log"};
    }
    if (input.known.live.contains(gtrid)) {
        return {TransactionState::live, RecoveryAction::none,
                "its transaction is still running in this process"};
    }
    return {TransactionState::presumed_abort, RecoveryAction::rollback,
            "this process has ended its transaction without a decision to commit"};
}

Judgement judge_decided(const PendingDecision& pending, const std::string& bqual) {
    const auto& branches = pending.decision.branches;
    const auto branch = std::ranges::find(branches, bqual, &DecidedBranch::bqual);
    if (branch == branches.end()) {
        return {TransactionState::commit_decided, RecoveryAction::none,
                "the decision to commit does not name this branch, so neither outcome is safe: a "
                "person has "
                "to compare the data"};
    }
    const auto progress = pending.progress[static_cast<std::size_t>(branch - branches.begin())];
    if (progress == Progress::heuristic) {
        return {TransactionState::commit_decided, RecoveryAction::none,
                "its resource manager finished it by itself against the decision: a person has to "
                "compare "
                "the data"};
    }
    return {TransactionState::commit_decided, RecoveryAction::commit,
            "the log holds the decision to commit and the branch is still prepared",
            branch->evidence};
}

Judgement judge_ours(const PlanInput& input, const GlobalId& id, const Xid& xid) {
    if (input.known.live.contains(xid.gtrid)) {
        return {TransactionState::live, RecoveryAction::none,
                "its transaction is still running in this process"};
    }
    const auto pending = input.known.decisions.find(xid.gtrid);
    return pending != input.known.decisions.end() ? judge_decided(pending->second, xid.bqual)
                                                  : judge_undecided(input, id, xid.gtrid);
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
    auto judgement = judge_ours(input, *id, *listed.xid);
    if (branch->resource != input.resource) {
        judgement.action = RecoveryAction::none;
        judgement.reason = fmt::format(
            "belongs to resource {}, which is not configured here: add it", branch->resource);
    }
    return judgement;
}

/// A decided branch that the resource does not list. Only the server that has prepared it can tell
/// by that.
PlannedBranch judge_unlisted(const PlanInput& input, const DecidedBranch& branch, const Xid& xid) {
    PlannedBranch planned{.listed = {.xid = xid, .name = {}},
                          .seen = RecoveredState::absent,
                          .state = TransactionState::commit_decided,
                          .action = RecoveryAction::confirm,
                          .reason =
                              "the log holds the decision to commit and the server does not list "
                              "the branch: it has committed, or an old session is still at it",
                          .evidence = branch.evidence};
    if (!branch.server.empty() && branch.server != input.server) {
        planned.seen = RecoveredState::unreachable;
        planned.action = RecoveryAction::none;
        planned.reason = fmt::format(
            "it was prepared at another server or database ({}) than the one that answers as {} "
            "({}): correct the URI; after a failover or a restored backup compare the data",
            branch.server, input.resource, input.server);
    } else if (!input.unended_session.empty()) {
        planned.reason = fmt::format("{}; it is not known yet that no session is at it: {}",
                                     planned.reason, input.unended_session);
        planned.action = RecoveryAction::none;
    }
    return planned;
}

void plan_unlisted(const PlanInput& input, std::vector<PlannedBranch>& plan) {
    const auto is_listed = [&](const Xid& xid) {
        const auto same = [&](const ListedBranch& listed) { return listed.xid == xid; };
        return std::ranges::any_of(input.before, same) || std::ranges::any_of(input.after, same);
    };
    for (const auto& [gtrid, pending] : input.known.decisions) {
        for (std::size_t i = 0; i < pending.decision.branches.size(); ++i) {
            const auto& branch = pending.decision.branches[i];
            const Xid xid{kFormatId, gtrid, branch.bqual};
            if (branch.resource != input.resource || pending.progress[i] == Progress::finished ||
                is_listed(xid)) {
                continue;
            }
            auto planned = judge_unlisted(input, branch, xid);
            if (pending.progress[i] == Progress::heuristic) {
                planned.seen = RecoveredState::heuristic;
                planned.action = RecoveryAction::none;
                planned.reason = judge_decided(pending, branch.bqual).reason;
            }
            plan.push_back(std::move(planned));
        }
    }
}

}  // namespace

std::vector<PlannedBranch> plan_recovery(const PlanInput& input) {
    std::vector<PlannedBranch> plan;
    for (const auto& listed : input.after) {
        const auto is_same = [&](const ListedBranch& other) {
            return other.xid == listed.xid && other.name == listed.name;
        };
        if (!std::ranges::any_of(input.before, is_same)) {
            continue;  // it came in between: the next pass judges it
        }
        if (auto judgement = judge(input, listed)) {
            plan.push_back({listed, RecoveredState::prepared, judgement->state, judgement->action,
                            std::move(judgement->reason), std::move(judgement->evidence)});
        }
    }
    plan_unlisted(input, plan);
    return plan;
}

}  // namespace xa_tm
