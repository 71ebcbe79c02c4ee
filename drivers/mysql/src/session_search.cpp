#include "session_search.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "answers.h"
#include "session_kill.h"
#include "xa_tm/mysql/session_condition.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

/// For about a second one search waits until sessions have ended; the next one goes on waiting.
constexpr int kLooks = 20;
constexpr const char* kPauseBetweenLooks = "do sleep(0.05)";

}  // namespace

SessionSearch::SessionSearch(std::shared_ptr<EndingSessions> ending_sessions,
                             std::vector<std::string> ended_marks, const ServerFacts& facts)
    : ending_sessions_{std::move(ending_sessions)},
      ended_marks_{std::move(ended_marks)},
      facts_{facts} {}

bool SessionSearch::is_needed_to_free_branch() const {
    return !facts_.detaches_prepared_branches() &&
           (!ending_sessions_->are_none() ||
            !ending_sessions_->are_gone(facts_.identity(), ended_marks_));
}

std::vector<std::string> SessionSearch::begin(Aim aim) {
    state_ = State::looking;
    aim_ = aim;
    looked_for_ =
        aim == Aim::free_branch ? ending_sessions_->lock_names() : std::set<std::string>{};
    ended_.clear();
    looks_left_ = kLooks;
    return look();
}

/// How many of the sessions of this process still hold their named locks, and which sessions there
/// are of processes that have ended.
std::vector<std::string> SessionSearch::look() const {
    std::string held = "0";
    for (const auto& lock_name : looked_for_) {
        held += fmt::format(" + (is_used_lock({}) is not null)", text_literal(lock_name));
    }
    auto is_wanted = fmt::format("id in ({})", fmt::join(ended_, ","));
    if (ended_.empty()) {
        is_wanted = "false";
    }
    for (const auto& mark : ended_marks_) {
        is_wanted += fmt::format(" or {}", session_condition(mark));
    }
    return {fmt::format("select {}", held),
            fmt::format("select id from information_schema.processlist where {}", is_wanted)};
}

SessionSearch::Step SessionSearch::take(std::span<const Reply> replies) {
    switch (state_) {
        case State::looking:
        case State::looking_again: return looked(replies);
        case State::ending: return ended(replies);
        case State::pausing:
            return replies.back().is_ok ? finish()
                                        : failure_of(Verb::end_ended_sessions, replies.back());
    }
    XA_TM_CHECK(false, "every state takes replies");
}

SessionSearch::Step SessionSearch::looked(std::span<const Reply> replies) {
    const auto failed =
        std::ranges::find_if(replies, [](const auto& reply) { return !reply.is_ok; });
    if (failed != replies.end()) {
        return failure_of(Verb::end_ended_sessions, *failed);
    }
    const auto& held = replies[replies.size() - 2].rows;
    const auto& of_ended_processes = replies.back().rows;
    if (held.at(0).at(0) == "0" && of_ended_processes.empty()) {
        return gone();
    }
    if (state_ == State::looking_again || of_ended_processes.empty()) {
        return look_again();
    }
    std::vector<std::string> statements;
    for (const auto& row : of_ended_processes) {
        const auto text = row.at(0).value_or("0");
        std::uint64_t number = 0;
        std::from_chars(text.data(), text.data() + text.size(), number);
        ended_.insert(number);
    }
    std::ranges::transform(ended_, std::back_inserter(statements), kill_statement);
    state_ = State::ending;
    return statements;
}

SessionSearch::Step SessionSearch::ended(std::span<const Reply> replies) {
    auto reply = replies.begin();
    for (const auto number : ended_) {
        if (auto refusal = refusal_of_kill(*reply++, number, facts_)) {
            return *std::move(refusal);
        }
    }
    return look_again();
}

SessionSearch::Step SessionSearch::look_again() {
    if (--looks_left_ == 0) {
        return Answer{.code = XaCode::retry,
                      .message = "a session that may have prepared branches has not ended yet"};
    }
    state_ = State::looking_again;
    auto statements = look();
    statements.insert(statements.begin(), kPauseBetweenLooks);
    return statements;
}

SessionSearch::Step SessionSearch::gone() {
    const bool was_none_there = aim_ == Aim::end_ended_sessions && ended_.empty();
    if (was_none_there) {
        return sessions_gone(facts_);  // who finishes a branch looks again, and pauses then
    }
    const bool is_news = !ended_.empty() || !looked_for_.empty() ||
                         !ending_sessions_->are_gone(facts_.identity(), ended_marks_);
    if (facts_.detaches_prepared_branches() || !is_news) {
        return finish();
    }
    state_ = State::pausing;
    return std::vector{pause_behind_session(facts_)};
}

/// Only behind the pause: until then every other connection has to wait as well.
Answer SessionSearch::finish() {
    ending_sessions_->remove(looked_for_);
    ending_sessions_->note_gone(facts_.identity(), ended_marks_);
    return sessions_gone(facts_);
}

}  // namespace xa_tm::mysql
