#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "libpq.h"
#include "xa_tm/connection.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::postgres {

/// How a branch is asked for its vote.
enum class Voting {
    probe_first,        ///< it may have written nothing: ask, and prepare only then
    probe_and_prepare,  ///< it wrote, as far as can be seen from here
    with_last_work,     ///< in one batch with that: prepare whatever it was
    undo,               ///< a statement has failed, so there is nothing to prepare
};

/// What a request is sent in.
struct Circumstances {
    Voting voting;  ///< of a prepare
    bool is_alone;  ///< the only one in its trip
    /// The branch is open on the session.
    bool is_own_branch;
    /// For the application's statements; 0 is none.
    std::chrono::milliseconds statement_timeout;
    /// For the verbs that use it.
    const DecisionTable* decision_table = nullptr;
};

/// What carries out one request, or begins to. Not for end_session and
/// end_ended_sessions.
[[nodiscard]] std::vector<Statement> statements_of(const Request& request,
                                                   const Circumstances& circumstances);

[[nodiscard]] std::string prepare_statement(std::string_view gid);
[[nodiscard]] std::string commit_statement(std::string_view gid);
/// Who has prepared it.
[[nodiscard]] std::string owner_statement(std::string_view gid);

}  // namespace xa_tm::postgres
