#include "servers.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <exception>
#include <initializer_list>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <soci/soci.h>

#include "bank.h"
#include "database.h"
#include "sandbox.h"
#include "xa_tm/decision_table.h"

namespace xa_tm::test {
namespace {

Wire wire_of(const std::string& uri) {
    return uri.starts_with("postgres") ? Wire::postgresql : Wire::mysql;
}

/// Of the same node name up to the last character, and of the same format: only an exact comparison
/// tells it from ours.
std::string lookalike_gtrid() {
    return fmt::format("{}0:0123456789abcdef:1:1", kBankNode);
}

std::string lookalike(bool is_postgresql, const std::string& resource) {
    const auto gtrid = lookalike_gtrid();
    return is_postgresql ? fmt::format("'xa_tm:{}/{}:1'", gtrid, resource)
                         : fmt::format("'{}','{}:1',1480676429", gtrid, resource);
}

}  // namespace

TortureServer::TortureServer(std::string name)
    : name_{std::move(name)},
      resource_{name_},
      direct_uri_{sandbox::tcp_uri(name_)},
      is_postgresql_{direct_uri_.starts_with("postgres")},
      proxy_{{{wire_of(direct_uri_), port_of(direct_uri_)}}},
      uri_{with_port(direct_uri_, proxy_.port(0))} {
    std::erase_if(resource_, [](unsigned char c) { return std::isalnum(c) == 0; });
    foreign_ = {"'someone-else'", lookalike(is_postgresql_, resource_)};
    drop();
    plant();
    const auto prepared = Database{direct_uri_}.prepared();
    planted_ = {prepared.begin(), prepared.end()};
}

TortureServer::~TortureServer() {
    try {
        bring_up();
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", name_, error.what());
    }
}

void TortureServer::plant() const {
    {
        Database database{direct_uri_};
        database.execute("create table bank_accounts (id int primary key, balance bigint)");
        database.execute(
            "create table bank_ledger (id bigint primary key, account int, amount bigint)");
        database.execute("create table bank_foreign (id int primary key)");
        for (int account = 0; account < kBankAccounts; ++account) {
            database.execute(fmt::format("insert into bank_accounts values ({}, 0)", account));
        }
    }
    int id = 0;
    for (const auto& branch : foreign_) {
        Database{direct_uri_}.prepare_branch(
            branch, fmt::format("insert into bank_foreign values ({})", id++));
    }
}

void TortureServer::plant_row() {
    Database{direct_uri_}.execute(
        fmt::format("insert into {} (gtrid, log_id, decision) values ('{}', "
                    "'0123456789abcdef', '00')",
                    kDecisionTableName, lookalike_gtrid()));
    planted_rows_ = {lookalike_gtrid()};
}

/// Also what was never there.
void TortureServer::drop() const {
    Database database{direct_uri_};
    for (const auto& branch : foreign_) {
        try {
            database.rollback_prepared(branch);
        } catch (const soci::soci_error&) {
            continue;
        }
    }
    if (is_postgresql_) {
        database.execute("set client_min_messages = warning");
    }
    for (const auto table : std::initializer_list<std::string_view>{
             "bank_accounts", "bank_ledger", "bank_foreign", kDecisionTableName}) {
        database.execute(fmt::format("drop table if exists {}", table));
    }
}

void TortureServer::clear() const {
    drop();
}

TortureServer::State TortureServer::state() {
    if (state_ == State::starting &&
        start_.wait_for(std::chrono::seconds{0}) == std::future_status::ready) {
        state_ = State::down;
        start_.get();
        state_ = State::up;
    }
    return state_;
}

void TortureServer::signal_all(int signal) const {
    // Twice, because a postmaster may have forked between the look and the blow.
    for (int i = 0; i < 2; ++i) {
        try {
            for (const auto pid : sandbox::pids(name_)) {
                ::kill(pid, signal);
            }
        } catch (const std::runtime_error&) {
            return;  // dead by now
        }
    }
}

void TortureServer::kill() {
    signal_all(SIGKILL);
    state_ = State::down;
}

void TortureServer::restart() {
    start_ = std::async(std::launch::async, [name = name_] { sandbox::restart(name); });
    state_ = State::starting;
}

void TortureServer::pause() {
    signal_all(SIGSTOP);
    state_ = State::paused;
}

void TortureServer::resume() {
    signal_all(SIGCONT);
    state_ = State::up;
}

void TortureServer::bring_up() {
    switch (state()) {
        case State::up: return;
        case State::paused: resume(); return;
        case State::down: restart(); break;
        case State::starting: break;
    }
    start_.wait();
    std::ignore = state();
}

std::size_t TortureServer::count_prepared() const {
    const auto prepared = Database{direct_uri_}.prepared();
    return static_cast<std::size_t>(std::ranges::count_if(
        prepared, [&](const std::string& branch) { return !planted_.contains(branch); }));
}

BankBooks TortureServer::books(std::int64_t first_id) const {
    BankBooks books{.database = name_, .planted = planted_, .planted_rows = planted_rows_};
    const auto session = sandbox::open_session(direct_uri_);
    const soci::rowset<soci::row> entries =
        (session->prepare << fmt::format(
             "select concat(id, ''), account, concat(amount, '') from bank_ledger where id >= {}",
             first_id));
    for (const auto& row : entries) {
        books.entries.emplace(
            std::stoll(row.get<std::string>(0)),
            BankBooks::Entry{row.get<int>(1), std::stoll(row.get<std::string>(2))});
    }
    const soci::rowset<int> wrong =
        (session->prepare
         << "select a.id from bank_accounts a left join (select account, sum(amount) as total "
            "from bank_ledger group by account) l on l.account = a.id "
            "where a.balance <> coalesce(l.total, 0)");
    books.wrong_accounts.assign(wrong.begin(), wrong.end());
    Database database{direct_uri_};
    books.balance = database.number("select coalesce(sum(balance), 0) from bank_accounts");
    const auto prepared = database.prepared();
    books.prepared = {prepared.begin(), prepared.end()};
    const auto rows = database.column(fmt::format("select gtrid from {}", kDecisionTableName));
    books.rows = {rows.begin(), rows.end()};
    return books;
}

bool is_up(TortureServer& server) {
    return server.state() == TortureServer::State::up;
}

}  // namespace xa_tm::test
