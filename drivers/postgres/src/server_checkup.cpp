#include "server_checkup.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "number.h"
#include "prepared_gid.h"

namespace xa_tm::postgres {
namespace {

/// A timeout below it is met by work that is only slow.
constexpr std::int64_t kShortMs = 10'000;

/// The timeouts that end a branch, and what each of them ends.
struct Timeout {
    std::string_view name;
    std::string_view meaning;
};

constexpr Timeout kTimeouts[] = {
    {"statement_timeout", "a statement that takes longer fails, and with it its branch"},
    {"lock_timeout", "a statement that waits longer for a lock fails, and with it its branch"},
    {"idle_in_transaction_session_timeout",
     "a branch that pauses longer between two statements is rolled back"},
    {"transaction_timeout", "a branch that is not prepared by then is rolled back"},
};

Setting setting(const ServerCheckup& checkup, std::string_view name) {
    const auto found = checkup.settings.find(name);
    return found == checkup.settings.end() ? Setting{} : found->second;
}

/// An identifier as it is written in a statement, whatever its letters are.
std::string identifier(std::string_view name) {
    const bool is_plain = !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9');
    }) && (name.front() < '0' || name.front() > '9');
    if (is_plain) {
        return std::string{name};
    }
    std::string quoted = "\"";
    for (const char c : name) {
        quoted += c == '"' ? "\"\"" : std::string{c};
    }
    return quoted + "\"";
}

std::string set_and_reload(std::string_view name, std::string_view value) {
    return fmt::format("alter system set {} = {}; select pg_reload_conf()", name, value);
}

ServerFact version_fact(const ServerCheckup& checkup) {
    ServerFact fact{"version", checkup.version_text};
    if (is_too_old(checkup.facts)) {
        fact.severity = Severity::bad;
        fact.meaning = "it does not tell which branches wrote, so it can't take part";
        fact.remedy = "upgrade to PostgreSQL 13 or later";
    }
    return fact;
}

ServerFact standby_fact(const ServerCheckup& checkup) {
    if (!checkup.facts.is_in_recovery) {
        return {"role in replication", "primary"};
    }
    return {"role in replication", "standby", "nothing can be prepared or finished here",
            Severity::bad,
            "connect to the primary, for instance with all hosts and "
            "target_session_attrs=read-write in the URI"};
}

ServerFact slots_fact(const ServerCheckup& checkup, std::size_t prepared_at_once_max) {
    std::int64_t in_use = 0;
    std::int64_t held_by_others = 0;
    for (const auto& share : checkup.prepared) {
        in_use += share.count;
        const bool is_own = share.is_in_this_database && share.owner == checkup.facts.role;
        held_by_others += is_own ? 0 : share.count;
    }
    const std::int64_t slots = checkup.facts.max_prepared_transactions;
    const auto wanted = static_cast<std::int64_t>(prepared_at_once_max) + held_by_others;
    ServerFact fact{"max_prepared_transactions", fmt::format("{}, {} in use", slots, in_use)};
    if (prepared_at_once_max == 0 || (slots >= wanted && in_use < slots)) {
        return fact;
    }
    fact.remedy = fmt::format(
        "alter system set max_prepared_transactions = {}, and restart the server", wanted);
    if (slots == 0) {
        fact.severity = Severity::bad;
        fact.meaning = "no branch can be prepared";
    } else if (in_use >= slots) {
        fact.severity = Severity::bad;
        fact.meaning =
            "no branch can be prepared until one is finished; `xa-recover list` shows them";
    } else {
        fact.severity = Severity::notice;
        fact.meaning = fmt::format(
            "the application's pool may prepare {} branches at once{}: a transaction that finds no "
            "slot is rolled back",
            prepared_at_once_max,
            held_by_others == 0 ? "" : fmt::format(", and others hold {} now", held_by_others));
    }
    return fact;
}

