#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/datasource.h"

namespace xa_tm::cli {

/// A command line or a configuration file that can't be used. what() is one line that says what to
/// change; it never holds a password, so it never quotes a URI.
class ConfigurationError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Resource {
    std::string name;
    /// May hold a password: never printed.
    std::string uri;
    /// Of the application's own datasource.
    std::size_t pool_size = DatasourceOptions{}.pool_size_max;
    bool is_last_resource = false;
    bool has_witness = false;

    friend bool operator==(const Resource&, const Resource&) = default;
};

/// What to look at. Both the command line and the configuration file say it in part.
struct Configuration {
    /// When given, the log must have been made for this node.
    std::optional<std::string> node = std::nullopt;
    std::filesystem::path log = {};
    /// Each name once.
    std::vector<Resource> resources = {};
};

/// Reads `NAME=URI`. Throws ConfigurationError.
[[nodiscard]] Resource parse_resource(std::string_view argument);

/// Reads the text of a configuration file; a relative `log` is taken from the file's own folder.
/// Throws ConfigurationError that begins with `file:line`.
[[nodiscard]] Configuration parse_configuration(std::string_view toml,
                                                const std::filesystem::path& file);

/// The same of a file. Throws ConfigurationError, also when it can't be read.
[[nodiscard]] Configuration read_configuration(const std::filesystem::path& file);

/// What the command line gives counts more than the file: another log replaces the file's, a
/// resource replaces the file's of the same name. The environment variables of the URIs are
/// replaced by their values, see uri_text.h. Throws ConfigurationError: a name stands twice on the
/// command line, there is no log, no resource, or no such variable.
[[nodiscard]] Configuration combine(Configuration file,
                                    const std::optional<std::filesystem::path>& log,
                                    const std::vector<Resource>& resources);

/// As combine(), for what needs no log.
[[nodiscard]] Configuration combine_resources(Configuration file,
                                              const std::vector<Resource>& resources);

/// As combine(), for what needs no resource.
[[nodiscard]] Configuration combine_log(Configuration file,
                                        const std::optional<std::filesystem::path>& log);

/// Throws ConfigurationError when the log in `directory` was made for another node than `node`.
void check_node(const std::filesystem::path& directory, const std::optional<std::string>& node,
                std::string_view node_of_log);

}  // namespace xa_tm::cli
