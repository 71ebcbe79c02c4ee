#include "session_fence.h"

#include <fmt/format.h>

#include "ending_sessions.h"
#include "session_mark.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

constexpr int kNoSuchThread = 1094;
constexpr int kNotOwner = 1095;
constexpr int kAccessDenied = 1227;

Answer refused(const Reply& reply, std::string_view advice) {
    return {.code = XaCode::rmerr,
            .message = fmt::format("{}{}{}", reply.message, advice.empty() ? "" : "; ", advice),
            .sqlstate = reply.sqlstate,
            .native_error = reply.error};
}

}  // namespace

SessionFence::SessionFence(std::uint64_t number, const std::vector<std::string>& marks,
                           const ServerFacts& facts)
    : number_{number},
      is_held_{"false"},
      has_marks_{!marks.empty()},
      is_mariadb_{facts.is_mariadb()},
      detaches_{facts.detaches_prepared_branches()},
      sees_every_session_{facts.sees_every_session()} {
    for (const auto& mark : marks) {
        is_held_ += fmt::format(" or coalesce(is_used_lock({}) = {}, false)",
                                text_literal(lock_name(mark, number)), number);
    }
}

std::vector<std::string> SessionFence::look() const {
    return {
        fmt::format("select {}, (select count(*) from information_schema.processlist where "
                    "id = {})",
                    is_held_, number_)};
}

SessionFence::Step SessionFence::take(std::span<const Reply> replies) {
    switch (state_) {
        case State::looking:
        case State::looking_again: return looked(replies.back());
        case State::ending: return ended(replies.back());
        case State::waiting: return gone();
    }
    XA_TM_CHECK(false, "every state takes replies");
}

SessionFence::Step SessionFence::looked(const Reply& reply) {
    if (!reply.is_ok || reply.rows.empty() || reply.rows.front().size() != 2) {
        return refused(reply, "");
    }
    const bool is_held = reply.rows.front()[0] == "1";
    const bool is_listed = reply.rows.front()[1] != "0";
    if (is_held && state_ == State::looking) {
        state_ = State::ending;
        return std::vector{fmt::format("kill connection {}", number_)};
    }
    if (is_listed && !has_marks_) {
        return Answer{
            .code = XaCode::rmerr,
            .message = fmt::format("session {} is there, and without a mark of ours it is "
                                   "not ended",
                                   number_)};
    }
    if (is_held || is_listed) {
        return Answer{.code = XaCode::retry,
                      .message = fmt::format("session {} has not ended yet", number_)};
    }
    if (detaches_) {
        return gone();
    }
    state_ = State::waiting;
    return std::vector<std::string>{kPauseBehindSession};
}

SessionFence::Step SessionFence::ended(const Reply& reply) {
    if (reply.error == kNotOwner || reply.error == kAccessDenied) {
        return refused(reply, fmt::format("session {} is another user's: grant {} to this user",
                                          number_, privilege_to_end_sessions(is_mariadb_)));
    }
    if (!reply.is_ok && reply.error != kNoSuchThread) {
        return refused(reply, "");
    }
    state_ = State::looking_again;
    return look();
}

Answer SessionFence::gone() const {
    return {.message = sees_every_session_
                           ? ""
                           : "this user sees only its own sessions: for want of PROCESS, the named "
                             "lock alone tells that another user's has ended"};
}

}  // namespace xa_tm::mysql
