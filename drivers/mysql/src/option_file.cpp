#include "option_file.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>

namespace xa_tm::mysql {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view trimmed(std::string_view text) {
    const auto first = std::min(text.find_first_not_of(kBlanks), text.size());
    text.remove_prefix(first);
    const auto last = text.find_last_not_of(kBlanks);
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// A value may stand in quotes; in any value a \ gives the next character a meaning.
std::string unquoted(std::string_view value) {
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
        value = value.substr(1, value.size() - 2);
    } else {
        value = trimmed(value.substr(0, value.find(" #")));
    }
    std::string text;
    for (std::size_t at = 0; at < value.size(); ++at) {
        constexpr std::string_view kEscapes = "nrtbs\\";
        constexpr std::string_view kMeanings = "\n\r\t\b \\";
        const auto escape = value[at] == '\\' && at + 1 < value.size()
                                ? kEscapes.find(value[at + 1])
                                : std::string_view::npos;
        text += escape == std::string_view::npos ? value[at] : kMeanings[escape];
        at += escape == std::string_view::npos ? 0 : 1;
    }
    return text;
}

void take_option(std::string name, const std::string& value, ServerAddress& address) {
    std::ranges::replace(name, '_', '-');
    if (name == "port") {
        address.port = parse_port(value);
    } else if (auto* part = part_named(address, name)) {
        *part = value;
    }
}

}  // namespace

ServerAddress parse_option_file(std::string_view text, std::string_view group) {
    ServerAddress address{.charset = ""};
    bool is_ours = false;
    for (int line_number = 1; !text.empty(); ++line_number) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.starts_with('[') && line.ends_with(']')) {
            const auto name = trimmed(line.substr(1, line.size() - 2));
            is_ours = name == "client" || name == group;
        } else if (is_ours && !line.empty() && line.find_first_of("#;!") != 0) {
            const auto equals = std::min(line.find('='), line.size());
            const auto value = trimmed(line.substr(std::min(equals + 1, line.size())));
            try {
                take_option(std::string{trimmed(line.substr(0, equals))}, unquoted(value), address);
            } catch (const std::invalid_argument& error) {
                throw std::invalid_argument(fmt::format("line {}: {}", line_number, error.what()));
            }
        }
    }
    return address;
}

ServerAddress with_option_file(ServerAddress address) {
    if (address.default_file.empty() && address.default_group.empty()) {
        return address;
    }
    const char* home = std::getenv("HOME");
    const auto path = !address.default_file.empty()
                          ? address.default_file
                          : fmt::format("{}/.my.cnf", home == nullptr ? "" : home);
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        throw std::invalid_argument(fmt::format("the option file {} can't be read", path));
    }
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    auto defaults = parse_option_file(text, address.default_group);
    // An address in the URI is one whole: another's port or socket is none of its own.
    if (!address.host.empty() || !address.socket.empty() || address.port != 0) {
        defaults.host.clear();
        defaults.socket.clear();
        defaults.port = 0;
    }
    for (const auto name : part_names()) {
        auto& part = *part_named(address, name);
        part = part.empty() ? *part_named(defaults, name) : part;
    }
    address.port = address.port == 0 ? defaults.port : address.port;
    return address;
}

}  // namespace xa_tm::mysql
