#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commit_protocol.h"
#include "decision_log.h"
#include "enlistments.h"
#include "gather.h"
#include "transaction_table.h"
#include "xa_tm/outcome.h"

namespace xa_tm {

/// How far that branch of a decision is.
[[nodiscard]] PendingDecision::Progress progress_of(BranchState state) noexcept;

struct CommitOptions {
    /// Until when votes are waited for, if that is earlier than the answer timeout allows. After
    /// the decision it does not count.
    std::optional<Deadline> vote_deadline = std::nullopt;
    /// How long await_row() waits.
    std::chrono::milliseconds row_patience{0};
    /// Called once, when all have voted yes (CommitProtocol::has_all_votes()). Must not throw.
    std::function<void()> on_votes = {};
};

/// One transaction's way through the commit protocol, over real connections: every verb of a step
/// is written to all branches first, then their answers are taken as they arrive. A commit takes
/// along the first requests of a transaction that waits for the same connection.
///
/// Once started, it is either waited for by wait_until(), or advanced event by event until it
/// is_finished(): advance() is called whenever one of the waits is ready, the deadline has passed
/// or the log has answered, and force() whenever it has_to_force().
///
/// Ownership: borrows the branches, the gtrid and what is in the environment. Is finished, or
/// abandoned, before it ends.
/// Thread safety: one thread at a time; the log's answer may come by another one.
class CommitRun {
public:
    /// What every run of a coordinator uses.
    struct Environment {
        DecisionLog& log;
        TransactionTable& table;
        std::chrono::milliseconds answer_timeout;
        /// Called with the name of a resource at which recovery has something to do soon.
        std::function<void(std::string_view resource)> wake_recovery;
    };

    CommitRun(const Environment& environment, const std::string& gtrid,
              std::span<EnlistedBranch> branches, CommitOptions options = {});
    CommitRun(const CommitRun&) = delete;
    CommitRun& operator=(const CommitRun&) = delete;

    /// Sends the first verbs. One of the two, once.
    void start_commit();
    void start_rollback();

    /// Goes on until then. Not together with force().
    void wait_until(Return until);

    /// Takes what has arrived without waiting and sends what follows from it. Past the deadline
    /// everything outstanding counts as lost.
    void advance();
    /// True when the decision is the next thing to do: force() does it.
    [[nodiscard]] bool has_to_force() const noexcept { return has_to_force_; }
    /// Hands the decision to the log. Its answer may be there when this returns; else `on_answer`
    /// is called once it is there, by another thread, which it must not keep, and advance() takes
    /// it. No call of `on_answer` begins or is under way once the run has ended.
    void force(std::function<void()> on_answer);
    /// What to poll before the next advance(); adds to `waits`, by branch.
    void append_waits(std::vector<CommitOperation::Wait>& waits) const {
        gather_.append_waits(waits);
    }
    /// Until when that is waited for; nothing while no server is asked.
    [[nodiscard]] std::optional<Deadline> deadline() const;

    /// When the last resource did not answer, waits until recovery has found out by its row whether
    /// it has committed; not for longer than CommitOptions::row_patience. Of a finished run.
    void await_row();

    /// Ends it soon: what a decision has not reached yet is left to recovery without waiting for
    /// answers; without a decision everything is rolled back.
    void abandon();

    /// The decision is durable and has been sent to every branch.
    [[nodiscard]] bool is_decided() const noexcept { return protocol_.is_decision_logged(); }
    /// The outcome is final, nothing is outstanding, and what is left to do is recovery's.
    [[nodiscard]] bool is_finished() const noexcept { return protocol_.is_finished(); }
    [[nodiscard]] bool has_reached(Return until) const noexcept {
        return is_finished() || (until == Return::when_decided && is_decided());
    }
    /// Of a run that is decided or finished.
    [[nodiscard]] CommitReport report() const;

private:
    struct LogAnswer;

    [[nodiscard]] bool reserve_space();
    void follow(CommitProtocol::Step step);
    void sort_by_priority(std::vector<CommitProtocol::Send>& sends) const;
    void send(const CommitProtocol::Send& send);
    [[nodiscard]] std::vector<Request> batch_of(const CommitProtocol::Send& send);
    void take(Gather::Arrival arrival);
    void keep_reason(std::size_t branch, std::string_view what_was_answered);
    void give_up(std::string_view why);
    void hand_on(std::size_t branch, bool is_answered);
    void force_and_wait();
    [[nodiscard]] Decision begin_force();
    void take_log_answer();
    void take_forced(const recovery_log::Forced& forced, Decision decided);
    [[nodiscard]] Decision decision(LogTime decided_at) const;
    void settle();
    void close_uncertain() noexcept;
    void leave_to_recovery();
    void record_heuristics();
    [[nodiscard]] Outcome outcome() const;
    [[nodiscard]] BranchState state_of(std::size_t branch) const;
    [[nodiscard]] std::string next_for(std::size_t branch) const;

    const Environment& environment_;
    const std::string& gtrid_;
    std::span<EnlistedBranch> branches_;
    CommitOptions options_;
    CommitProtocol protocol_;
    std::vector<Verb> verbs_;
    /// Whose first requests went along with a branch's commit.
    std::vector<std::optional<ConnectionPool::Successor>> successors_;
    Gather gather_;
    Deadline answer_deadline_;
    std::optional<recovery_log::Reservation> reservation_;
    bool has_to_force_ = false;
    std::shared_ptr<LogAnswer> log_answer_;  ///< while the log has the decision
    /// From when the decision is durable, or sent to the last resource.
    std::optional<PendingDecision> decided_;
    /// When the last resource did not answer: what its row has told.
    std::shared_ptr<const RowVerdict> row_verdict_;
    std::string reason_;
};

}  // namespace xa_tm
