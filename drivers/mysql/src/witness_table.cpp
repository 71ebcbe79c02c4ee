#include "witness_table.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

#include "decision_facts.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::mysql {
namespace {

std::uint64_t id_from(std::string_view text) {
    std::uint64_t id = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, id);
    if (read.ec != std::errc{} || read.ptr != end) {
        throw std::out_of_range("not a row's id");
    }
    return id;
}

}  // namespace

std::string WitnessTable::insertion(const Request& prepare) const {
    return fmt::format("insert into {} (log_id, gtrid, bqual) values ('{}', x'{}', x'{}')", rows_,
                       prepare.log, to_hex(prepare.xid.gtrid), to_hex(prepare.xid.bqual));
}

std::vector<std::string> WitnessTable::fate_statements(const Evidence& evidence,
                                                       const Xid& xid) const {
    return {"set transaction isolation level read committed", "start transaction",
            fmt::format("select id from {} where id = {} and gtrid = x'{}' and bqual = x'{}' "
                        "for update nowait",
                        rows_, evidence.row, to_hex(xid.gtrid), to_hex(xid.bqual)),
            fmt::format("select through from {} where log_id = '{}'", removed_, evidence.log),
            "commit"};
}

std::string WitnessTable::selection(std::string_view log) const {
    return fmt::format("select id, gtrid from {} where log_id = '{}'", rows_, log);
}

std::vector<std::string> WitnessTable::deletion(std::span<const Evidence> rows) const {
    XA_TM_CHECK(!rows.empty(), "the newest of nothing is not known");
    std::string ids;
    for (const auto& row : rows) {
        ids += fmt::format("{}{}", ids.empty() ? "" : ", ", row.row);
    }
    const auto& log = rows.front().log;
    const auto through = std::ranges::max(rows, {}, &Evidence::row).row;
    return {"start transaction",
            fmt::format("insert into {} (log_id, through) values ('{}', {}) "
                        "on duplicate key update through = greatest(through, values(through))",
                        removed_, log, through),
            fmt::format("delete from {} where id in ({}) and id <= coalesce("
                        "(select through from {} where log_id = '{}'), 0)",
                        rows_, ids, removed_, log),
            "commit"};
}

std::vector<std::string> WitnessTable::definitions() const {
    return {fmt::format("create table if not exists {} (id bigint unsigned not null auto_increment "
                        "primary key, log_id varchar({}) not null, gtrid varbinary({}) not null, "
                        "bqual varbinary({}) not null) "
                        "engine = InnoDB default charset = ascii collate = ascii_bin",
                        rows_, kMaxWitnessLogNameBytes, kMaxGtridBytes, kMaxBqualBytes),
            fmt::format("create table if not exists {} (log_id varchar({}) not null primary key, "
                        "through bigint unsigned not null) "
                        "engine = InnoDB default charset = ascii collate = ascii_bin",
                        removed_, kMaxWitnessLogNameBytes)};
}

std::vector<std::string> WitnessTable::probes() const {
    return {fmt::format("insert into {0} (log_id, gtrid, bqual) "
                        "select log_id, gtrid, bqual from {0} where 1 = 0",
                        rows_),
            fmt::format("delete from {} where id = 0", rows_),
            fmt::format("insert into {0} (log_id, through) "
                        "select log_id, through from {0} where 1 = 0 "
                        "on duplicate key update through = values(through)",
                        removed_)};
}

std::string WitnessTable::count_question() const {
    return fmt::format("select count(*) from {}", rows_);
}

std::vector<WitnessRow> witnesses_from(const Reply& reply, std::string_view log) {
    std::vector<WitnessRow> witnesses;
    for (const auto& row : reply.rows) {
        const Evidence evidence{.row = id_from(row.at(0).value_or("")), .log = std::string{log}};
        witnesses.push_back({row.at(1).value_or(""), to_string(evidence)});
    }
    return witnesses;
}

WitnessTable WitnessTableState::table() const {
    return {fmt::format("{}.{}", quoted(database), kWitnessTableName),
            fmt::format("{}.{}", quoted(database), kWitnessRemovedTableName)};
}

std::string witness_table_question() {
    return fmt::format(
        "select database(), (select count(*) from information_schema.tables where table_schema = "
        "database() and table_name in ('{0}', '{1}')), (select min(table_name) from "
        "information_schema.tables where table_schema = database() and table_name in "
        "('{0}', '{1}') and coalesce(engine, '') <> 'InnoDB')",
        kWitnessTableName, kWitnessRemovedTableName);
}

WitnessTableState witness_table_from(const Reply& reply) {
    const auto& row = reply.rows.at(0);
    WitnessTableState state{.database = row.at(0).value_or(""), .exists = row.at(1) == "2"};
    if (const auto& other_engine = row.at(2)) {
        state.fault = fmt::format(
            "{} is not an InnoDB table, so its rows are no part of the transaction that writes "
            "them",
            *other_engine);
        state.remedy =
            fmt::format("alter table {}.{} engine = InnoDB", quoted(state.database), *other_engine);
    }
    return state;
}

std::vector<ServerFact> facts_of(const WitnessTableState& state, std::string_view resource) {
    ServerFact table{.name = "witness table", .value = state.table().rows_name()};
    if (!state.exists) {
        table.value = fmt::format("{} is not there", table.value);
        table.severity = Severity::bad;
        table.meaning = "no branch with a witness row can be prepared";
        table.remedy = advice_to_set_up_witness(resource);
        return {table};
    }
    if (!state.fault.empty()) {
        table.severity = Severity::bad;
        table.meaning = state.fault;
        table.remedy = state.remedy;
    }
    ServerFact use{.name = "use of the witness table", .value = "yes"};
    if (!state.refusal.empty()) {
        use.value = fmt::format("no: {}", state.refusal);
        use.severity = Severity::bad;
        use.meaning = "no branch with a witness row can be prepared and recovered";
        use.remedy = advice_to_grant_witness();
        return {table, use};
    }
    return {table, use, {.name = "rows in the witness table", .value = state.rows}};
}

std::string advice_to_set_up_witness(std::string_view resource) {
    return fmt::format("create the witness tables: xa-recover setup-last-resource {} --witness",
                       resource);
}

std::string_view advice_to_grant_witness() noexcept {
    return "grant this user insert, select and delete on the table xa_tm_witness, and insert, "
           "select and update on xa_tm_witness_removed";
}

}  // namespace xa_tm::mysql
