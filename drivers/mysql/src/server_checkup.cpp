#include "server_checkup.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "server_facts.h"

namespace xa_tm::mysql {
namespace {

/// A timeout below it is met by work that is only slow.
constexpr double kShortSeconds = 10;

/// What a variable's value means to global transactions.
struct VariableRule {
    std::string_view name;
    /// The values of which nothing is to be said, separated by spaces.
    std::string_view good = {};
    /// Of the other values.
    Severity severity = Severity::good;
    std::string_view meaning = {};
    /// What to set it to, where that can be done while the server runs.
    std::string_view wanted = {};
    /// What to do otherwise.
    std::string_view remedy = {};
};

constexpr std::string_view kReadOnly = "nothing can be prepared or finished here";
constexpr std::string_view kElsewhere = "connect to the server that takes writes";

constexpr VariableRule kRules[] = {
    {.name = "innodb_flush_log_at_trx_commit",
     .good = "1 3",
     .severity = Severity::bad,
     .meaning = "a crash of the machine can lose prepared and committed branches",
     .wanted = "1"},
    {.name = "innodb_doublewrite",
     .good = "ON DETECT_AND_RECOVER fast",
     .severity = Severity::bad,
     .meaning = "a crash of the machine can leave pages half written",
     .remedy = "innodb_doublewrite = ON in the option file, and restart the server"},
    {.name = "log_bin"},
    {.name = "sync_binlog",
     .good = "1",
     .severity = Severity::bad,
     .meaning = "with log_bin = ON a crash of the machine can lose prepared and committed branches",
     .wanted = "1"},
    {.name = "binlog_format",
     .good = "ROW MIXED",
     .severity = Severity::notice,
     .meaning = "replicas may carry branches out in another order, and with another result",
     .wanted = "ROW"},
    {.name = "xa_detach_on_prepare",
     .good = "ON",
     .severity = Severity::notice,
     .meaning = "others can finish a prepared branch only when its session has ended",
     .wanted = "ON"},
    {.name = "read_only",
     .good = "OFF",
     .severity = Severity::bad,
     .meaning = kReadOnly,
     .remedy = kElsewhere},
    {.name = "super_read_only",
     .good = "OFF",
     .severity = Severity::bad,
     .meaning = kReadOnly,
     .remedy = kElsewhere},
    {.name = "innodb_read_only",
     .good = "OFF",
     .severity = Severity::bad,
     .meaning = kReadOnly,
     .remedy = kElsewhere},
    {.name = "wsrep_on",
     .good = "OFF",
     .severity = Severity::bad,
     .meaning = "a member of a Galera cluster can't prepare",
     .remedy = "connect to a server outside a cluster"},
    {.name = "default_storage_engine",
     .good = "InnoDB",
     .severity = Severity::notice,
     .meaning = "a rollback may not undo what was written to new tables",
     .wanted = "InnoDB"},
    {.name = "transaction_isolation"},
    {.name = "tx_isolation"},
    {.name = "innodb_snapshot_isolation",
     .good = "OFF",
     .meaning = "writes of a REPEATABLE READ branch may fail with error 1020"},
    {.name = "innodb_rollback_on_timeout",
     .good = "OFF",
     .meaning = "a lock wait that times out rolls the branch back, and not only the statement"},
    {.name = "innodb_lock_wait_timeout"},
    {.name = "lock_wait_timeout", .meaning = "DDL waits that long behind a prepared branch"},
};

/// The timeouts, in seconds, that end a branch, and what each of them ends.
struct Timeout {
    std::string_view name;
    std::string_view meaning;
};

constexpr Timeout kTimeouts[] = {
    {"wait_timeout", "a branch that pauses longer between two statements is rolled back"},
    {"idle_transaction_timeout",
     "a branch that pauses longer between two statements is rolled back"},
    {"idle_write_transaction_timeout",
     "a branch that has written and then pauses longer is rolled back"},
    {"idle_readonly_transaction_timeout",
     "a branch that has only read and then pauses longer is rolled back"},
    {"max_statement_time", "a statement that takes longer fails, and so do a prepare and a commit"},
};

/// Of either way to name what became of it.
constexpr std::string_view kSemiSync[] = {"rpl_semi_sync_source_enabled",
                                          "rpl_semi_sync_master_enabled"};

template <typename Number>
Number number_from(std::string_view text) {
    Number number{};
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string variable(const ServerCheckup& checkup, std::string_view name) {
    const auto found = checkup.variables.find(name);
    return found == checkup.variables.end() ? std::string{} : found->second;
}

bool is_on(const ServerCheckup& checkup, std::string_view name) {
    const auto value = variable(checkup, name);
    return value == "ON" || value == "1";
}

bool is_mariadb(const ServerCheckup& checkup) {
    return names_mariadb(variable(checkup, "version"));
}

/// 'USER'@'HOST', as a statement takes it.
std::string account(const ServerCheckup& checkup) {
    const auto quoted = [](std::string_view text) {
        std::string literal = "'";
        for (const char c : text) {
            literal += c == '\'' ? "''" : std::string{c};
        }
        return literal + "'";
    };
    const std::string_view text = checkup.account;
    const auto at = std::min(text.rfind('@'), text.size());
    return fmt::format("{}@{}", quoted(text.substr(0, at)),
                       quoted(text.substr(std::min(at + 1, text.size()))));
}

std::string grant(const ServerCheckup& checkup, std::string_view privilege) {
    return fmt::format("grant {} on *.* to {}", privilege, account(checkup));
}

/// MariaDB forgets at a restart what is not in its option file too.
std::string set(const ServerCheckup& checkup, std::string_view name, std::string_view value) {
    return is_mariadb(checkup)
               ? fmt::format("set global {0} = {1}, and {0} = {1} in the option file", name, value)
               : fmt::format("set persist {} = {}", name, value);
}

bool has_word(std::string_view words, std::string_view word) {
    return fmt::format(" {} ", words).find(fmt::format(" {} ", word)) != std::string::npos;
}

ServerFact judged_variable(const ServerCheckup& checkup, const VariableRule& rule,
                           const std::string& value) {
    ServerFact fact{std::string{rule.name}, value};
    const bool is_about_binary_log = rule.name == "sync_binlog" || rule.name == "binlog_format";
    const bool is_moot = is_about_binary_log && !is_on(checkup, "log_bin");
    if (is_moot || has_word(rule.good, value)) {
        return fact;
    }
    fact.severity = rule.severity;
    fact.meaning = rule.meaning;
    fact.remedy =
        rule.wanted.empty() ? std::string{rule.remedy} : set(checkup, rule.name, rule.wanted);
    return fact;
}

/// Major, minor and patch.
std::tuple<int, int, int> version_of(std::string_view text) {
    int parts[3] = {};
    for (int& part : parts) {
        part = number_from<int>(text);
        text.remove_prefix(std::min(text.find('.'), text.size()));
        text.remove_prefix(std::min<std::size_t>(1, text.size()));
    }
    return {parts[0], parts[1], parts[2]};
}

std::string short_version(const ServerCheckup& checkup) {
    const auto version = variable(checkup, "version");
    return version.substr(0, version.find('-'));
}

ServerFact version_fact(const ServerCheckup& checkup) {
    ServerFact fact{"version", short_version(checkup)};
    const auto version = version_of(fact.value);
    const auto keeps_prepared = is_mariadb(checkup) ? std::tuple{10, 5, 2} : std::tuple{5, 7, 7};
    if (version < keeps_prepared) {
        fact.severity = Severity::bad;
        fact.meaning = "a prepared branch is rolled back when its session ends";
        fact.remedy = is_mariadb(checkup) ? "upgrade to MariaDB 10.5 or later"
                                          : "upgrade to MySQL 8.0.30 or later";
    } else if (!is_mariadb(checkup) && is_on(checkup, "log_bin") &&
               version < std::tuple{8, 0, 30}) {
        fact.severity = Severity::notice;
        fact.meaning = "a crash can leave a branch in the binary log that is not in the tables";
        fact.remedy = "upgrade to MySQL 8.0.30 or later";
    }
    return fact;
}

ServerFact listing_fact(const ServerCheckup& checkup) {
    if (checkup.prepared) {
        return {"XA RECOVER", fmt::format("lists {} prepared", *checkup.prepared)};
    }
    return {"XA RECOVER", "refused",
            fmt::format("recovery can't list what is prepared: {}", checkup.why_not_listed),
            Severity::bad, grant(checkup, "xa_recover_admin")};
}

ServerFact attachment_fact(const ServerCheckup& checkup) {
    if (is_on(checkup, "xa_detach_on_prepare")) {
        return {"prepared branches", "detached"};
    }
    return {"prepared branches", "kept by their session",
            "recovery finishes them when that session has ended"};
}

ServerFact tables_fact(const ServerCheckup& checkup) {
    if (checkup.tables_without_xa.empty()) {
        return {"tables", "all take part"};
    }
    const auto& tables = checkup.tables_without_xa;
    const auto first = tables.front().substr(0, tables.front().rfind(" ("));
    return {"tables", fmt::format("without XA: {}", fmt::join(tables, ", ")),
            "a rollback does not undo what was written to them", Severity::notice,
            fmt::format("alter table `{}` engine = InnoDB", first)};
}

ServerFact replicas_fact(const ServerCheckup& checkup) {
    if (checkup.replicas == 0) {
        return {"replicas", checkup.grants.see_every_session() ? "none connected" : "none seen"};
    }
    ServerFact fact{"replicas", fmt::format("{} connected", checkup.replicas)};
    const auto* const semi_sync = std::ranges::find_if(
        kSemiSync, [&](std::string_view name) { return is_on(checkup, name); });
    if (semi_sync != std::end(kSemiSync)) {
        fact.value += ", semi-synchronous";
        return fact;
    }
    const auto* const name = is_mariadb(checkup) ? &kSemiSync[1] : &kSemiSync[0];
    fact.severity = Severity::notice;
    fact.meaning =
        "none is waited for: a failover can lose branches that were prepared or committed";
    fact.remedy = set(checkup, *name, "ON");
    return fact;
}

ServerFact replica_fact(const ServerCheckup& checkup) {
    if (!checkup.is_replica) {
        return {"role in replication", "not told", "it can't be seen whether this is a replica",
                Severity::notice,
                grant(checkup, is_mariadb(checkup) ? "replica monitor" : "replication client")};
    }
    if (!*checkup.is_replica) {
        return {"role in replication", "no replica"};
    }
    return {"role in replication", "replica",
            "branches that are prepared here, and not at its source, part the two",
            Severity::notice, std::string{kElsewhere}};
}

ServerFact timeout_fact(const ServerCheckup& checkup, const Timeout& timeout) {
    const auto value = variable(checkup, timeout.name);
    const auto seconds = number_from<double>(value);
    if (seconds <= 0) {
        return {std::string{timeout.name}, "none"};
    }
    ServerFact fact{std::string{timeout.name}, value, std::string{timeout.meaning}};
    if (seconds < kShortSeconds) {
        fact.severity = Severity::notice;
        fact.remedy = set(checkup, timeout.name, "60") + ", or more than any transaction takes";
    }
    return fact;
}

/// What `explain` reads, which is elsewhere in MariaDB.
ServerFact locks_fact(const ServerCheckup& checkup) {
    constexpr std::string_view kBlind = "it can't be told whom a prepared branch blocks";
    ServerFact fact{"performance_schema", variable(checkup, "performance_schema")};
    if (is_mariadb(checkup)) {
        return fact;
    }
    if (!is_on(checkup, "performance_schema")) {
        fact.severity = Severity::notice;
        fact.meaning = kBlind;
        fact.remedy = "performance_schema = ON in the option file, and restart the server";
    } else if (!checkup.shows_locks) {
        fact.severity = Severity::notice;
        fact.value += ", data_locks not readable";
        fact.meaning = kBlind;
        fact.remedy = fmt::format("grant select on performance_schema.* to {}", account(checkup));
    }
    return fact;
}

ServerFact grant_fact(const ServerCheckup& checkup, std::string_view privilege, bool is_held,
                      std::string_view meaning) {
    if (is_held) {
        return {std::string{privilege}, "held"};
    }
    return {std::string{privilege},
            checkup.grants.have_roles() ? "not held, unless by a role" : "not held",
            std::string{meaning}, Severity::notice, grant(checkup, privilege)};
}

/// Enough to see what they are.
constexpr std::string_view kTablesQuestion =
    "select t.table_name, t.engine from information_schema.tables t "
    "join information_schema.engines e on e.engine = t.engine "
    "where t.table_schema = database() and t.table_type = 'BASE TABLE' "
    "and coalesce(e.xa, 'NO') <> 'YES' order by 1 limit 5";

}  // namespace

std::vector<std::string> checkup_questions() {
    std::string names = "'version','performance_schema'";
    const auto add = [&names](std::string_view name) { names += fmt::format(",'{}'", name); };
    for (const auto& rule : kRules) {
        add(rule.name);
    }
    for (const auto& timeout : kTimeouts) {
        add(timeout.name);
    }
    std::ranges::for_each(kSemiSync, add);
    // SHOW minds no variable's absence: each server has some that the other has not.
    return {fmt::format("show variables where variable_name in ({})", names), "show grants",
            "select current_user()", "xa recover", std::string{kTablesQuestion},
            "select count(*) from information_schema.processlist where command like 'Binlog Dump%'",
            // The first is understood by both, the second by MariaDB, for all its sources.
            "show replica status", "show all replicas status",
            "select 1 from performance_schema.data_locks limit 0"};
}

ServerCheckup checkup_from(std::span<const Reply> replies) {
    const auto cell = [](const Row& row, std::size_t column) {
        return row.at(column).value_or("");
    };
    const auto first_cell = [&](const Reply& reply) {
        return reply.rows.empty() ? std::string{} : cell(reply.rows.front(), 0);
    };
    ServerCheckup checkup;
    for (const auto& row : replies[0].rows) {
        checkup.variables[cell(row, 0)] = cell(row, 1);
    }
    checkup.grants = Grants{replies[1]};
    checkup.account = first_cell(replies[2]);
    if (replies[3].is_ok) {
        checkup.prepared = replies[3].rows.size();
    } else {
        checkup.why_not_listed = replies[3].message;
    }
    for (const auto& row : replies[4].rows) {
        checkup.tables_without_xa.push_back(fmt::format("{} ({})", cell(row, 0), cell(row, 1)));
    }
    checkup.replicas = number_from<std::int64_t>(first_cell(replies[5]));
    if (replies[6].is_ok || replies[7].is_ok) {
        checkup.is_replica = !replies[6].rows.empty() || !replies[7].rows.empty();
    }
    checkup.shows_locks = replies[8].is_ok;
    return checkup;
}

ServerDescription judged(const ServerCheckup& checkup) {
    ServerDescription description{.product = fmt::format("{} {}",
                                                         is_mariadb(checkup) ? "MariaDB" : "MySQL",
                                                         short_version(checkup))};
    auto& facts = description.facts;
    facts = {version_fact(checkup), listing_fact(checkup), attachment_fact(checkup)};
    for (const auto& rule : kRules) {
        const auto found = checkup.variables.find(rule.name);
        if (found != checkup.variables.end()) {
            facts.push_back(judged_variable(checkup, rule, found->second));
        }
    }
    facts.push_back(tables_fact(checkup));
    facts.push_back(replicas_fact(checkup));
    facts.push_back(replica_fact(checkup));
    for (const auto& timeout : kTimeouts) {
        if (checkup.variables.contains(timeout.name)) {
            facts.push_back(timeout_fact(checkup, timeout));
        }
    }
    facts.push_back(locks_fact(checkup));
    facts.push_back(
        grant_fact(checkup, privilege_to_end_sessions(is_mariadb(checkup)),
                   checkup.grants.hold_any({"CONNECTION_ADMIN", "CONNECTION ADMIN", "SUPER"}),
                   "recovery can end lost sessions only if they are this user's, and "
                   "waits for others"));
    facts.push_back(grant_fact(checkup, "PROCESS", checkup.grants.see_every_session(),
                               "the sessions of other users, and whom a branch blocks, can't be "
                               "seen"));
    return description;
}

}  // namespace xa_tm::mysql
