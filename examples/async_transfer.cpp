// Several transfers between two banks at once on one thread: each is a coroutine of Boost.Asio that
// commits with co_await, so that the thread begins the next one while the servers and the log work.
//
//   async_transfer --log DIR --from postgresql://… --to mysql://… --transfers 10
//
// Transfer n goes between the accounts number n of both banks. Transactions that are open at once
// on one thread must not touch the same rows, nor want more connections than the pools have (64): a
// statement that waits for either would block the thread that has to carry on the commit which
// releases it.
//
// Exit code: 0 all committed, 1 one did not, 2 could not begin.

#include <exception>
#include <iostream>
#include <string>
#include <utility>  // Boost 1.74 forgets it

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/trivial.hpp>

#include <xa_tm/async_commit.h>
#include <xa_tm/mysql/datasource.h>
#include <xa_tm/postgres/datasource.h>
#include <xa_tm/transaction_manager.h>

#include "create_table.h"

namespace {

namespace asio = boost::asio;

struct Bank {
    xa_tm::TransactionManager& tm;
    xa_tm::postgres::Datasource& from;
    xa_tm::mysql::Datasource& to;
    int committed = 0;
};

asio::awaitable<void> transfer(Bank& bank, int number) {
    const auto account = " where id = " + std::to_string(number);
    auto tx = bank.tm.begin();
    const auto [paying, receiving] = tx.enlist(bank.from, bank.to);
    paying.execute("update account set balance = balance - 30" + account);
    receiving.execute("update account set balance = balance + 30" + account);
    const auto report = co_await xa_tm::async_commit(tx, asio::use_awaitable);
    std::cout << to_string(report) << "\n";
    bank.committed += report.outcome() == xa_tm::Outcome::committed ? 1 : 0;
}

void open_accounts(const std::string& uri, int count) {
    examples::create_table(
        uri, "create table if not exists account(id int primary key, balance int not null)");
    for (int number = 1; number <= count; ++number) {
        const auto id = std::to_string(number);
        examples::create_table(
            uri, "insert into account select " + id +
                     ", 100 where not exists (select 1 from account where id = " + id + ")");
    }
}

struct Options {
    std::string node = "bank-1";
    std::string log;
    std::string from;
    std::string to;
    int transfers = 10;
};

int run(const Options& options) {
    open_accounts(options.from, options.transfers);
    open_accounts(options.to, options.transfers);

    xa_tm::TransactionManager tm{{.node = options.node, .log_directory = options.log}};
    Bank bank{tm, tm.add<xa_tm::postgres::Datasource>("bank1", options.from),
              tm.add<xa_tm::mysql::Datasource>("bank2", options.to)};
    tm.start();
    asio::io_context io;  // ends before the transaction manager
    for (int number = 1; number <= options.transfers; ++number) {
        asio::co_spawn(io, transfer(bank, number), [](const std::exception_ptr& failure) {
            if (failure) {
                std::rethrow_exception(failure);  // out of io.run(); its transaction rolled back
            }
        });
    }
    io.run();
    return bank.committed == options.transfers ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    namespace log = boost::log;
    log::core::get()->set_filter(log::trivial::severity >= log::trivial::warning);

    Options options;
    CLI::App app{"Moves 30 from each account of bank1 to the same one of bank2, all at once."};
    app.add_option("--node", options.node, "name of this transaction manager")
        ->capture_default_str();
    app.add_option("--log", options.log, "folder of the recovery log; must exist")->required();
    app.add_option("--from", options.from, "URI of bank1's database, a PostgreSQL")->required();
    app.add_option("--to", options.to, "URI of bank2's database, a MariaDB or MySQL")->required();
    app.add_option("--transfers", options.transfers, "how many")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    try {
        app.parse(argc, argv);
        return run(options);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::cerr << "async_transfer: " << error.what() << "\n";
        return 2;
    }
}
