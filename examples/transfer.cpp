// Moves money between two banks, each a PostgreSQL or a MariaDB database, with the C clients' own
// handles: libpq's PGconn* and the MYSQL* of MariaDB.
//
//   transfer --log DIR --from postgresql://… --to mysql://… --amount 30
//
// With --hot 16 as many threads move the amount at the same time, all at the same two rows, by
// one-shot transactions that wait for each other here and are combined.
//
// Exit code: 0 committed, 1 rolled back, 2 could not begin, 3 unknown or mixed (the report says
// what happens next). With --hot the worst of all.

#include <algorithm>
#include <future>
#include <iostream>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/trivial.hpp>
#include <libpq-fe.h>
#include <mysql.h>

#include <xa_tm/mysql/datasource.h>
#include <xa_tm/postgres/datasource.h>
#include <xa_tm/transaction_manager.h>

#include "create_table.h"

namespace {

/// How many rows the statement changed. Throws what the server said.
unsigned long long change(PGconn* connection, const std::string& statement) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{
        PQexec(connection, statement.c_str()), &PQclear};
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        throw std::runtime_error{PQerrorMessage(connection)};
    }
    return std::stoull(PQcmdTuples(result.get()));
}

unsigned long long change(MYSQL* connection, const std::string& statement) {
    if (mysql_query(connection, statement.c_str()) != 0) {
        throw std::runtime_error{mysql_error(connection)};
    }
    return mysql_affected_rows(connection);
}

/// The single value that the query gives.
std::string ask(PGconn* connection, const std::string& query) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(connection, query.c_str()),
                                                               &PQclear};
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1) {
        throw std::runtime_error{PQerrorMessage(connection)};
    }
    return PQgetvalue(result.get(), 0, 0);
}

std::string ask(MYSQL* connection, const std::string& query) {
    if (mysql_query(connection, query.c_str()) != 0) {
        throw std::runtime_error{mysql_error(connection)};
    }
    // The whole result is read here: the branch can't be ended while some of it is outstanding.
    const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result{
        mysql_store_result(connection), &mysql_free_result};
    const auto row = result ? mysql_fetch_row(result.get()) : nullptr;
    if (row == nullptr) {
        throw std::runtime_error{mysql_error(connection)};
    }
    return row[0];
}

using Bank = std::variant<xa_tm::postgres::Datasource*, xa_tm::mysql::Datasource*>;

Bank add_bank(xa_tm::TransactionManager& tm, const std::string& name, const std::string& uri) {
    if (uri.starts_with("postgres")) {
        return &tm.add<xa_tm::postgres::Datasource>(name, uri);
    }
    return &tm.add<xa_tm::mysql::Datasource>(name, uri);
}

/// Throws as long as there is no outcome; the transaction has rolled back by then.
xa_tm::CommitReport transfer(xa_tm::TransactionManager& tm, Bank from, Bank to, int amount) {
    auto tx = tm.begin();
    const auto move = [&](auto* source, auto* target) {
        const auto [paying, receiving] = tx.enlist(*source, *target);
        const auto sum = std::to_string(amount);
        if (change(paying.native_handle(), "update account set balance = balance - " + sum +
                                               " where id = 1 and balance >= " + sum) != 1) {
            throw std::runtime_error{"the balance of bank1 is below " + sum};
        }
        change(receiving.native_handle(),
               "update account set balance = balance + " + sum + " where id = 1");
    };
    std::visit(move, from, to);
    return tx.commit();
}

/// The n-th placeholder, as the server's own clients write it.
std::string argument(const xa_tm::Datasource& bank, int n) {
    return bank.kind() == "mysql" ? "?" : "$" + std::to_string(n);
}

/// For rows that many want at once. Never throws: what went wrong is in the report.
xa_tm::RunReport transfer_hot(xa_tm::TransactionManager& tm, xa_tm::Datasource& from,
                              xa_tm::Datasource& to, int amount) {
    const auto pay = "update account set balance = balance - " + argument(from, 1) +
                     " where id = 1 and balance >= " + argument(from, 2);
    const auto receive =
        "update account set balance = balance + " + argument(to, 1) + " where id = 1";
    return tm.run({from.statement(pay, amount, amount).expect_rows(1),
                   to.statement(receive, amount).expect_rows(1)},
                  {.conflict_keys = {from.name() + ":1", to.name() + ":1"},
                   .combine = xa_tm::CombineOptions{}});
}

