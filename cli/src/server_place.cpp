// Invariant: nothing of a URI is given that is not known to be no part of a password.

#include "server_place.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "text.h"
#include "uri_text.h"

namespace xa_tm::cli {
namespace {

struct Parts {
    std::string_view user;
    std::string_view address;
    std::string_view database;
    std::vector<std::pair<std::string_view, std::string_view>> parameters;
};

/// The parts as they are written, with percent signs.
std::optional<Parts> parts_of(std::string_view uri) {
    const auto begin = address_begin(uri);
    if (begin == std::string_view::npos ||
        uri.substr(0, begin).find('=') != std::string_view::npos) {
        return std::nullopt;
    }
    auto rest = uri.substr(begin);
    const auto query = rest.find('?');
    Parts parts{};
    // A password that is not percent-encoded may hold any of the separators.
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        if (query < at) {
            return std::nullopt;
        }
        parts.user = rest.substr(0, std::min(at, rest.find(':')));
        rest.remove_prefix(at + 1);
    }
    const auto path = rest.substr(0, rest.find('?'));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    parts.address = path.substr(0, path.find('/'));
    parts.database = path.substr(std::min(path.size(), parts.address.size() + 1));
    // Meant for & perhaps, with a password behind it.
    if (rest.find('?') != std::string_view::npos) {
        return std::nullopt;
    }
    while (!rest.empty()) {
        const auto parameter = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
        const auto equals = std::min(parameter.size(), parameter.find('='));
        parts.parameters.emplace_back(parameter.substr(0, equals),
                                      parameter.substr(std::min(parameter.size(), equals + 1)));
    }
    return parts;
}

std::string percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char byte = 0;
        const auto* digits = text.data() + i + 1;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
            decoded += static_cast<char>(byte);
            i += 2;
        } else {
            decoded += text[i];
        }
    }
    return decoded;
}

std::string for_psql(const Parts& parts) {
    auto uri = fmt::format("postgresql://{}{}{}/{}", parts.user, parts.user.empty() ? "" : "@",
                           parts.address, parts.database);
    char separator = '?';
    for (const auto& [name, value] : parts.parameters) {
        for (const std::string_view known :
             {"host", "hostaddr", "port", "dbname", "user", "service", "sslmode"}) {
            if (name == known) {
                uri += fmt::format("{}{}={}", separator, name, value);
                separator = '&';
            }
        }
    }
    return fmt::format("psql {}", shell_word(uri));
}

std::string for_mysql(const Parts& parts, std::string client) {
    std::vector<std::string> words{std::move(client)};
    const auto add = [&](std::string_view option, std::string_view value) {
        if (!value.empty()) {
            words.push_back(shell_word(fmt::format("--{}={}", option, percent_decoded(value))));
        }
    };
    std::string_view defaults;
    std::string_view socket;
    for (const auto& [name, value] : parts.parameters) {
        defaults = name == "default-file" ? value : defaults;
        socket = name == "socket" ? value : socket;
    }
    // The client wants an option file before all other options.
    add("defaults-file", defaults);
    const auto colon = parts.address.rfind(':');
    const bool has_port =
        colon != std::string_view::npos && parts.address.find(']', colon) == std::string_view::npos;
    add("socket", socket);
    if (socket.empty()) {
        add("host", parts.address.substr(0, has_port ? colon : parts.address.size()));
        add("port", has_port ? parts.address.substr(colon + 1) : "");
    }
    add("user", parts.user);
    if (!parts.database.empty()) {
        words.push_back(shell_word(percent_decoded(parts.database)));
    }
    return fmt::format("{}", fmt::join(words, " "));
}

}  // namespace

std::string client_command(const Resource& resource, std::string_view product) {
    const auto parts = parts_of(resource.uri);
    if (!parts) {
        return {};
    }
    return resource.uri.starts_with("postgres")
               ? for_psql(*parts)
               : for_mysql(*parts, product.starts_with("MariaDB") ? "mariadb" : "mysql");
}

}  // namespace xa_tm::cli
