#include "configuration.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "text.h"
#include "uri_text.h"

namespace xa_tm::cli {
namespace {

constexpr std::int64_t kPoolSizeMax = 100'000;

/// The rules of xa_tm::Datasource, told here already: a name that breaks them may be a URI that
/// lost its name, and must not be quoted.
bool is_resource_name(std::string_view name) {
    constexpr std::string_view kAllowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= Datasource::kMaxNameLength &&
           name.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string name_rule() {
    return fmt::format("a NAME of 1 to {} characters of A-Z a-z 0-9 . _ -",
                       Datasource::kMaxNameLength);
}

/// Quoted, behind a space; nothing of a key that may be a URI on the wrong side of its equals sign.
std::string shown(const toml::key& key) {
    return is_resource_name(key.str()) ? fmt::format(" \"{}\"", key.str()) : std::string{};
}

class TomlReader {
public:
    explicit TomlReader(std::filesystem::path file) : file_{std::move(file)} {}

    Configuration read(std::string_view text) {
        try {
            read_root(toml::parse(text, file_.string()));
        } catch (const toml::parse_error& error) {
            throw wrong(error.source(), printable(error.description()));
        }
        return std::move(configuration_);
    }

private:
    [[nodiscard]] ConfigurationError wrong(const toml::source_region& where,
                                           std::string_view why) const {
        return ConfigurationError{fmt::format("{}:{}: {}", file_.string(), where.begin.line, why)};
    }

    void read_root(const toml::table& root) {
        for (const auto& [key, value] : root) {
            if (key == "node") {
                configuration_.node = text_of(key, value);
            } else if (key == "log") {
                const std::filesystem::path log = text_of(key, value);
                configuration_.log = log.is_relative() ? file_.parent_path() / log : log;
            } else if (key == "resources") {
                read_resources(value);
            } else {
                throw wrong(key.source(), fmt::format("unknown key{}; there are node, log and "
                                                      "[resources]",
                                                      shown(key)));
            }
        }
    }

    void read_resources(const toml::node& node) {
        const auto* table = node.as_table();
        if (table == nullptr) {
            throw wrong(node.source(),
                        "resources must be a table: [resources], then NAME = \"URI\" lines");
        }
        for (const auto& [name, value] : *table) {
            if (!is_resource_name(name.str())) {
                throw wrong(name.source(), fmt::format("a resource needs {}", name_rule()));
            }
            configuration_.resources.push_back(resource_of(name, value));
        }
    }

    Resource resource_of(const toml::key& name, const toml::node& value) const {
        Resource resource{.name = std::string{name.str()}, .uri = {}};
        const auto* table = value.as_table();
        if (table == nullptr) {
            resource.uri = text_of(name, value);
            return resource;
        }
        for (const auto& [key, part] : *table) {
            if (key == "uri") {
                resource.uri = text_of(key, part);
            } else if (key == "pool_size") {
                resource.pool_size = pool_size_of(part);
            } else if (key == "last_resource") {
                resource.is_last_resource = truth_of(key, part);
            } else if (key == "witness") {
                resource.has_witness = truth_of(key, part);
            } else {
                throw wrong(
                    key.source(),
                    fmt::format(
                        "unknown key{} of resource {}; there are uri, pool_size, "
                        "last_resource and witness, and a name with a dot is written in quotes",
                        shown(key), resource.name));
            }
        }
        if (resource.uri.empty()) {
            throw wrong(name.source(), fmt::format("resource {} needs a uri", resource.name));
        }
        return resource;
    }

    std::size_t pool_size_of(const toml::node& value) const {
        const auto number = value.value_exact<std::int64_t>();
        if (!number || *number < 1 || *number > kPoolSizeMax) {
            throw wrong(value.source(),
                        fmt::format("\"pool_size\" must be a number from 1 to {}", kPoolSizeMax));
        }
        return static_cast<std::size_t>(*number);
    }

    bool truth_of(const toml::key& key, const toml::node& value) const {
        const auto truth = value.value_exact<bool>();
        if (!truth) {
            throw wrong(value.source(), fmt::format("\"{}\" must be true or false", key.str()));
        }
        return *truth;
    }

    std::string text_of(const toml::key& key, const toml::node& value) const {
        if (value.is_table()) {
            throw wrong(key.source(), fmt::format("\"{}\" must be a string; a name with a dot is "
                                                  "written in quotes",
                                                  key.str()));
        }
        const auto text = value.value_exact<std::string>();
        if (!text || text->empty()) {
            throw wrong(value.source(),
                        fmt::format("\"{}\" must be a non-empty string", key.str()));
        }
        return *text;
    }

    std::filesystem::path file_;
    Configuration configuration_;
};

}  // namespace

Resource parse_resource(std::string_view argument) {
    const auto equals = argument.find('=');
    const auto name = argument.substr(0, equals);
    if (equals == std::string_view::npos || !is_resource_name(name)) {
        throw ConfigurationError{fmt::format("--resource wants NAME=URI with {}", name_rule())};
    }
    return {std::string{name}, std::string{argument.substr(equals + 1)}};
}

Configuration parse_configuration(std::string_view toml, const std::filesystem::path& file) {
    return TomlReader{file}.read(toml);
}

Configuration read_configuration(const std::filesystem::path& file) {
    errno = 0;
    std::ifstream stream{file};
    std::ostringstream text;
    if (std::filesystem::is_directory(file)) {
        errno = EISDIR;
    } else {
        text << stream.rdbuf();
    }
    if (errno != 0 || !stream) {
        throw ConfigurationError{fmt::format("can't read the configuration file {}: {}",
                                             file.string(), std::strerror(errno))};
    }
    return parse_configuration(text.str(), file);
}

Configuration combine(Configuration file, const std::optional<std::filesystem::path>& log,
                      const std::vector<Resource>& resources) {
    return combine_resources(combine_log(std::move(file), log), resources);
}

Configuration combine_resources(Configuration file, const std::vector<Resource>& resources) {
    for (std::size_t i = 0; i < resources.size(); ++i) {
        const auto is_same = [&](const Resource& other) { return other.name == resources[i].name; };
        if (std::any_of(resources.begin(), resources.begin() + static_cast<std::ptrdiff_t>(i),
                        is_same)) {
            throw ConfigurationError{fmt::format(
                "two resources are named {}; branches are found again by that name, so give each "
                "its own",
                resources[i].name)};
        }
        const auto in_file = std::ranges::find_if(file.resources, is_same);
        if (in_file != file.resources.end()) {
            in_file->uri = resources[i].uri;
        } else {
            file.resources.push_back(resources[i]);
        }
    }
    if (file.resources.empty()) {
        throw ConfigurationError{
            "no resource given; add --resource NAME=URI for each database, or --config FILE with "
            "a [resources] table"};
    }
    for (auto& resource : file.resources) {
        try {
            resource.uri = with_variables(resource.uri);
        } catch (const ConfigurationError& error) {
            throw ConfigurationError{fmt::format("resource {}: {}", resource.name, error.what())};
        }
    }
    return file;
}

Configuration combine_log(Configuration file, const std::optional<std::filesystem::path>& log) {
    if (log) {
        file.log = *log;
    }
    if (file.log.empty()) {
        throw ConfigurationError{
            "no log given; add --log DIR, or --config FILE with log = \"DIR\" in it"};
    }
    return file;
}

void check_node(const std::filesystem::path& directory, const std::optional<std::string>& node,
                std::string_view node_of_log) {
    if (node && *node != node_of_log) {
        throw ConfigurationError{
            fmt::format("the log in {} belongs to node {}, but the configuration says node {}; "
                        "correct the log's path or the node",
                        directory.string(), node_of_log, *node)};
    }
}

}  // namespace xa_tm::cli
