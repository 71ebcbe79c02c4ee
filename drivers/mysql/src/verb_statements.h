#pragma once

#include <string>
#include <vector>

#include "witness_table.h"
#include "xa_tm/connection.h"
#include "xa_tm/decision_table.h"
#include "xa_tm/xid.h"

namespace xa_tm::mysql {

/// Whether the servers keep a branch with this formatID: larger ones are refused by MariaDB, and
/// lost by MySQL when it crashes.
[[nodiscard]] bool has_valid_format(const Xid& xid) noexcept;

/// What carries out one request, in one trip. `is_own_branch` is true when the branch is open on
/// the session. Not for execute, end_session, end_ended_sessions and examine, and the verbs of the
/// decision table and of witness rows.
[[nodiscard]] std::vector<std::string> statements_of(const Request& request, bool is_own_branch);

/// The same for a verb that uses the decision table. Those of commit_with_decision have to stop at
/// the first that fails; for the others, see alone() in decision_facts.h.
[[nodiscard]] std::vector<std::string> statements_of(const Request& request,
                                                     const DecisionTable& table);

/// Of prepare, with the witness row in front; null: without one. Where each is sent whatever
/// became of the one before, a branch may be prepared that has no row: it has no vote then, and is
/// rolled back.
[[nodiscard]] std::vector<std::string> prepare_statements(const Request& request,
                                                          const WitnessTable* witnesses);
/// The same for a verb about witness rows.
[[nodiscard]] std::vector<std::string> statements_of(const Request& request,
                                                     const WitnessTable& table);

[[nodiscard]] std::string commit_statement(const Xid& xid);
/// XA END fails where the server has given the branch up; XA ROLLBACK works all the same.
[[nodiscard]] std::vector<std::string> end_and_roll_back(const Xid& xid);
[[nodiscard]] std::string list_statement();

}  // namespace xa_tm::mysql
