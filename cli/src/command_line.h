#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "configuration.h"

namespace xa_tm::cli {

enum class Command {
    list,
    show,
    resolve,
    describe,
    log_list,
    log_show,
    log_verify,
    log_tail,
    log_inspect,
    log_repair,
};

struct CommandLine {
    Command command = Command::list;
    std::optional<std::filesystem::path> config_file = std::nullopt;
    std::optional<std::filesystem::path> log = std::nullopt;
    std::vector<Resource> resources = {};
    bool is_json = false;
    std::chrono::seconds timeout{10};
    /// Of show; of log show also the id of an entry.
    std::string gtrid = {};
    /// Of resolve.
    bool is_dry_run = false;
    /// Of log tail.
    std::size_t record_count = 10;
    bool follows = false;
    /// Of log inspect: a file name, empty for all.
    std::string segment = {};
    bool has_pages = false;
    /// Of log repair.
    std::optional<std::filesystem::path> mirror = std::nullopt;
    bool accepts_loss = false;
};

/// Text that was asked for instead of a command: help or the version.
struct Information {
    std::string text;
};

/// Throws ConfigurationError for a command line that can't be understood.
[[nodiscard]] std::variant<CommandLine, Information> parse_command_line(int argc,
                                                                        const char* const* argv);

}  // namespace xa_tm::cli
