#pragma once

#include <string>
#include <vector>

#include "command.h"

/// The commands and their options as data, from which the shells' completion and the manual page
/// are made.
namespace xa_tm::cli {

struct OptionShape {
    /// "-n" and "--lines"; of an argument its one name, such as "DIR".
    std::vector<std::string> names;
    /// In one line.
    std::string about;
    /// What it is followed by, such as "FILE"; empty for a flag and for an argument.
    std::string value;
    /// All that it may be followed by, or that the argument may be; empty when that is open.
    std::vector<std::string> choices;
    /// The value may be left out.
    bool is_value_optional = false;
    bool is_required = false;

    friend bool operator==(const OptionShape&, const OptionShape&) = default;
};

struct CommandShape {
    /// Null for the program itself.
    const Command* command = nullptr;
    /// The words behind the program's name; empty for the program itself.
    std::string name;
    std::string about;
    std::vector<OptionShape> options;
    std::vector<OptionShape> arguments;
    /// The last words of the commands below.
    std::vector<std::string> commands;
};

/// The program itself, then all of commands.def.
[[nodiscard]] std::vector<CommandShape> program_shape();

}  // namespace xa_tm::cli
