// Invariants:
// - the transaction is in the table's live set from before its first verb until its branches are
// final or
//   handed over, so that recovery never races this thread;
// - space for the decision is reserved before the first prepare leaves (a decision never meets a
// full disk);
// - a connection whose answer did not come is closed at once, and so is one whose branch is left
// prepared or
//   unknown: some servers let no other session finish the branch before.

#include "coordinator.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "logging.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"

namespace xa_tm {
namespace {

using recovery_log::ForceResult;
using Progress = PendingDecision::Progress;

void pass_sent_point(Verb verb) {
    if (verb == Verb::prepare) {
        XA_TM_CRASH_POINT("coordinator.prepare_sent");
    } else if (verb == Verb::commit) {
        XA_TM_CRASH_POINT("coordinator.commit_sent");
    } else if (verb == Verb::commit_one_phase) {
        XA_TM_CRASH_POINT("coordinator.one_phase_sent");
    } else if (verb == Verb::rollback) {
        XA_TM_CRASH_POINT("coordinator.rollback_sent");
    }
}

void pass_answered_point(Verb verb) {
    if (verb == Verb::prepare) {
        XA_TM_CRASH_POINT("coordinator.vote_received");
    } else if (verb == Verb::commit) {
        XA_TM_CRASH_POINT("coordinator.commit_answered");
    } else if (verb == Verb::commit_one_phase) {
        XA_TM_CRASH_POINT("coordinator.one_phase_answered");
    } else if (verb == Verb::rollback) {
        XA_TM_CRASH_POINT("coordinator.rollback_answered");
    }
}

LogTime now() {
    return std::chrono::time_point_cast<LogTime::duration>(std::chrono::system_clock::now());
}

std::string describe(const Answer& answer) {
    return answer.message.empty() ? std::string{to_string(answer.code)} : answer.message;
}

/// False also for XA_HEURRB in answer to a rollback: nothing differs from the outcome then.
bool is_heuristic(BranchState state) noexcept {
    return state == BranchState::heuristic_commit || state == BranchState::heuristic_rollback ||
           state == BranchState::heuristic_mixed || state == BranchState::heuristic_hazard;
}

}  // namespace

PendingDecision::Progress progress_of(BranchState state) noexcept {
    if (state == BranchState::committed || state == BranchState::read_only) {
        return Progress::finished;
    }
    return state == BranchState::unknown ? Progress::open : Progress::heuristic;
}

/// One transaction's way through the protocol.
class Coordinator::Run {
public:
    Run(Coordinator& coordinator, const std::string& gtrid, std::span<EnlistedBranch> branches)
        : coordinator_{coordinator},
          gtrid_{gtrid},
          branches_{branches},
          protocol_{branches.size()},
          verbs_(branches.size()),
          successors_(branches.size()) {
        for (std::size_t i = 0; i < branches.size(); ++i) {
            if (!branches[i].is_started) {
                protocol_.vote(i, XaCode::rdonly);  // it was never opened
            } else if (branches[i].vote) {
                protocol_.vote(i, *branches[i].vote);
            }
        }
    }

    CommitReport commit();
    CommitReport rollback();

private:
    bool reserve_space();
    void drive(CommitProtocol::Step step);
    void send(const CommitProtocol::Send& send);
    [[nodiscard]] std::vector<Request> batch_of(const CommitProtocol::Send& send);
    CommitProtocol::Step force();
    CommitProtocol::Step take(Gather::Arrival arrival);
    void hand_on(std::size_t branch, bool is_answered);
    [[nodiscard]] Decision decision(LogTime decided_at) const;
    void settle();
    void close_uncertain() noexcept;
    void leave_to_recovery();
    void record_heuristics();
    [[nodiscard]] CommitReport report() const;
    [[nodiscard]] std::string next_for(std::size_t branch) const;

