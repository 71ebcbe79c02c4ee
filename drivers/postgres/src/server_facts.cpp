#include "server_facts.h"

#include "number.h"

namespace xa_tm::postgres {
std::string facts_statement() {
    return "select current_setting('server_version_num'), "
           "current_setting('max_prepared_transactions'), pg_catalog.pg_is_in_recovery(), "
           "current_user, "
           "(select system_identifier from pg_catalog.pg_control_system()) || '/' || "
           "(select oid from pg_catalog.pg_database where datname = current_database()), "
           "case when not pg_catalog.pg_is_in_recovery() then "
           "substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) end, "
           "pid, (extract(epoch from backend_start) * 1000000)::bigint "
           "from pg_catalog.pg_stat_activity where pid = pg_catalog.pg_backend_pid()";
}

ServerFacts facts_from(const Reply& reply, int backend_pid) {
    std::size_t column = 0;
    const auto next = [&] {
        const auto& row = reply.rows.at(0);
        return row.at(column++).value_or("");
    };
    ServerFacts facts;
    facts.version = number_from<int>(next());
    facts.max_prepared_transactions = number_from<int>(next());
    facts.is_in_recovery = next() == "t";
    facts.role = next();
    facts.identity = next();
    facts.timeline = next();
    facts.session.number = number_from<std::uint64_t>(next());
    facts.session.since = next();
    facts.is_pooled = facts.session.number != static_cast<std::uint64_t>(backend_pid);
    return facts;
}

bool is_too_old(const ServerFacts& facts) {
    return facts.version < 130000;
}

std::optional<std::string> obstacle_to_writing(const ServerFacts& facts) {
    if (is_too_old(facts)) {
        return "the server is older than PostgreSQL 13; upgrade it";
    }
    if (facts.is_in_recovery) {
        return "the server is a standby, which can't write; connect to the primary, for instance "
               "with target_session_attrs=read-write and all hosts in the URI";
    }
    return std::nullopt;
}

std::optional<std::string> obstacle_to_two_phase(const ServerFacts& facts) {
    if (auto obstacle = obstacle_to_writing(facts)) {
        return obstacle;
    }
    if (facts.max_prepared_transactions == 0) {
        return "PostgreSQL can't prepare transactions, because max_prepared_transactions is 0; set "
               "it to at least max_connections in postgresql.conf and restart the server";
    }
    return std::nullopt;
}

}  // namespace xa_tm::postgres
