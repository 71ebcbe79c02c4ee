// Invariants:
// - a branch is sent commit only when goal_ is committed (law 2): the decision is in the log or a
//   row at the last resource, or it is the only branch that wrote and its commit decides the
//   transaction;
// - the last resource is sent no prepare, and its commit only when every other branch has voted
// yes;
// - once goal_ is committed no branch is sent rollback (law 1), and the other way round;
// - one verb at a time is outstanding for a branch: its state is preparing, committing or
// rolling_back then;
// - in phase finished nothing is outstanding and nothing is sent any more.

#include "commit_protocol.h"

#include <algorithm>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

BranchState heuristic_state(XaCode code) {
    XA_TM_CHECK(is_heuristic(code), "only called for the four heuristic codes");
    if (code == XaCode::heurcom) {
        return BranchState::heuristic_commit;
    }
    if (code == XaCode::heurrb) {
        return BranchState::heuristic_rollback;
    }
    return code == XaCode::heurmix ? BranchState::heuristic_mixed : BranchState::heuristic_hazard;
}

BranchState state_after_vote(XaCode code) {
    if (code == XaCode::ok) {
        return BranchState::prepared;
    }
    if (code == XaCode::rdonly) {
        return BranchState::read_only;
    }
    if (is_rolled_back(code) || code == XaCode::nota) {
        return BranchState::rolled_back;
    }
    if (code == XaCode::rmfail) {
        return BranchState::unknown;
    }
    // Heuristic: finished before anybody asked it to. Else refused: the branch is still open.
    return is_heuristic(code) ? heuristic_state(code) : BranchState::active;
}

}  // namespace

void CommitProtocol::vote(std::size_t branch, XaCode code) {
    XA_TM_CHECK(phase_ == Phase::open, "later votes are answers");
    branches_.at(branch).state = state_after_vote(code);
}

CommitProtocol::Step CommitProtocol::commit() {
    XA_TM_CHECK(phase_ == Phase::open, "an outcome is asked for once");
    Step step;
    const auto active = count(BranchState::active);
    const auto read_only = count(BranchState::read_only);
    if (active == 1 && read_only + 1 == branches_.size()) {
        const auto only = std::ranges::find(branches_, BranchState::active, &Branch::state);
        commit_only(step, static_cast<std::size_t>(only - branches_.begin()));
        return step;
    }
    if (active + read_only + count(BranchState::prepared) < branches_.size()) {
        abort(step);  // one has voted no, or is lost, before anybody asked
        advance(step);
        return step;
    }
    phase_ = Phase::voting;
    for (std::size_t branch = 0; branch < branches_.size(); ++branch) {
        if (branches_[branch].state == BranchState::active && branch != last_resource_) {
            send(step, branch, Verb::prepare);
        }
    }
    advance(step);
    return step;
}

CommitProtocol::Step CommitProtocol::rollback() {
    XA_TM_CHECK(phase_ == Phase::open, "an outcome is asked for once");
    Step step;
    abort(step);
    advance(step);
    return step;
}

CommitProtocol::Step CommitProtocol::answer(std::size_t branch, XaCode code) {
    Step step;
    switch (branches_.at(branch).state) {
        case BranchState::preparing: take_vote(step, branch, code); break;
        case BranchState::committing: take_final(step, branch, code); break;
        case BranchState::rolling_back: take_rollback(branch, code); break;
        case BranchState::active:
        case BranchState::prepared:
        case BranchState::read_only:
        case BranchState::committed:
        case BranchState::rolled_back:
        case BranchState::unknown:
        case BranchState::heuristic_commit:
        case BranchState::heuristic_rollback:
        case BranchState::heuristic_mixed:
        case BranchState::heuristic_hazard:
            XA_TM_CHECK(false, "an answer belongs to the one verb that is outstanding");
    }
    advance(step);
    return step;
}

CommitProtocol::Step CommitProtocol::decision(recovery_log::ForceResult result) {
    XA_TM_CHECK(phase_ == Phase::deciding, "a force was asked for");
    Step step;
    switch (result) {
        case recovery_log::ForceResult::durable:
            // Durable from here: the transaction is committed even if this process never runs
            // again.
            is_decision_logged_ = true;
            commit_prepared(step);
            break;
        case recovery_log::ForceResult::refused: abort(step); break;
        case recovery_log::ForceResult::unknown:
            // Neither commit nor rollback is safe: the next incarnation reads what the log really
            // holds.
            goal_ = Goal::left_to_next_incarnation;
            phase_ = Phase::finished;
            break;
    }
    advance(step);
    return step;
}

