#include "answers.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "errno_map.h"
#include "xa_tm/decision_table.h"
#include "xid_literal.h"

namespace xa_tm::mysql {

Answer failure_of(Verb verb, const Reply& reply) {
    const auto meaning = meaning_of(verb, reply.error, reply.message);
    Answer answer{.code = meaning.code,
                  .message = reply.message,
                  .sqlstate = reply.sqlstate,
                  .native_error = reply.error,
                  .is_conflict = is_conflict(meaning.code, reply.error)};
    if (!meaning.advice.empty()) {
        answer.message += fmt::format("; {}", meaning.advice);
    }
    return answer;
}

bool is_lost(Verb verb, const Reply& reply) noexcept {
    return !reply.is_ok && meaning_of(verb, reply.error, reply.message).code == XaCode::rmfail;
}

std::vector<ListedBranch> branches_from(const Reply& reply) {
    std::vector<ListedBranch> branches;
    for (const auto& row : reply.rows) {
        branches.push_back(listed_branch(row.at(0).value_or(""), row.at(1).value_or(""),
                                         row.at(2).value_or(""), row.at(3).value_or("")));
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

ServerPosition position_from(const Reply& reply) {
    ServerPosition position;
    for (const auto& row : reply.rows) {
        const auto bytes = row.at(1).value_or("");
        std::from_chars(bytes.data(), bytes.data() + bytes.size(), position.flushed);
    }
    return position;
}

ResultSet result_set_of(std::span<const Reply> results) {
    const auto found =
        std::ranges::find_if(results, [](const Reply& reply) { return !reply.columns.empty(); });
    return found == results.end() ? ResultSet{}
                                  : ResultSet{.columns = found->columns, .rows = found->rows};
}

std::uint64_t rows_of(std::span<const Reply> results) noexcept {
    std::uint64_t given = 0;
    std::uint64_t written = 0;
    for (const auto& result : results) {
        given += result.rows.size();
        written += result.affected_rows;
    }
    return given > 0 ? given : written;
}

}  // namespace xa_tm::mysql
