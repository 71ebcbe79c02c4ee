// Invariants:
// - the transaction is in the table's live set from before its first verb until its branches are
//   final or handed over, so that recovery never races the run;
// - space for the decision is reserved before the first prepare leaves (a decision never meets a
//   full disk);
// - a connection whose answer did not come is closed at once, and so is one whose branch is left
//   prepared or unknown: some servers let no other session finish the branch before;
// - while it is not finished, it waits for servers (gather_), or for the log (has_to_force_, then
//   log_answer_), never for both.

#include "commit_run.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "logging.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"

namespace xa_tm {
namespace {

using recovery_log::Forced;
using recovery_log::ForceResult;
using Progress = PendingDecision::Progress;

constexpr std::string_view kAbandoned =
    "the answer was not waited for, because whoever ran the commit has ended";

void pass_sent_point(Verb verb) {
    if (verb == Verb::prepare) {
        XA_TM_CRASH_POINT("coordinator.prepare_sent");
    } else if (verb == Verb::commit) {
        XA_TM_CRASH_POINT("coordinator.commit_sent");
    } else if (verb == Verb::commit_one_phase) {
        XA_TM_CRASH_POINT("coordinator.one_phase_sent");
    } else if (verb == Verb::commit_with_decision) {
        XA_TM_CRASH_POINT("coordinator.last_resource_sent");
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
    } else if (verb == Verb::commit_with_decision) {
        XA_TM_CRASH_POINT("coordinator.last_resource_answered");
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

/// The branch that decides by its own commit; nothing where there is none, or it was not used.
std::optional<std::size_t> last_resource_of(std::span<const EnlistedBranch> branches) {
    const auto found = std::ranges::find_if(branches, [](const EnlistedBranch& branch) {
        return branch.is_started && branch.datasource->options().is_last_resource;
    });
    return found == branches.end()
               ? std::nullopt
               : std::optional{static_cast<std::size_t>(found - branches.begin())};
}

}  // namespace

Progress progress_of(BranchState state) noexcept {
    if (state == BranchState::committed || state == BranchState::read_only) {
        return Progress::finished;
    }
    return state == BranchState::unknown ? Progress::open : Progress::heuristic;
}

/// Where another thread may leave the log's answer.
struct CommitRun::LogAnswer {
    Decision decision;
    std::mutex mutex = {};
    std::condition_variable changed = {};
    std::optional<Forced> forced = std::nullopt;
    std::function<void()> on_answer = nullptr;
};

CommitRun::CommitRun(const Environment& environment, const std::string& gtrid,
                     std::span<EnlistedBranch> branches, CommitOptions options)
    : environment_{environment},
      gtrid_{gtrid},
      branches_{branches},
      options_{std::move(options)},
      protocol_{branches.size(), last_resource_of(branches)},
      verbs_(branches.size()),
      successors_(branches.size()) {
    for (std::size_t i = 0; i < branches.size(); ++i) {
        if (branches[i].datasource->options().has_witness) {
            protocol_.keep_row(i);
        }
        if (!branches[i].is_started) {
            protocol_.vote(i, XaCode::rdonly);  // it was never opened
        } else if (branches[i].vote) {
            protocol_.vote(i, *branches[i].vote);
        }
    }
}

void CommitRun::start_commit() {
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if (branches_[i].vote) {
            keep_reason(i, "its last statements");
        }
    }
    if (protocol_.may_force() && !reserve_space()) {
        start_rollback();
        return;
    }
    if (protocol_.count_of_writers() > 1) {
        XA_TM_CRASH_POINT("coordinator.before_prepare");
    }
    follow(protocol_.commit());
}

void CommitRun::start_rollback() {
    follow(protocol_.rollback());
}

bool CommitRun::reserve_space() {
    reservation_ = environment_.log.reserve(decision(LogTime{}));
    if (!reservation_) {
        reason_ = fmt::format("the recovery log takes no decision, so nothing was prepared: {}",
                              environment_.log.log().status().reason);
    }
    return reservation_.has_value();
}

void CommitRun::wait_until(Return until) {
    while (!has_reached(until)) {
        if (has_to_force_) {
            force_and_wait();
        } else if (auto arrival = gather_.take()) {
            take(*std::move(arrival));
        } else if (!gather_.wait(*deadline())) {
            advance();  // with a last look at what has arrived
        }
    }
}

void CommitRun::advance() {
    if (log_answer_ != nullptr) {
        take_log_answer();
    }
    while (auto arrival = gather_.take()) {
        take(*std::move(arrival));
    }
    const auto until = deadline();
    if (until && std::chrono::steady_clock::now() >= *until) {
        give_up(kNotInTime);
    }
}

std::optional<Deadline> CommitRun::deadline() const {
    if (gather_.is_empty()) {
        return std::nullopt;
    }
    return protocol_.is_voting() && options_.vote_deadline
               ? std::min(answer_deadline_, *options_.vote_deadline)
               : answer_deadline_;
}

/// Everything that is outstanding was sent by now and had its time.
void CommitRun::give_up(std::string_view why) {
    for (auto& lost : gather_.give_up(why)) {
        take(std::move(lost));
    }
}

void CommitRun::abandon() {
    if (log_answer_ != nullptr) {
        // Whoever writes for us is about to say what became of the decision: until then neither
        // outcome is safe.
        std::unique_lock lock{log_answer_->mutex};
        log_answer_->changed.wait(lock, [this] { return log_answer_->forced.has_value(); });
    }
    advance();  // what has arrived counts
    if (has_to_force_) {
        has_to_force_ = false;
        reason_ = kAbandoned;
        follow(protocol_.decision(ForceResult::refused));  // nothing was written
    }
    if (protocol_.is_voting() || protocol_.is_commit_decided()) {
        give_up(kAbandoned);
    }
    wait_until(Return::when_finished);  // for rollbacks, or a branch that decides for itself
}

void CommitRun::follow(CommitProtocol::Step step) {
    sort_by_priority(step.sends);
    // In-doubt window begins: a branch that votes yes is prepared until it learns the decision.
    for (const auto& one : step.sends) {
        send(one);
    }
    if (!step.sends.empty()) {
        answer_deadline_ = std::chrono::steady_clock::now() + environment_.answer_timeout;
    }
    has_to_force_ = step.force_decision;
    if (options_.on_votes && protocol_.has_all_votes()) {
        std::exchange(options_.on_votes, {})();
    }
    if (protocol_.is_finished()) {
        settle();
    }
}

/// The locks of the first to end are held shortest, those of the last to be prepared are in doubt
/// shortest.
void CommitRun::sort_by_priority(std::vector<CommitProtocol::Send>& sends) const {
    const auto rank = [this](const CommitProtocol::Send& send) {
        const std::int64_t priority = branches_[send.branch].datasource->options().release_priority;
        return std::pair{send.verb == Verb::prepare ? priority : -priority, send.branch};
    };
    std::ranges::sort(sends, {}, rank);
}

void CommitRun::send(const CommitProtocol::Send& send) {
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
std::vector<Request> CommitRun::batch_of(const CommitProtocol::Send& send) {
    auto& branch = branches_[send.branch];
    std::vector<Request> batch(1);
    batch.front().verb = send.verb;
    batch.front().xid = branch.xid;
    batch.front().evidence = branch.evidence;
    if (send.verb == Verb::prepare && branch.datasource->options().has_witness) {
        batch.front().log = environment_.log.log().id().to_string();
    }
    if (send.verb == Verb::commit_with_decision) {
        decided_ = PendingDecision::fresh(decision(now()), std::nullopt);
        decided_->row_at = branch.datasource->name();
        const auto bytes = encode(decided_->decision);
        batch.front().log = environment_.log.log().id().to_string();
        batch.front().decision.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
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
void CommitRun::hand_on(std::size_t index, bool is_answered) {
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

void CommitRun::take(Gather::Arrival arrival) {
    auto& branch = branches_[arrival.key];
    branch.note(std::move(arrival.answer));
    if (successors_[arrival.key]) {
        hand_on(arrival.key, arrival.is_answered);
    }
    if (!arrival.is_answered || branch.last_answer.code == XaCode::rmfail) {
        branch.close();
    }
    keep_reason(arrival.key, to_string(verbs_[arrival.key]));
    pass_answered_point(verbs_[arrival.key]);
    follow(protocol_.answer(arrival.key, branch.last_answer.code));
}

/// The first answer that is not good is why the transaction did not commit.
void CommitRun::keep_reason(std::size_t branch, std::string_view what_was_answered) {
    const auto& answer = branches_[branch].last_answer;
    const bool is_good = answer.code == XaCode::ok || answer.code == XaCode::rdonly;
    if (!is_good && reason_.empty()) {
        reason_ =
            fmt::format("resource {} answered {} to {}: {}", branches_[branch].datasource->name(),
                        to_string(answer.code), what_was_answered, describe(answer));
    }
}

void CommitRun::force_and_wait() {
    auto decided = begin_force();
    const auto forced = environment_.log.force(*std::exchange(reservation_, std::nullopt), decided);
    take_forced(forced, std::move(decided));
}

void CommitRun::force(std::function<void()> on_answer) {
    log_answer_ = std::make_shared<LogAnswer>(begin_force());
    environment_.log.force_async(*std::exchange(reservation_, std::nullopt), log_answer_->decision,
                                 [answer = log_answer_](const Forced& forced) {
                                     const std::scoped_lock lock{answer->mutex};
                                     answer->forced = forced;
                                     if (answer->on_answer) {
                                         answer->on_answer();
                                     }
                                     answer->changed.notify_all();
                                 });
    {
        const std::scoped_lock lock{log_answer_->mutex};
        if (!log_answer_->forced) {
            log_answer_->on_answer = std::move(on_answer);
            return;
        }
    }
    take_log_answer();
}

Decision CommitRun::begin_force() {
    XA_TM_CHECK(has_to_force_, "only what the protocol decides is forced");
    has_to_force_ = false;
    XA_TM_CRASH_POINT("coordinator.before_decision_forced");
    return decision(now());
}

/// If it is there.
void CommitRun::take_log_answer() {
    {
        const std::scoped_lock lock{log_answer_->mutex};
        if (!log_answer_->forced) {
            return;
        }
    }
    // From here on the other thread touches it no more.
    const auto answer = std::exchange(log_answer_, nullptr);
    take_forced(*answer->forced, std::move(answer->decision));
}

void CommitRun::take_forced(const Forced& forced, Decision decided) {
    if (forced.result == ForceResult::durable) {
        // Durable from here: the transaction is committed even if this process never runs again.
        decided_ = PendingDecision::fresh(std::move(decided), forced.id);
        XA_TM_CRASH_POINT("coordinator.decision_forced");
    } else {
        reason_ =
            fmt::format("the decision could not be forced to the recovery log: {}", forced.reason);
    }
    follow(protocol_.decision(forced.result));
}

/// The decision to commit every branch that voted yes; before the votes, every branch. The last
/// resource is not among them: where the decision is, it has committed.
Decision CommitRun::decision(LogTime decided_at) const {
    Decision decision{gtrid_, decided_at, {}};
    decision.branches.reserve(branches_.size());
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto& branch = branches_[i];
        const auto state = protocol_.state(i);
        if (state != BranchState::read_only && i != protocol_.last_resource()) {
            decision.branches.push_back({branch.datasource->name(), branch.xid.bqual,
                                         branch.server.substr(0, kMaxServerBytes),
                                         branch.evidence.substr(0, kMaxEvidenceBytes)});
        }
    }
    return decision;
}

/// Nothing is outstanding: the transaction leaves the live set, alone or with what recovery has to
/// do.
void CommitRun::settle() {
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
    switch (ending) {
        case CommitProtocol::Ending::is_decided: leave_to_recovery(); break;
        case CommitProtocol::Ending::waits_for_row:
            row_verdict_ = environment_.table.wait_for_row(gtrid_, decided_->row_at);
            break;
        case CommitProtocol::Ending::leaves: environment_.table.leave(gtrid_); break;
        case CommitProtocol::Ending::stays_live: break;
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
            environment_.wake_recovery(resource);
        }
    }
}

/// Whoever finishes these branches later does it over another session.
void CommitRun::close_uncertain() noexcept {
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto state = protocol_.state(i);
        if (state == BranchState::unknown || state == BranchState::prepared) {
            branches_[i].close();
        }
    }
}

void CommitRun::leave_to_recovery() {
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
        environment_.table.hand_over(std::move(pending));
        keep_progress(gtrid_, environment_.table, environment_.log);
        return;
    }
    environment_.table.leave(pending);
    if (pending.entry) {
        XA_TM_CRASH_POINT("coordinator.before_forget");
        environment_.log.forget(*pending.entry);
    }
}

void CommitRun::await_row() {
    if (row_verdict_ != nullptr) {
        environment_.table.await(*row_verdict_,
                                 std::chrono::steady_clock::now() + options_.row_patience);
    }
}

Outcome CommitRun::outcome() const {
    if (!is_finished()) {
        return Outcome::committed;
    }
    const auto is_committed = row_verdict_ == nullptr ? std::nullopt : row_verdict_->is_committed();
    if (!is_committed) {
        return protocol_.outcome();
    }
    return *is_committed ? Outcome::committed : Outcome::rolled_back;
}

/// What recovery does with the branches that are in doubt is under way when the row has told.
BranchState CommitRun::state_of(std::size_t branch) const {
    const auto state = protocol_.state(branch);
    const auto is_committed = row_verdict_ == nullptr ? std::nullopt : row_verdict_->is_committed();
    if (!is_committed || state == BranchState::read_only) {
        return state;
    }
    if (branch == protocol_.last_resource()) {
        return *is_committed ? BranchState::committed : BranchState::rolled_back;
    }
    return BranchState::unknown;
}

void CommitRun::record_heuristics() {
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
        const auto entry = environment_.log.record(heuristic);
        std::ignore = environment_.table.add({heuristic, entry});  // the first of this branch
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

CommitReport CommitRun::report() const {
    XA_TM_CHECK(is_finished() || is_decided(), "before that there is nothing to report");
    std::vector<BranchReport> reports;
    reports.reserve(branches_.size());
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        const auto& branch = branches_[i];
        const bool is_good =
            branch.last_answer.code == XaCode::ok || branch.last_answer.code == XaCode::rdonly;
        reports.push_back({branch.datasource->name(), state_of(i), branch.last_answer.code,
                           is_good ? branch.warnings : branch.last_answer.message, next_for(i)});
    }
    return {gtrid_, outcome(), reason_, std::move(reports)};
}

std::string CommitRun::next_for(std::size_t branch) const {
    const auto state = state_of(branch);
    const bool may_be_row = is_finished() &&
                            protocol_.ending() == CommitProtocol::Ending::waits_for_row &&
                            outcome() == Outcome::unknown;
    if (may_be_row && branch == protocol_.last_resource()) {
        return "its decision row tells whether it has committed, as soon as recovery can read it";
    }
    if (may_be_row && state == BranchState::prepared) {
        return "stays prepared until recovery has read the decision row of the last resource, then "
               "it is committed or rolled back";
    }
    if (state == BranchState::prepared) {
        return "stays prepared; the next start reads the log and commits it or rolls it back";
    }
    if (state == BranchState::committing) {
        return "the transaction manager is committing it; completion() tells when it has";
    }
    if (state != BranchState::unknown) {
        return {};
    }
    if (protocol_.is_decision_logged() || outcome() == Outcome::committed) {
        return "recovery will commit it";
    }
    if (protocol_.is_commit_decided()) {
        return "recovery keeps trying to commit it; should this process end first, it is rolled "
               "back if it "
               "is still prepared";
    }
    return outcome() == Outcome::rolled_back
               ? "recovery will roll it back if the server still has it"
               : "only the data can tell whether it has committed";
}

}  // namespace xa_tm
