// Invariants:
// - the order of a look is list, known, list: a branch is judged only when it stands in both lists,
//   by what was known in between (traps 1 to 3);
// - a list that did not arrive whole is no list: the pass ends without a judgement (law 7);
// - what a look tells of the server or the log is kept before anything is done by it;
// - a decision is forgotten only after every branch it names is known to be finished (law 6).

#include "recovery.h"

#include <algorithm>

#include <fmt/format.h>

#include "connection_pool.h"
#include "gather.h"
#include "logging.h"
#include "pass_keeper.h"
#include "server_doubts.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"

namespace xa_tm {
namespace {

/// How far a server has come is written to the log no more often than that.
constexpr std::chrono::minutes kSightingInterval{1};
/// So that no statement that removes rows holds their locks for long.
constexpr std::size_t kRowsForgottenAtOnce = 1000;

Error not_answered(const Datasource& datasource, Verb verb, const Answer& answer) {
    return {{answer.code == XaCode::rmfail ? ErrorCode::resource_unreachable
                                           : ErrorCode::resource_refused,
             datasource.name(), answer.sqlstate, answer.native_error},
            fmt::format("resource {}: {} failed with {}: {}", datasource.name(), to_string(verb),
                        to_string(answer.code), answer.message)};
}

std::string with_server_words(std::string_view sentence, const Answer& answer) {
    return fmt::format("{} ({}{}{})", sentence, to_string(answer.code),
                       answer.message.empty() ? "" : ": ", answer.message);
}

std::string_view reason_of_end(RecoveredState state, const PlannedBranch& planned, bool is_proven) {
    switch (state) {
        case RecoveredState::committed: return "there was a decision to commit";
        case RecoveredState::rolled_back:
            return "there is no decision to commit, and none can be made any more";
        case RecoveredState::finished:
            return is_proven
                       ? "the log held the decision, and the server proves that the branch has "
                         "committed"
                       : "the log held the decision, the server that had prepared the branch does "
                         "not know it any more, and no session is at it: that it has committed is "
                         "inferred, because this server keeps no proof";
        case RecoveredState::prepared:
        case RecoveredState::absent:
        case RecoveredState::unreachable:
        case RecoveredState::heuristic: break;
    }
    return planned.reason;
}

/// Forgets batch by batch, until there is none or one is refused; that one is given back, also when
/// `forget` throws.
template <class Take, class GiveBack, class Forget>
void in_batches(Take take, GiveBack give_back, Forget forget) {
    for (auto rows = take(); !rows.empty(); rows = take()) {
        bool is_forgotten = false;
        try {
            is_forgotten = forget(rows);
        } catch (...) {
            std::ranges::for_each(rows, give_back);
            throw;
        }
        if (!is_forgotten) {
            std::ranges::for_each(rows, give_back);
            return;
        }
    }
}

}  // namespace

bool ResourcePass::is_done() const noexcept {
    return resource.is_reachable && resource.unended_session.empty() &&
           std::ranges::none_of(planned, &PlannedBranch::is_unfinished);
}

ResourcePass ResourceRecovery::look(const Known& known) {
    return look(known, {}, nullptr, {});
}

ResourcePass ResourceRecovery::survey(const Known& known, TransactionTable& table,
                                      DecisionLog& log) {
    PassKeeper keeper{datasource_.name(), table, log};
    // First: who waits by now has had its session closed, so that its end can be seen to.
    const auto waited_for = table.waiting_for_rows_of(datasource_.name());
    return look(known, end_sessions(), &keeper, waited_for);
}

ResourcePass ResourceRecovery::recover(const Known& known, TransactionTable& table,
                                       DecisionLog& log, const PassLimits& limits) {
    return carry_out(survey(known, table, log), table, log, limits);
}

ResourcePass ResourceRecovery::carry_out(ResourcePass pass, TransactionTable& table,
                                         DecisionLog& log, const PassLimits& limits) {
    PassKeeper keeper{datasource_.name(), table, log};
    for (auto& planned : pass.planned) {
        if (planned.action != RecoveryAction::none && limits.approve && !limits.approve(planned)) {
            planned.action = RecoveryAction::none;
            planned.reason += "; left alone, because it was not asked for";
        }
    }
    try {
        act(pass, keeper, limits);
        if (pass.resource.is_reachable) {
            forget_needless_rows(table);
            forget_needless_witnesses(table, log);
        }
    } catch (const std::exception& error) {  // of a driver, too: this thread has to go on
        connection_.reset();
        pass.resource.is_reachable = false;
        pass.resource.error = error.what();
    }
    return pass;
}

std::vector<Decision> ResourceRecovery::read_rows(const recovery_log::LogId& log) {
    const auto answer = ask({.verb = Verb::list_decisions, .log = log.to_string()});
    if (answer.code != XaCode::ok) {
        throw not_answered(datasource_, Verb::list_decisions, answer);
    }
    std::vector<Decision> rows;
    rows.reserve(answer.decisions.size());
    for (const auto& row : answer.decisions) {
        auto record = decode(std::as_bytes(std::span{row.decision}));
        auto* decision = record ? std::get_if<Decision>(&*record) : nullptr;
        if (decision == nullptr || decision->gtrid != row.gtrid) {
            throw Error({.code = ErrorCode::resource_refused, .resource = datasource_.name()},
                        fmt::format("resource {}: the decision row of {} can't be understood; use "
                                    "the version that wrote it, or restore the row",
                                    datasource_.name(), row.gtrid));
        }
        rows.push_back(std::move(*decision));
    }
    return rows;
}

ResourcePass ResourceRecovery::look(const Known& known, std::string unended_session,
                                    PassKeeper* keeper,
                                    const std::vector<std::string>& waited_for) {
    ResourcePass pass{.resource = {.name = datasource_.name(),
                                   .kind = std::string{datasource_.kind()},
                                   .is_reachable = true,
                                   .error = {},
                                   .unended_session = std::move(unended_session)},
                      .planned = {},
                      .states = {}};
    try {
        server_.reset();
        auto before = list();
        server_ = connection_->server_identity();
        pass.resource.server = *server_;
        server_is_seen_over_connection_ = true;
        XA_TM_CRASH_POINT("recovery.listed");
        auto facts = known();
        auto after = list();
        PlanInput input{.view = facts.view,
                        .node = std::move(facts.log.node),
                        .log = facts.log.id,
                        .incarnation = facts.log.incarnation,
                        .quarantined_through = facts.log.quarantined_through,
                        .sequences_issued = facts.sequences_issued,
                        .resource = datasource_.name(),
                        .resources = resources_,
                        .server = *server_,
                        .unended_session = pass.resource.unended_session,
                        .before = std::move(before.listed),
                        .known = std::move(facts.transactions),
                        .after = std::move(after.listed)};
        learn(input, before.position, keeper);
        if (keeper != nullptr && datasource_.options().is_last_resource &&
            input.unended_session.empty()) {
            // Behind what was learnt: a row that a restored server has lost proves nothing.
            keeper->settle_by_rows(read_rows(input.log), waited_for, input.incarnation);
        }
        pass.planned = plan_recovery(input);
        pass.resource.doubt = words_of_doubt(input);
        pass.log_doubt = input.known.log_doubt;
        if (keeper != nullptr) {
            keeper->keep_findings(pass.planned, *server_);
        }
    } catch (const std::exception& error) {  // of a driver, too: this thread has to go on
        connection_.reset();
        pass.resource.is_reachable = false;
        pass.resource.error = error.what();
        pass.resource.unended_session.clear();  // it would only say the same
    }
    for (const auto& planned : pass.planned) {
        pass.states.push_back(planned.seen);
    }
    return pass;
}

/// Adds to the input what the lists tell of the server and of the log, and keeps that.
void ResourceRecovery::learn(PlanInput& input, const ServerPosition& position, PassKeeper* keeper) {
    const auto findings = findings_of(input, position);
    std::optional<recovery_log::EntryId> entry;
    if (keeper != nullptr) {
        keeper->keep_what_was_refused(input.known);
        entry = keeper->keep(findings, input);
        const auto time = std::chrono::steady_clock::now();
        const bool is_due = !sighting_kept_at_ || time - *sighting_kept_at_ >= kSightingInterval;
        // What proves a doubt that the log had no space for is not written over.
        const bool may_note = !findings.server || entry;
        if (may_note &&
            keeper->note({input.resource, input.server, position}, input.known, is_due)) {
            sighting_kept_at_ = time;
        }
    }
    if (findings.server) {
        input.known.server_doubts.push_back({*findings.server, entry});
    }
    if (findings.log) {
        input.known.log_doubt = findings.log->words;
    }
}

/// What a session may still do whose process has died, or whose connection was closed in doubt,
/// would make the server's list untrue a moment later. Gives why one has not ended, or nothing.
std::string ResourceRecovery::end_sessions() {
    server_.reset();
    try {
        auto why = end_lost_sessions();
        return why.empty() ? end_ended_sessions() : why;
    } catch (const std::exception& error) {
        connection_.reset();
        return error.what();  // the others would wait for the same server
    }
}

std::string ResourceRecovery::end_lost_sessions() {
    std::string why;
    for (const auto& session : datasource_.pool().lost_sessions()) {
        const auto answer = ask({.verb = Verb::end_session, .session = session});
        if (answer.code == XaCode::ok) {
            datasource_.pool().forget_lost_session(session);
        } else {
            why = fmt::format("session {} of this process: {}", session.number,
                              answer.message.empty() ? to_string(answer.code) : answer.message);
        }
    }
    return why;
}

std::string ResourceRecovery::end_ended_sessions() {
    if (mark_.ended.empty()) {
        return {};
    }
    connect();
    if (have_ended_sessions_ended_) {
        return {};
    }
    const auto answer = ask({.verb = Verb::end_ended_sessions});
    have_ended_sessions_ended_ = answer.code == XaCode::ok;
    if (have_ended_sessions_ended_ && !answer.message.empty()) {
        log_message(LogChannel::recovery, LogLevel::warning,
                    "Sessions of ended processes were ended as far as they can be seen.",
                    {.resource = datasource_.name(), .detail = answer.message});
    }
    return have_ended_sessions_ended_
               ? std::string{}
               : fmt::format("a session of a process that has ended: {}",
                             answer.message.empty() ? to_string(answer.code) : answer.message);
}

void ResourceRecovery::connect() {
    if (connection_ == nullptr || !connection_->is_reusable()) {
        connection_.reset();
        have_ended_sessions_ended_ = false;
        server_is_seen_over_connection_ = false;
        connection_ = datasource_.connect(mark_);
        datasource_.pool().note_target(*connection_);
    }
}

/// Throws Error once the connection is lost over which the first list came: the server may have
/// been put back since, or another one may answer.
void ResourceRecovery::check_is_same_life() const {
    if (server_ && !server_is_seen_over_connection_) {
        throw Error({.code = ErrorCode::resource_unreachable, .resource = datasource_.name()},
                    fmt::format("resource {}: the connection was lost in the middle of a look; the "
                                "next one starts anew",
                                datasource_.name()));
    }
}

/// Throws Error when the answer did not come; every other answer is the caller's to read.
Answer ResourceRecovery::ask(Request request) {
    const auto verb = request.verb;
    if (interrupt_ != nullptr && interrupt_->is_raised()) {
        throw Error(
            {.code = ErrorCode::resource_unreachable, .resource = datasource_.name()},
            fmt::format("resource {}: not asked, because recovery is ending", datasource_.name()));
    }
    connect();
    check_is_same_life();
    auto answer = exchange(*connection_, std::move(request), answer_timeout_, interrupt_);
    if (answer.code == XaCode::rmfail) {
        throw not_answered(datasource_, verb, answer);
    }
    return answer;
}

Answer ResourceRecovery::list() {
    const bool is_kept_connection = connection_ != nullptr;
    try {
        auto answer = ask({.verb = Verb::recover});
        if (answer.code != XaCode::ok) {
            throw not_answered(datasource_, Verb::recover, answer);
        }
        return answer;
    } catch (const Error& error) {
        connection_.reset();
        if (!is_kept_connection || error.code() != ErrorCode::resource_unreachable) {
            throw;
        }
    }
    return list();  // the connection of the last pass had died meanwhile: ask over a new one
}

void ResourceRecovery::forget_needless_rows(TransactionTable& table) {
    const auto& resource = datasource_.name();
    in_batches([&] { return table.take_needless_rows(resource, kRowsForgottenAtOnce); },
               [&](std::string gtrid) { table.add_needless_row(resource, std::move(gtrid)); },
               [&](const std::vector<std::string>& rows) {
                   return forget({.verb = Verb::forget_decisions, .gtrids = rows});
               });
}

/// Behind what the pass has done: a branch that a decision still waited for was judged by its row
/// before any row goes.
void ResourceRecovery::forget_needless_witnesses(TransactionTable& table, const DecisionLog& log) {
    if (!datasource_.options().has_witness) {
        return;
    }
    const auto& resource = datasource_.name();
    if (!are_left_witnesses_known_) {
        const auto answer = ask({.verb = Verb::list_witnesses, .log = log.log().id().to_string()});
        are_left_witnesses_known_ = answer.code == XaCode::ok;
        if (!are_left_witnesses_known_) {
            log_message(
                LogChannel::recovery, LogLevel::warning,
                "Witness rows can't be listed, so none is removed; the next pass tries again.",
                {.resource = resource, .code = answer.code, .detail = answer.message});
            return;
        }
        table.add_left_witnesses(resource, answer.witnesses, log.log().incarnation());
    }
    in_batches([&] { return table.take_needless_witnesses(resource, kRowsForgottenAtOnce); },
               [&](std::string row) { table.add_needless_witness(resource, std::move(row)); },
               [&](const std::vector<std::string>& rows) {
                   return forget({.verb = Verb::forget_witnesses, .witnesses = rows});
               });
}

/// False when the server refused.
bool ResourceRecovery::forget(Request request) {
    const auto answer = ask(std::move(request));
    if (answer.code != XaCode::ok) {
        log_message(
            LogChannel::recovery, LogLevel::warning,
            "Rows of finished transactions could not be removed; the next pass tries again.",
            {.resource = datasource_.name(), .code = answer.code, .detail = answer.message});
    }
    return answer.code == XaCode::ok;
}

/// Throws Error when a connection was lost: what it was told may have been carried out.
void ResourceRecovery::act(ResourcePass& pass, PassKeeper& keeper, const PassLimits& limits) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(
        pass.planned,
        [](const PlannedBranch& planned) { return planned.action != RecoveryAction::none; }));
    if (!pass.resource.is_reachable || count == 0) {
        return;
    }
    connect();
    check_is_same_life();
    FinishingCrew crew{
        *connection_,
        [this] {
            auto further = datasource_.connect(mark_);
            if (further->server_identity() != server_) {
                throw Error({.code = ErrorCode::resource_refused, .resource = datasource_.name()},
                            "another server answers");
            }
            return further;
        },
        answer_timeout_, interrupt_};
    std::size_t next = 0;
    const auto next_job = [&]() -> std::optional<FinishingCrew::Job> {
        while (next < pass.planned.size() && pass.planned[next].action == RecoveryAction::none) {
            ++next;
        }
        if (next == pass.planned.size()) {
            return std::nullopt;
        }
        const auto index = next++;
        return FinishingCrew::Job{index, request_for(pass.planned[index])};
    };
    const auto lost = crew.run(count, next_job, [&](std::size_t index, const Answer& answer) {
        take(pass, index, answer, keeper);
        if (limits.on_finished && pass.planned[index].action == RecoveryAction::none) {
            limits.on_finished();
        }
    });
    if (lost) {
        throw not_answered(datasource_, Verb::commit, *lost);
    }
}

