#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/connection.h"

namespace xa_tm {

inline constexpr std::string_view kDecisionTableName = "xa_tm_decision";

/// The answer to such a verb on a connection of another datasource.
inline constexpr std::string_view kNoLastResource =
    "decisions are kept only by a last resource; set last_resource for this datasource";

/// Whether the verb is about the decision table.
[[nodiscard]] bool uses_decision_table(Verb verb) noexcept;

/// Why such a request can't be put into a statement; nothing when it can. What passes is made of
/// letters, digits and . _ : - alone, so it needs no escaping on any server.
[[nodiscard]] std::optional<Answer> fault_of_decision_request(const Request& request);

/// The statements for a decision table that PostgreSQL, MySQL and MariaDB take alike.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
class DecisionTable {
public:
    /// The name is complete and quoted as its server demands, so that neither a search path nor a
    /// USE of the application leads to another table.
    explicit DecisionTable(std::string quoted_name) : name_{std::move(quoted_name)} {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Of commit_with_decision.
    [[nodiscard]] std::string insertion(const Request& request) const;
    /// Of list_decisions; its rows are for decision_from().
    [[nodiscard]] std::string selection(const Request& request) const;
    /// Of forget_decisions.
    [[nodiscard]] std::string deletion(const Request& request) const;

    // Each fails where the real one would for want of a column or a privilege, and changes nothing.
    [[nodiscard]] std::string insertion_probe() const;
    [[nodiscard]] std::string deletion_probe() const;

private:
    std::string name_;
};

/// From the two columns of a row. Throws std::out_of_range when the decision is not what
/// insertion() has written.
[[nodiscard]] DecisionRow decision_from(std::string gtrid, std::string_view decision);

/// What to do when the table is not there, or is not as it should be.
[[nodiscard]] std::string advice_to_set_up(std::string_view resource);
/// What to do when the user must not use it.
[[nodiscard]] std::string_view advice_to_grant() noexcept;

/// What was found out about a decision table.
struct DecisionTableState {
    bool exists = false;
    std::string name = {};
    /// Why its rows would not be what they have to be: durable, and part of the transaction that
    /// writes them; empty when they are.
    std::string fault = {};
    std::string remedy = {};  ///< of the fault
    // The server's words; empty where it may.
    std::string insert_refusal = {};
    std::string select_refusal = {};
    std::string delete_refusal = {};
    std::string rows = {};                ///< how many
    std::string oldest_age_seconds = {};  ///< empty when there is none
};

/// Throws Error (resource_refused) when there is a table that is no place for decisions.
void check_is_trustworthy(const DecisionTableState& state, std::string_view resource);

/// Judged for a last resource of this name.
[[nodiscard]] std::vector<ServerFact> facts_of(const DecisionTableState& state,
                                               std::string_view resource);

}  // namespace xa_tm
