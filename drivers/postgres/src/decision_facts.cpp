#include "decision_facts.h"

#include <fmt/format.h>

namespace xa_tm::postgres {

std::string decision_table_question() {
    return fmt::format(
        "select pg_catalog.quote_ident(pg_catalog.current_schema()), relkind, relpersistence "
        "from (select 1) as always left join pg_catalog.pg_class on relname = '{}' "
        "and relnamespace = (select oid from pg_catalog.pg_namespace "
        "where nspname = pg_catalog.current_schema())",
        kDecisionTableName);
}

DecisionTableState decision_table_from(const Reply& reply) {
    const auto& row = reply.rows.at(0);
    const auto schema = row.at(0).value_or("");
    const auto kind = row.at(1).value_or("");
    const auto persistence = row.at(2).value_or("");
    DecisionTableState state{.exists = !kind.empty()};
    if (!schema.empty()) {
        state.name = fmt::format("{}.{}", schema, kDecisionTableName);
    }
    if (state.exists && kind != "r") {
        state.fault = "it is no plain table, so its rows may not be what was written";
        state.remedy =
            fmt::format("drop {} and let xa-recover setup-last-resource create it", state.name);
    } else if (state.exists && persistence != "p") {
        state.fault = "the table is unlogged, so a crash of the server empties it";
        state.remedy = fmt::format("alter table {} set logged", state.name);
    }
    return state;
}

std::string decision_table_definition(const DecisionTable& table) {
    return fmt::format(
        "create table if not exists {} (gtrid varchar({}) collate \"C\" primary key, "
        "log_id varchar({}) not null, decided_at timestamptz not null default now(), "
        "decision text not null)",
        table.name(), kMaxGtridBytes, kMaxLogNameBytes);
}

std::string decision_rows_question(const DecisionTable& table) {
    return fmt::format(
        "select count(*), (extract(epoch from now() - min(decided_at)))::bigint from {}",
        table.name());
}

}  // namespace xa_tm::postgres
