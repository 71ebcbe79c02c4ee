// Registers a user in PostgreSQL and keeps the user's picture as a file: both or neither. The
// folder of files is a resource of the application's own, file_store.h.
//
//   register_with_picture --log DIR --users postgresql://… --files DIR --picture ada.png
//       --id 1 --name Ada
//
// Exit code: 0 committed, 1 rolled back, 2 could not begin, 3 unknown or mixed (the report says
// what happens next).

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/trivial.hpp>
#include <soci/soci.h>

#include <xa_tm/custom_resource.h>
#include <xa_tm/postgres/datasource.h>
#include <xa_tm/transaction_manager.h>

#include "create_table.h"
#include "file_store.h"

namespace {

using Files = xa_tm::CustomDatasource<examples::FileStore>;

struct Options {
    std::string node = "shop-1";
    std::string log;
    std::string users;
    std::string files;
    int id = 0;
    std::string name;
    std::filesystem::path picture;
};

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        throw std::runtime_error("can't read " + path.string());
    }
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// Throws as long as there is no outcome; the transaction has rolled back by then, because it has
/// left its scope.
xa_tm::CommitReport register_user(xa_tm::TransactionManager& tm, xa_tm::postgres::Datasource& users,
                                  Files& files, const Options& user) {
    auto tx = tm.begin();
    auto [in_users, in_files] = tx.enlist(users, files);
    in_users.sql() << "insert into users(id, name) values (:id, :name)", soci::use(user.id),
        soci::use(user.name);
    in_files->write(std::to_string(user.id) + user.picture.extension().string(),
                    read_file(user.picture));
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

    xa_tm::TransactionManager tm{{.node = options.node, .log_directory = options.log}};
    auto& users = tm.add<xa_tm::postgres::Datasource>("users", options.users);
    auto& files = tm.add<Files>("files", std::make_unique<examples::FileStore>(options.files));
    tm.start();
    try {
        const auto report = register_user(tm, users, files, options);
        std::cout << to_string(report) << "\n";
        return exit_code_of(report.outcome());
    } catch (const std::exception& error) {
        std::cout << "rolled back: " << error.what() << "\n";
        return 1;
    }
}

}  // namespace

int main(int argc, char** argv) {
    namespace log = boost::log;
    log::core::get()->set_filter(log::trivial::severity >= log::trivial::warning);

    Options options;
    CLI::App app{"Registers a user in PostgreSQL and keeps a picture as a file: both or neither."};
    app.add_option("--node", options.node, "name of this transaction manager")
        ->capture_default_str();
    app.add_option("--log", options.log, "folder of the recovery log; must exist")->required();
    app.add_option("--users", options.users, "URI of the PostgreSQL database")->required();
    app.add_option("--files", options.files, "folder of the pictures")->required();
    app.add_option("--id", options.id, "number of the new user")->required();
    app.add_option("--name", options.name, "name of the new user")->required();
    app.add_option("--picture", options.picture, "the picture, as a file")->required();
    try {
        app.parse(argc, argv);
        return run(options);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::cerr << "register_with_picture: " << error.what() << "\n";
        return 2;
    }
}
