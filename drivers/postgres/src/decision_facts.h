#pragma once

#include <string>

#include "libpq.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::postgres {

/// Asks for the decision table in the schema that the session begins in.
[[nodiscard]] std::string decision_table_question();
/// From its reply; the name is empty where there is no such schema. Throws std::out_of_range when
/// the reply lacks something.
[[nodiscard]] DecisionTableState decision_table_from(const Reply& reply);

[[nodiscard]] std::string decision_table_definition(const DecisionTable& table);
/// How many rows, and the age of the oldest.
[[nodiscard]] std::string decision_rows_question(const DecisionTable& table);

}  // namespace xa_tm::postgres
