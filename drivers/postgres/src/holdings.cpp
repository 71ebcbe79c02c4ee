#include "holdings.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "answers.h"

namespace xa_tm::postgres {
namespace {

/// One copy of the lock table, and of it what the branch `gid` holds: what goes by the same
/// virtualtransaction as its transaction id.
constexpr std::string_view kHeld =
    "locks as materialized (select * from pg_catalog.pg_locks), "
    "held as (select * from locks where pid is null and virtualtransaction in "
    "(select virtualtransaction from locks where pid is null and locktype = 'transactionid' "
    "and granted and transactionid = "
    "(select transaction from pg_catalog.pg_prepared_xacts where gid = '{}')))";

/// PostgreSQL: Explicit Locking, table "Conflicting Lock Modes". The modes that one which is waited
/// for conflicts with.
constexpr std::string_view kConflicts =
    "case waiting.mode "
    "when 'AccessShareLock' then '{AccessExclusiveLock}' "
    "when 'RowShareLock' then '{ExclusiveLock,AccessExclusiveLock}' "
    "when 'RowExclusiveLock' then "
    "'{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}' "
    "when 'ShareUpdateExclusiveLock' then '{ShareUpdateExclusiveLock,ShareLock,"
    "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}' "
    "when 'ShareLock' then '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,"
    "ExclusiveLock,AccessExclusiveLock}' "
    "when 'ShareRowExclusiveLock' then '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,"
    "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}' "
    "when 'ExclusiveLock' then '{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,"
    "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}' "
    "when 'AccessExclusiveLock' then '{AccessShareLock,RowShareLock,RowExclusiveLock,"
    "ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}' "
    "end::text[]";

std::string branch_statement(std::string_view gid) {
    return fmt::format(
        "select database = current_database(), database from pg_catalog.pg_prepared_xacts "
        "where gid = '{}'",
        gid);
}

/// Tables first, the transaction id last: who waits for a row waits for that.
std::string locks_statement(std::string_view gid) {
    constexpr std::string_view kNamed =
        "select mode, case locktype "
        "when 'relation' then coalesce(case relkind when 'r' then 'table' when 'p' then 'table' "
        "when 'i' then 'index' when 'I' then 'index' when 'S' then 'sequence' "
        "when 'm' then 'materialized view' when 'v' then 'view' when 'f' then 'foreign table' "
        "when 't' then 'toast table' else 'relation' end || ' ' || quote_ident(nspname) || '.' || "
        "quote_ident(relname), "
        "'relation ' || relation) "
        "when 'transactionid' then 'transaction ' || transactionid "
        "when 'advisory' then 'advisory lock ' || case objsubid when 1 "
        "then ((classid::bigint << 32) | objid::bigint)::text else classid || ', ' || objid end "
        "else locktype end as object, case when locktype = 'transactionid' then 3 "
        "when relkind in ('r', 'p') then 0 when locktype = 'relation' then 1 else 2 end as place "
        "from held left join pg_catalog.pg_class on pg_class.oid = relation "
        "and held.database in (0, (select oid from pg_catalog.pg_database "
        "where datname = current_database())) "
        "left join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace";
    return fmt::format(
        "with {}, named as ({}) select object, mode, count(*) from named "
        "group by place, object, mode order by place, object, mode",
        fmt::format(kHeld, gid), kNamed);
}

/// Those that wait for the branch itself, and those that wait behind them. Since when they wait is
/// told from PostgreSQL 14 on; before that it is taken for the statement's age.
std::string blocked_statement(std::string_view gid) {
    constexpr std::string_view kObject =
        "({0}.locktype, {0}.database, {0}.relation, {0}.page, {0}.tuple, {0}.transactionid, "
        "{0}.classid, {0}.objid, {0}.objsubid)";
    return fmt::format(
        "with recursive {}, waiting as materialized (select *, to_jsonb(locks) ->> 'waitstart' "
        "as since, pg_catalog.pg_blocking_pids(pid) as blockers from locks where not granted), "
        "blocked(pid) as (select waiting.pid from waiting join held on {} is not distinct from {} "
        "where 0 = any(blockers) and held.mode = any({}) "
        "union select waiting.pid from waiting join blocked on blocked.pid = any(blockers)) "
        "select pid, usename, greatest(0, extract(epoch from clock_timestamp() - "
        "coalesce(since::timestamptz, query_start)))::bigint as seconds, "
        "case when state is not null then left(query, 200) end, state is null "
        "from blocked join waiting using (pid) join pg_catalog.pg_stat_activity using (pid) "
        "order by seconds desc, pid",
        fmt::format(kHeld, gid), fmt::format(kObject, "waiting"), fmt::format(kObject, "held"),
        kConflicts);
}

std::uint64_t number_from(const std::optional<std::string>& text) {
    std::uint64_t number = 0;
    if (text) {
        std::from_chars(text->data(), text->data() + text->size(), number);
    }
    return number;
}

}  // namespace

std::vector<Statement> examine_statements(std::string_view gid) {
    return {{branch_statement(gid)}, {locks_statement(gid)}, {blocked_statement(gid)}};
}

Answer answer_to_examine(std::span<const Reply> replies, const ServerFacts& facts) {
    const auto failed =
        std::ranges::find_if(replies, [](const auto& reply) { return !reply.is_ok; });
    if (failed != replies.end()) {
        return failure_of(Verb::examine, *failed);
    }
    const auto& branch = replies[0].rows;
    if (branch.empty()) {
        return {.code = XaCode::nota, .message = "no transaction of this name is prepared"};
    }
    Answer answer;
    for (const auto& row : replies[1].rows) {
        answer.holdings.locks.push_back({.object = row.at(0).value_or(""),
                                         .mode = row.at(1).value_or(""),
                                         .count = number_from(row.at(2))});
    }
    bool is_hidden = false;
    for (const auto& row : replies[2].rows) {
        answer.holdings.blocked.push_back(
            {.number = number_from(row.at(0)),
             .user = row.at(1).value_or(""),
             .waiting = std::chrono::seconds{static_cast<std::int64_t>(number_from(row.at(2)))},
             .statement = row.at(3).value_or("")});
        is_hidden = is_hidden || row.at(4) == "t";
    }
    auto& caveat = answer.holdings.caveat;
    if (branch.front().at(0) != "t") {
        caveat = fmt::format(
            "it was prepared in the database {}, so tables are told by number; "
            "connect to that to see their names",
            branch.front().at(1).value_or(""));
    }
    if (is_hidden) {
        caveat += fmt::format(
            "{}what sessions of other roles wait to do is not told; grant "
            "pg_read_all_stats to {}",
            caveat.empty() ? "" : "; ", facts.role);
    }
    return answer;
}

}  // namespace xa_tm::postgres
