#include "session_fence.h"

#include <fmt/format.h>

#include "answers.h"

namespace xa_tm::postgres {
namespace {

/// PostgreSQL cuts application_name there (NAMEDATALEN).
constexpr std::size_t kMaxMarkBytes = 63;
/// How long one attempt waits until the session has ended; the next one goes on waiting.
constexpr int kPatienceMs = 1000;
/// From there on pg_terminate_backend() can wait.
constexpr int kVersionThatWaits = 140000;

/// Right whatever standard_conforming_strings is.
std::string quoted(std::string_view text) {
    std::string literal = "E'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            literal += c;
        }
        literal += c;
    }
    return literal + "'";
}

std::string marks_of(const SessionMark& mark) {
    auto list = quoted(std::string_view{mark.text}.substr(0, kMaxMarkBytes));
    for (const auto& ended : mark.ended) {
        list += ", " + quoted(std::string_view{ended}.substr(0, kMaxMarkBytes));
    }
    return list;
}

Answer refused(std::string why) {
    return {.code = XaCode::rmerr, .message = std::move(why)};
}

}  // namespace

std::string end_statement(const SessionId& session, const SessionMark& mark,
                          const ServerFacts& facts) {
    const auto end = facts.version >= kVersionThatWaits
                         ? fmt::format("pg_catalog.pg_terminate_backend(pid, {})", kPatienceMs)
                         : "pg_catalog.pg_terminate_backend(pid) and false";
    return fmt::format(
        "select is_hidden, is_same, is_marked, case when is_same and is_marked then {} end from "
        "(select pid, backend_start is null as is_hidden, "
        "coalesce((extract(epoch from backend_start) * 1000000)::bigint::text = {}, false) "
        "as is_same, application_name <> '' and application_name in ({}) as is_marked "
        "from pg_catalog.pg_stat_activity where pid = {}) as session",
        end, quoted(session.since), marks_of(mark), session.number);
}

Answer answer_to_end(const Reply& reply, const SessionId& session, const ServerFacts& facts) {
    if (!reply.is_ok) {
        auto answer = failure_of(Verb::end_session, reply);
        if (reply.sqlstate == "42501") {
            answer.message += fmt::format(
                "; grant pg_signal_backend to {}, or connect as the role that opened the session",
                facts.role);
        }
        return answer;
    }
    if (reply.rows.empty()) {
        return {};
    }
    const auto& row = reply.rows.front();
    const auto is_true = [&row](std::size_t column) { return row.at(column) == "t"; };
    if (is_true(0)) {
        return refused(
            fmt::format("it can't be seen whether process {} is still the session that is to be "
                        "ended; grant pg_read_all_stats to {}",
                        session.number, facts.role));
    }
    if (!is_true(1)) {
        return {};  // the number is used by a later session: ours has ended
    }
    if (!is_true(2)) {
        return refused(
            fmt::format("the session's application_name was changed, so it is left "
                        "alone; end it by select pg_terminate_backend({})",
                        session.number));
    }
    return {.code = is_true(3) ? XaCode::ok : XaCode::retry};
}

}  // namespace xa_tm::postgres
