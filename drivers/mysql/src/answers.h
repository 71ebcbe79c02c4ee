#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "client_api.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

// What replies mean by themselves, whatever the state of the connection.

/// The answer to a verb that the server has refused.
[[nodiscard]] Answer failure_of(Verb verb, const Reply& reply);
/// Whether the reply is that the session is lost, so that nobody knows how far the verb came.
[[nodiscard]] bool is_lost(Verb verb, const Reply& reply) noexcept;
/// From the reply to XA RECOVER.
[[nodiscard]] std::vector<ListedBranch> branches_from(const Reply& reply);
/// From the reply to the selection from a decision table. Throws std::out_of_range when a row is no
/// decision.
[[nodiscard]] std::vector<DecisionRow> decisions_from(const Reply& reply);
/// From the reply to the question before it; 0 when the server did not tell.
[[nodiscard]] ServerPosition position_from(const Reply& reply);
/// The first of a statement's results that has columns; empty where none has.
[[nodiscard]] ResultSet result_set_of(std::span<const Reply> results);
/// The rows that a statement gave, or else has written.
[[nodiscard]] std::uint64_t rows_of(std::span<const Reply> results) noexcept;

}  // namespace xa_tm::mysql
