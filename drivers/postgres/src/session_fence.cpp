#include "session_fence.h"

#include <algorithm>

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

std::string list_of(std::span<const std::string> marks) {
    std::string list;
    for (const auto& mark : marks) {
        list += list.empty() ? "" : ", ";
        list += quoted(std::string_view{mark}.substr(0, kMaxMarkBytes));
    }
    return list;
}

std::string marks_of(const SessionMark& mark) {
    auto marks = mark.ended;
    marks.push_back(mark.text);
    return list_of(marks);
}

/// The sessions of processes that have ended, those that this role may surely end first: where the
/// server refuses one, nothing behind it is done.
std::string ended_sessions(const SessionMark& mark) {
    return fmt::format(
        "(select pid, usename, state, count(*) over () as sessions "
        "from pg_catalog.pg_stat_activity where application_name <> '' "
        "and application_name in ({}) and pid <> pg_backend_pid() "
        "order by usename is distinct from current_user, pid offset 0) as session",
        list_of(mark.ended));
}

Answer refused(std::string why) {
    return {.code = XaCode::rmerr, .message = std::move(why)};
}

Answer refused_by_server(Verb verb, const Reply& reply, const ServerFacts& facts) {
    auto answer = failure_of(verb, reply);
    if (reply.sqlstate == "42501") {
        answer.message += fmt::format(
            "; grant pg_signal_backend to {}, or connect as the role that opened the session",
            facts.role);
    }
    return answer;
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
        return refused_by_server(Verb::end_session, reply, facts);
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

std::vector<Statement> end_ended_statements(const SessionMark& mark, const ServerFacts& facts) {
    const auto sessions = ended_sessions(mark);
    const auto look = fmt::format("select pid, usename, state is null from {} {}", sessions,
                                  facts.is_pooled ? "where state is distinct from 'idle'" : "");
    if (facts.is_pooled) {
        return {{look}};
    }
    std::vector<Statement> statements{
        {fmt::format("select pg_catalog.pg_terminate_backend(pid) from {}", sessions)}};
    if (facts.version >= kVersionThatWaits) {
        statements.push_back(
            {fmt::format("select pg_catalog.pg_terminate_backend(pid, greatest(1, {} / sessions)) "
                         "from {}",
                         kPatienceMs, sessions)});
    }
    // Within one transaction the server would tell of its sessions what it has told before.
    statements.push_back({"select pg_catalog.pg_stat_clear_snapshot()"});
    statements.push_back({look});
    return statements;
}

Answer answer_to_end_ended(std::span<const Reply> replies, const ServerFacts& facts) {
    const auto failed =
        std::ranges::find_if(replies, [](const Reply& reply) { return !reply.is_ok; });
    if (failed != replies.end()) {
        return refused_by_server(Verb::end_ended_sessions, *failed, facts);
    }
    const auto& left = replies.back().rows;
    if (left.empty()) {
        return {};
    }
    const auto& row = left.front();
    const auto name = fmt::format("session {} of the role {}, of a process that has ended,",
                                  row.at(0).value_or(""), row.at(1).value_or(""));
    if (facts.is_pooled && row.at(2) == "t") {
        return refused(
            fmt::format("it can't be seen whether {} is at work; grant "
                        "pg_read_all_stats to {}",
                        name, facts.role));
    }
    return {.code = XaCode::retry,
            .message = fmt::format(
                "{} has not ended yet{}", name,
                facts.is_pooled ? "; behind a connection pooler it is waited for" : "")};
}

}  // namespace xa_tm::postgres
