#include "server_facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

namespace xa_tm::mysql {
namespace {

/// The server counts its uptime and its clock in whole seconds, and tells them one after the other.
constexpr std::int64_t kStartToleranceSeconds = 2;

/// What a variable's value means to global transactions.
struct VariableRow {
    std::string_view name;
    std::string_view good;  ///< nothing is to be said of this value; "-": of no value
    std::string_view meaning;
};

constexpr std::array kVariables{
    VariableRow{"xa_detach_on_prepare", "ON",
                "a prepared branch can be finished by others only when its session has ended"},
    VariableRow{"innodb_flush_log_at_trx_commit", "1",
                "a crash of the server may lose prepared and committed branches; set it to 1"},
    VariableRow{"log_bin", "-", ""},
    VariableRow{"sync_binlog", "1",
                "with log_bin=ON a crash of the machine may lose prepared and committed branches; "
                "set it to 1"},
    VariableRow{"read_only", "OFF",
                "branches that write fail; connect to the server that takes writes"},
    VariableRow{"super_read_only", "OFF",
                "branches that write fail; connect to the server that takes writes"},
    VariableRow{"innodb_read_only", "OFF",
                "branches that write fail; connect to the server that takes writes"},
    VariableRow{"wsrep_on", "OFF", "Galera can't prepare; connect to a server outside a cluster"},
    VariableRow{"performance_schema", "-", ""},
    VariableRow{"transaction_isolation", "-", ""},
    VariableRow{"tx_isolation", "-", ""},
    VariableRow{"innodb_snapshot_isolation", "OFF",
                "writes of a REPEATABLE READ branch may fail with error 1020"},
    VariableRow{"innodb_rollback_on_timeout", "OFF",
                "a lock wait that times out rolls the branch back, and not only the statement"},
    VariableRow{"innodb_lock_wait_timeout", "-", ""},
    VariableRow{"lock_wait_timeout", "-", ""},
    VariableRow{"wait_timeout", "-", ""},
};

std::int64_t number_from(std::string_view text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string cell(const Reply& reply, std::size_t row, std::size_t column) {
    if (row >= reply.rows.size() || column >= reply.rows[row].size()) {
        return {};
    }
    return reply.rows[row][column].value_or("");
}

std::string meaning_of_variable(const VariableRow& row, const std::string& value,
                                bool has_binary_log) {
    const bool is_moot = row.name == "sync_binlog" && !has_binary_log;
    const bool is_good = row.good == "-" || value == row.good || is_moot;
    return is_good ? std::string{} : std::string{row.meaning};
}

}  // namespace

std::vector<std::string> ServerFacts::questions() {
    std::string names = "'version','server_uuid','server_uid'";
    for (const auto& row : kVariables) {
        names += fmt::format(",'{}'", row.name);
    }
    // SHOW minds no variable's absence: each server has some that the other has not.
    return {fmt::format("show variables where variable_name in ({})", names),
            "show global status like 'uptime'", "select unix_timestamp()", "show grants",
            "set session_track_transaction_info = 'STATE'"};
}

ServerFacts::ServerFacts(std::span<const Reply> replies) {
    for (std::size_t row = 0; row < replies[0].rows.size(); ++row) {
        variables_[cell(replies[0], row, 0)] = cell(replies[0], row, 1);
    }
    uptime_ = number_from(cell(replies[1], 0, 1));
    now_ = number_from(cell(replies[2], 0, 0));
    for (std::size_t row = 0; row < replies[3].rows.size(); ++row) {
        constexpr std::string_view kGrant = "GRANT ";
        const auto line = cell(replies[3], row, 0);
        const auto end = line.find(" ON *.* ");
        if (!line.starts_with(kGrant) || end == std::string::npos) {
            has_roles_ = has_roles_ || line.find(" ON ") == std::string::npos;
            continue;
        }
        std::string_view list{line};
        list = list.substr(kGrant.size(), end - kGrant.size());
        while (!list.empty()) {
            const auto comma = std::min(list.find(','), list.size());
            privileges_.emplace(list.substr(0, comma));
            list.remove_prefix(std::min(comma + 1, list.size()));
            list.remove_prefix(std::min(list.find_first_not_of(' '), list.size()));
        }
    }
    tracks_transactions_ = replies[4].is_ok;
}

std::string ServerFacts::variable(const std::string& name) const {
    const auto found = variables_.find(name);
    return found == variables_.end() ? std::string{} : found->second;
}

bool ServerFacts::is_on(const std::string& name) const {
    const auto value = variable(name);
    return value == "ON" || value == "1";
}

bool ServerFacts::holds_any(const std::set<std::string>& privileges) const {
    return std::ranges::any_of(
        privileges, [this](const auto& privilege) { return privileges_.contains(privilege); });
}

bool ServerFacts::is_mariadb() const {
    return variable("version").find("MariaDB") != std::string::npos;
}

bool ServerFacts::detaches_prepared_branches() const {
    return is_on("xa_detach_on_prepare");
}

bool ServerFacts::is_galera() const {
    return is_on("wsrep_on");
}

bool ServerFacts::tells_whether_written() const {
    // MariaDB tracks as well, but SELECT ... FOR UPDATE and what a SELECT's functions write escape
    // its tracker.
    return tracks_transactions_ && !is_mariadb();
}

bool ServerFacts::sees_every_session() const {
    return holds_any({"PROCESS", "ALL PRIVILEGES"});
}

std::string ServerFacts::identity() const {
    const auto uuid = variable("server_uuid");
    return uuid.empty() ? variable("server_uid") : uuid;
}

std::string ServerFacts::started() const {
    return now_ == 0 ? std::string{} : std::to_string(now_ - uptime_);
}

ServerDescription ServerFacts::describe() const {
    const auto version = variable("version");
    ServerDescription description{.product =
                                      fmt::format("{} {}", is_mariadb() ? "MariaDB" : "MySQL",
                                                  version.substr(0, version.find('-')))};
    const auto add = [&description](std::string_view name, std::string value,
                                    std::string_view meaning) {
        description.facts.push_back({std::string{name}, std::move(value), std::string{meaning}});
    };
    for (const auto& row : kVariables) {
        const auto found = variables_.find(std::string{row.name});
        if (found != variables_.end()) {
            add(row.name, found->second, meaning_of_variable(row, found->second, is_on("log_bin")));
        }
    }
    add("prepared branches", detaches_prepared_branches() ? "detached" : "kept by their session",
        detaches_prepared_branches() ? ""
                                     : "others can finish them only when that session has ended");
    add("branches that wrote nothing", tells_whether_written() ? "vote read-only" : "are prepared",
        "");
    const auto add_privilege = [&](std::string_view name, bool is_held, std::string_view meaning) {
        add(name,
            is_held      ? "held"
            : has_roles_ ? "not held, unless by a role"
                         : "not held",
            is_held ? "" : meaning);
    };
    if (!is_mariadb()) {
        add_privilege("XA_RECOVER_ADMIN", holds_any({"XA_RECOVER_ADMIN", "ALL PRIVILEGES"}),
                      "prepared branches can't be listed: recovery needs it");
    }
    add_privilege(privilege_to_end_sessions(is_mariadb()),
                  holds_any({"CONNECTION_ADMIN", "CONNECTION ADMIN", "SUPER", "ALL PRIVILEGES"}),
                  "lost sessions can be ended only if they are this user's");
    add_privilege("PROCESS", sees_every_session(), "only this user's sessions can be seen");
    return description;
}

bool may_be_same_life(const std::string& one, const std::string& other) {
    return one.empty() || other.empty() ||
           std::abs(number_from(one) - number_from(other)) <= kStartToleranceSeconds;
}

// MySQL: session_track_transaction_info. The places of a state are: transaction, unsafe read, read,
// unsafe write, write, unsafe statement, result sent, LOCK TABLES; "_" where there was none.
bool has_written_nothing(std::string_view transaction_state) noexcept {
    return transaction_state.size() >= 8 && transaction_state[3] == '_' &&
           transaction_state[4] == '_' && transaction_state[7] == '_';
}

bool has_changed_for_good(std::string_view transaction_state) noexcept {
    return transaction_state.size() >= 8 && transaction_state[3] == 'w';
}

std::string_view privilege_to_end_sessions(bool is_mariadb) noexcept {
    return is_mariadb ? "CONNECTION ADMIN" : "CONNECTION_ADMIN";
}

}  // namespace xa_tm::mysql