std::string owners_text(const std::map<std::string, std::int64_t>& owners) {
    std::vector<std::string> texts;
    texts.reserve(owners.size());
    for (const auto& [owner, count] : owners) {
        texts.push_back(fmt::format("{} of {}", count, owner));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

ServerFact prepared_fact(const ServerCheckup& checkup) {
    std::map<std::string, std::int64_t> here;
    std::map<std::string, std::int64_t> out_of_reach;
    std::int64_t elsewhere = 0;
    for (const auto& share : checkup.prepared) {
        if (!share.is_in_this_database) {
            elsewhere += share.count;
            continue;
        }
        here[share.owner] += share.count;
        if (share.is_of_ours && share.owner != checkup.facts.role && !checkup.is_superuser) {
            out_of_reach[share.owner] += share.count;
        }
    }
    ServerFact fact{"prepared transactions", here.empty() ? "none" : owners_text(here)};
    if (elsewhere > 0) {
        fact.value += fmt::format("; {} in other databases", elsewhere);
    }
    if (!out_of_reach.empty()) {
        // PostgreSQL: COMMIT PREPARED, Notes. Membership in the owning role does not help.
        fact.severity = Severity::notice;
        fact.meaning = fmt::format("{} can't finish {}: only their role or a superuser can",
                                   checkup.facts.role, owners_text(out_of_reach));
        fact.remedy = fmt::format("if they are this log's, connect as {}",
                                  identifier(out_of_reach.begin()->first));
    }
    return fact;
}

ServerFact role_fact(const ServerCheckup& checkup) {
    if (checkup.is_superuser) {
        return {"role", fmt::format("{}, a superuser", checkup.facts.role)};
    }
    return {"role", checkup.facts.role, "finishes the branches that it has prepared itself"};
}

ServerFact durability_fact(const ServerCheckup& checkup, std::string_view name) {
    ServerFact fact{std::string{name}, setting(checkup, name).shown};
    if (fact.value != "on") {
        fact.severity = Severity::bad;
        fact.meaning = "a crash of the machine can lose prepared and committed branches";
        fact.remedy = set_and_reload(name, "on");
    }
    return fact;
}

ServerFact synchronous_commit_fact(const ServerCheckup& checkup) {
    ServerFact fact{"synchronous_commit", setting(checkup, "synchronous_commit").shown};
    if (fact.value == "off") {
        fact.severity = Severity::notice;
        fact.meaning =
            "prepare and commit of a prepared branch are flushed all the same, but a branch that "
            "is alone is committed in one phase, and a crash can lose that after it was reported";
        fact.remedy = set_and_reload("synchronous_commit", "on");
    }
    return fact;
}

ServerFact standbys_fact(const ServerCheckup& checkup) {
    constexpr std::string_view kLost =
        "a failover can lose branches that were prepared or committed";
    const auto waits = setting(checkup, "synchronous_commit").shown;
    const auto names = setting(checkup, "synchronous_standby_names").shown;
    ServerFact fact{"standbys", checkup.standbys == 0
                                    ? std::string{"none connected"}
                                    : fmt::format("{} connected", checkup.standbys)};
    if (names.empty() && checkup.standbys == 0) {
        return fact;
    }
    if (names.empty()) {
        fact.severity = Severity::notice;
        fact.value += ", none waited for";
        fact.meaning = kLost;
        fact.remedy = set_and_reload("synchronous_standby_names", "'ANY 1 (*)'");
        return fact;
    }
    fact.value += fmt::format(", waited for: {}", names);
    if (waits == "off" || waits == "local") {
        fact.severity = Severity::notice;
        fact.meaning =
            fmt::format("synchronous_commit = {} does not wait for them: {}", waits, kLost);
        fact.remedy = set_and_reload("synchronous_commit", "on");
    } else if (waits == "remote_write") {
        fact.severity = Severity::notice;
        fact.meaning =
            fmt::format("they have it in memory only: when both machines crash, {}", kLost);
        fact.remedy = set_and_reload("synchronous_commit", "on");
    } else {
        fact.meaning = "a prepare waits for them too, and holds its locks meanwhile";
    }
    return fact;
}

ServerFact read_only_fact(const ServerCheckup& checkup) {
    ServerFact fact{"default_transaction_read_only",
                    setting(checkup, "default_transaction_read_only").shown};
    if (fact.value != "off") {
        fact.severity = Severity::notice;
        fact.meaning = "branches can't write unless they ask to";
        fact.remedy = fmt::format("alter role {} set default_transaction_read_only = off",
                                  identifier(checkup.facts.role));
    }
    return fact;
}

ServerFact timeout_fact(const ServerCheckup& checkup, const Timeout& timeout) {
    const auto value = setting(checkup, timeout.name);
    if (value.number == 0) {
        return {std::string{timeout.name}, "none"};
    }
    ServerFact fact{std::string{timeout.name}, value.shown, std::string{timeout.meaning}};
    if (value.number < kShortMs) {
        fact.severity = Severity::notice;
        fact.remedy =
            fmt::format("alter role {} set {} = '60s', or more than any transaction takes",
                        identifier(checkup.facts.role), timeout.name);
    }
    return fact;
}

ServerFact grant_fact(const ServerCheckup& checkup, std::string_view role, bool is_held,
                      std::string_view meaning) {
    if (is_held) {
        return {std::string{role}, "held"};
    }
    return {std::string{role}, "not held", std::string{meaning}, Severity::notice,
            fmt::format("grant {} to {}", role, identifier(checkup.facts.role))};
}

ServerFact pooler_fact(const ServerCheckup& checkup) {
    if (!checkup.facts.is_pooled) {
        return {"pooler", "none"};
    }
    if (!checkup.pooler_refusal.empty()) {
        return {"pooler", "in between",
                fmt::format("it takes no transactions of several statements: {}",
                            checkup.pooler_refusal),
                Severity::bad,
                "set its pool_mode to transaction or session, or connect to PostgreSQL itself"};
    }
    return {"pooler", "in between",
            "recovery can't end the sessions of dead processes, and waits for them instead",
            Severity::notice, "connect to PostgreSQL itself"};
}

}  // namespace

std::vector<Statement> checkup_questions() {
    std::string names =
        "'fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', "
        "'default_transaction_read_only'";
    for (const auto& timeout : kTimeouts) {
        names += fmt::format(", '{}'", timeout.name);
    }
    return {
        {facts_statement()},
        {"select split_part(current_setting('server_version'), ' ', 1), "
         "(select rolsuper from pg_catalog.pg_roles where rolname = current_user), "
         "pg_catalog.pg_has_role('pg_signal_backend', 'usage'), "
         "pg_catalog.pg_has_role('pg_read_all_stats', 'usage'), "
         "(select count(*) from pg_catalog.pg_stat_replication)"},
        {fmt::format("select name, current_setting(name), setting from pg_catalog.pg_settings "
                     "where name in ({})",
                     names)},
        {fmt::format("select owner, database = current_database(), starts_with(gid, '{}'), "
                     "count(*) from pg_catalog.pg_prepared_xacts group by 1, 2, 3 "
                     "order by 1, 2, 3",
                     kOwnPrefix)},
    };
}

ServerCheckup checkup_from(std::span<const Reply> replies, int backend_pid) {
    const auto cell = [](const std::vector<std::optional<std::string>>& row, std::size_t column) {
        return row.at(column).value_or("");
    };
    ServerCheckup checkup;
    checkup.facts = facts_from(replies[0], backend_pid);
    const auto& user = replies[1].rows.at(0);
    checkup.version_text = cell(user, 0);
    checkup.is_superuser = cell(user, 1) == "t";
    checkup.may_signal_backends = cell(user, 2) == "t";
    checkup.may_read_all_stats = cell(user, 3) == "t";
    checkup.standbys = number_from<std::int64_t>(cell(user, 4));
    for (const auto& row : replies[2].rows) {
        checkup.settings[cell(row, 0)] = {cell(row, 1), number_from<std::int64_t>(cell(row, 2))};
    }
    for (const auto& row : replies[3].rows) {
        checkup.prepared.push_back({cell(row, 0), cell(row, 1) == "t", cell(row, 2) == "t",
                                    number_from<std::int64_t>(cell(row, 3))});
    }
    return checkup;
}

ServerDescription judged(const ServerCheckup& checkup, std::size_t prepared_at_once_max) {
    ServerDescription description{.product = fmt::format("PostgreSQL {}", checkup.version_text)};
    auto& facts = description.facts;
    facts = {
        version_fact(checkup),
        standby_fact(checkup),
        slots_fact(checkup, prepared_at_once_max),
        prepared_fact(checkup),
        role_fact(checkup),
        durability_fact(checkup, "fsync"),
        durability_fact(checkup, "full_page_writes"),
        synchronous_commit_fact(checkup),
        standbys_fact(checkup),
        read_only_fact(checkup),
    };
    for (const auto& timeout : kTimeouts) {
        if (checkup.settings.contains(timeout.name)) {
            facts.push_back(timeout_fact(checkup, timeout));
        }
    }
    facts.push_back(grant_fact(checkup, "pg_signal_backend", checkup.may_signal_backends,
                               "recovery can end lost sessions only if they are this role's, and "
                               "waits for others"));
    facts.push_back(grant_fact(checkup, "pg_read_all_stats", checkup.may_read_all_stats,
                               "recovery can't tell whose the sessions of other roles are, and "
                               "waits for them"));
    facts.push_back(pooler_fact(checkup));
    facts.push_back(
        {"timeline", checkup.facts.timeline.empty() ? "not told" : checkup.facts.timeline});
    facts.push_back(
        {"libpq", fmt::format("{}.{}", PQlibVersion() / 10000, PQlibVersion() % 10000)});
    return description;
}

}  // namespace xa_tm::postgres
