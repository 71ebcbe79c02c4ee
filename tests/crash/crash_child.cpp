// The application that the crash suite kills: opens the manager, does one transaction over the
// named resources, and says what became of it. Each resource NAME has a table crash_NAME(id).

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <soci/soci.h>

#include "insistence.h"
#include "resources.h"
#include "xa_tm/transaction_manager.h"

namespace {

using xa_tm::test::Resource;

struct Arguments {
    std::string log_directory;
    std::string scenario;
    int key = 0;
    std::string last_resource;
    std::vector<std::string> resources;
};

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    CLI::App app{"The application that the crash suite kills"};
    app.add_option("--log", arguments.log_directory)->required();
    app.add_option("--scenario", arguments.scenario)
        ->required()
        ->check(CLI::IsMember({"commit", "refuse", "rollback", "last_resource", "recover",
                               "order_commit", "order_rollback"}));
    app.add_option("--key", arguments.key)->required();
    app.add_option("--last-resource", arguments.last_resource, "The NAME of one of the resources");
    app.add_option("resources", arguments.resources, "NAME=URI")->required();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    return arguments;
}

/// A row whose deferred constraint fails at the end of the transaction, where the resource has such
/// a thing.
void write_row(Resource& resource, xa_tm::Transaction& transaction, const Arguments& arguments) {
    auto& sql = resource.enlist(transaction);
    sql << "insert into crash_" << resource.name() << " values (" << arguments.key << ")";
    if (arguments.scenario == "refuse" && resource.is_postgresql()) {
        sql << "insert into crash_" << resource.name() << " values (" << arguments.key << ")";
    }
}

void run_transaction(xa_tm::TransactionManager& manager,
                     std::vector<std::unique_ptr<Resource>>& resources,
                     const Arguments& arguments) {
    manager.start();
    auto transaction = manager.begin();
    for (auto& resource : resources) {
        std::ignore = resource->branch_of(transaction);  // a last resource before any is used
    }
    for (auto& resource : resources) {
        write_row(*resource, transaction, arguments);
    }
    if (arguments.scenario == "rollback") {
        transaction.rollback();
    }
    const auto report = transaction.commit();
    // In one piece, because the log of the library goes to the same place.
    std::cout << fmt::format("outcome={}\n", to_string(report.outcome())) << std::flush;
    std::cerr << to_string(report) << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
    const auto arguments = parse(argc, argv);
    xa_tm::TransactionManager manager{{.node = "crash",
                                       .log_directory = arguments.log_directory,
                                       .answer_timeout = std::chrono::seconds{10},
                                       .log_segment_size_bytes = 1 << 16}};
    std::vector<std::unique_ptr<Resource>> resources;
    for (const auto& argument : arguments.resources) {
        const auto equals = argument.find('=');
        const auto name = argument.substr(0, equals);
        resources.push_back(Resource::add(manager, name, argument.substr(equals + 1),
                                          {.is_last_resource = name == arguments.last_resource}));
    }
    if (arguments.scenario == "recover") {
        std::ignore = manager.recover({.timeout = std::chrono::seconds{30}});
    } else if (arguments.scenario == "order_commit") {
        xa_tm::test::insist(manager, xa_tm::OrderVerb::commit);
    } else if (arguments.scenario == "order_rollback") {
        xa_tm::test::insist(manager, xa_tm::OrderVerb::rollback);
    } else {
        run_transaction(manager, resources, arguments);
    }
    return 0;
}
