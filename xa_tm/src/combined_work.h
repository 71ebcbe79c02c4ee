#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "xa_tm/outcome.h"

namespace xa_tm {

/// The statements of several transactions in the branches of one, as pure data: what was answered
/// goes in, what to do next comes out. The members are done one after another, each behind a
/// savepoint of its own in every branch. When one fails in a branch, its savepoint undoes it, and
/// those behind it, in every branch, and those behind it are done again. So what is prepared in the
/// end holds every member wholly or not at all.
///
///     working --a trip without failures--> complete, or empty when every member has failed
///             --a branch is broken-------> dissolved: no savepoint can help
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class CombinedWork {
public:
    /// What one branch does next, in one trip; the same for all.
    struct Trip {
        /// First goes back to this member's savepoint.
        std::optional<std::size_t> undo;
        /// Then does these members' statements, each behind its savepoint.
        std::size_t begin;
        std::size_t end;
    };

    /// What became of a member in one branch.
    enum class Verdict {
        done,         ///< also where it has nothing to do
        failed,       ///< the branch can go back to the member's savepoint
        not_reached,  ///< one before it has failed in this branch
        broken,       ///< the branch can't go on
    };

    enum class State { working, complete, empty, dissolved };

    /// At least one member.
    explicit CombinedWork(std::size_t members) : members_(members, Member::pending) {}

    [[nodiscard]] State state() const noexcept { return state_; }
    /// While working.
    [[nodiscard]] Trip next() const;
    /// Of one member of the trip, in one branch; for each once, in any order.
    void take(std::size_t member, Verdict verdict);
    /// The branch can't go on, whatever its members' verdicts.
    void take_broken() noexcept { is_broken_ = true; }
    /// All verdicts of the trip, from all branches, are in.
    void end_trip();

    /// Whether the member's work is part of what will be prepared. Of a complete one.
    [[nodiscard]] bool is_part(std::size_t member) const {
        return members_.at(member) == Member::done;
    }
    [[nodiscard]] bool has_failed(std::size_t member) const {
        return members_.at(member) == Member::failed;
    }
    /// Whether nothing of it was committed, so that each member has to run alone, once its
    /// transaction has ended so. Whoever may be part of a commit never runs again.
    [[nodiscard]] bool is_in_vain(Outcome outcome) const noexcept {
        return state_ == State::dissolved ||
               (state_ == State::complete && outcome == Outcome::rolled_back);
    }

private:
    enum class Member { pending, done, failed };

    std::vector<Member> members_;
    State state_ = State::working;
    std::size_t begin_ = 0;  ///< of those that are not settled
    std::optional<std::size_t> undo_ = std::nullopt;
    // The trip in progress.
    std::optional<std::size_t> first_failed_ = std::nullopt;
    bool is_broken_ = false;
};

}  // namespace xa_tm