int exit_code(xa_tm::Outcome outcome) {
    return outcome == xa_tm::Outcome::committed     ? 0
           : outcome == xa_tm::Outcome::rolled_back ? 1
                                                    : 3;
}

/// Gives the worst exit code.
int transfer_at_once(xa_tm::TransactionManager& tm, Bank from, Bank to, int amount, int times) {
    const auto to_base = [](auto* bank) -> xa_tm::Datasource* { return bank; };
    auto& source = *std::visit(to_base, from);
    auto& target = *std::visit(to_base, to);
    std::vector<std::future<xa_tm::RunReport>> running;
    for (int i = 0; i < times; ++i) {
        running.push_back(std::async(std::launch::async, [&tm, &source, &target, amount] {
            return transfer_hot(tm, source, target, amount);
        }));
    }
    std::set<std::string> commits;
    int committed = 0;
    int worst = 0;
    for (auto& one : running) {
        const auto report = one.get();
        worst = std::max(worst, exit_code(report.outcome()));
        if (report.outcome() == xa_tm::Outcome::committed) {
            ++committed;
            commits.insert(report.commit().gtrid());
        } else {
            std::cout << to_string(report.commit()) << "\n";
        }
    }
    std::cout << committed << " of " << times << " transfers committed, by " << commits.size()
              << " commits\n";
    return worst;
}

void print_balances(xa_tm::TransactionManager& tm, Bank from, Bank to) {
    auto tx = tm.begin();
    const auto read = [&](auto* source, auto* target) {
        const auto [first, second] = tx.enlist(*source, *target);
        const std::string query = "select balance from account where id = 1";
        std::cout << "bank1 " << ask(first.native_handle(), query) << ", bank2 "
                  << ask(second.native_handle(), query) << "\n";
    };
    std::visit(read, from, to);
}  // what only reads may as well roll back

void open_account(const std::string& uri) {
    examples::create_table(
        uri, "create table if not exists account(id int primary key, balance int not null)");
    examples::create_table(
        uri,
        "insert into account select 1, 100 where not exists (select 1 from account where id = 1)");
}

struct Options {
    std::string node = "bank-1";
    std::string log;
    std::string from;
    std::string to;
    int amount = 0;
    int hot = 0;  ///< how many at once; 0: one, interactively
};

int run(const Options& options) {
    open_account(options.from);
    open_account(options.to);

    xa_tm::TransactionManager tm{{.node = options.node, .log_directory = options.log}};
    const auto from = add_bank(tm, "bank1", options.from);
    const auto to = add_bank(tm, "bank2", options.to);
    tm.start();
    print_balances(tm, from, to);
    if (options.hot > 0) {
        const auto worst = transfer_at_once(tm, from, to, options.amount, options.hot);
        print_balances(tm, from, to);
        return worst;
    }
    auto outcome = xa_tm::Outcome::rolled_back;
    try {
        const auto report = transfer(tm, from, to, options.amount);
        outcome = report.outcome();
        std::cout << to_string(report) << "\n";
    } catch (const std::exception& error) {
        std::cout << "rolled back: " << error.what() << "\n";
    }
    print_balances(tm, from, to);
    return exit_code(outcome);
}

}  // namespace

int main(int argc, char** argv) {
    namespace log = boost::log;
    log::core::get()->set_filter(log::trivial::severity >= log::trivial::warning);

    Options options;
    CLI::App app{"Moves money from bank1 to bank2; each account starts with 100."};
    app.add_option("--node", options.node, "name of this transaction manager")
        ->capture_default_str();
    app.add_option("--log", options.log, "folder of the recovery log; must exist")->required();
    app.add_option("--from", options.from, "URI of bank1's database")->required();
    app.add_option("--to", options.to, "URI of bank2's database")->required();
    app.add_option("--amount", options.amount, "how much to move")
        ->required()
        ->check(CLI::PositiveNumber);
    app.add_option("--hot", options.hot, "so many threads move the amount at the same time")
        ->check(CLI::PositiveNumber);
    try {
        app.parse(argc, argv);
        return run(options);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::cerr << "transfer: " << error.what() << "\n";
        return 2;
    }
}
