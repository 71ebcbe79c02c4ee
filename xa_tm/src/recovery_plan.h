#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "transaction_table.h"
#include "xa_tm/connection.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm {

/// From where the log is looked at, which tells who may still be deciding.
enum class LogView {
    owner,             ///< this process owns it: what is not in its live set has ended
    beside_the_owner,  ///< another process owns it: everything of its incarnation may be live
    ownerless,         ///< nobody owns it: every incarnation has ended
};

/// Everything that one resource's branches are judged by. The order in which it was read is the
/// proof: `before`, then `known`, then `after` (traps 2 and 3).
struct PlanInput {
    LogView view;
    std::string node;
    recovery_log::LogId log;
    std::uint32_t incarnation;
    /// No decision means nothing for the incarnations up to this one.
    std::uint32_t quarantined_through = 0;
    /// How many transactions this incarnation has begun; only its owner knows.
    std::uint64_t sequences_issued = 0;
    /// The resource that was listed, and all that are configured.
    std::string resource;
    std::set<std::string, std::less<>> resources;
    /// Connection::server_identity() of the server that was listed.
    std::string server;
    /// Why a session that may still be at work on branches has not ended; empty when none is left.
    std::string unended_session = {};
    /// Complete lists of the resource's prepared branches.
    std::vector<ListedBranch> before;
    TransactionTable::Snapshot known;
    std::vector<ListedBranch> after;
};

struct PlannedBranch {
    ListedBranch listed;
    RecoveredState seen;
    TransactionState state;
    RecoveryAction action;
    std::string reason;
    /// From the decision: which server prepared it, and what proves its fate.
    std::string server = {};
    std::string evidence = {};
    /// How it ended against, or without, the decision.
    std::optional<XaCode> heuristic = std::nullopt;
    /// That is what this plan has found out, so that the log's owner has to keep it.
    bool is_finding = false;

    /// True when recovery has something to do here, or waits for what a last resource will tell.
    [[nodiscard]] bool is_unfinished() const noexcept {
        return action != RecoveryAction::none || state == TransactionState::at_last_resource;
    }
};

/// One action and its reason for every branch that stands in both lists, and for every branch that
/// a decision still waits for at this resource. Pure: nothing but the input decides.
[[nodiscard]] std::vector<PlannedBranch> plan_recovery(const PlanInput& input);

/// How the branch ended, if this answer to this action says that it has. To confirm is to ask where
/// the branch is.
[[nodiscard]] std::optional<RecoveredState> end_of_branch(RecoveryAction action, XaCode code);

/// How a branch ended that did not end as it was to, and what a person has to do, as a sentence.
[[nodiscard]] std::string words_of(const Heuristic& heuristic);

/// The doubt about the server that was listed which reaches furthest, as a sentence; or empty.
[[nodiscard]] std::string words_of_doubt(const PlanInput& input);

/// The transactions that this plan proves never to have been decided: see
/// TransactionTable::Snapshot::never_decided.
[[nodiscard]] std::set<std::string, std::less<>> never_decided_by(
    const std::vector<PlannedBranch>& plan);

/// What it changes in this plan that any resource has shown the log to be an old copy of itself.
void apply_log_doubt(std::vector<PlannedBranch>& plan, const std::string& words);

/// What such a proof, found at any resource, changes in this plan.
void apply_never_decided(std::vector<PlannedBranch>& plan,
                         const std::set<std::string, std::less<>>& gtrids);

}  // namespace xa_tm
