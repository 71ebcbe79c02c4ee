#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "libpq.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// What a prepared transaction holds and whom it blocks, directly or by others that wait for it.
/// The locks of prepared transactions stand in pg_locks without a pid, and pg_blocking_pids() calls
/// all of them 0 (PostgreSQL: pg_locks; System Information Functions). The replies are for
/// answer_to_examine(). Waits for no lock but the lock manager's own.
[[nodiscard]] std::vector<Statement> examine_statements(std::string_view gid);

/// The answer to Verb::examine, from all replies.
[[nodiscard]] Answer answer_to_examine(std::span<const Reply> replies, const ServerFacts& facts);

}  // namespace xa_tm::postgres
