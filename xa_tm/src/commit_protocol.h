#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/outcome.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm {

/// Two-phase commit with presumed abort, as pure data: events go in, what to do next comes out. It
/// knows no connection, clock or thread; whoever drives it sends every verb at once and feeds each
/// answer back.
///
///     open --commit()--> one left open: one_phase
///                        several:       voting --all yes--> deciding --durable--> completing
///                                              --any no---> aborting
///          --rollback()--> aborting
///
/// One branch may be the last resource: it is never prepared. When all others have voted yes, its
/// commit, with the decision as a row in the same local transaction, takes the place of the force.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class CommitProtocol {
public:
    struct Send {
        std::size_t branch;
        Verb verb;
        friend bool operator==(const Send&, const Send&) = default;
    };
    /// What is to be done now, in this order.
    struct Step {
        /// Force the decision to commit every branch whose state is prepared, then call decision().
        bool force_decision = false;
        std::vector<Send> sends = {};
        friend bool operator==(const Step&, const Step&) = default;
    };

    /// What becomes of the transaction when it is finished.
    enum class Ending {
        stays_live,     ///< neither outcome is safe for this incarnation
        leaves,         ///< what may still show up of it is rolled back
        is_decided,     ///< what is not committed yet has to be
        waits_for_row,  ///< whether the last resource has committed, and so decided, tells its row
    };

    explicit CommitProtocol(std::size_t branches,
                            std::optional<std::size_t> last_resource = std::nullopt)
        : branches_(branches, Branch{}), last_resource_{last_resource} {}

    /// A branch was prepared, or has ended, before the outcome is asked for: its vote. Once a
    /// branch; one that refused is asked again.
    void vote(std::size_t branch, XaCode code);
    /// Should this be the only branch that is left to commit, then its commit leaves a row as that
    /// of a last resource does, so that a lost answer can be settled.
    void keep_row(std::size_t branch) { branches_.at(branch).keeps_row = true; }
    /// The application wants to commit. Once, and only while no other call but vote() was made.
    [[nodiscard]] Step commit();
    /// The application wants to roll back, or can't go on. Likewise.
    [[nodiscard]] Step rollback();
    /// The answer to the verb that was sent to this branch; a lost one is XAER_RMFAIL.
    [[nodiscard]] Step answer(std::size_t branch, XaCode code);
    /// What became of the force that a step asked for.
    [[nodiscard]] Step decision(recovery_log::ForceResult result);

    /// True when no verb and no force is outstanding: the outcome is final.
    [[nodiscard]] bool is_finished() const noexcept { return phase_ == Phase::finished; }
    /// True while votes are waited for and none has been a no.
    [[nodiscard]] bool is_voting() const noexcept { return phase_ == Phase::voting; }
    /// True from when every branch has voted yes, or has decided for itself, until it is finished:
    /// all have all their locks, and what releases them is about to leave, or has left.
    [[nodiscard]] bool has_all_votes() const noexcept {
        return phase_ == Phase::one_phase || phase_ == Phase::deciding ||
               phase_ == Phase::deciding_at_last_resource || phase_ == Phase::completing;
    }
    [[nodiscard]] Outcome outcome() const;
    [[nodiscard]] Ending ending() const;
    [[nodiscard]] BranchState state(std::size_t branch) const { return branches_.at(branch).state; }
    [[nodiscard]] std::size_t branches() const noexcept { return branches_.size(); }
    /// Branches that are not known to have written nothing.
    [[nodiscard]] std::size_t count_of_writers() const noexcept {
        return branches_.size() - count(BranchState::read_only);
    }
    /// True when a decision may have to be forced, so that there has to be space for it.
    [[nodiscard]] bool may_force() const noexcept {
        return count_of_writers() > 1 && !is_last_resource_open();
    }
    [[nodiscard]] std::optional<std::size_t> last_resource() const noexcept {
        return last_resource_;
    }
    /// True when a single branch is asked to decide for itself, and was not told to prepare.
    [[nodiscard]] bool is_one_phase() const noexcept { return is_one_phase_; }
    /// True when a decision to commit has been made: by a durable record, or for a single branch
    /// that wrote by sending it the only commit there will be. Branches that are unknown then are
    /// to be committed.
    [[nodiscard]] bool is_commit_decided() const noexcept { return goal_ == Goal::committed; }
    /// True when the decision stands in the log, or as a row at the last resource, so that it must
    /// be forgotten there in the end.
    [[nodiscard]] bool is_decision_logged() const noexcept { return is_decision_logged_; }

private:
    enum class Phase {
        open,
        one_phase,
        voting,
        deciding,
        deciding_at_last_resource,
        completing,
        aborting,
        finished
    };
    /// What every branch is to reach, as far as it is known.
    enum class Goal { undecided, committed, rolled_back, left_to_next_incarnation, left_to_row };
    struct Branch {
        BranchState state = BranchState::active;
        bool keeps_row = false;
    };

    void send(Step& step, std::size_t branch, Verb verb);
    void abort(Step& step);
    void commit_only(Step& step, std::size_t branch);
    void count_votes(Step& step);
    void commit_prepared(Step& step);
    void take_vote(Step& step, std::size_t branch, XaCode code);
    void take_one_phase(Step& step, std::size_t branch, XaCode code);
    void take_last_resource(Step& step, std::size_t branch, XaCode code);
    void take_final(Step& step, std::size_t branch, XaCode code);
    void take_commit(std::size_t branch, XaCode code);
    void take_rollback(std::size_t branch, XaCode code);
    void advance(Step& step);
    [[nodiscard]] bool is_last_resource_open() const noexcept {
        return last_resource_ && branches_[*last_resource_].state == BranchState::active;
    }
    [[nodiscard]] std::size_t count(BranchState state) const noexcept;
    [[nodiscard]] bool is_anything_outstanding() const noexcept;
    [[nodiscard]] Outcome outcome_of_commit() const;

    std::vector<Branch> branches_;
    std::optional<std::size_t> last_resource_;
    Phase phase_ = Phase::open;
    Goal goal_ = Goal::undecided;
    bool is_one_phase_ = false;
    bool is_decision_logged_ = false;
};

}  // namespace xa_tm
