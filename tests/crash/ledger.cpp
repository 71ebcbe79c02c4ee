#include "ledger.h"

#include <algorithm>

#include <fmt/format.h>

#include "sandbox.h"

namespace xa_tm::test {

std::string to_string(const Transfer& transfer) {
    return fmt::format("{} {}", transfer.id, transfer.amount);
}

Ledger::Ledger(std::string server, Side side, const std::string& run)
    : server_{std::move(server)},
      uri_{sandbox::uri(server_)},
      sign_{side == Side::gains ? 1 : -1},
      ledger_{fmt::format("ledger_{}", run)},
      accounts_{fmt::format("accounts_{}", run)},
      foreign_{fmt::format("foreign_{}", run)} {
    Database database{uri_};
    database.execute(
        fmt::format("create table {} (id bigint primary key, amount bigint)", ledger_));
    database.execute(
        fmt::format("create table {} (id int primary key, balance bigint)", accounts_));
    database.execute(fmt::format("create table {} (id int primary key)", foreign_));
    for (int account = 0; account < kAccounts; ++account) {
        database.execute(fmt::format("insert into {} values ({}, 0)", accounts_, account));
    }
    database.prepare_branch(fmt::format("'{}'", foreign_),
                            fmt::format("insert into {} values (1)", foreign_));
}

std::string Ledger::change_account(const Transfer& transfer) const {
    return fmt::format("update {} set balance = balance + ({}) where id = {}", accounts_,
                       sign_ * transfer.amount, transfer.account);
}

std::string Ledger::write_down(const Transfer& transfer) const {
    return fmt::format("insert into {} values ({}, {})", ledger_, transfer.id,
                       sign_ * transfer.amount);
}

std::set<std::string> Ledger::transfers_from(std::int64_t id) const {
    const auto lines = Database{uri_}.column(
        fmt::format("select concat(id, ' ', {} * amount) from {} where id >= {} order by id", sign_,
                    ledger_, id));
    return {lines.begin(), lines.end()};
}

bool Ledger::is_balanced() const {
    return Database{uri_}.number(fmt::format("select (select sum(balance) from {}) - "
                                             "(select coalesce(sum(amount), 0) from {})",
                                             accounts_, ledger_)) == 0;
}

std::vector<std::string> Ledger::prepared(const std::string& part_of_name) const {
    auto names = Database{uri_}.prepared();
    std::erase_if(names, [&](const std::string& name) {
        return name.find(part_of_name) == std::string::npos;
    });
    return names;
}

bool Ledger::is_foreign_branch_prepared() const {
    return prepared(foreign_).size() == 1;
}

void Ledger::clear() const {
    Database database{uri_};
    database.rollback_prepared(fmt::format("'{}'", foreign_));
    for (const auto& table : {ledger_, accounts_, foreign_}) {
        database.execute(fmt::format("drop table {}", table));
    }
}

}  // namespace xa_tm::test
