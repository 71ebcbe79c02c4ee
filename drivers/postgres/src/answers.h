#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libpq.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

// What replies mean by themselves, whatever the state of the connection.

/// The answer to a verb that the server has refused.
[[nodiscard]] Answer failure_of(Verb verb, const Reply& reply);
/// Whether the reply is that the session is lost, so that nobody knows how far the verb came.
[[nodiscard]] bool is_lost(Verb verb, const Reply& reply) noexcept;
/// From the second reply to recover.
[[nodiscard]] std::vector<ListedBranch> branches_from(const Reply& reply);
/// From the second reply to list_decisions. Throws std::out_of_range when a row is no decision.
[[nodiscard]] std::vector<DecisionRow> decisions_from(const Reply& reply);
/// From the first one; on this timeline.
[[nodiscard]] ServerPosition position_from(const Reply& reply, const std::string& timeline);
/// The single value of a query that has one.
[[nodiscard]] std::optional<std::string> value_of(const Reply& reply);

}  // namespace xa_tm::postgres
