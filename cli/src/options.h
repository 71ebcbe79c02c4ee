#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "configuration.h"

namespace CLI {
class App;
}  // namespace CLI

/// The options that several commands share. Each class adds them to a command, and keeps what the
/// command line says. Reading it throws ConfigurationError.
///
/// Ownership: the command refers to the object, so it stays where it is and outlives the parsing.
/// Thread safety: one thread at a time.
namespace xa_tm::cli {

/// What a command that asks servers is given.
struct Request {
    Configuration configuration;
    std::chrono::seconds timeout;
    bool is_json;
};

/// What a `log` command is given.
struct LogRequest {
    std::filesystem::path directory;
    /// When given, the log must have been made for this node.
    std::optional<std::string> node;
    bool is_json;
};

/// --config, --log, --json, --resource and --timeout.
class ServerOptions {
public:
    explicit ServerOptions(CLI::App& command);
    ServerOptions(const ServerOptions&) = delete;
    ServerOptions& operator=(const ServerOptions&) = delete;

    /// With the configuration file read. Throws ConfigurationError, also when there is no log or no
    /// resource.
    [[nodiscard]] Request request() const;
    /// As request(), for what needs no log.
    [[nodiscard]] Request request_without_log() const;
    /// What of these options says where to look, as a person types it again; URIs are left out,
    /// because they may hold a password.
    [[nodiscard]] std::string as_typed() const;

private:
    void check();

    std::string config_file_;
    std::string log_;
    bool is_json_ = false;
    std::vector<std::string> resource_texts_;
    std::vector<Resource> resources_;
    unsigned timeout_s_ = 10;
};

/// --config, --log, --json, and the log's folder as an argument.
class LogOptions {
public:
    explicit LogOptions(CLI::App& command);
    LogOptions(const LogOptions&) = delete;
    LogOptions& operator=(const LogOptions&) = delete;

    /// The folder as the last of the arguments: called when all others have been added.
    void add_directory(CLI::App& command);

    /// With the configuration file read. Throws ConfigurationError, also when there is no log.
    [[nodiscard]] LogRequest request() const;

private:
    std::string config_file_;
    std::string log_;
    std::string directory_;
    bool is_json_ = false;
};

}  // namespace xa_tm::cli