void CommitProtocol::send(Step& step, std::size_t branch, Verb verb) {
    auto& state = branches_[branch].state;
    if (verb == Verb::prepare) {
        state = BranchState::preparing;
    } else if (verb == Verb::rollback) {
        XA_TM_CHECK(goal_ != Goal::committed, "law 1: no rollback after the decision to commit");
        state = BranchState::rolling_back;
    } else {
        XA_TM_CHECK(goal_ == Goal::committed || verb != Verb::commit,
                    "law 2: no commit before the decision");
        state = BranchState::committing;
    }
    step.sends.reserve(branches_.size());
    step.sends.push_back({branch, verb});
}

/// With nobody to decide for, it needs a row only so that a lost answer can be settled.
void CommitProtocol::commit_only(Step& step, std::size_t branch) {
    is_one_phase_ = true;
    if (branches_[branch].keeps_row) {
        last_resource_ = branch;
        phase_ = Phase::deciding_at_last_resource;
        send(step, branch, Verb::commit_with_decision);
    } else {
        phase_ = Phase::one_phase;
        send(step, branch, Verb::commit_one_phase);
    }
}

/// Rolls back whatever can be: what is being prepared follows as its vote arrives.
void CommitProtocol::abort(Step& step) {
    goal_ = Goal::rolled_back;
    phase_ = Phase::aborting;
    for (std::size_t branch = 0; branch < branches_.size(); ++branch) {
        const auto state = branches_[branch].state;
        if (state == BranchState::active || state == BranchState::prepared) {
            send(step, branch, Verb::rollback);
        }
    }
}

void CommitProtocol::take_vote(Step& step, std::size_t branch, XaCode code) {
    auto& state = branches_[branch].state;
    state = state_after_vote(code);
    if (state == BranchState::prepared) {
        if (phase_ == Phase::aborting) {
            send(step, branch, Verb::rollback);
        }
    } else if (state != BranchState::read_only) {
        abort(step);  // that ends an open branch, too
    }
}

/// All votes are in and none is a no.
void CommitProtocol::count_votes(Step& step) {
    const auto writers = count(BranchState::prepared);
    if (is_last_resource_open()) {
        if (writers == 0) {
            commit_only(step, *last_resource_);
            return;
        }
        phase_ = Phase::deciding_at_last_resource;
        send(step, *last_resource_, Verb::commit_with_decision);
        return;
    }
    if (writers >= 2) {
        phase_ = Phase::deciding;
        step.force_decision = true;
        return;
    }
    // No branch but one can differ from the outcome, so its own commit is the decision; a crash
    // before it rolls everything back by presumed abort.
    commit_prepared(step);
}

void CommitProtocol::commit_prepared(Step& step) {
    goal_ = Goal::committed;
    phase_ = Phase::completing;
    for (std::size_t branch = 0; branch < branches_.size(); ++branch) {
        if (branches_[branch].state == BranchState::prepared) {
            send(step, branch, Verb::commit);
        }
    }
}

/// The answer to whichever commit was sent.
void CommitProtocol::take_final(Step& step, std::size_t branch, XaCode code) {
    if (phase_ == Phase::one_phase) {
        take_one_phase(step, branch, code);
    } else if (phase_ == Phase::deciding_at_last_resource) {
        take_last_resource(step, branch, code);
    } else {
        take_commit(branch, code);
    }
}

void CommitProtocol::take_last_resource(Step& step, std::size_t branch, XaCode code) {
    auto& state = branches_[branch].state;
    if (code == XaCode::ok || code == XaCode::rdonly) {
        // Durable from here: its row is the decision.
        state = BranchState::committed;
        is_decision_logged_ = true;
        commit_prepared(step);
    } else if (is_rolled_back(code) || code == XaCode::nota) {
        state = BranchState::rolled_back;
        abort(step);
    } else if (code == XaCode::rmfail || is_heuristic(code)) {
        state = BranchState::unknown;  // law 7: its row tells, once the session has ended
        goal_ = Goal::left_to_row;
        phase_ = Phase::finished;
    } else {
        state = BranchState::active;  // refused: the branch is still open
        abort(step);
    }
}

