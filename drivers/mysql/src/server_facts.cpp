#include "server_facts.h"

#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

#include "grants.h"

namespace xa_tm::mysql {
namespace {

/// The server counts its uptime and its clock in whole seconds, and tells them one after the other.
constexpr std::int64_t kStartToleranceSeconds = 2;

// Those that behaviour depends on; see server_checkup.cpp for those that a person should know.
constexpr std::string_view kVariables =
    "'version', 'server_uuid', 'server_uid', 'xa_detach_on_prepare', 'wsrep_on'";

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

}  // namespace

std::vector<std::string> ServerFacts::questions() {
    // SHOW minds no variable's absence: each server has some that the other has not.
    return {fmt::format("show variables where variable_name in ({})", kVariables),
            "show global status like 'uptime'", "select unix_timestamp()", "show grants",
            "set session_track_transaction_info = 'STATE'"};
}

ServerFacts::ServerFacts(std::span<const Reply> replies) {
    for (std::size_t row = 0; row < replies[0].rows.size(); ++row) {
        variables_[cell(replies[0], row, 0)] = cell(replies[0], row, 1);
    }
    uptime_ = number_from(cell(replies[1], 0, 1));
    now_ = number_from(cell(replies[2], 0, 0));
    sees_every_session_ = Grants{replies[3]}.see_every_session();
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

bool ServerFacts::is_mariadb() const {
    return names_mariadb(variable("version"));
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
    return sees_every_session_;
}

std::string ServerFacts::identity() const {
    const auto uuid = variable("server_uuid");
    return uuid.empty() ? variable("server_uid") : uuid;
}

std::string ServerFacts::started() const {
    return now_ == 0 ? std::string{} : std::to_string(now_ - uptime_);
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

bool names_mariadb(std::string_view version) noexcept {
    return version.find("MariaDB") != std::string_view::npos;
}

std::string_view privilege_to_end_sessions(bool is_mariadb) noexcept {
    return is_mariadb ? "CONNECTION ADMIN" : "CONNECTION_ADMIN";
}

}  // namespace xa_tm::mysql
