#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "commit_run.h"
#include "xa_tm/commit_operation.h"

namespace xa_tm {

/// What a CommitOperation is made of.
///
/// Ownership: what the run has borrowed belongs to whatever `conclude` holds on to.
/// Thread safety: one thread at a time.
class CommitOperation::State {
public:
    struct Parts {
        Return until;
        /// Called when the log has answered, by another thread.
        std::function<void()> on_log_answer;
        /// Takes the run over once it has got so far, and gives the report.
        std::function<CommitReport(std::unique_ptr<CommitRun>)> conclude;
    };

    /// Carries a run on that has been started.
    State(std::unique_ptr<CommitRun> run, Parts parts);
    /// The transaction had ended before.
    explicit State(CommitReport report) : report_{std::move(report)} {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();

    void advance();
    [[nodiscard]] std::span<const Wait> waits() const noexcept { return waits_; }
    [[nodiscard]] std::optional<Deadline> deadline() const {
        return run_ == nullptr ? std::nullopt : run_->deadline();
    }
    [[nodiscard]] const std::optional<CommitReport>& report() const noexcept { return report_; }

private:
    void go_on();

    Parts parts_ = {};
    std::unique_ptr<CommitRun> run_ = nullptr;  ///< until there is a report
    std::optional<CommitReport> report_ = std::nullopt;
    std::vector<Wait> waits_ = {};
};

}  // namespace xa_tm
