#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "decision_record.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm {

/// A decision with the log entry that holds it, and what is known of its branches.
struct PendingDecision {
    enum class Progress {
        open,       ///< the resource manager has not confirmed the commit
        finished,   ///< committed there
        heuristic,  ///< did not end as decided, or nobody knows; waits for a person
    };

    Decision decision;
    /// Nothing for the commit of the only branch that wrote, which this process alone remembers.
    std::optional<recovery_log::EntryId> entry;
    /// One per branch of the decision.
    std::vector<Progress> progress;
    /// The last resource that holds the decision as a row; empty where none does.
    std::string row_at = {};

    [[nodiscard]] static PendingDecision fresh(Decision decision,
                                               std::optional<recovery_log::EntryId> entry);
    /// Every branch is committed.
    [[nodiscard]] bool is_finished() const noexcept;
    /// A branch is open: recovery has something left to do.
    [[nodiscard]] bool is_open() const noexcept;
};

/// A record with the log entry that holds it; nothing where the log could not take it, so that this
/// process alone knows.
template <class Record>
struct Kept {
    Record record;
    std::optional<recovery_log::EntryId> entry;
};

/// What the entries of a log say.
struct LoggedState {
    std::vector<PendingDecision> decisions;
    std::vector<Kept<Heuristic>> heuristics;
    std::vector<Kept<OperatorAct>> acts;
    std::vector<Kept<ServerSighting>> sightings;
    std::vector<Kept<ServerDoubt>> server_doubts;
    std::vector<Kept<LogDoubt>> log_doubts;
    std::vector<Kept<LastResource>> last_resources;
};

/// Throws Error (log_damaged) on an entry of a version that we don't know: it may hold a decision,
/// and presuming abort then could tear data.
[[nodiscard]] LoggedState state_of(const std::vector<recovery_log::Entry>& entries);

/// What the transaction manager keeps in the recovery log.
///
/// Ownership: owns the log.
/// Thread safety: all members may be called from several threads at once.
class DecisionLog {
public:
    explicit DecisionLog(std::unique_ptr<recovery_log::RecoveryLog> log) noexcept
        : log_{std::move(log)} {}

    [[nodiscard]] const recovery_log::RecoveryLog& log() const noexcept { return *log_; }
    [[nodiscard]] recovery_log::RecoveryLog& log() noexcept { return *log_; }
    [[nodiscard]] LoggedState live_state() const { return state_of(log_->live_entries()); }

    /// False while the log is full or poisoned.
    [[nodiscard]] bool takes_decisions();
    /// Space for one decision, taken before the first prepare; nothing when there is none.
    [[nodiscard]] std::optional<recovery_log::Reservation> reserve(const Decision& largest) {
        return log_->reserve(encoded_size_max(largest));
    }
    [[nodiscard]] recovery_log::Forced force(recovery_log::Reservation reservation,
                                             const Decision& decision) noexcept;
    /// The same, but the answer goes to `completion`, possibly before this returns, or by another
    /// thread that writes for this one. Blocks only when nobody else is there to write.
    void force_async(recovery_log::Reservation reservation, const Decision& decision,
                     recovery_log::Completion completion);
    /// Makes any record durable; nothing when the log can't, so that it is known only until this
    /// process ends.
    [[nodiscard]] std::optional<recovery_log::EntryId> record(const LogRecord& record) noexcept;
    void forget(recovery_log::EntryId entry) noexcept { log_->forget(entry); }

private:
    std::unique_ptr<recovery_log::RecoveryLog> log_;
};

}  // namespace xa_tm
