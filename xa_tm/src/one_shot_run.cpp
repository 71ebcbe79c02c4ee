#include "one_shot_run.h"

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "combined_run.h"
#include "conflict_queue.h"
#include "open_transaction.h"
#include "statement_shares.h"
#include "transaction_manager_state.h"

namespace xa_tm {
namespace {

using Clock = TimeLimit::Clock;
using Work = Enlistments::Work;

Clock::time_point deadline_after(std::chrono::milliseconds timeout) {
    return timeout.count() == 0 ? Clock::time_point::max() : Clock::now() + timeout;
}

bool is_done(const Work& work) {
    return std::ranges::all_of(work.answers,
                               [](const Answer& answer) { return answer.code == XaCode::ok; });
}

/// The statements that a transaction ends with.
class LastStatements {
public:
    LastStatements(OpenTransaction& transaction, std::span<const Statement> statements)
        : transaction_{transaction},
          shares_{shares_of(transaction.manager(), statements)},
          tally_{statements} {
        for (const auto& share : shares_) {
            works_.push_back({.branch = transaction.enlist(*share.datasource), .statements = {}});
            for (const auto statement : share.statements) {
                works_.back().statements.push_back(request_of(statements[statement]));
            }
        }
        // A transaction's only branch decides for itself, by its commit.
        for (auto& work : works_) {
            work.is_last = transaction.branches() > 1;
        }
    }

    /// Throws Error as OpenTransaction::carry_out().
    void run(const LastRun& options) {
        lock_wait_timeout_ = options.lock_wait_timeout;
        deadline_ = deadline_after(lock_wait_timeout_);
        const auto works = std::span{works_};
        const auto leading =
            options.sends_all_at_once ? works.size() : std::min<std::size_t>(1, works.size());
        transaction_.carry_out(works.first(leading), deadline_);
        if (leading < works.size() && is_done(works.front())) {
            transaction_.carry_out(works.subspan(leading), deadline_);
        }
    }

    /// What the answers tell. They are used up.
    [[nodiscard]] StatementTally& tally() {
        for (std::size_t i = 0; i < works_.size(); ++i) {
            take(shares_[i], works_[i]);
        }
        return tally_;
    }

    /// What is not answered once the lock_wait_timeout is over waits for locks.
    [[nodiscard]] Error explained(const Error& error) const {
        if (error.code() != ErrorCode::resource_unreachable || Clock::now() < deadline_) {
            return error;
        }
        const auto& resource = error.resource();
        return {{.code = ErrorCode::conflict, .resource = resource},
                fmt::format(
                    "resource {}: not answered within the lock_wait_timeout of {} ms: it waits for "
                    "locks, perhaps in a deadlock across servers with transactions that don't name "
                    "the same conflict keys; run the transaction again",
                    resource, lock_wait_timeout_.count())};
    }

private:
    void take(const StatementShare& share, Work& work) {
        for (std::size_t i = 0; i < work.answers.size(); ++i) {
            auto& answer = work.answers[i];
            const auto statement = share.statements[i];
            if (answer.code == XaCode::ok) {
                tally_.take_done(statement, std::move(answer));
                continue;
            }
            tally_.take_failed(statement, explained(transaction_.error_of(work.branch, answer)));
            return;  // those behind it were not carried out
        }
    }

    OpenTransaction& transaction_;
    std::vector<StatementShare> shares_;
    StatementTally tally_;
    std::vector<Work> works_;
    std::chrono::milliseconds lock_wait_timeout_{0};
    Clock::time_point deadline_ = Clock::time_point::max();
};

/// A transaction that ends with its scope.
class ScopedTransaction {
public:
    ScopedTransaction(TransactionManagerState& state, const TransactionOptions& options)
        : transaction_{std::make_shared<OpenTransaction>(state, options)} {}
    ScopedTransaction(const ScopedTransaction&) = delete;
    ScopedTransaction& operator=(const ScopedTransaction&) = delete;
    ~ScopedTransaction() { transaction_->end_scope(); }

    [[nodiscard]] OpenTransaction& operator*() const noexcept { return *transaction_; }

private:
    std::shared_ptr<OpenTransaction> transaction_;
};

std::vector<std::string> sorted(std::vector<std::string> keys) {
    std::ranges::sort(keys);
    const auto doubles = std::ranges::unique(keys);
    keys.erase(doubles.begin(), doubles.end());
    return keys;
}

/// One call of TransactionManager::run().
class OneShot {
public:
    OneShot(TransactionManagerState& state, std::span<const Statement> statements,
            const RunOptions& options)
        : state_{state},
          statements_{statements},
          options_{options},
          keys_{sorted(options.conflict_keys)},
          timeout_{options.timeout.value_or(state.config.transaction_timeout)},
          deadline_{deadline_after(timeout_)} {}

