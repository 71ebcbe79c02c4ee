#include "options.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "text.h"

namespace xa_tm::cli {
namespace {

constexpr unsigned kTimeoutMaxSeconds = 86400;

void add_common(CLI::App& command, std::string& config_file, std::string& log, bool& is_json) {
    command.add_option("--config", config_file, "Configuration file (TOML)")->type_name("FILE");
    command.add_option("--log", log, "Folder of the recovery log; replaces the file's")
        ->type_name("DIR");
    command.add_flag("--json", is_json, "JSON for programs instead of text");
}

Configuration read_if_given(const std::string& config_file) {
    return config_file.empty() ? Configuration{} : read_configuration(config_file);
}

std::optional<std::filesystem::path> path_if_given(const std::string& path) {
    return path.empty() ? std::nullopt : std::optional<std::filesystem::path>{path};
}

}  // namespace

ServerOptions::ServerOptions(CLI::App& command) {
    add_common(command, config_file_, log_, is_json_);
    command
        .add_option("--resource", resource_texts_,
                    "A database, under the name that the application\n"
                    "gives it; repeatable; adds to the file's, or\n"
                    "replaces the one of that name")
        ->type_name("NAME=URI")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        .add_option("--timeout", timeout_s_,
                    "How long one answer of a server may take, and\n"
                    "how long resolve keeps trying; default 10")
        ->type_name("SECONDS");
    command.callback([this] { check(); });
}

void ServerOptions::check() {
    if (timeout_s_ == 0 || timeout_s_ > kTimeoutMaxSeconds) {
        throw ConfigurationError{
            fmt::format("--timeout wants 1 to {} seconds", kTimeoutMaxSeconds)};
    }
    for (const auto& text : resource_texts_) {
        resources_.push_back(parse_resource(text));
    }
}

Request ServerOptions::request() const {
    return {.configuration = combine(read_if_given(config_file_), path_if_given(log_), resources_),
            .timeout = std::chrono::seconds{timeout_s_},
            .is_json = is_json_};
}

Request ServerOptions::request_without_log() const {
    return {.configuration = combine_resources(read_if_given(config_file_), resources_),
            .timeout = std::chrono::seconds{timeout_s_},
            .is_json = is_json_};
}

std::string ServerOptions::as_typed() const {
    std::string text;
    if (!config_file_.empty()) {
        text += " --config " + shell_word(config_file_);
    }
    if (!log_.empty()) {
        text += " --log " + shell_word(log_);
    }
    for (const auto& resource : resources_) {
        text += fmt::format(" --resource {}=URI", resource.name);
    }
    return text;
}

LogOptions::LogOptions(CLI::App& command) {
    add_common(command, config_file_, log_, is_json_);
    command.callback([this] {
        if (!directory_.empty() && !log_.empty()) {
            throw ConfigurationError{"give the log's folder once: as DIR or as --log DIR"};
        }
    });
}

void LogOptions::add_directory(CLI::App& command) {
    command.add_option("DIR", directory_, "Folder of the recovery log");
}

LogRequest LogOptions::request() const {
    const auto configuration = combine_log(read_if_given(config_file_),
                                           path_if_given(directory_.empty() ? log_ : directory_));
    return {.directory = configuration.log, .node = configuration.node, .is_json = is_json_};
}

}  // namespace xa_tm::cli
