#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "configuration.h"

namespace xa_tm::cli {

enum class Command { list, show, resolve };

struct CommandLine {
    Command command = Command::list;
    std::optional<std::filesystem::path> config_file = std::nullopt;
    std::optional<std::filesystem::path> log = std::nullopt;
    std::vector<Resource> resources = {};
    bool is_json = false;
    std::chrono::seconds timeout{10};
    /// Of show.
    std::string gtrid = {};
    /// Of resolve.
    bool is_dry_run = false;
};

/// Text that was asked for instead of a command: help or the version.
struct Information {
    std::string text;
};

/// Throws ConfigurationError for a command line that can't be understood.
[[nodiscard]] std::variant<CommandLine, Information> parse_command_line(int argc,
                                                                        const char* const* argv);

}  // namespace xa_tm::cli