void CommitProtocol::take_one_phase(Step& step, std::size_t branch, XaCode code) {
    auto& state = branches_[branch].state;
    if (code == XaCode::ok || code == XaCode::rdonly) {
        state = code == XaCode::ok ? BranchState::committed : BranchState::read_only;
        goal_ = Goal::committed;
    } else if (is_heuristic(code)) {
        state = heuristic_state(code);
        goal_ = Goal::committed;
    } else if (is_rolled_back(code) || code == XaCode::nota) {
        state = BranchState::rolled_back;
        goal_ = Goal::rolled_back;
    } else if (code == XaCode::rmfail) {
        state = BranchState::unknown;
    } else {
        state = BranchState::active;  // refused: the branch is still open
        abort(step);
    }
}

void CommitProtocol::take_commit(std::size_t branch, XaCode code) {
    auto& state = branches_[branch].state;
    if (code == XaCode::ok || code == XaCode::rdonly) {
        state = code == XaCode::ok ? BranchState::committed : BranchState::read_only;
    } else if (is_heuristic(code)) {
        state = heuristic_state(code);
    } else if (is_rolled_back(code)) {
        // It had promised to be able to commit. When no other branch depends on it, nothing is
        // torn.
        state = is_decision_logged_ ? BranchState::heuristic_rollback : BranchState::rolled_back;
    } else {
        state = BranchState::unknown;  // law 7: only evidence tells, and recovery gathers it
    }
}

void CommitProtocol::take_rollback(std::size_t branch, XaCode code) {
    auto& state = branches_[branch].state;
    if (code == XaCode::ok || code == XaCode::rdonly || code == XaCode::nota ||
        code == XaCode::heurrb || is_rolled_back(code)) {
        state = BranchState::rolled_back;
    } else if (is_heuristic(code)) {
        state = heuristic_state(code);
    } else {
        state = BranchState::unknown;  // presumed abort: recovery rolls it back when it shows up
    }
}

void CommitProtocol::advance(Step& step) {
    if (is_anything_outstanding()) {
        return;
    }
    if (phase_ == Phase::voting) {
        count_votes(step);
    }
    if (phase_ != Phase::deciding && !is_anything_outstanding()) {
        phase_ = Phase::finished;
    }
}

std::size_t CommitProtocol::count(BranchState state) const noexcept {
    return static_cast<std::size_t>(std::ranges::count(branches_, state, &Branch::state));
}

bool CommitProtocol::is_anything_outstanding() const noexcept {
    return count(BranchState::preparing) + count(BranchState::committing) +
               count(BranchState::rolling_back) >
           0;
}

Outcome CommitProtocol::outcome() const {
    XA_TM_CHECK(is_finished(), "the outcome is read when it is final");
    switch (goal_) {
        case Goal::undecided:
        case Goal::left_to_next_incarnation:
        case Goal::left_to_row: return Outcome::unknown;
        case Goal::committed: return outcome_of_commit();
        case Goal::rolled_back: break;
    }
    if (count(BranchState::heuristic_hazard) > 0) {
        return Outcome::heuristic_hazard;
    }
    if (count(BranchState::heuristic_commit) + count(BranchState::heuristic_mixed) > 0) {
        return Outcome::heuristic_mixed;
    }
    return Outcome::rolled_back;
}

CommitProtocol::Ending CommitProtocol::ending() const {
    const auto ends_as = outcome();
    if (goal_ == Goal::left_to_next_incarnation) {
        return Ending::stays_live;
    }
    if (goal_ == Goal::left_to_row) {
        return Ending::waits_for_row;
    }
    return is_commit_decided() && ends_as != Outcome::rolled_back ? Ending::is_decided
                                                                  : Ending::leaves;
}

Outcome CommitProtocol::outcome_of_commit() const {
    if (count(BranchState::heuristic_hazard) > 0) {
        return Outcome::heuristic_hazard;
    }
    const auto rolled_back =
        count(BranchState::heuristic_rollback) + count(BranchState::rolled_back);
    const auto unknown = count(BranchState::unknown);
    const auto committed =
        count(BranchState::committed) + count(BranchState::heuristic_commit) + unknown;
    if (count(BranchState::heuristic_mixed) > 0 || (rolled_back > 0 && committed > 0)) {
        return Outcome::heuristic_mixed;
    }
    if (rolled_back > 0) {
        return is_decision_logged_ ? Outcome::heuristic_rollback : Outcome::rolled_back;
    }
    return unknown > 0 && !is_decision_logged_ ? Outcome::unknown : Outcome::committed;
}

}  // namespace xa_tm
