#include "uri.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client_library.h"

namespace xa_tm::mysql {
namespace {

using namespace std::string_view_literals;

/// Splits `text` at the first `separator`; the second part is empty when there is none.
std::pair<std::string_view, std::string_view> split(std::string_view text, char separator) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) {
        return {text, {}};
    }
    return {text.substr(0, at), text.substr(at + 1)};
}

std::string percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            decoded += text[at];
            continue;
        }
        const auto digits = text.substr(at + 1, 2);
        unsigned byte = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || read.ptr != digits.data() + 2) {
            throw std::invalid_argument("a % must be followed by two hexadecimal digits");
        }
        if (byte == 0) {
            throw std::invalid_argument("%00 is allowed nowhere");
        }
        decoded += static_cast<char>(byte);
        at += 2;
    }
    return decoded;
}

constexpr std::array kModes{""sv,         "disabled"sv,  "preferred"sv,
                            "required"sv, "verify-ca"sv, "verify-identity"sv};

void parse_host(std::string_view text, ServerAddress& address) {
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) {
            throw std::invalid_argument("an IPv6 address ends with ]");
        }
        address.host = text.substr(1, end - 1);
        const auto rest = text.substr(end + 1);
        has_port = rest.starts_with(':');
        if (!rest.empty() && !has_port) {
            throw std::invalid_argument("only a port may follow an IPv6 address");
        }
        port = has_port ? rest.substr(1) : rest;
    } else {
        has_port = text.find(':') != std::string_view::npos;
        const auto [host, rest] = split(text, ':');
        address.host = percent_decode(host);
        port = rest;
    }
    if (has_port) {
        address.port = parse_port(port);
    }
}

void parse_authority(std::string_view text, ServerAddress& address) {
    const auto at = text.find('@');
    if (at == std::string_view::npos) {
        parse_host(text, address);
        return;
    }
    const auto [user, password] = split(text.substr(0, at), ':');
    address.user = percent_decode(user);
    address.password = percent_decode(password);
    parse_host(text.substr(at + 1), address);
}

void parse_parameters(std::string_view text, ServerAddress& address) {
    std::set<std::string_view> seen;
    while (!text.empty()) {
        const auto [parameter, rest] = split(text, '&');
        text = rest;
        const auto [name, value] = split(parameter, '=');
        if (!seen.insert(name).second) {
            throw std::invalid_argument(fmt::format("the parameter \"{}\" stands twice", name));
        }
        constexpr std::array kParameters{"socket"sv,       "charset"sv,      "ssl-mode"sv,
                                         "ssl-ca"sv,       "ssl-cert"sv,     "ssl-key"sv,
                                         "default-file"sv, "default-group"sv};
        if (std::ranges::find(kParameters, name) == kParameters.end()) {
            throw std::invalid_argument(fmt::format("the parameter \"{}\" is unknown; there are {}",
                                                    name, fmt::join(kParameters, ", ")));
        }
        *part_named(address, name) = percent_decode(value);
    }
}

/// SOCI takes a value in single quotes, with \ before a quote or another \.
std::string quoted(std::string_view value) {
    std::string text = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') {
            text += '\\';
        }
        text += c;
    }
    return text += '\'';
}

void check_tls(const ServerAddress& address) {
    const auto& mode = address.ssl_mode;
    if (std::ranges::find(kModes, mode) == kModes.end()) {
        throw std::invalid_argument(
            "ssl-mode is one of disabled, preferred, required, verify-ca and verify-identity");
    }
    if (mode == "verify-ca" && address.ssl_ca.empty()) {
        throw std::invalid_argument("ssl-mode=verify-ca needs ssl-ca");
    }
    // The C client checks the server's certificate as soon as it is given a CA.
    if ((mode == "preferred" || mode == "required") && !address.ssl_ca.empty()) {
        throw std::invalid_argument("with ssl-ca write ssl-mode=verify-ca or verify-identity");
    }
}

}  // namespace