    Coordinator& coordinator_;
    const std::string& gtrid_;
    std::span<EnlistedBranch> branches_;
    CommitProtocol protocol_;
    std::vector<Verb> verbs_;
    /// Whose first requests went along with a branch's commit.
    std::vector<std::optional<ConnectionPool::Successor>> successors_;
    Gather gather_;
    Deadline deadline_;
    std::optional<recovery_log::Reservation> reservation_;
    std::optional<PendingDecision> decided_;
    std::string reason_;
};

CommitReport Coordinator::Run::commit() {
    const bool may_have_to_decide = protocol_.count_of_writers() > 1;
    if (may_have_to_decide && !reserve_space()) {
        return rollback();
    }
    if (may_have_to_decide) {
        XA_TM_CRASH_POINT("coordinator.before_prepare");
    }
    drive(protocol_.commit());
    settle();
    return report();
}

CommitReport Coordinator::Run::rollback() {
    drive(protocol_.rollback());
    settle();
    return report();
}

bool Coordinator::Run::reserve_space() {
    reservation_ = coordinator_.log_.reserve(decision(LogTime{}));
    if (!reservation_) {
        reason_ = fmt::format("the recovery log takes no decision, so nothing was prepared: {}",
                              coordinator_.log_.log().status().reason);
    }
    return reservation_.has_value();
}

void Coordinator::Run::drive(CommitProtocol::Step step) {
    for (;;) {
        // In-doubt window begins: a branch that votes yes is prepared until it learns the decision.
        for (const auto& one : step.sends) {
            send(one);
        }
        if (!step.sends.empty()) {
            deadline_ = std::chrono::steady_clock::now() + coordinator_.answer_timeout_;
        }
        if (step.force_decision) {
            step = force();
        } else if (!gather_.is_empty()) {
            step = take(gather_.next(deadline_));
        } else {
            break;
        }
    }
    XA_TM_CHECK(protocol_.is_finished(), "the protocol ends when nothing is outstanding");
}

void Coordinator::Run::send(const CommitProtocol::Send& send) {
    auto& branch = branches_[send.branch];
    verbs_[send.branch] = send.verb;
    auto* connection = branch.connection();
    XA_TM_CHECK(connection != nullptr, "a branch whose connection was closed is sent nothing more");
    log_message(
        LogChannel::coordinator, LogLevel::debug, "Sending a verb.",
        {.gtrid = gtrid_, .resource = branch.datasource->name(), .detail = to_string(send.verb)});
    connection->send(batch_of(send));
    gather_.expect(send.branch, *connection);
    pass_sent_point(send.verb);
}

/// A connection that the application has not seen can start its next transaction with the commit of
/// this one.
std::vector<Request> Coordinator::Run::batch_of(const CommitProtocol::Send& send) {
    auto& branch = branches_[send.branch];
    std::vector<Request> batch(1);
    batch.front().verb = send.verb;
    batch.front().xid = branch.xid;
    batch.front().evidence = branch.evidence;
    if (send.verb == Verb::commit && !branch.is_lent) {
        auto successor = branch.datasource->pool().next_successor();
        if (successor) {
            batch.insert(batch.end(), successor->batch().begin(), successor->batch().end());
            successors_[send.branch].emplace(*std::move(successor));
        }
    }
    return batch;
}

/// What travelled with the commit is its own transaction's from here on.
void Coordinator::Run::hand_on(std::size_t index, bool is_answered) {
    auto& branch = branches_[index];
    auto successor = std::exchange(successors_[index], std::nullopt);
    if (branch.last_answer.code == XaCode::ok) {
        successor->take_over(*std::exchange(branch.lease, std::nullopt));
        return;
    }
    if (is_answered && branch.last_answer.code != XaCode::rmfail) {
        successor->wait_on();
    }
    branch.close();  // with answers outstanding that nobody waits for
}

CommitProtocol::Step Coordinator::Run::take(Gather::Arrival arrival) {
    auto& branch = branches_[arrival.key];
    branch.note(std::move(arrival.answer));
    if (successors_[arrival.key]) {
        hand_on(arrival.key, arrival.is_answered);
    }
    if (!arrival.is_answered || branch.last_answer.code == XaCode::rmfail) {
        branch.close();
    }
    const auto code = branch.last_answer.code;
    const bool is_good = code == XaCode::ok || code == XaCode::rdonly;
    if (!is_good && reason_.empty()) {
        reason_ = fmt::format("resource {} answered {} to {}: {}", branch.datasource->name(),
                              to_string(code), to_string(verbs_[arrival.key]),
                              describe(branch.last_answer));
    }
    pass_answered_point(verbs_[arrival.key]);
    return protocol_.answer(arrival.key, code);
}

CommitProtocol::Step Coordinator::Run::force() {
    XA_TM_CRASH_POINT("coordinator.before_decision_forced");
    auto decided = decision(now());
    const auto forced = coordinator_.log_.force(std::move(*reservation_), decided);
    reservation_.reset();
    if (forced.result == ForceResult::durable) {
        // Durable from here: the transaction is committed even if this process never runs again.
        decided_ = PendingDecision::fresh(std::move(decided), forced.id);
        XA_TM_CRASH_POINT("coordinator.decision_forced");
    } else {
        reason_ =
            fmt::format("the decision could not be forced to the recovery log: {}", forced.reason);
    }
    return protocol_.decision(forced.result);
}

/// The decision to commit every branch that voted yes; before the votes, every branch.
Decision Coordinator::Run::decision(LogTime decided_at) const {
    Decision decision{gtrid_, decided_at, {}};
    decision.branches.reserve(branches_.size());
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto& branch = branches_[i];
        const auto state = protocol_.state(i);
        if (state != BranchState::read_only) {
            decision.branches.push_back({branch.datasource->name(), branch.xid.bqual,
                                         branch.server.substr(0, kMaxServerBytes),
                                         branch.evidence.substr(0, kMaxEvidenceBytes)});
        }
    }
    return decision;
}

