#include "resource.h"

#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "mysql/src/uri.h"

namespace xa_tm::bench {
namespace {

std::runtime_error failure(const Resource& resource, std::string_view why) {
    return std::runtime_error(fmt::format("resource {}: {}", resource.name, why));
}

void read_postgres_uri(Resource& resource) {
    char* error = nullptr;
    PQconninfoOption* options = PQconninfoParse(resource.uri.c_str(), &error);
    if (options == nullptr) {
        PQfreemem(error);  // not told, because it may quote the password
        throw failure(resource, "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE");
    }
    std::string port = "5432";
    for (const auto* option = options; option->keyword != nullptr; ++option) {
        const std::string_view keyword = option->keyword;
        const std::string value = option->val != nullptr ? option->val : "";
        if (keyword == "host") {
            resource.host = value;
        } else if (keyword == "port" && !value.empty()) {
            port = value;
        } else if (keyword == "user") {
            resource.user = value;
        } else if (keyword == "password") {
            resource.password = value;
        } else if (keyword == "dbname") {
            resource.database = value;
        }
    }
    PQconninfoFree(options);
    resource.port = mysql::parse_port(port);
}

void read_mysql_uri(Resource& resource) {
    const auto address = mysql::parse_uri(resource.uri);
    resource.host = address.host;
    resource.port = address.port != 0 ? address.port : std::uint16_t{3306};
    resource.user = address.user;
    resource.password = address.password;
    resource.database = address.database;
}

void ask_server(Resource& resource) {
    const auto session = resource.connect();
    if (resource.kind == Kind::postgres) {
        resource.version = session->query("SHOW server_version").at(0).at(0);
        const auto limit = session->query("SHOW max_connections").at(0).at(0);
        resource.connections_max = static_cast<unsigned>(std::stoul(limit));
        return;
    }
    resource.version = session->query("SELECT version()").at(0).at(0);
    resource.kind =
        resource.version.find("MariaDB") != std::string::npos ? Kind::mariadb : Kind::mysql;
    const auto limit = session->query("SELECT @@max_connections").at(0).at(0);
    resource.connections_max = static_cast<unsigned>(std::stoul(limit));
}

}  // namespace

const char* to_text(Kind kind) noexcept {
    switch (kind) {
        case Kind::postgres: return "postgres";
        case Kind::mariadb: return "mariadb";
        case Kind::mysql: return "mysql";
    }
    return "";
}

Resource open_resource(const std::string& name_and_uri) {
    const auto equals = name_and_uri.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw std::runtime_error("a resource is given as NAME=URI");
    }
    Resource resource{.name = name_and_uri.substr(0, equals),
                      .uri = name_and_uri.substr(equals + 1)};
    const bool is_postgres = resource.uri.starts_with("postgres");
    if (!is_postgres && !resource.uri.starts_with("mysql://") &&
        !resource.uri.starts_with("mariadb://")) {
        throw failure(resource, "its URI begins with postgresql://, mysql:// or mariadb://");
    }
    try {
        if (is_postgres) {
            read_postgres_uri(resource);
        } else {
            resource.kind = Kind::mariadb;
            read_mysql_uri(resource);
        }
    } catch (const std::invalid_argument& error) {
        throw failure(resource, error.what());
    }
    if (resource.host.empty() || resource.host.starts_with('/')) {
        throw failure(resource, "name a host and a port: all contenders connect over TCP");
    }
    if (resource.database.empty()) {
        throw failure(resource, "name the database in which tables may be made");
    }
    try {
        ask_server(resource);
    } catch (const std::runtime_error& error) {
        throw failure(resource, error.what());
    }
    return resource;
}

}  // namespace xa_tm::bench
