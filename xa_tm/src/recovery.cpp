// Invariants:
// - the order of a look is list, known, list: a branch is judged only when it stands in both lists,
// by what
//   was known in between (traps 1 to 3);
// - a list that did not arrive whole is no list: the pass ends without a judgement (law 7);
// - a decision is forgotten only after every branch it names is known to be finished (law 6).

#include "recovery.h"

#include <algorithm>

#include <fmt/format.h>

#include "connection_pool.h"
#include "gather.h"
#include "logging.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"

namespace xa_tm {
namespace {

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

/// How the branch ended, if this answer to this action says that it has.
std::optional<RecoveredState> end_of_branch(RecoveryAction action, XaCode code) {
    const bool is_ok = code == XaCode::ok || code == XaCode::rdonly;
    switch (action) {
        case RecoveryAction::commit:
            return is_ok ? std::optional{RecoveredState::committed} : std::nullopt;
        case RecoveryAction::rollback:
            return is_ok ? std::optional{RecoveredState::rolled_back} : std::nullopt;
        case RecoveryAction::confirm:
            return code == XaCode::nota ? std::optional{RecoveredState::finished} : std::nullopt;
        case RecoveryAction::none: break;
    }
    return std::nullopt;
}

}  // namespace

bool ResourcePass::is_done() const noexcept {
    return resource.is_reachable && unended_session.empty() &&
           std::ranges::all_of(planned, [](const PlannedBranch& branch) {
               return branch.action == RecoveryAction::none;
           });
}

ResourcePass ResourceRecovery::look(const Known& known) {
    return look(known, {});
}

ResourcePass ResourceRecovery::look(const Known& known, std::string unended_session) {
    ResourcePass pass{.resource = {.name = datasource_.name(),
                                   .kind = std::string{datasource_.kind()},
                                   .is_reachable = true,
                                   .error = {}},
                      .planned = {},
                      .states = {},
                      .unended_session = std::move(unended_session)};
    try {
        server_.reset();
        auto before = list();
        server_ = connection_->server_identity();
        XA_TM_CRASH_POINT("recovery.listed");
        auto facts = known();
        auto after = list();
        pass.planned = plan_recovery({.view = facts.view,
                                      .node = facts.log.node,
                                      .log = facts.log.id,
                                      .incarnation = facts.log.incarnation,
                                      .quarantined_through = facts.log.quarantined_through,
                                      .resource = datasource_.name(),
                                      .resources = resources_,
                                      .server = *server_,
                                      .unended_session = pass.unended_session,
                                      .before = std::move(before),
                                      .known = std::move(facts.transactions),
                                      .after = std::move(after)});
    } catch (const std::exception& error) {  // of a driver, too: this thread has to go on
        connection_.reset();
        pass.resource.is_reachable = false;
        pass.resource.error = error.what();
    }
    for (const auto& planned : pass.planned) {
        pass.states.push_back(planned.seen);
    }
    return pass;
}

ResourcePass ResourceRecovery::recover(const Known& known, TransactionTable& table,
                                       DecisionLog& log) {
    auto pass = look(known, end_lost_sessions());
    for (std::size_t i = 0; i < pass.planned.size() && pass.resource.is_reachable; ++i) {
        try {
            act(pass.planned[i], pass.states[i], table, log);
        } catch (const std::exception& error) {
            connection_.reset();
            pass.resource.is_reachable = false;
            pass.resource.error = error.what();
        }
    }
    return pass;
}

/// What a session of this process may still do, whose connection was closed in doubt, would make
/// the server's list untrue a moment later. Gives why one has not ended, or nothing.
std::string ResourceRecovery::end_lost_sessions() {
    std::string why;
    server_.reset();
    for (const auto& session : datasource_.pool().lost_sessions()) {
        try {
            const auto answer = ask({.verb = Verb::end_session, .session = session});
            if (answer.code == XaCode::ok) {
                datasource_.pool().forget_lost_session(session);
            } else {
                why = fmt::format("session {} of this process: {}", session.number,
                                  answer.message.empty() ? to_string(answer.code) : answer.message);
            }
        } catch (const std::exception& error) {
            connection_.reset();
            return error.what();  // the others would wait for the same server
        }
    }
    return why;
}

/// Throws Error when the answer did not come; every other answer is the caller's to read.
Answer ResourceRecovery::ask(Request request) {
    const auto verb = request.verb;
    if (interrupt_ != nullptr && interrupt_->is_raised()) {
        throw Error(
            {.code = ErrorCode::resource_unreachable, .resource = datasource_.name()},
            fmt::format("resource {}: not asked, because recovery is ending", datasource_.name()));
    }
    if (connection_ == nullptr || !connection_->is_reusable()) {
        connection_.reset();
        connection_ = datasource_.connect(mark_);
    }
    if (server_ && connection_->server_identity() != *server_) {
        throw Error({.code = ErrorCode::resource_refused, .resource = datasource_.name()},
                    fmt::format("resource {}: another server than a moment ago answers; the next "
                                "look starts anew",
                                datasource_.name()));
    }
    auto answer = exchange(*connection_, std::move(request), answer_timeout_, interrupt_);
    if (answer.code == XaCode::rmfail) {
        throw not_answered(datasource_, verb, answer);
    }
    return answer;
}

std::vector<ListedBranch> ResourceRecovery::list() {
    const bool is_kept_connection = connection_ != nullptr;
    try {
        auto answer = ask({.verb = Verb::recover});
        if (answer.code != XaCode::ok) {
            throw not_answered(datasource_, Verb::recover, answer);
        }
        return std::move(answer.listed);
    } catch (const Error& error) {
        connection_.reset();
        if (!is_kept_connection || error.code() != ErrorCode::resource_unreachable) {
            throw;
        }
    }
    return list();  // the connection of the last pass had died meanwhile: ask over a new one
}

void ResourceRecovery::act(PlannedBranch& planned, RecoveredState& state, TransactionTable& table,
                           DecisionLog& log) {
    if (planned.action == RecoveryAction::none) {
        return;
    }
    const Xid& xid = *planned.listed.xid;
    const auto answer = send(planned);
    if (const auto end = end_of_branch(planned.action, answer.code)) {
        state = *end;
        if (planned.action != RecoveryAction::rollback) {
            finish(xid, table, log);
        }
        planned.action = RecoveryAction::none;
        log_message(
            LogChannel::recovery, LogLevel::info, "Branch finished by recovery.",
            {.gtrid = xid.gtrid, .resource = datasource_.name(), .detail = to_string(state)});
    } else if (planned.action != RecoveryAction::rollback &&
               (is_heuristic(answer.code) || is_rolled_back(answer.code))) {
        state = RecoveredState::heuristic;
        planned.action = RecoveryAction::none;
        planned.reason = with_server_words(
            "its resource manager finished it by itself against the decision", answer);
        keep_heuristic(xid, answer, table, log);
    } else {
        // Not known, busy, still attached to an old session, or refused: the next pass asks again.
        planned.reason = with_server_words("not finished yet", answer);
    }
}

Answer ResourceRecovery::send(const PlannedBranch& planned) {
    const Xid& xid = *planned.listed.xid;
    switch (planned.action) {
        case RecoveryAction::commit: {
            XA_TM_CRASH_POINT("recovery.commit_sent");
            auto answer = ask({.verb = Verb::commit, .xid = xid, .evidence = planned.evidence});
            XA_TM_CRASH_POINT("recovery.commit_answered");
            return answer;
        }
        case RecoveryAction::rollback: {
            XA_TM_CRASH_POINT("recovery.rollback_sent");
            auto answer = ask({.verb = Verb::rollback, .xid = xid});
            XA_TM_CRASH_POINT("recovery.rollback_answered");
            return answer;
        }
        case RecoveryAction::confirm:
            return ask({.verb = Verb::locate, .xid = xid, .evidence = planned.evidence});
        case RecoveryAction::none: break;
    }
    XA_TM_CHECK(false, "only called when there is something to do");
}

void ResourceRecovery::keep_heuristic(const Xid& xid, const Answer& answer, TransactionTable& table,
                                      DecisionLog& log) {
    table.mark_heuristic(xid.gtrid, xid.bqual);
    const bool is_durable = log.record({xid.gtrid, xid.bqual, answer.code});
    log_message(LogChannel::recovery, LogLevel::error,
                is_durable ? "Resource manager finished a branch by itself; a person has to "
                             "compare the data."
                           : "Resource manager finished a branch by itself and the log could not "
                             "keep that; a person has to compare the data.",
                {.gtrid = xid.gtrid,
                 .resource = datasource_.name(),
                 .code = answer.code,
                 .detail = answer.message});
}

void ResourceRecovery::finish(const Xid& xid, TransactionTable& table, DecisionLog& log) {
    if (const auto finished = table.finish(xid.gtrid, xid.bqual); finished && finished->entry) {
        XA_TM_CRASH_POINT("recovery.before_forget");
        log.forget(*finished->entry);
    }
}

std::set<std::string, std::less<>> names_of(std::span<Datasource* const> resources) {
    std::set<std::string, std::less<>> names;
    for (const auto* resource : resources) {
        names.insert(resource->name());
    }
    return names;
}

}  // namespace xa_tm