/// Nothing is outstanding: the transaction leaves the live set, alone or with what recovery has to
/// do.
void Coordinator::Run::settle() {
    record_heuristics();
    const auto ending = protocol_.ending();
    close_uncertain();
    if (ending == CommitProtocol::Ending::stays_live) {
        log_message(LogChannel::coordinator, LogLevel::fatal,
                    "Decision not known to be durable; its branches stay prepared and no new "
                    "transaction starts until the log is opened anew.",
                    {.gtrid = gtrid_, .detail = reason_});
        return;  // it stays live: neither outcome is safe for this incarnation
    }
    if (ending == CommitProtocol::Ending::is_decided) {
        leave_to_recovery();
    } else {
        coordinator_.table_.leave(gtrid_);
    }
    // In-doubt window ends: what is not finished is recovery's now.
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if (protocol_.state(i) == BranchState::unknown) {
            const auto& resource = branches_[i].datasource->name();
            log_message(LogChannel::coordinator, LogLevel::warning,
                        "Branch not finished; recovery will finish it.",
                        {.gtrid = gtrid_,
                         .resource = resource,
                         .code = branches_[i].last_answer.code,
                         .detail = branches_[i].last_answer.message});
            coordinator_.wake_recovery_(resource);
        }
    }
}

/// Whoever finishes these branches later does it over another session.
void Coordinator::Run::close_uncertain() noexcept {
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto state = protocol_.state(i);
        if (state == BranchState::unknown || state == BranchState::prepared) {
            branches_[i].close();
        }
    }
}

void Coordinator::Run::leave_to_recovery() {
    auto pending =
        decided_ ? std::move(*decided_) : PendingDecision::fresh(decision(now()), std::nullopt);
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto& branches = pending.decision.branches;
        const auto named =
            std::ranges::find(branches, branches_[i].xid.bqual, &DecidedBranch::bqual);
        if (named == branches.end()) {
            continue;
        }
        pending.progress[static_cast<std::size_t>(named - branches.begin())] =
            progress_of(protocol_.state(i));
    }
    if (!pending.is_finished()) {
        coordinator_.table_.hand_over(std::move(pending));
        keep_progress(gtrid_, coordinator_.table_, coordinator_.log_);
        return;
    }
    coordinator_.table_.leave(gtrid_);
    if (pending.entry) {
        XA_TM_CRASH_POINT("coordinator.before_forget");
        coordinator_.log_.forget(*pending.entry);
    }
}

void Coordinator::Run::record_heuristics() {
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto& answer = branches_[i].last_answer;
        if (!is_heuristic(protocol_.state(i))) {
            continue;
        }
        const Heuristic heuristic{gtrid_,
                                  branches_[i].xid.bqual,
                                  answer.code,
                                  branches_[i].datasource->name(),
                                  now(),
                                  describe(answer).substr(0, kMaxWordsBytes),
                                  branches_[i].server};
        const auto entry = coordinator_.log_.record(heuristic);
        std::ignore = coordinator_.table_.add({heuristic, entry});  // the first of this branch
        log_message(LogChannel::coordinator, LogLevel::error,
                    entry ? "Resource manager finished a branch by itself; a person has to compare "
                            "the data, then forget it."
                          : "Resource manager finished a branch by itself and the log could not "
                            "keep that; a person has to compare the data.",
                    {.gtrid = gtrid_,
                     .resource = branches_[i].datasource->name(),
                     .code = answer.code,
                     .detail = answer.message});
    }
}

CommitReport Coordinator::Run::report() const {
    std::vector<BranchReport> reports;
    reports.reserve(branches_.size());
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto& branch = branches_[i];
        const bool is_good =
            branch.last_answer.code == XaCode::ok || branch.last_answer.code == XaCode::rdonly;
        reports.push_back({branch.datasource->name(), protocol_.state(i), branch.last_answer.code,
                           is_good ? branch.warnings : branch.last_answer.message, next_for(i)});
    }
    return {gtrid_, protocol_.outcome(), reason_, std::move(reports)};
}

std::string Coordinator::Run::next_for(std::size_t branch) const {
    const auto state = protocol_.state(branch);
    if (state == BranchState::prepared) {
        return "stays prepared; the next start reads the log and commits it or rolls it back";
    }
    if (state != BranchState::unknown) {
        return {};
    }
    if (protocol_.is_decision_logged()) {
        return "recovery will commit it";
    }
    if (protocol_.is_commit_decided()) {
        return "recovery keeps trying to commit it; should this process end first, it is rolled "
               "back if it "
               "is still prepared";
    }
    return protocol_.outcome() == Outcome::rolled_back
               ? "recovery will roll it back if the server still has it"
               : "only the data can tell whether it has committed";
}

CommitReport Coordinator::commit(const std::string& gtrid, std::span<EnlistedBranch> branches) {
    return Run{*this, gtrid, branches}.commit();
}

CommitReport Coordinator::rollback(const std::string& gtrid, std::span<EnlistedBranch> branches) {
    return Run{*this, gtrid, branches}.rollback();
}

}  // namespace xa_tm
