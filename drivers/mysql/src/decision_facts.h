#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client_api.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::mysql {

/// The name of a database, table or column.
[[nodiscard]] std::string quoted(std::string_view name);

/// Asks for the decision table in the database that the session begins in.
[[nodiscard]] std::string decision_table_question();
/// From its reply; the name is empty where the session has no database. Throws std::out_of_range
/// when the reply lacks something.
[[nodiscard]] DecisionTableState decision_table_from(const Reply& reply);

[[nodiscard]] std::string decision_table_definition(const DecisionTable& table);
/// How many rows, and the age of the oldest.
[[nodiscard]] std::string decision_rows_question(const DecisionTable& table);

/// The statement as a transaction of its own, whatever autocommit is set to; none of its own may be
/// open. Its reply is the one before the last.
[[nodiscard]] std::vector<std::string> alone(std::string statement);
/// The same for a query, which sees nothing that is not committed, whatever isolation is set.
[[nodiscard]] std::vector<std::string> committed_only(std::string query);

}  // namespace xa_tm::mysql
