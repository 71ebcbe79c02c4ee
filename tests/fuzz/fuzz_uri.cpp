#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "cli/src/configuration.h"
#include "cli/src/server_place.h"
#include "cli/src/uri_text.h"
#include "drivers/mysql/src/option_file.h"
#include "drivers/mysql/src/uri.h"
#include "drivers/postgres/src/libpq.h"
#include "fuzz_input.h"
#include "fuzz_target.h"
#include "xa_tm/error.h"
#include "xa_tm/postgres/datasource.h"

// Any text as the URI of a datasource, whose password is a text that no message may hold a piece
// of. An input is a choice of form (1 byte), the user and what stands inside the password, each
// with its length before it, and the rest of the URI.
namespace xa_tm {
namespace {

using test::Input;
using test::kSecret;
using test::unless_refused;

constexpr std::chrono::seconds kTimeout{5};

std::string uri_of(Input& input) {
    const auto form = input.number<std::uint8_t>() % 6;
    const auto user = test::without_secret(input.text(20));
    auto separators = test::without_secret(input.text(8));
    if (form == 4) {
        std::ranges::replace(separators, '&', '+');  // in a parameter it ends the password
    }
    const auto password = fmt::format("{}{}{}", kSecret, separators, kSecret);
    const auto rest = test::without_secret(input.rest());
    switch (form) {
        case 0: return fmt::format("postgresql://{}:{}@{}", user, password, rest);
        case 1: return fmt::format("user={} password={} {}", user, password, rest);
        case 2: return fmt::format("mysql://{}:{}@{}", user, password, rest);
        case 3: return fmt::format("mariadb://{}:{}@{}", user, password, rest);
        case 4: return fmt::format("postgres:///{}?password={}&{}", user, password, rest);
        default: return rest;
    }
}

/// As libpq reads it.
std::map<std::string, std::string> options_of(const std::string& uri) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
        PQconninfoParse(uri.c_str(), nullptr), &PQconninfoFree};
    XA_TM_CHECK(options != nullptr, "libpq reads what was accepted");
    std::map<std::string, std::string> values;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr) {
            values[option->keyword] = option->val;
        }
    }
    return values;
}

void check_postgres(const std::string& uri) {
    const auto is_made = unless_refused<Error>([&] {
        return postgres::Datasource{"users", uri}.name() == "users";
    });
    const auto canonical = unless_refused<std::invalid_argument>(
        [&] { return postgres::canonical_uri(uri, kTimeout); });
    XA_TM_CHECK(is_made.has_value() == canonical.has_value(),
                "a datasource wants what libpq takes");
    if (!canonical) {
        return;
    }
    XA_TM_CHECK(canonical->find_first_of(" \t\r\n\v\f") == std::string::npos,
                "SOCI keeps it whole");
    auto meant = options_of(uri);
    meant.emplace("connect_timeout", std::to_string(kTimeout.count()));
    XA_TM_CHECK(options_of(*canonical) == meant, "it says the same");
}

std::string percent_encoded(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        encoded += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    }
    return encoded;
}

/// The address as a URI in which every byte is encoded.
std::string uri_of(const mysql::ServerAddress& address) {
    std::string uri = "mysql://";
    if (!address.user.empty() || !address.password.empty()) {
        uri +=
            fmt::format("{}:{}@", percent_encoded(address.user), percent_encoded(address.password));
    }
    uri += percent_encoded(address.host);
    uri += address.port == 0 ? "" : fmt::format(":{}", address.port);
    uri += fmt::format("/{}?charset={}", percent_encoded(address.database),
                       percent_encoded(address.charset));
    auto copy = address;
    for (const std::string_view name :
         {"socket", "ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "default-file", "default-group"}) {
        uri += fmt::format("&{}={}", name, percent_encoded(*mysql::part_named(copy, name)));
    }
    return uri;
}

void check_mysql(const std::string& uri) {
    const auto address =
        unless_refused<std::invalid_argument>([&] { return mysql::parse_uri(uri); });
    if (!address) {
        return;
    }
    XA_TM_CHECK(mysql::parse_uri(uri_of(*address)) == *address, "what is read can be written");
    const auto text = unless_refused<std::invalid_argument>(
        [&] { return mysql::soci_connect_string(*address, kTimeout); });
    XA_TM_CHECK(!text || !text->empty(), "it says something");
}

void check_option_file(const std::string& text) {
    const auto address = unless_refused<std::invalid_argument>([&] {
        return mysql::parse_option_file(
            fmt::format("[client]\npassword={}\n{}\n[shop]\nport={}\n", kSecret, text, text),
            "shop");
    });
    XA_TM_CHECK(!address || address->charset.empty(), "a file has no say in the character set");
}

/// What xa-recover shows of it.
void check_shown(const std::string& uri) {
    const auto shown = cli::without_passwords(uri);
    XA_TM_CHECK(shown.find(kSecret) == std::string::npos, "passwords are starred out");
    XA_TM_CHECK(shown.size() <= uri.size(), "it fits in the place of the other");
    for (const auto* product : {"PostgreSQL 15.2", "MariaDB 10.11", "MySQL 8.4"}) {
        const auto command = cli::client_command({.name = "users", .uri = uri}, product);
        XA_TM_CHECK(command.find(kSecret) == std::string::npos, "a command holds no password");
        XA_TM_CHECK(command.find('\n') == std::string::npos, "it is one line");
    }
    const auto resource = unless_refused<cli::ConfigurationError>(
        [&] { return cli::parse_resource(fmt::format("users={}", uri)); });
    XA_TM_CHECK(resource && resource->uri == uri, "a name with a URI is one");
    static_cast<void>(
        unless_refused<cli::ConfigurationError>([&] { return cli::parse_resource(uri); }));
}

std::string with_dollars_escaped(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        escaped += c;
        escaped += c == '$' ? "$" : "";
    }
    return escaped;
}

void check_variables(const std::string& uri) {
    static_cast<void>(
        unless_refused<cli::ConfigurationError>([&] { return cli::with_variables(uri); }));
    XA_TM_CHECK(cli::with_variables(with_dollars_escaped(uri)) == uri, "$$ is a dollar");
}

}  // namespace
}  // namespace xa_tm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm;
    Input input{data, size};
    const auto uri = uri_of(input);
    check_postgres(uri);
    check_mysql(uri);
    check_option_file(test::without_secret(uri));
    check_shown(uri);
    check_variables(uri);
    return 0;
}
