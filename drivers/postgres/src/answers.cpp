#include "answers.h"

#include <charconv>

#include <fmt/format.h>

#include "prepared_gid.h"
#include "sqlstate_map.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::postgres {
namespace {

std::optional<std::chrono::system_clock::time_point> time_from(const std::string& microseconds) {
    std::int64_t count = 0;
    const auto* end = microseconds.data() + microseconds.size();
    if (std::from_chars(microseconds.data(), end, count).ptr != end) {
        return std::nullopt;
    }
    return std::chrono::system_clock::time_point{std::chrono::microseconds{count}};
}

}  // namespace

Answer failure_of(Verb verb, const Reply& reply) {
    const auto meaning = meaning_of(verb, reply.sqlstate);
    Answer answer{.code = meaning.code,
                  .message = reply.message,
                  .sqlstate = reply.sqlstate,
                  .is_conflict = is_conflict(reply.sqlstate)};
    if (!meaning.advice.empty()) {
        answer.message += fmt::format("; {}", meaning.advice);
    }
    return answer;
}

bool is_lost(Verb verb, const Reply& reply) noexcept {
    return !reply.is_ok && meaning_of(verb, reply.sqlstate).code == XaCode::rmfail;
}

std::vector<ListedBranch> branches_from(const Reply& reply) {
    std::vector<ListedBranch> branches;
    for (const auto& row : reply.rows) {
        const auto gid = row.at(0).value_or("");
        branches.push_back({.xid = decode_gid(gid),
                            .name = gid,
                            .prepared_at = time_from(row.at(2).value_or("")),
                            .owner = row.at(1).value_or("")});
    }
    return branches;
}

std::vector<DecisionRow> decisions_from(const Reply& reply) {
    std::vector<DecisionRow> decisions;
    for (const auto& row : reply.rows) {
        decisions.push_back(decision_from(row.at(0).value_or(""), row.at(1).value_or("")));
    }
    return decisions;
}

ServerPosition position_from(const Reply& reply, const std::string& timeline) {
    ServerPosition position{.history = timeline};
    const auto bytes = value_of(reply).value_or("");
    std::from_chars(bytes.data(), bytes.data() + bytes.size(), position.flushed);
    return position;
}

std::optional<std::string> value_of(const Reply& reply) {
    return reply.rows.empty() ? std::nullopt : reply.rows.front().at(0);
}

}  // namespace xa_tm::postgres
