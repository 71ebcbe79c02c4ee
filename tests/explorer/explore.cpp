// Explores one transaction exhaustively, and says how many states there are.

#include <chrono>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "exploration.h"

int main(int argc, char** argv) {
    using namespace xa_tm::explorer;
    Setup setup;
    setup.branches = kBranchesMax;
    std::size_t attaching = 1;
    CLI::App app{
        "Every order of votes, answers, losses and crashes of one transaction, with recovery "
        "beside "
        "it. Exit code 1 when a law of the protocol is broken; the shortest way there is printed.",
        "explore"};
    app.add_option("--branches", setup.branches, "1 to 3")
        ->check(CLI::Range(1, 3))
        ->capture_default_str();
    app.add_option("--crashes", setup.crashes,
                   "of the transaction manager and of resource managers, in sum")
        ->check(CLI::Range(0, 5))
        ->capture_default_str();
    app.add_option(
           "--attaching", attaching,
           "so many resource managers keep a prepared branch with its session, as MariaDB does")
        ->check(CLI::Range(0, 3))
        ->capture_default_str();
    app.add_option("--members", setup.members, "so many one-shot transactions are combined in it")
        ->check(CLI::Range(std::size_t{0}, kMembersMax))
        ->capture_default_str();
    app.add_flag("--last-resource", setup.has_last_resource,
                 "the last one decides by its own commit, with a row");
    app.add_flag("--side-by-side,!--one-by-one", setup.recovers_side_by_side,
                 "whether recovery is at every resource at once, each at another step")
        ->default_val(true);
    CLI11_PARSE(app, argc, argv);
    setup.first_attaching = setup.branches - std::min(attaching, setup.branches);

    const auto begin = std::chrono::steady_clock::now();
    const auto found =
        explore(setup, [](std::size_t states) { fmt::print(stderr, "\r{} states", states); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print(stderr, "\r");
    fmt::print(
        "{} branches, {} of them attached to sessions, {} crashes: {} states, {} transitions, "
        "{} settled, {:.0f} s\n",
        setup.branches, setup.branches - setup.first_attaching, setup.crashes, found.states,
        found.transitions, found.settled, took.count());
    for (const auto& line : found.trace) {
        fmt::print("  {}\n", line);
    }
    fmt::print("{}\n", found.violation.empty() ? "no law is broken" : found.violation);
    return found.violation.empty() ? 0 : 1;
}
