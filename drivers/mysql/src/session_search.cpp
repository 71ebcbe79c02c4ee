#include "session_search.h"

#include <utility>

#include <fmt/format.h>

#include "answers.h"
#include "session_mark.h"
#include "xid_literal.h"

namespace xa_tm::mysql {

SessionSearch::SessionSearch(std::shared_ptr<EndingSessions> ending_sessions,
                             std::vector<std::string> ended_marks)
    : ending_sessions_{std::move(ending_sessions)}, ended_marks_{std::move(ended_marks)} {}

bool SessionSearch::is_needed() const {
    return !ended_marks_.empty() || !ending_sessions_->lock_names().empty();
}

/// How many of the sessions of this process still hold their named locks, and which sessions there
/// are of processes that have ended.
std::vector<std::string> SessionSearch::look() {
    state_ = State::looking;
    looked_for_ = ending_sessions_->lock_names();
    std::string held = "0";
    for (const auto& lock_name : looked_for_) {
        held += fmt::format(" + (is_used_lock({}) is not null)", text_literal(lock_name));
    }
    std::string has_ended_mark = "false";
    for (const auto& mark : ended_marks_) {
        has_ended_mark +=
            fmt::format(" or is_used_lock(concat({}, id)) = id", text_literal(lock_prefix(mark)));
    }
    return {fmt::format("select {}", held),
            fmt::format("select id from information_schema.processlist where {}", has_ended_mark)};
}

SessionSearch::Step SessionSearch::take(Verb verb, std::span<const Reply> replies) {
    if (state_ == State::looking) {
        return looked(verb, replies);
    }
    return Answer{.code = XaCode::retry,
                  .message = "the session that prepared the branch has not ended yet"};
}

SessionSearch::Step SessionSearch::looked(Verb verb, std::span<const Reply> replies) {
    for (const auto& reply : replies) {
        if (!reply.is_ok) {
            return failure_of(verb, reply);
        }
    }
    const bool are_held = replies.front().rows.at(0).at(0) != "0";
    const auto& of_ended_processes = replies.back().rows;
    if (!are_held && of_ended_processes.empty()) {
        ended_marks_.clear();
        ending_sessions_->remove(looked_for_);
        return std::monostate{};
    }
    state_ = State::ending;
    std::vector<std::string> statements{"do 0"};
    for (const auto& row : of_ended_processes) {
        statements.push_back(fmt::format("kill connection {}", row.at(0).value_or("0")));
    }
    return statements;
}

}  // namespace xa_tm::mysql
