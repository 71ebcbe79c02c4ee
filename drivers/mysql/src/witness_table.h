#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client_api.h"
#include "evidence.h"
#include "xa_tm/connection.h"
#include "xa_tm/xid.h"

namespace xa_tm::mysql {

inline constexpr std::string_view kWitnessTableName = "xa_tm_witness";
inline constexpr std::string_view kWitnessRemovedTableName = "xa_tm_witness_removed";

/// The statements for witness rows. A row is inserted inside its branch, so it is committed with
/// that or vanishes with it. Its absence proves a rollback only if nobody has removed it: so what
/// removes rows keeps, per log and in the same local transaction, the greatest id that it has
/// removed. Ids grow, so a row with a greater one was never removed. That needs nothing of the
/// recovery log, whose forgetting is lazy and whose files may be an old copy.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
class WitnessTable {
public:
    /// The names are complete and quoted, so that no USE of the application leads elsewhere.
    WitnessTable(std::string rows, std::string removed)
        : rows_{std::move(rows)}, removed_{std::move(removed)} {}

    /// In the branch, before it ends. Its reply tells the id.
    [[nodiscard]] std::string insertion(const Request& prepare) const;
    /// Asks what became of a branch, for fate_from(). The row is read with a lock, without waiting:
    /// whoever is about to commit or roll back the branch still holds it. The removals are read
    /// behind it, so what was removed before is known to be.
    [[nodiscard]] std::vector<std::string> fate_statements(const Evidence& evidence,
                                                           const Xid& xid) const;
    /// Of list_witnesses; its rows are for witnesses_from().
    [[nodiscard]] std::string selection(std::string_view log) const;
    /// Of forget_witnesses, for rows of one log. Nothing is deleted unless that is kept: the
    /// deletion itself looks. Exact keys, so it waits for no branch that is prepared.
    [[nodiscard]] std::vector<std::string> deletion(std::span<const Evidence> rows) const;

    [[nodiscard]] std::vector<std::string> definitions() const;
    /// Each fails where the real one would for want of a column or a privilege, and changes
    /// nothing.
    [[nodiscard]] std::vector<std::string> probes() const;
    [[nodiscard]] std::string count_question() const;

    [[nodiscard]] const std::string& rows_name() const noexcept { return rows_; }

private:
    std::string rows_;
    std::string removed_;
};

/// From the reply to WitnessTable::selection().
[[nodiscard]] std::vector<WitnessRow> witnesses_from(const Reply& reply, std::string_view log);

/// What was found out about the tables of witness rows.
struct WitnessTableState {
    std::string database = {};  ///< empty where the session has none
    bool exists = false;
    /// Why rows would not be part of the transaction that writes them; empty when they are.
    std::string fault = {};
    std::string remedy = {};   ///< of the fault
    std::string refusal = {};  ///< the server's words, where the user may not use the tables
    std::string rows = {};     ///< how many

    /// Valid with a database.
    [[nodiscard]] WitnessTable table() const;
};

/// Asks for the tables in the database that the session begins in.
[[nodiscard]] std::string witness_table_question();
/// From its reply. Throws std::out_of_range when the reply lacks something.
[[nodiscard]] WitnessTableState witness_table_from(const Reply& reply);
[[nodiscard]] std::vector<ServerFact> facts_of(const WitnessTableState& state,
                                               std::string_view resource);

/// What to do when a table is not there.
[[nodiscard]] std::string advice_to_set_up_witness(std::string_view resource);
/// What to do when the user must not use one.
[[nodiscard]] std::string_view advice_to_grant_witness() noexcept;

}  // namespace xa_tm::mysql
