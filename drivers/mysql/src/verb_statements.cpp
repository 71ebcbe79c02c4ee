#include "verb_statements.h"

#include <fmt/format.h>

#include "decision_facts.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

constexpr std::int64_t kMaxFormatId = 2147483647;

/// Before the list, so that no list is older than its position. MariaDB's name for it, and MySQL's.
constexpr const char* kPosition =
    "show global status where variable_name in "
    "('Innodb_lsn_flushed', 'Innodb_redo_log_flushed_to_disk_lsn')";

}  // namespace

bool has_valid_format(const Xid& xid) noexcept {
    return xid.format_id >= 0 && xid.format_id <= kMaxFormatId;
}

std::vector<std::string> statements_of(const Request& request, bool is_own_branch) {
    const auto xid = xid_literal(request.xid);
    switch (request.verb) {
        case Verb::start:
        case Verb::locate: return {fmt::format("xa start {}", xid)};
        // In one trip, and safe without multi-statements: the second can only succeed when the
        // first has, because it demands the state IDLE of the same xid on the same session.
        case Verb::prepare:
            return {fmt::format("xa end {}", xid), fmt::format("xa prepare {}", xid)};
        case Verb::commit_one_phase:
            return {fmt::format("xa end {}", xid), fmt::format("xa commit {} one phase", xid)};
        case Verb::commit: return {commit_statement(request.xid)};
        case Verb::rollback:
            return is_own_branch ? end_and_roll_back(request.xid)
                                 : std::vector{fmt::format("xa rollback {}", xid)};
        case Verb::recover: return {kPosition, list_statement()};
        case Verb::execute:
        case Verb::commit_with_decision:
        case Verb::list_decisions:
        case Verb::forget_decisions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses:
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine: break;
    }
    XA_TM_CHECK(false, "every other verb has its statements");
}

std::vector<std::string> statements_of(const Request& request, const DecisionTable& table) {
    if (request.verb == Verb::list_decisions) {
        auto statements = committed_only(table.selection(request));
        statements.insert(statements.begin(), kPosition);
        return statements;
    }
    if (request.verb == Verb::forget_decisions) {
        return alone(table.deletion(request));
    }
    XA_TM_CHECK(request.verb == Verb::commit_with_decision, "it uses the decision table");
    const auto xid = xid_literal(request.xid);
    return {table.insertion(request), fmt::format("xa end {}", xid),
            fmt::format("xa commit {} one phase", xid)};
}

std::vector<std::string> prepare_statements(const Request& request, const WitnessTable* witnesses) {
    auto statements = statements_of(request, true);
    if (witnesses != nullptr) {
        statements.insert(statements.begin(), witnesses->insertion(request));
    }
    return statements;
}

std::vector<std::string> statements_of(const Request& request, const WitnessTable& table) {
    if (request.verb == Verb::list_witnesses) {
        return committed_only(table.selection(request.log));
    }
    XA_TM_CHECK(request.verb == Verb::forget_witnesses, "it is about witness rows");
    std::vector<Evidence> rows;
    for (const auto& witness : request.witnesses) {
        rows.push_back(evidence_from(witness).value());
    }
    return table.deletion(rows);
}

std::string commit_statement(const Xid& xid) {
    return fmt::format("xa commit {}", xid_literal(xid));
}

std::vector<std::string> end_and_roll_back(const Xid& xid) {
    const auto literal = xid_literal(xid);
    return {fmt::format("xa end {}", literal), fmt::format("xa rollback {}", literal)};
}

std::string list_statement() {
    return "xa recover";
}

}  // namespace xa_tm::mysql
