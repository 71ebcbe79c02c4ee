#pragma once

#include <optional>
#include <string>
#include <vector>

#include "decision_log.h"
#include "recovery_plan.h"
#include "server_doubts.h"
#include "transaction_table.h"

namespace xa_tm {

/// What the log's owner does with what a pass over one resource finds: it goes to the table, where
/// every later plan sees it, and to the log.
///
/// Ownership: borrows all that it is given.
/// Thread safety: one thread at a time; the table and the log guard themselves.
class PassKeeper {
public:
    PassKeeper(const std::string& resource, TransactionTable& table, DecisionLog& log) noexcept
        : resource_{resource}, table_{table}, log_{log} {}

    /// Keeps what a look has found; gives the log's entry of a doubt about the server.
    std::optional<recovery_log::EntryId> keep(const Findings& findings, const PlanInput& input);
    /// Notes how far the server has come; in the log, too, when that is due, or the server lives
    /// another life or has taken another one's place. True when it was written there.
    bool note(const ServerSighting& sighting, const TransactionTable::Snapshot& known, bool is_due);
    /// What the log had no space for when it was found out.
    void keep_what_was_refused(const TransactionTable::Snapshot& known);
    /// A branch that did not end as decided, or of which nobody knows how it ended.
    void keep(const Xid& xid, XaCode code, const std::string& words, const std::string& server);
    /// What a plan has found out: its hazards, and what was never decided.
    void keep_findings(const std::vector<PlannedBranch>& plan, const std::string& server);
    /// See TransactionTable::settle_by_rows().
    void settle_by_rows(std::vector<Decision> rows, const std::vector<std::string>& waited_for,
                        std::uint32_t incarnation) {
        table_.settle_by_rows(resource_, std::move(rows), waited_for, incarnation);
    }
    /// A decided branch is finished; behind the last one the decision is forgotten.
    void finish(const Xid& xid);

private:
    const std::string& resource_;
    TransactionTable& table_;
    DecisionLog& log_;
};

}  // namespace xa_tm