ServerAddress parse_uri(std::string_view uri) {
    const auto scheme_end = uri.find("://");
    const auto scheme = uri.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos || (scheme != "mysql" && scheme != "mariadb")) {
        throw std::invalid_argument("it must begin with mysql:// or mariadb://");
    }
    if (std::ranges::any_of(uri, [](unsigned char c) { return c < ' '; })) {
        throw std::invalid_argument("write line breaks and other control characters as %0A");
    }
    const auto rest = uri.substr(scheme_end + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?"));
    const auto tail = rest.substr(authority.size());
    // A special character in a password that is not encoded moves the @ to where it can't be. To
    // find that first keeps pieces of the password out of the messages below.
    if (std::ranges::count(authority, '@') > 1 || tail.find('@') != std::string_view::npos ||
        rest.find('#') != std::string_view::npos) {
        throw std::invalid_argument(
            "write / ? # @ in user, password or parameters as %2F %3F %23 %40");
    }
    ServerAddress address;
    parse_authority(authority, address);
    const auto [path, parameters] = split(tail, '?');
    address.database = percent_decode(path.empty() ? path : path.substr(1));
    if (path.substr(std::min<std::size_t>(path.size(), 1)).find('/') != std::string_view::npos) {
        throw std::invalid_argument("the database's name is followed by another /");
    }
    parse_parameters(parameters, address);
    const bool is_local = address.host.empty() || address.host == "localhost";
    if (!address.socket.empty() && (!is_local || address.port != 0)) {
        throw std::invalid_argument("give either a socket or host and port");
    }
    if (address.host == "localhost" && address.port != 0) {
        address.host = "127.0.0.1";
    }
    return address;
}

std::uint16_t parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || port == 0) {
        throw std::invalid_argument("the port must be a number from 1 to 65535");
    }
    return port;
}

std::span<const std::string_view> part_names() noexcept {
    static constexpr std::array kNames{"user"sv,     "password"sv, "host"sv,
                                       "database"sv, "socket"sv,   "ssl-mode"sv,
                                       "ssl-ca"sv,   "ssl-cert"sv, "ssl-key"sv};
    return kNames;
}

std::string* part_named(ServerAddress& address, std::string_view name) noexcept {
    const std::array<std::pair<std::string_view, std::string*>, 12> parts{
        {{"user", &address.user},
         {"password", &address.password},
         {"host", &address.host},
         {"database", &address.database},
         {"socket", &address.socket},
         {"charset", &address.charset},
         {"ssl-mode", &address.ssl_mode},
         {"ssl-ca", &address.ssl_ca},
         {"ssl-cert", &address.ssl_cert},
         {"ssl-key", &address.ssl_key},
         {"default-file", &address.default_file},
         {"default-group", &address.default_group}}};
    const auto* const found =
        std::ranges::find(parts, name, [](const auto& part) { return part.first; });
    return found == parts.end() ? nullptr : found->second;
}

bool needs_tls(const ServerAddress& address) noexcept {
    const auto& mode = address.ssl_mode;
    return mode == "required" || mode == "verify-ca" || mode == "verify-identity" ||
           (mode.empty() && !address.ssl_ca.empty());
}

std::string soci_connect_string(const ServerAddress& address,
                                std::chrono::seconds connect_timeout) {
    check_tls(address);
    // Unless it is told of local_infile, SOCI 4.0.3 goes by memory that it has not set.
    std::string text = fmt::format("connect_timeout='{}' charset={} local_infile=0",
                                   connect_timeout.count(), quoted(address.charset));
    if (const auto whole = client_library::connect_string(address)) {
        return text += fmt::format(" host={}", quoted(*whole));
    }
    const auto add = [&text](std::string_view key, std::string_view value) {
        if (!value.empty()) {
            text += fmt::format(" {}={}", key, quoted(value));
        }
    };
    add("user", address.user);
    add("password", address.password);
    add("host", address.host);
    add("port", address.port == 0 ? std::string{} : std::to_string(address.port));
    add("db", address.database);
    add("unix_socket", address.socket);
    return text;
}

}  // namespace xa_tm::mysql
