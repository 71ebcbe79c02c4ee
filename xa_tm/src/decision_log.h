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
        heuristic,  ///< finished by the resource manager itself; waits for a person
    };

    Decision decision;
    /// Nothing for the commit of the only branch that wrote, which this process alone remembers.
    std::optional<recovery_log::EntryId> entry;
    /// One per branch of the decision.
    std::vector<Progress> progress;

    [[nodiscard]] static PendingDecision fresh(Decision decision,
                                               std::optional<recovery_log::EntryId> entry);
    [[nodiscard]] bool is_finished() const noexcept;
};

/// What the entries of a log say. Throws Error (log_damaged) on an entry of a version that we don't
/// know: it may hold a decision, and presuming abort then could tear data.
[[nodiscard]] std::vector<PendingDecision> decisions_of(
    const std::vector<recovery_log::Entry>& entries);

/// Decisions and heuristics in the recovery log.
///
/// Ownership: owns the log.
/// Thread safety: all members may be called from several threads at once.
class DecisionLog {
public:
    explicit DecisionLog(std::unique_ptr<recovery_log::RecoveryLog> log) noexcept
        : log_{std::move(log)} {}

    [[nodiscard]] const recovery_log::RecoveryLog& log() const noexcept { return *log_; }
    [[nodiscard]] recovery_log::RecoveryLog& log() noexcept { return *log_; }
    [[nodiscard]] std::vector<PendingDecision> pending_at_open() const {
        return decisions_of(log_->live_entries());
    }

    /// False while the log is full or poisoned.
    [[nodiscard]] bool takes_decisions();
    /// Space for one decision, taken before the first prepare; nothing when there is none.
    [[nodiscard]] std::optional<recovery_log::Reservation> reserve(const Decision& largest) {
        return log_->reserve(encoded_size_max(largest));
    }
    [[nodiscard]] recovery_log::Forced force(recovery_log::Reservation reservation,
                                             const Decision& decision) noexcept;
    void forget(recovery_log::EntryId entry) noexcept { log_->forget(entry); }

    /// Makes a heuristic outcome durable; false when the log can't, so that it is known only until
    /// restart.
    [[nodiscard]] bool record(const Heuristic& heuristic) noexcept;

private:
    std::unique_ptr<recovery_log::RecoveryLog> log_;
};

}  // namespace xa_tm
