#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "enlistments.h"
#include "time_limit.h"
#include "transaction_manager_state.h"
#include "xa_tm/branch.h"
#include "xa_tm/commit_operation.h"
#include "xa_tm/outcome.h"
#include "xa_tm/transaction.h"

namespace xa_tm {

/// One transaction, behind its Transaction and its branches.
///
/// Ownership: shared by the scope and by whoever finishes an early commit, so that the branches
/// keep their connections until both have ended, unless a connection that the application has not
/// seen is handed on.
class OpenTransaction : public std::enable_shared_from_this<OpenTransaction> {
public:
    OpenTransaction(TransactionManagerState& manager, const TransactionOptions& options);
    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;
    ~OpenTransaction() = default;

    void end_scope();

    [[nodiscard]] const std::string& gtrid() const noexcept { return limit_.gtrid(); }

    [[nodiscard]] std::vector<Branch> enlist_all(std::span<Datasource* const> datasources);

    [[nodiscard]] Branch enlist_lent(Datasource& datasource, Adopt adopt);

    [[nodiscard]] Connection& connection_of(std::size_t index);

    std::uint64_t execute(std::size_t index, const std::string& statement, bool is_last);

    [[nodiscard]] const TransactionManagerState& manager() const noexcept { return manager_; }
    /// The index of the datasource's branch, a new one if it has none.
    [[nodiscard]] std::size_t enlist(Datasource& datasource);
    /// Once no statement may follow that commit() would have let before_prepare callbacks run.
    void run_before_prepare();
    void carry_out(std::span<Enlistments::Work> works, TimeLimit::Clock::time_point deadline);
    [[nodiscard]] std::size_t branches() noexcept { return enlistments_.branches().size(); }
    /// Why the statement that was so answered was not carried out.
    [[nodiscard]] Error error_of(std::size_t branch, const Answer& answer) const {
        return enlistments_.error_of(branch, answer);
    }

    void before_prepare(std::function<void()> callback);

    void after_completion(std::function<void(const CommitReport&)> callback);

    void set_rollback_only(std::string reason);
    /// The same, also of one that has ended already, which changes nothing then.
    void roll_back_because(std::string reason);

    [[nodiscard]] bool is_rollback_only();

    /// `on_votes` is called once all have voted yes, before the decision is made.
    CommitReport commit(Return until, std::function<void()> on_votes = {}) noexcept;

    [[nodiscard]] CommitOperation start_commit(Return until, std::function<void()> on_log_answer);

    void rollback();

private:
    OpenTransaction(TransactionManagerState& manager, const TransactionOptions& options,
                    Enlistments::Environment environment);

    /// What commit() does while statements can still be run.
    void prepare_to_end();

    /// The votes have to come in time, what follows does not.
    [[nodiscard]] CommitOptions commit_options(std::function<void()> on_votes) const;

    [[nodiscard]] std::unique_ptr<CommitRun> start_run(std::function<void()> on_votes);

    [[nodiscard]] CommitReport run_until(Return until, std::function<void()> on_votes);

    /// A decided run is finished by the manager.
    [[nodiscard]] CommitReport conclude(std::unique_ptr<CommitRun> run);

    /// The report with what made it a rollback here.
    [[nodiscard]] CommitReport explained(CommitReport report) const;

    void check_is_not_ending() const;

    void check_is_open();

    /// Uses a branch. Whatever fails once the time is over has failed because of that; and what has
    /// succeeded then, perhaps because another branch's locks were released, is in vain.
    template <class Use>
    std::invoke_result_t<const Use&> in_time(const Use& use);

    [[nodiscard]] std::optional<std::string> excess_of_budget() const;

    /// From here on the time limit ends nothing any more.
    template <class Finish>
    void end(const Finish& finish);

    void time_out();

    void run_after_completion();

    void note_failed_callback(std::string_view what) const;

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

}  // namespace xa_tm