    RunReport run() {
        if (keys_.empty()) {
            return run_alone({});
        }
        if (is_combinable()) {
            if (auto report = run_combined()) {
                return *std::move(report);
            }
        }
        auto entered = enter(nullptr);
        auto* turn = std::get_if<ConflictQueue::Turn>(&entered);
        return turn != nullptr ? run_in_turn(*turn) : never_begun();
    }

private:
    using Entered = decltype(std::declval<ConflictQueue&>().enter({}, nullptr, {}, {}));

    [[nodiscard]] bool is_combinable() const {
        return options_.combine && std::ranges::all_of(statements_, [](const Statement& statement) {
                   return statement.datasource().has_savepoints() &&
                          xa_tm::is_combinable(statement.text());
               });
    }

    [[nodiscard]] std::string datasources() const {
        std::string names;
        for (const auto& share : shares_of(state_, statements_)) {
            names += share.datasource->name() + " ";
        }
        return names;
    }

    [[nodiscard]] Entered enter(ConflictQueue::Passenger* passenger) {
        return state_.conflict_queue.enter(keys_, passenger, deadline_, options_.cancel);
    }

    /// Nothing when it has to run alone, as all others of its batch then.
    std::optional<RunReport> run_combined() {
        ConflictQueue::Passenger passenger{datasources(), statements_, options_.until};
        auto entered = enter(&passenger);
        if (std::holds_alternative<ConflictQueue::Left>(entered)) {
            return never_begun();
        }
        auto* turn = std::get_if<ConflictQueue::Turn>(&entered);
        if (turn == nullptr) {
            return std::move(passenger.report);
        }
        const auto others = turn->take_along(options_.combine->members_max - 1);
        return others.empty() ? run_in_turn(*turn) : carry(*turn, passenger, others);
    }

    RunReport run_in_turn(ConflictQueue::Turn& turn) {
        return run_alone({.sends_all_at_once = true, .on_votes = [&turn] { turn.end(); }});
    }

    RunReport run_alone(LastRun how) {
        if (Clock::now() >= deadline_) {
            return never_begun();
        }
        how.lock_wait_timeout = options_.lock_wait_timeout;
        how.until = options_.until;
        const ScopedTransaction transaction{state_, begin_options()};
        return run_last(*transaction, statements_, how);
    }

    /// Nothing when each has to run alone.
    std::optional<RunReport> carry(ConflictQueue::Turn& turn, ConflictQueue::Passenger& own,
                                   const std::vector<ConflictQueue::Passenger*>& others) {
        const ScopedTransaction transaction{state_, begin_options()};
        CombinedRun run{*transaction, own, others};
        const auto patience =
            options_.lock_wait_timeout.count() == 0
                ? options_.combine->time_max
                : std::min(options_.lock_wait_timeout, options_.combine->time_max);
        return run.run(deadline_after(patience), [&turn] { turn.end(); });
    }

    /// What is left of its time by now.
    [[nodiscard]] TransactionOptions begin_options() const {
        TransactionOptions options{.timeout = timeout_};
        if (timeout_.count() != 0) {
            options.timeout =
                std::max(std::chrono::milliseconds{1},
                         std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()));
        }
        state_.check_may_begin(options);
        return options;
    }

    RunReport never_begun() const {
        const Error error{
            {.code = ErrorCode::timed_out},
            options_.cancel.stop_requested()
                ? "the transaction was cancelled while it waited for its turn among those with the "
                  "same conflict keys; nothing was done"
                : fmt::format("the transaction timed out after {} ms while it waited for its turn "
                              "among those with the same conflict keys; nothing was done",
                              timeout_.count())};
        return {CommitReport{"", Outcome::rolled_back, error.what(), {}},
                std::vector<StatementResult>(statements_.size()), error};
    }

    TransactionManagerState& state_;
    std::span<const Statement> statements_;
    const RunOptions& options_;
    std::vector<std::string> keys_;
    std::chrono::milliseconds timeout_;
    Clock::time_point deadline_;
};

}  // namespace

RunReport run_last(OpenTransaction& transaction, std::span<const Statement> statements,
                   const LastRun& options) {
    LastStatements last{transaction, statements};
    transaction.run_before_prepare();
    std::optional<Error> error;
    if (!transaction.is_rollback_only()) {
        try {
            last.run(options);
        } catch (const Error& failure) {
            error = last.explained(failure);
        }
    }
    auto& tally = last.tally();
    error = error ? error : tally.fault();
    if (error) {
        transaction.set_rollback_only(error->what());
    }
    return {transaction.commit(options.until, options.on_votes), tally.take_results(),
            std::move(error)};
}

RunReport run_one_shot(TransactionManagerState& state, std::span<const Statement> statements,
                       const RunOptions& options) {
    return OneShot{state, statements, options}.run();
}

}  // namespace xa_tm
