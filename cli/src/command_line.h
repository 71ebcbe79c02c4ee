#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "command.h"
#include "configuration.h"

namespace CLI {
class App;
}  // namespace CLI

namespace xa_tm::cli {

/// Text that was asked for instead of a command: help or the version.
struct Information {
    std::string text;
};

/// A command with its options read.
struct Invocation {
    const Command* command;
    Run run;
};

/// The program with all its commands and their options, as the parser knows it.
///
/// Ownership: owns the parser, and is outlived by no Invocation.
/// Thread safety: one thread at a time.
class CommandLine {
public:
    CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;
    ~CommandLine();

    /// Reads a command line, which begins with the program; once. Throws ConfigurationError for one
    /// that can't be understood.
    [[nodiscard]] std::variant<Invocation, Information> parse(
        const std::vector<std::string>& words);

    /// For what is made from it: completion and the manual page.
    [[nodiscard]] const CLI::App& app() const noexcept { return *app_; }

private:
    struct Node;

    std::unique_ptr<CLI::App> app_;
    std::vector<Node> nodes_;
};

}  // namespace xa_tm::cli
