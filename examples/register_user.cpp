// Registers a user in PostgreSQL and gives 100 points in MariaDB: both or neither.
//
//   register_user --log DIR --users postgresql://… --points mysql://… --id 1 --name Ada
//
// Exit code: 0 committed, 1 rolled back, 2 could not begin, 3 unknown or mixed (the report says
// what happens next).

#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/trivial.hpp>
#include <soci/soci.h>

#include <xa_tm/mysql/datasource.h>
#include <xa_tm/postgres/datasource.h>
#include <xa_tm/transaction_manager.h>

#include "create_table.h"

namespace {

struct Options {
    std::string node = "shop-1";
    std::string log;
    std::string users;
    std::string points;
    int id = 0;
    std::string name;
};

/// Throws xa_tm::Error or soci::soci_error as long as there is no outcome; the transaction has
/// rolled back by then, because it has left its scope.
xa_tm::CommitReport register_user(xa_tm::TransactionManager& tm, xa_tm::postgres::Datasource& users,
                                  xa_tm::mysql::Datasource& points, const Options& user) {
    auto tx = tm.begin();
    auto [in_users, in_points] = tx.enlist(users, points);  // both are opened at the first use
    in_users.sql() << "insert into users(id, name) values (:id, :name)", soci::use(user.id),
        soci::use(user.name);
    in_points.sql() << "insert into points(user_id, balance) values (:id, 100)", soci::use(user.id);
    return tx.commit();
}

int exit_code_of(xa_tm::Outcome outcome) {
    switch (outcome) {
        case xa_tm::Outcome::committed: return 0;
        case xa_tm::Outcome::rolled_back: return 1;
        case xa_tm::Outcome::unknown:
        case xa_tm::Outcome::heuristic_rollback:
        case xa_tm::Outcome::heuristic_mixed:
        case xa_tm::Outcome::heuristic_hazard: return 3;
    }
    return 3;
}

int run(const Options& options) {
    examples::create_table(
        options.users, "create table if not exists users(id int primary key, name varchar(100))");
    examples::create_table(
        options.points,
        "create table if not exists points(user_id int primary key, balance int not null)");

    xa_tm::TransactionManager tm{{.node = options.node, .log_directory = options.log}};
    auto& users = tm.add<xa_tm::postgres::Datasource>("users", options.users);
    auto& points = tm.add<xa_tm::mysql::Datasource>("points", options.points);
    tm.start();
    try {
        const auto report = register_user(tm, users, points, options);
        std::cout << to_string(report) << "\n";
        return exit_code_of(report.outcome());
    } catch (const soci::soci_error& error) {
        std::cout << "rolled back: " << error.get_error_message() << "\n";
        return 1;
    }
}

}  // namespace

int main(int argc, char** argv) {
    namespace log = boost::log;
    log::core::get()->set_filter(log::trivial::severity >= log::trivial::warning);

    Options options;
    CLI::App app{
        "Registers a user in PostgreSQL and gives 100 points in MariaDB: both or neither."};
    app.add_option("--node", options.node, "name of this transaction manager")
        ->capture_default_str();
    app.add_option("--log", options.log, "folder of the recovery log; must exist")->required();
    app.add_option("--users", options.users, "URI of the PostgreSQL database")->required();
    app.add_option("--points", options.points, "URI of the MariaDB database")->required();
    app.add_option("--id", options.id, "number of the new user")->required();
    app.add_option("--name", options.name, "name of the new user")->required();
    try {
        app.parse(argc, argv);
        return run(options);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::cerr << "register_user: " << error.what() << "\n";
        return 2;
    }
}