Request ResourceRecovery::request_for(const PlannedBranch& planned) const {
    const Xid& xid = *planned.listed.xid;
    switch (planned.action) {
        case RecoveryAction::commit:
            XA_TM_CRASH_POINT("recovery.commit_sent");
            return {.verb = Verb::commit, .xid = xid, .evidence = planned.evidence};
        case RecoveryAction::rollback:
            XA_TM_CRASH_POINT("recovery.rollback_sent");
            return {.verb = Verb::rollback, .xid = xid};
        case RecoveryAction::confirm:
            return {.verb = Verb::locate, .xid = xid, .evidence = planned.evidence};
        case RecoveryAction::none: break;
    }
    XA_TM_CHECK(false, "only called when there is something to do");
}

void ResourceRecovery::take(ResourcePass& pass, std::size_t index, const Answer& answer,
                            PassKeeper& keeper) const {
    auto& planned = pass.planned[index];
    const Xid& xid = *planned.listed.xid;
    const bool is_rollback = planned.action == RecoveryAction::rollback;
    if (planned.action == RecoveryAction::commit) {
        XA_TM_CRASH_POINT("recovery.commit_answered");
    } else if (is_rollback) {
        XA_TM_CRASH_POINT("recovery.rollback_answered");
    }
    if (const auto end = end_of_branch(planned.action, answer.code)) {
        pass.states[index] = *end;
        planned.reason = reason_of_end(*end, planned, answer.is_proven);
        planned.action = RecoveryAction::none;
        if (!is_rollback) {
            keeper.finish(xid);
        }
        log_message(
            LogChannel::recovery, LogLevel::debug, "Branch finished by recovery.",
            {.gtrid = xid.gtrid, .resource = datasource_.name(), .detail = to_string(*end)});
    } else if (!is_rollback && (is_heuristic(answer.code) || is_rolled_back(answer.code))) {
        pass.states[index] = RecoveredState::heuristic;
        planned.heuristic = answer.code;
        planned.action = RecoveryAction::none;
        planned.reason = with_server_words(
            "its resource manager finished it by itself against the decision", answer);
        keeper.keep(xid, answer.code, planned.reason, *server_);
    } else {
        // Not known, busy, still attached to an old session, or refused: the next pass asks again.
        planned.reason = with_server_words("not finished yet", answer);
    }
}

std::string agree(std::span<ResourcePass> passes) {
    std::set<std::string, std::less<>> never_decided;
    std::string log_doubt;
    for (const auto& pass : passes) {
        never_decided.merge(never_decided_by(pass.planned));
        log_doubt = log_doubt.empty() ? pass.log_doubt : log_doubt;
    }
    for (auto& pass : passes) {
        apply_never_decided(pass.planned, never_decided);
        if (!log_doubt.empty()) {
            apply_log_doubt(pass.planned, log_doubt);
        }
    }
    return log_doubt;
}

std::set<std::string, std::less<>> names_of(std::span<Datasource* const> resources) {
    std::set<std::string, std::less<>> names;
    for (const auto* resource : resources) {
        names.insert(resource->name());
    }
    return names;
}

}  // namespace xa_tm
