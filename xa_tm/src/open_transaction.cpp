#include "open_transaction.h"

#include <exception>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "commit_operation_state.h"
#include "logging.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

/// The same report with a reason that comes first.
CommitReport because(const std::string& reason, const CommitReport& report) {
    return {report.gtrid(), report.outcome(),
            report.reason().empty() ? reason : fmt::format("{}; {}", reason, report.reason()),
            std::vector<BranchReport>{report.branches().begin(), report.branches().end()}};
}

}  // namespace

OpenTransaction::OpenTransaction(TransactionManagerState& manager,
                                 const TransactionOptions& options)
    : OpenTransaction{manager, options, manager.enlistment_environment()} {}

void OpenTransaction::end_scope() {
    if (is_operation_started_) {
        return;  // it may have passed on to another thread, which ends the transaction
    }
    rollback();
    std::ignore = report_->outcome();  // of a rollback nobody waits for the report
}

std::vector<Branch> OpenTransaction::enlist_all(std::span<Datasource* const> datasources) {
    check_is_open();
    for (const auto* datasource : datasources) {
        manager_.check_is_added(*datasource);
    }
    std::vector<Branch> branches;
    for (auto* datasource : datasources) {
        branches.push_back({*this, enlistments_.add(*datasource)});
    }
    return branches;
}

Branch OpenTransaction::enlist_lent(Datasource& datasource, Adopt adopt) {
    check_is_open();
    manager_.check_is_added(datasource);
    return {*this, enlistments_.add_lent(datasource, std::move(adopt))};
}

Connection& OpenTransaction::connection_of(std::size_t index) {
    return in_time([&]() -> Connection& { return enlistments_.open(index); });
}

std::uint64_t OpenTransaction::execute(std::size_t index, const std::string& statement,
                                       bool is_last) {
    Enlistments::Work work{.branch = index, .statements = {}, .is_last = is_last};
    work.statements.push_back({.verb = Verb::execute, .statement = statement});
    return in_time([&] { return enlistments_.execute(std::move(work)); });
}

std::size_t OpenTransaction::enlist(Datasource& datasource) {
    check_is_open();
    manager_.check_is_added(datasource);
    return enlistments_.add(datasource);
}

void OpenTransaction::carry_out(std::span<Enlistments::Work> works,
                                TimeLimit::Clock::time_point deadline) {
    in_time([&] { enlistments_.carry_out(works, deadline); });
}

void OpenTransaction::before_prepare(std::function<void()> callback) {
    check_is_open();
    before_prepare_.push_back(std::move(callback));
}

void OpenTransaction::after_completion(std::function<void(const CommitReport&)> callback) {
    check_is_open();
    after_completion_.push_back(std::move(callback));
}

void OpenTransaction::set_rollback_only(std::string reason) {
    if (report_ && report_->outcome() != Outcome::rolled_back) {
        check_is_open();
    }
    roll_back_because(std::move(reason));
}

bool OpenTransaction::is_rollback_only() {
    return rollback_only_ || is_timed_out_ ||
           (report_ ? report_->outcome() == Outcome::rolled_back : limit_.is_over());
}

CommitReport OpenTransaction::commit(Return until, std::function<void()> on_votes) noexcept {
    prepare_to_end();
    if (!report_) {
        end([&] { return explained(run_until(until, std::move(on_votes))); });
    }
    return *report_;
}

CommitOperation OpenTransaction::start_commit(Return until, std::function<void()> on_log_answer) {
    prepare_to_end();
    if (!report_ && !limit_.try_end()) {
        time_out();
    }
    if (report_) {
        return CommitOperation{std::make_unique<CommitOperation::State>(*report_)};
    }
    is_operation_started_ = true;
    return CommitOperation{std::make_unique<CommitOperation::State>(
        start_run({}), CommitOperation::State::Parts{
                           until, std::move(on_log_answer),
                           [self = shared_from_this()](std::unique_ptr<CommitRun> run) {
                               self->report_ = self->explained(self->conclude(std::move(run)));
                               self->run_after_completion();
                               return *self->report_;
                           }})};
}

void OpenTransaction::rollback() {
    check_is_not_ending();
    if (!report_) {
        enlistments_.show(Activity::rolling_back);
        end([this] { return manager_.coordinator.rollback(gtrid(), enlistments_.branches()); });
    }
}

OpenTransaction::OpenTransaction(TransactionManagerState& manager,
                                 const TransactionOptions& options,
                                 Enlistments::Environment environment)
    : manager_{manager},
      lock_hold_budget_{options.lock_hold_budget},
      limit_{*manager.deadline_keeper, environment.gtrid,
             options.timeout.value_or(manager.config.transaction_timeout)},
      enlistments_{(environment.limit = &limit_, std::move(environment))} {
    manager_.table.enter(gtrid());
}

void OpenTransaction::prepare_to_end() {
    check_is_not_ending();
    run_before_prepare();
    if (!report_ && !rollback_only_) {
        rollback_only_ = excess_of_budget();
    }
    if (!report_) {
        enlistments_.show(Activity::committing);
    }
}

