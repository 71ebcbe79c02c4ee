#include "verb_statements.h"

#include <fmt/format.h>

#include "evidence.h"
#include "holdings.h"
#include "prepared_gid.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::postgres {
namespace {

constexpr std::string_view kXactIdIfAssigned = "select pg_catalog.pg_current_xact_id_if_assigned()";
/// Gives the branch an id, and with it evidence, even if it has written nothing.
constexpr std::string_view kXactId = "select pg_catalog.pg_current_xact_id()";
/// Whether the branch may be committed before the others: it has no id, so it wrote nothing here;
/// no cursor WITH HOLD that would stay behind; and it can't have written anywhere else, because a
/// foreign table leaves no trace but in the other server.
constexpr std::string_view kProbe =
    "select pg_catalog.pg_current_xact_id_if_assigned(), "
    "not exists (select from pg_catalog.pg_cursors where is_holdable and creation_time >= now()) "
    "and not exists (select from pg_catalog.pg_foreign_server)";

/// Before the list, so that no list is older than its position.
constexpr std::string_view kPosition =
    "select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')";
constexpr std::string_view kListPrepared =
    "select gid, owner, (extract(epoch from prepared) * 1000000)::bigint "
    "from pg_catalog.pg_prepared_xacts where database = current_database() order by prepared, gid";

/// Prepared in any database and by anyone, or being worked on right now by a session of the same
/// role.
std::string locate_statement(std::string_view gid) {
    return fmt::format(
        "select 1 from pg_catalog.pg_prepared_xacts where gid = '{0}' union all "
        "select 1 from pg_catalog.pg_stat_activity where pid <> pg_backend_pid() "
        "and state = 'active' and strpos(query, '{0}') > 0",
        gid);
}

std::vector<Statement> start_statements(std::chrono::milliseconds statement_timeout) {
    if (statement_timeout.count() == 0) {
        return {{"begin"}};
    }
    return {{"begin"},
            {fmt::format("set local statement_timeout = {}", statement_timeout.count())}};
}

/// A commit that need not be durable would let the others commit by a decision that a crash takes
/// back. A stronger setting stays.
constexpr std::string_view kDurably =
    "select pg_catalog.set_config('synchronous_commit', 'on', true) "
    "where pg_catalog.current_setting('synchronous_commit') = 'off'";

std::vector<Statement> vote_statements(std::string_view gid, Voting voting) {
    switch (voting) {
        case Voting::probe_first: return {{std::string{kProbe}}};
        case Voting::probe_and_prepare:
            return {{std::string{kXactIdIfAssigned}}, {prepare_statement(gid)}};
        case Voting::with_last_work: return {{std::string{kXactId}}, {prepare_statement(gid)}};
        case Voting::undo: return {{"rollback"}};
    }
    XA_TM_CHECK(false, "every way to vote has its statements");
}

}  // namespace

std::vector<Statement> statements_of(const Request& request, const Circumstances& circumstances) {
    const auto gid = encode_gid(request.xid);
    switch (request.verb) {
        case Verb::start: return start_statements(circumstances.statement_timeout);
        case Verb::execute:
            return {{.text = request.statement,
                     .arguments = request.arguments,
                     .is_application = true,
                     .wants_result = request.wants_result}};
        case Verb::prepare: return vote_statements(gid, circumstances.voting);
        case Verb::commit_one_phase: return {{"commit"}};
        case Verb::commit_with_decision:
            if (circumstances.voting == Voting::undo) {
                return vote_statements(gid, Voting::undo);
            }
            return {{std::string{kDurably}},
                    {circumstances.decision_table->insertion(request)},
                    {"commit"}};
        case Verb::commit:
            // What follows in the batch may wait for locks; this branch's outcome must not.
            return {{.text = commit_statement(gid), .is_flushed = !circumstances.is_alone}};
        case Verb::rollback:
            return {{circumstances.is_own_branch ? std::string{"rollback"}
                                                 : fmt::format("rollback prepared '{}'", gid)}};
        case Verb::recover: return {{std::string{kPosition}}, {std::string{kListPrepared}}};
        case Verb::locate:
            if (const auto evidence = evidence_from(request.evidence)) {
                return {{locate_statement(gid)}, {fate_statement(*evidence)}};
            }
            return {{locate_statement(gid)}};
        case Verb::examine: return examine_statements(gid);
        case Verb::list_decisions:
            return {{std::string{kPosition}}, {circumstances.decision_table->selection(request)}};
        case Verb::forget_decisions: return {{circumstances.decision_table->deletion(request)}};
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
    XA_TM_CHECK(false, "every other verb has its statements");
}

std::string owner_statement(std::string_view gid) {
    return fmt::format("select owner from pg_catalog.pg_prepared_xacts where gid = '{}'", gid);
}

std::string prepare_statement(std::string_view gid) {
    return fmt::format("prepare transaction '{}'", gid);
}

std::string commit_statement(std::string_view gid) {
    return fmt::format("commit prepared '{}'", gid);
}

}  // namespace xa_tm::postgres
