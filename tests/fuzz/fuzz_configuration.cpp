#include <set>
#include <string>

#include <fmt/format.h>

#include "cli/src/configuration.h"
#include "fuzz_input.h"
#include "fuzz_target.h"

// Any text as a configuration file, and any configuration as the text that says it. Of the first
// byte of an input the lowest bit says which.
namespace xa_tm::cli {
namespace {

using test::Input;
using test::unless_refused;

constexpr auto kFile = "/etc/xa-recover.toml";
constexpr std::string_view kNameCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

std::string basic_string_of(std::string_view text) {
    std::string toml = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < ' ' || c == '"' || c == '\\' || byte == 0x7f) {
            toml += fmt::format("\\u{:04x}", byte);
        } else {
            toml += c;
        }
    }
    return toml + '"';
}

std::string toml_of(const Configuration& configuration) {
    std::string toml;
    if (configuration.node) {
        toml += fmt::format("node = {}\n", basic_string_of(*configuration.node));
    }
    if (!configuration.log.empty()) {
        toml += fmt::format("log = {}\n", basic_string_of(configuration.log.string()));
    }
    toml += "[resources]\n";
    for (const auto& resource : configuration.resources) {
        toml += fmt::format("{} = {{ uri = {}, pool_size = {} }}\n", basic_string_of(resource.name),
                            basic_string_of(resource.uri), resource.pool_size);
    }
    return toml;
}

void check_same(const Configuration& configuration) {
    auto again = parse_configuration(toml_of(configuration), kFile);
    // TOML's tables are sorted by name.
    auto resources = configuration.resources;
    std::ranges::sort(resources, {}, &Resource::name);
    std::ranges::sort(again.resources, {}, &Resource::name);
    XA_TM_CHECK(again.node == configuration.node && again.log == configuration.log &&
                    again.resources == resources,
                "what is written is read");
}

void check_text(const std::string& text) {
    const auto read = unless_refused<ConfigurationError>([&] {
        try {
            return parse_configuration(text, kFile);
        } catch (const ConfigurationError& error) {
            XA_TM_CHECK(std::string_view{error.what()}.starts_with(fmt::format("{}:", kFile)),
                        "an error says where");
            throw;
        }
    });
    if (!read) {
        return;
    }
    std::set<std::string> names;
    for (const auto& resource : read->resources) {
        XA_TM_CHECK(names.insert(resource.name).second, "each name once");
        XA_TM_CHECK(!resource.name.empty() && resource.name.size() <= Datasource::kMaxNameLength &&
                        resource.name.find_first_not_of(kNameCharacters) == std::string::npos,
                    "it can be a datasource's");
        XA_TM_CHECK(!resource.uri.empty() && resource.pool_size > 0, "nothing is left out");
    }
    check_same(*read);
    const auto combined =
        unless_refused<ConfigurationError>([&] { return combine(*read, "/log", {}); });
    XA_TM_CHECK(!combined || combined->log == "/log", "the command line counts more");
}

/// Of printable ASCII, so that every text can stand in TOML.
std::string printable_text(Input& input, std::size_t length_max) {
    auto text = input.text(length_max);
    for (auto& c : text) {
        c = static_cast<char>(' ' + static_cast<unsigned char>(c) % 95);
    }
    return text.empty() ? "x" : text;
}

Configuration configuration_of(Input& input) {
    Configuration configuration;
    const auto parts = input.number<std::uint8_t>();
    if ((parts & 1U) != 0) {
        configuration.node = printable_text(input, 30);
    }
    if ((parts & 2U) != 0) {
        configuration.log = "/" + printable_text(input, 30);
    }
    for (unsigned number = 0; !input.is_at_end(); ++number) {
        std::string name;
        for (const char c : input.text(20)) {
            name += kNameCharacters[static_cast<unsigned char>(c) % kNameCharacters.size()];
        }
        configuration.resources.push_back({.name = fmt::format("{}_{}", name, number),
                                           .uri = printable_text(input, 60),
                                           .pool_size = 1U + input.number<std::uint16_t>()});
    }
    return configuration;
}

}  // namespace
}  // namespace xa_tm::cli

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm::cli;
    xa_tm::test::Input input{data, size};
    if ((input.number<std::uint8_t>() & 1U) == 0) {
        check_text(input.rest());
    } else {
        check_same(configuration_of(input));
    }
    return 0;
}
