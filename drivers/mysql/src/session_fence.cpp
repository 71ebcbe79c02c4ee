#include "session_fence.h"

#include <fmt/format.h>

#include "answers.h"
#include "session_kill.h"
#include "session_mark.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

std::string holds(const std::string& lock, std::uint64_t number) {
    return fmt::format("coalesce(is_used_lock({}) = {}, false)", text_literal(lock), number);
}

}  // namespace

SessionFence::SessionFence(const SessionId& session, const std::string& mark,
                           const ServerFacts& facts)
    : number_{session.number},
      own_lock_{SessionOrigin::of(session).own_lock},
      is_held_{own_lock_.empty() ? "false" : holds(own_lock_, number_)},
      is_younger_{mark.empty() ? "false" : holds(lock_name(mark, number_), number_)},
      facts_{facts} {}

std::vector<std::string> SessionFence::look() const {
    return {
        fmt::format("select {}, (select count(*) from information_schema.processlist where "
                    "id = {} and not {})",
                    is_held_, number_, is_younger_)};
}

SessionFence::Step SessionFence::take(std::span<const Reply> replies) {
    switch (state_) {
        case State::looking:
        case State::looking_again: return looked(replies.back());
        case State::ending: return ended(replies.back());
        case State::waiting:
            return replies.back().is_ok ? sessions_gone(facts_)
                                        : failure_of(Verb::end_session, replies.back());
    }
    XA_TM_CHECK(false, "every state takes replies");
}

SessionFence::Step SessionFence::looked(const Reply& reply) {
    if (!reply.is_ok || reply.rows.empty() || reply.rows.front().size() != 2) {
        return failure_of(Verb::end_session, reply);
    }
    const bool is_held = reply.rows.front()[0] == "1";
    const bool is_listed = reply.rows.front()[1] != "0";
    if (is_held && state_ == State::looking) {
        state_ = State::ending;
        return std::vector{kill_statement(number_)};
    }
    if (is_listed && own_lock_.empty()) {
        return Answer{.code = XaCode::rmerr,
                      .message = fmt::format(
                          "session {} is there, and without a mark it is not ended", number_)};
    }
    if (is_held || is_listed) {
        return Answer{.code = XaCode::retry,
                      .message = fmt::format("session {} has not ended yet", number_)};
    }
    if (facts_.detaches_prepared_branches()) {
        return sessions_gone(facts_);
    }
    state_ = State::waiting;
    return std::vector{pause_behind_session(facts_)};
}

SessionFence::Step SessionFence::ended(const Reply& reply) {
    if (auto refusal = refusal_of_kill(reply, number_, facts_)) {
        return *std::move(refusal);
    }
    state_ = State::looking_again;
    return look();
}

}  // namespace xa_tm::mysql
