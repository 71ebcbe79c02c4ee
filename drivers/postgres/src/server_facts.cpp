#include "server_facts.h"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

namespace xa_tm::postgres {
namespace {

template <typename Number>
Number number_from(std::string_view text) {
    Number number{};
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

ServerFact durability_fact(std::string name, const std::string& value) {
    std::string meaning;
    if (value != "on") {
        meaning = "a crash of the machine can lose prepared branches; set it to on";
    }
    return {std::move(name), value, std::move(meaning)};
}

ServerFact synchronous_commit_fact(const ServerFacts& facts) {
    auto fact = ServerFact{"synchronous_commit", facts.synchronous_commit};
    if (facts.synchronous_commit == "off") {
        fact.meaning =
            "prepare and commit of a prepared branch are flushed all the same; one-phase commits "
            "may be lost in a crash";
    } else if (facts.synchronous_standby_names.empty()) {
        fact.meaning = "no standby is waited for: a failover can lose prepared branches";
    } else if (facts.synchronous_commit == "local") {
        fact.meaning =
            "the synchronous standbys are not waited for: a failover can lose prepared branches";
    }
    return fact;
}

ServerFact pooler_fact(const ServerFacts& facts) {
    if (!facts.is_pooled) {
        return {"pooler", "none"};
    }
    return {"pooler", "in between",
            "sessions of dead processes can't be ended by recovery, which waits for them instead"};
}

std::string idle_meaning(const ServerFacts& facts) {
    return facts.idle_in_transaction_session_timeout == "0"
               ? "a branch whose client machine vanished keeps its locks until TCP notices; "
                 "a timeout longer than any transaction ends it sooner"
               : "longer pauses between statements lose the branch";
}

}  // namespace

std::string facts_statement() {
    return "select current_setting('server_version_num'), "
           "split_part(current_setting('server_version'), ' ', 1), "
           "current_setting('max_prepared_transactions'), pg_catalog.pg_is_in_recovery(), "
           "current_setting('default_transaction_read_only'), current_setting('fsync'), "
           "current_setting('full_page_writes'), current_setting('synchronous_commit'), "
           "current_setting('synchronous_standby_names'), "
           "current_setting('idle_in_transaction_session_timeout'), current_user, "
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
    facts.version_text = next();
    facts.max_prepared_transactions = number_from<int>(next());
    facts.is_in_recovery = next() == "t";
    facts.default_transaction_read_only = next();
    facts.fsync = next();
    facts.full_page_writes = next();
    facts.synchronous_commit = next();
    facts.synchronous_standby_names = next();
    facts.idle_in_transaction_session_timeout = next();
    facts.role = next();
    facts.identity = next();
    facts.timeline = next();
    facts.session.number = number_from<std::uint64_t>(next());
    facts.session.since = next();
    facts.is_pooled = facts.session.number != static_cast<std::uint64_t>(backend_pid);
    return facts;
}

std::optional<std::string> obstacle_to_two_phase(const ServerFacts& facts) {
    if (facts.version < 130000) {
        return "the server is older than PostgreSQL 13; upgrade it";
    }
    if (facts.is_in_recovery) {
        return "the server is a standby, which can't write; connect to the primary, for instance "
               "with target_session_attrs=read-write and all hosts in the URI";
    }
    if (facts.max_prepared_transactions == 0) {
        return "PostgreSQL can't prepare transactions, because max_prepared_transactions is 0; set "
               "it to at least max_connections in postgresql.conf and restart the server";
    }
    return std::nullopt;
}

ServerDescription describe(const ServerFacts& facts) {
    ServerDescription description{.product = fmt::format("PostgreSQL {}", facts.version_text)};
    description.facts = {
        {"max_prepared_transactions", fmt::to_string(facts.max_prepared_transactions),
         "at least the number of connections of all transaction managers is wanted"},
        durability_fact("fsync", facts.fsync),
        durability_fact("full_page_writes", facts.full_page_writes),
        synchronous_commit_fact(facts),
        {"synchronous_standby_names", facts.synchronous_standby_names},
        {"default_transaction_read_only", facts.default_transaction_read_only,
         facts.default_transaction_read_only == "on" ? "branches can't write unless they ask to"
                                                     : ""},
        {"idle_in_transaction_session_timeout", facts.idle_in_transaction_session_timeout,
         idle_meaning(facts)},
        {"timeline", facts.timeline, "another one means a failover or a restored backup"},
        pooler_fact(facts),
        {"libpq", fmt::format("{}.{}", PQlibVersion() / 10000, PQlibVersion() % 10000),
         "several verbs go in one trip by its pipeline mode"},
        {"pg_xact_status", "there", "a lost reply to a commit is settled by the transaction id"},
    };
    return description;
}

}  // namespace xa_tm::postgres
