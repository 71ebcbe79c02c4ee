// The rig by itself, on servers of scripts/sandbox that run already; scripts/torture starts some.

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bank.h"
#include "rig.h"
#include "sandbox.h"

namespace xa_tm::test {
namespace {

/// The pair of XA_TM_TEST_SERVERS, then others.
std::vector<std::string> default_servers() {
    std::vector<std::string> servers{sandbox::postgres_server(), sandbox::mysql_server()};
    for (const auto* other : {"mysql-9.7", "postgres2"}) {
        if (std::ranges::find(servers, other) == servers.end()) {
            servers.emplace_back(other);
        }
    }
    return servers;
}

int torture(int argc, char** argv) {
    RigOptions options{.seed = std::random_device{}()};
    int seconds = 30;
    CLI::App app{"Torments an application, its servers and its log, and judges what is left"};
    app.add_option("--seconds", seconds, "How long; the round that has begun is ended");
    app.add_option("--seed", options.seed, "Draws the same faults again");
    app.add_option("--threads", options.threads, "Of the application");
    app.add_flag("--only-servers", options.is_only_servers,
                 "One round for all of the time, in which nothing but servers is killed");
    app.add_option("--servers", options.servers, "Of the sandbox, with commas between")
        ->delimiter(',')
        ->expected(2, kBankDatabasesMax);
    app.add_option("--directory", options.directory, "Where the run's files lie; kept on failure");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    fmt::print("seed {}\n", options.seed);
    std::fflush(stdout);
    // Before there are threads, because it changes what this process sees of the file system.
    options.disk_obstacle = LoopDisk::obstacle();
    options.time = std::chrono::seconds{seconds};
    if (options.servers.empty()) {
        options.servers = default_servers();
    }
    if (options.directory.empty()) {
        options.directory = fmt::format("torture_{}", options.seed);
    }
    options.directory = std::filesystem::absolute(options.directory);
    std::filesystem::remove_all(options.directory);
    const auto directory = options.directory;
    bool is_good = false;
    {
        Rig rig{std::move(options)};
        const auto summary = rig.run();
        fmt::print("{}", to_string(summary));
        is_good = summary.violations.empty() && summary.stuck.empty();
    }
    if (is_good) {
        std::filesystem::remove_all(directory);
    } else {
        fmt::print("what happened lies in {}\n", directory.native());
    }
    return is_good ? 0 : 1;
}

}  // namespace
}  // namespace xa_tm::test

int main(int argc, char** argv) {
    try {
        return xa_tm::test::torture(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "torture: {}\n", error.what());
        return 2;
    }
}
