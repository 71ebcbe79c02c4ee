#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "exit_code.h"

namespace CLI {
class App;
}  // namespace CLI

namespace xa_tm::cli {

/// Does what was asked for: prints to standard output and gives the exit code. Throws
/// ConfigurationError, Error, or recovery_log::LogError; nothing was changed then.
using Run = std::function<int()>;

/// One command: everything that help, the shells' completion and the manual page tell of it, and
/// what it does. Each lies in a file of its own, and commands.def lists them.
///
/// Ownership: constants of the program.
/// Thread safety: immutable.
struct Command {
    /// The words behind the program's name, such as "log list".
    std::string_view name;
    /// One line without a full stop.
    std::string_view about;
    /// What else its help says, in lines of up to 84 columns; may be empty.
    std::string_view notes;
    /// Complete command lines, one a line unless the line before ends with a backslash.
    std::string_view examples;
    std::span<const ExitCode> exit_codes;
    /// Adds its options and gives what runs it when they have been read. The options live as long
    /// as the answer: it holds them by a shared pointer. Null for a group of commands, which does
    /// nothing by itself.
    Run (*add_options)(CLI::App& app);
};

}  // namespace xa_tm::cli
