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
        if (options.sends_all_at_once || works_.size() < 2) {
            transaction_.carry_out(works_, deadline_);
            return;
        }
        auto& first = works_.front();
        first.is_last = false;
        transaction_.carry_out({&first, 1}, deadline_);
        take(shares_.front(), first);
        if (tally_.fault()) {
            return;
        }
        // Its prepare goes with the others' work, so that what it has locked is held for one force
        // less.
        first = {.branch = first.branch, .statements = {}, .is_last = true};
        transaction_.carry_out(works_, deadline_);
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
                std::ignore = tally_.take_done(statement, std::move(answer));
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

bool may_combine(std::span<const Statement> statements) {
    return std::ranges::all_of(statements, [](const Statement& statement) {
        return statement.datasource().has_savepoints() && is_combinable(statement.text());
    });
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
          deadline_{deadline_after(timeout_)},
          is_combinable_{options.combine && may_combine(statements)} {}

    RunReport run() {
        if (keys_.empty()) {
            return run_alone({});
        }
        ConflictQueue::Passenger passenger{is_combinable_ ? datasources() : "", statements_,
                                           options_.until};
        auto entered = enter(is_combinable_ ? &passenger : nullptr);
        if (std::holds_alternative<ConflictQueue::Left>(entered)) {
            return never_begun();
        }
        auto* turn = std::get_if<ConflictQueue::Turn>(&entered);
        return turn == nullptr ? *std::move(passenger.report) : run_in_turn(*turn, passenger);
    }

private:
    using Entered = decltype(std::declval<ConflictQueue&>().enter({}, nullptr, {}, {}));

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

    RunReport run_in_turn(ConflictQueue::Turn& turn, ConflictQueue::Passenger& own) {
        if (is_combinable_) {
            const auto others = turn.take_along(options_.combine->members_max - 1);
            if (auto report = others.empty() ? std::nullopt : carry(turn, own, others)) {
                return *std::move(report);
            }
            turn.dismiss();
        }
        return run_alone(
            {.sends_all_at_once = !turn.has_ended(), .on_votes = [&turn] { turn.end(); }});
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

    /// Nothing when each has to run alone; the turn may have ended then, if all had voted yes.
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
    bool is_combinable_;
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
        transaction.roll_back_because(error->what());
    }
    return {transaction.commit(options.until, options.on_votes), tally.take_results(),
            std::move(error)};
}

RunReport run_one_shot(TransactionManagerState& state, std::span<const Statement> statements,
                       const RunOptions& options) {
    return OneShot{state, statements, options}.run();
}

}  // namespace xa_tm
