#include "decision_facts.h"

#include <utility>

#include <fmt/format.h>

namespace xa_tm::mysql {

std::string quoted(std::string_view name) {
    std::string text = "`";
    for (const char c : name) {
        text += c;
        text += c == '`' ? "`" : "";
    }
    return text + "`";
}

std::string decision_table_question() {
    return fmt::format(
        "select database(), (select engine from information_schema.tables "
        "where table_schema = database() and table_name = '{}')",
        kDecisionTableName);
}

DecisionTableState decision_table_from(const Reply& reply) {
    const auto& row = reply.rows.at(0);
    const auto database = row.at(0).value_or("");
    const auto& engine = row.at(1);
    DecisionTableState state{.exists = engine.has_value()};
    if (!database.empty()) {
        state.name = fmt::format("{}.{}", quoted(database), kDecisionTableName);
    }
    if (state.exists && engine != "InnoDB") {
        state.fault = fmt::format(
            "the table's engine is {}, so a row stays although its transaction was rolled back",
            engine->empty() ? "unknown" : *engine);
        state.remedy = fmt::format("alter table {} engine = InnoDB", state.name);
    }
    return state;
}

std::string decision_table_definition(const DecisionTable& table) {
    return fmt::format(
        "create table if not exists {} (gtrid varchar({}) not null primary key, "
        "log_id varchar({}) not null, decided_at timestamp not null default current_timestamp, "
        "decision mediumtext not null) engine = InnoDB default charset = ascii collate = ascii_bin",
        table.name(), kMaxGtridBytes, kMaxLogNameBytes);
}

std::string decision_rows_question(const DecisionTable& table) {
    return fmt::format(
        "select count(*), timestampdiff(second, min(decided_at), current_timestamp) from {}",
        table.name());
}

std::vector<std::string> alone(std::string statement) {
    return {"start transaction", std::move(statement), "commit"};
}

std::vector<std::string> committed_only(std::string query) {
    auto statements = alone(std::move(query));
    statements.insert(statements.begin(), "set transaction isolation level read committed");
    return statements;
}

}  // namespace xa_tm::mysql
