#include "xa_tm/commit_operation.h"

#include <tuple>
#include <utility>

#include "commit_operation_state.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

CommitOperation::State::State(std::unique_ptr<CommitRun> run, Parts parts)
    : parts_{std::move(parts)}, run_{std::move(run)} {
    go_on();
}

CommitOperation::State::~State() {
    if (run_ != nullptr) {
        run_->abandon();
        std::ignore = parts_.conclude(std::move(run_)).outcome();  // nobody is left to be told
    }
}

void CommitOperation::State::advance() {
    if (run_ != nullptr) {
        run_->advance();
        go_on();
    }
}

void CommitOperation::State::go_on() {
    if (run_->has_to_force()) {
        run_->force(parts_.on_log_answer);
    }
    waits_.clear();
    if (run_->has_reached(parts_.until)) {
        report_ = parts_.conclude(std::move(run_));
        parts_ = {};  // lets the transaction go
    } else {
        run_->append_waits(waits_);
    }
}

CommitOperation::CommitOperation(std::unique_ptr<State> state) noexcept
    : state_{std::move(state)} {}
CommitOperation::CommitOperation(CommitOperation&&) noexcept = default;
CommitOperation& CommitOperation::operator=(CommitOperation&&) noexcept = default;
CommitOperation::~CommitOperation() = default;

void CommitOperation::advance() {
    state_->advance();
}

std::span<const CommitOperation::Wait> CommitOperation::waits() const noexcept {
    return state_->waits();
}

std::optional<std::chrono::steady_clock::time_point> CommitOperation::deadline() const {
    return state_->deadline();
}

bool CommitOperation::is_done() const noexcept {
    return state_->report().has_value();
}

CommitReport CommitOperation::report() const {
    XA_TM_CHECK(is_done(), "there is a report once the operation is done");
    return *state_->report();
}

}  // namespace xa_tm