CommitOptions OpenTransaction::commit_options(std::function<void()> on_votes) const {
    CommitOptions options{.row_patience = manager_.config.answer_timeout,
                          .on_votes = std::move(on_votes)};
    if (limit_.timeout().count() > 0) {
        options.vote_deadline = limit_.deadline();
    }
    return options;
}

std::unique_ptr<CommitRun> OpenTransaction::start_run(std::function<void()> on_votes) {
    auto run = manager_.coordinator.make_run(gtrid(), enlistments_.branches(),
                                             commit_options(std::move(on_votes)));
    if (rollback_only_) {
        run->start_rollback();
    } else {
        run->start_commit();
    }
    return run;
}

CommitReport OpenTransaction::run_until(Return until, std::function<void()> on_votes) {
    if (until == Return::when_finished && !rollback_only_) {
        return manager_.coordinator.commit(gtrid(), enlistments_.branches(),
                                           commit_options(std::move(on_votes)));
    }
    auto run = start_run(std::move(on_votes));
    run->wait_until(until);
    if (run->is_finished()) {
        run->await_row();
    }
    return conclude(std::move(run));
}

CommitReport OpenTransaction::conclude(std::unique_ptr<CommitRun> run) {
    return run->is_finished()
               ? run->report()
               : manager_.completion_service->finish(std::move(run), shared_from_this());
}

CommitReport OpenTransaction::explained(CommitReport report) const {
    if (rollback_only_) {
        return because(*rollback_only_, report);
    }
    const bool went_wrong = !report.reason().empty();
    if (went_wrong && TimeLimit::Clock::now() >= limit_.deadline() &&
        report.outcome() == Outcome::rolled_back) {
        return because(enlistments_.time_out_reason(), report);
    }
    return report;
}

void OpenTransaction::check_is_not_ending() const {
    XA_TM_CHECK(!is_operation_started_ || report_,
                "while its commit is under way a transaction is destroyed or moved only");
}

void OpenTransaction::check_is_open() {
    if (!report_ && !is_operation_started_ && limit_.is_over()) {
        time_out();
    }
    if (is_timed_out_) {
        throw Error({.code = ErrorCode::timed_out},
                    fmt::format("transaction {} was rolled back: {}; begin a new one, with a "
                                "longer timeout if its work needs it",
                                gtrid(), report_->reason()));
    }
    if (is_operation_started_ || report_) {
        throw Error({.code = ErrorCode::invalid_state},
                    fmt::format("transaction {} has ended; begin a new one", gtrid()));
    }
}

void OpenTransaction::roll_back_because(std::string reason) {
    if (!rollback_only_) {
        rollback_only_ = std::move(reason);
    }
}

template <class Use>
std::invoke_result_t<const Use&> OpenTransaction::in_time(const Use& use) {
    check_is_open();
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<const Use&>>) {
            use();
            check_is_open();
        } else {
            std::invoke_result_t<const Use&> result = use();
            check_is_open();
            return result;
        }
    } catch (const Error&) {
        check_is_open();
        throw;
    }
}

void OpenTransaction::run_before_prepare() {
    try {
        while (!before_prepare_.empty() && !is_rollback_only()) {
            // One that ends the transaction itself does not meet itself again.
            const auto callback = std::move(before_prepare_.front());
            before_prepare_.pop_front();
            callback();
        }
    } catch (const std::exception& error) {
        roll_back_because(error.what());
    } catch (...) {
        roll_back_because("before_prepare threw what is no std::exception");
    }
}

std::optional<std::string> OpenTransaction::excess_of_budget() const {
    const auto opened_at = enlistments_.opened_at();
    if (lock_hold_budget_.count() == 0 || !opened_at) {
        return std::nullopt;
    }
    const auto held =
        std::chrono::duration_cast<std::chrono::milliseconds>(TimeLimit::Clock::now() - *opened_at);
    if (held <= lock_hold_budget_) {
        return std::nullopt;
    }
    return fmt::format(
        "locks may have been held for {} ms, {} ms more than the "
        "lock_hold_budget of {} ms",
        held.count(), (held - lock_hold_budget_).count(), lock_hold_budget_.count());
}

template <class Finish>
void OpenTransaction::end(const Finish& finish) {
    if (!limit_.try_end()) {
        time_out();
        return;
    }
    report_ = finish();
    run_after_completion();
}

void OpenTransaction::time_out() {
    enlistments_.give_up();
    is_timed_out_ = true;
    report_ = because(enlistments_.time_out_reason(),
                      manager_.coordinator.rollback(gtrid(), enlistments_.branches()));
    run_after_completion();
}

void OpenTransaction::run_after_completion() {
    for (const auto& callback : std::exchange(after_completion_, {})) {
        try {
            callback(*report_);
        } catch (const std::exception& error) {
            note_failed_callback(error.what());
        } catch (...) {
            note_failed_callback("it is no std::exception");
        }
    }
}

void OpenTransaction::note_failed_callback(std::string_view what) const {
    log_message(LogChannel::coordinator, LogLevel::error,
                "A callback after completion threw; the outcome stands.",
                {.gtrid = gtrid(), .detail = what});
}

}  // namespace xa_tm
