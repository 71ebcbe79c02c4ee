#include "xa_tm/transaction.h"

#include <deque>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "commit_operation_state.h"
#include "enlistments.h"
#include "logging.h"
#include "time_limit.h"
#include "transaction_manager_state.h"
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

/// Ownership: shared by the scope and by whoever finishes an early commit, so that the branches
/// keep their connections until both have ended, unless a connection that the application has not
/// seen is handed on.
class OpenTransaction : public std::enable_shared_from_this<OpenTransaction> {
public:
    OpenTransaction(TransactionManagerState& manager, const TransactionOptions& options)
        : OpenTransaction{manager, options, manager.enlistment_environment()} {}
    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;
    ~OpenTransaction() = default;

    void end_scope() {
        if (is_operation_started_) {
            return;  // it may have passed on to another thread, which ends the transaction
        }
        rollback();
        std::ignore = report_->outcome();  // of a rollback nobody waits for the report
    }

    [[nodiscard]] const std::string& gtrid() const noexcept { return limit_.gtrid(); }

    [[nodiscard]] std::vector<Branch> enlist_all(std::span<Datasource* const> datasources) {
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

    [[nodiscard]] Branch enlist_lent(Datasource& datasource, Adopt adopt) {
        check_is_open();
        manager_.check_is_added(datasource);
        return {*this, enlistments_.add_lent(datasource, std::move(adopt))};
    }

    [[nodiscard]] Connection& connection_of(std::size_t index) {
        return in_time([&]() -> Connection& { return enlistments_.open(index); });
    }

    std::uint64_t execute(std::size_t index, const std::string& statement, bool is_last) {
        return in_time([&] { return enlistments_.execute(index, statement, is_last); });
    }

    void before_prepare(std::function<void()> callback) {
        check_is_open();
        before_prepare_.push_back(std::move(callback));
    }

    void after_completion(std::function<void(const CommitReport&)> callback) {
        check_is_open();
        after_completion_.push_back(std::move(callback));
    }

    void set_rollback_only(std::string reason) {
        if (report_ && report_->outcome() != Outcome::rolled_back) {
            check_is_open();
        }
        keep_reason(std::move(reason));
    }

    [[nodiscard]] bool is_rollback_only() {
        return rollback_only_ || is_timed_out_ ||
               (report_ ? report_->outcome() == Outcome::rolled_back : limit_.is_over());
    }

    CommitReport commit(Return until) {
        prepare_to_end();
        if (!report_) {
            end([this, until] { return explained(run_until(until)); });
        }
        return *report_;
    }

    [[nodiscard]] CommitOperation start_commit(Return until, std::function<void()> on_log_answer) {
        prepare_to_end();
        if (!report_ && !limit_.try_end()) {
            time_out();
        }
        if (report_) {
            return CommitOperation{std::make_unique<CommitOperation::State>(*report_)};
        }
        is_operation_started_ = true;
        return CommitOperation{std::make_unique<CommitOperation::State>(
            start_run(), CommitOperation::State::Parts{
                             until, std::move(on_log_answer),
                             [self = shared_from_this()](std::unique_ptr<CommitRun> run) {
                                 self->report_ = self->explained(self->conclude(std::move(run)));
                                 self->run_after_completion();
                                 return *self->report_;
                             }})};
    }

    void rollback() {
        check_is_not_ending();
        if (!report_) {
            enlistments_.show(Activity::rolling_back);
            end([this] { return manager_.coordinator.rollback(gtrid(), enlistments_.branches()); });
        }
    }

private:
    OpenTransaction(TransactionManagerState& manager, const TransactionOptions& options,
                    Enlistments::Environment environment)
        : manager_{manager},
          lock_hold_budget_{options.lock_hold_budget},
          limit_{*manager.deadline_keeper, environment.gtrid,
                 options.timeout.value_or(manager.config.transaction_timeout)},
          enlistments_{(environment.limit = &limit_, std::move(environment))} {
        manager_.table.enter(gtrid());
    }

    /// What commit() does while statements can still be run.
    void prepare_to_end() {
        check_is_not_ending();
        run_before_prepare();
        if (!report_ && !rollback_only_) {
            rollback_only_ = excess_of_budget();
        }
        if (!report_) {
            enlistments_.show(Activity::committing);
        }
    }

    /// The votes have to come in time, what follows does not.
    [[nodiscard]] CommitOptions commit_options() const {
        CommitOptions options{.row_patience = manager_.config.answer_timeout};
        if (limit_.timeout().count() > 0) {
            options.vote_deadline = limit_.deadline();
        }
        return options;
    }

    [[nodiscard]] std::unique_ptr<CommitRun> start_run() {
        auto run =
            manager_.coordinator.make_run(gtrid(), enlistments_.branches(), commit_options());
        if (rollback_only_) {
            run->start_rollback();
        } else {
            run->start_commit();
        }
        return run;
    }

    [[nodiscard]] CommitReport run_until(Return until) {
        if (until == Return::when_finished && !rollback_only_) {
            return manager_.coordinator.commit(gtrid(), enlistments_.branches(), commit_options());
        }
        auto run = start_run();
        run->wait_until(until);
        if (run->is_finished()) {
            run->await_row();
        }
        return conclude(std::move(run));
    }

    /// A decided run is finished by the manager.
    [[nodiscard]] CommitReport conclude(std::unique_ptr<CommitRun> run) {
        return run->is_finished()
                   ? run->report()
                   : manager_.completion_service->finish(std::move(run), shared_from_this());
    }

    /// The report with what made it a rollback here.
    [[nodiscard]] CommitReport explained(CommitReport report) const {
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

    void check_is_not_ending() const {
        XA_TM_CHECK(!is_operation_started_ || report_,
                    "while its commit is under way a transaction is destroyed or moved only");
    }

    void check_is_open() {
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

    void keep_reason(std::string reason) {
        if (!rollback_only_) {
            rollback_only_ = std::move(reason);
        }
    }

    /// Uses a branch. Whatever fails once the time is over has failed because of that; and what has
    /// succeeded then, perhaps because another branch's locks were released, is in vain.
    template <class Use>
    std::invoke_result_t<const Use&> in_time(const Use& use) {
        check_is_open();
        try {
            std::invoke_result_t<const Use&> result = use();
            check_is_open();
            return result;
        } catch (const Error&) {
            check_is_open();
            throw;
        }
    }

    void run_before_prepare() {
        try {
            while (!before_prepare_.empty() && !is_rollback_only()) {
                // One that ends the transaction itself does not meet itself again.
                const auto callback = std::move(before_prepare_.front());
                before_prepare_.pop_front();
                callback();
            }
        } catch (const std::exception& error) {
            keep_reason(error.what());
        } catch (...) {
            keep_reason("before_prepare threw what is no std::exception");
        }
    }

    [[nodiscard]] std::optional<std::string> excess_of_budget() const {
        const auto opened_at = enlistments_.opened_at();
        if (lock_hold_budget_.count() == 0 || !opened_at) {
            return std::nullopt;
        }
        const auto held = std::chrono::duration_cast<std::chrono::milliseconds>(
            TimeLimit::Clock::now() - *opened_at);
        if (held <= lock_hold_budget_) {
            return std::nullopt;
        }
        return fmt::format(
            "locks may have been held for {} ms, {} ms more than the "
            "lock_hold_budget of {} ms",
            held.count(), (held - lock_hold_budget_).count(), lock_hold_budget_.count());
    }

    /// From here on the time limit ends nothing any more.
    template <class Finish>
    void end(const Finish& finish) {
        if (!limit_.try_end()) {
            time_out();
            return;
        }
        report_ = finish();
        run_after_completion();
    }

    void time_out() {
        enlistments_.give_up();
        is_timed_out_ = true;
        report_ = because(enlistments_.time_out_reason(),
                          manager_.coordinator.rollback(gtrid(), enlistments_.branches()));
        run_after_completion();
    }

    void run_after_completion() {
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

    void note_failed_callback(std::string_view what) const {
        log_message(LogChannel::coordinator, LogLevel::error,
                    "A callback after completion threw; the outcome stands.",
                    {.gtrid = gtrid(), .detail = what});
    }

    TransactionManagerState& manager_;
    std::chrono::milliseconds lock_hold_budget_;
    TimeLimit limit_;
    Enlistments enlistments_;
    std::deque<std::function<void()>> before_prepare_;
    std::vector<std::function<void(const CommitReport&)>> after_completion_;
    std::optional<std::string> rollback_only_;
    bool is_timed_out_ = false;
    std::optional<CommitReport> report_;
    bool is_operation_started_ = false;
};

Connection& Branch::connection() const {
    return transaction_->connection_of(index_);
}

std::uint64_t Branch::execute(const std::string& statement) const {
    return transaction_->execute(index_, statement, false);
}

std::uint64_t Branch::execute_last(const std::string& statement) const {
    return transaction_->execute(index_, statement, true);
}

Transaction::Transaction(TransactionManagerState& manager, const TransactionOptions& options)
    : state_{std::make_shared<OpenTransaction>(manager, options)} {}

Transaction::Transaction(Transaction&&) noexcept = default;

Transaction& Transaction::operator=(Transaction&& other) noexcept {
    Transaction ending{std::move(*this)};
    state_ = std::move(other.state_);
    return *this;
}

Transaction::~Transaction() {
    if (state_ != nullptr) {
        state_->end_scope();
    }
}

std::vector<Branch> Transaction::enlist_all(std::span<Datasource* const> datasources) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->enlist_all(datasources);
}

Branch Transaction::enlist_lent(
    Datasource& datasource, std::function<std::unique_ptr<Connection>(const SessionMark&)> adopt) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->enlist_lent(datasource, std::move(adopt));
}

void Transaction::before_prepare(std::function<void()> callback) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->before_prepare(std::move(callback));
}

void Transaction::after_completion(std::function<void(const CommitReport&)> callback) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->after_completion(std::move(callback));
}

void Transaction::set_rollback_only(std::string reason) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->set_rollback_only(std::move(reason));
}

bool Transaction::is_rollback_only() const {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->is_rollback_only();
}

CommitReport Transaction::commit(Return until) noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->commit(until);
}

CommitOperation Transaction::start_commit(Return until, std::function<void()> on_log_answer) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->start_commit(until, std::move(on_log_answer));
}

void Transaction::rollback() noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->rollback();
}

const std::string& Transaction::gtrid() const noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->gtrid();
}

}  // namespace xa_tm
