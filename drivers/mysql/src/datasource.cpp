#include "xa_tm/mysql/datasource.h"

#include <stdexcept>

#include <fmt/format.h>

#include "connection.h"
#include "ending_sessions.h"
#include "errno_map.h"
#include "uri.h"
#include "xa_tm/error.h"

namespace xa_tm::mysql {
namespace {

std::string checked_connect_string(const std::string& resource, const std::string& uri,
                                   std::chrono::seconds connect_timeout) {
    const auto refuse = [&resource](std::string_view why) -> Error {
        return {{.code = ErrorCode::invalid_configuration, .resource = resource},
                fmt::format("resource {}: {}", resource, why)};
    };
    if (connect_timeout < std::chrono::seconds{1}) {
        throw refuse("connect_timeout must be at least 1 s");
    }
    try {
        return soci_connect_string(parse_uri(uri), connect_timeout);
    } catch (const std::invalid_argument& error) {
        throw refuse(
            fmt::format("the URI can't be used: {}; its form is "
                        "mysql://user:password@host:port/database?parameter=value, with "
                        "special characters percent-encoded",
                        error.what()));
    }
}

}  // namespace

soci::session& Branch::sql() const {
    return Datasource::sql_of(connection());
}

MYSQL* Branch::native_handle() const {
    return Datasource::native_handle_of(connection());
}

Datasource::Datasource(std::string name, const std::string& uri, DatasourceOptions options)
    : xa_tm::Datasource{std::move(name), options},
      connect_string_{checked_connect_string(this->name(), uri, options.connect_timeout)},
      ending_sessions_{std::make_shared<EndingSessions>()} {}

Datasource::~Datasource() = default;

std::unique_ptr<xa_tm::Connection> Datasource::connect(const SessionMark& mark) {
    try {
        auto connection = std::make_unique<Connection>(name(), connect_string_, ending_sessions_);
        connection->set_up(mark, options());
        return connection;
    } catch (const ConnectError& error) {
        const auto failure = classify_connect_failure(error.error());
        throw Error({.code = failure.code, .resource = name(), .native_error = error.error()},
                    fmt::format("resource {}: {}; {}", name(), error.what(), failure.advice));
    }
}

soci::session& Datasource::sql_of(xa_tm::Connection& connection) {
    return static_cast<Connection&>(connection).sql();
}

MYSQL* Datasource::native_handle_of(xa_tm::Connection& connection) {
    return static_cast<Connection&>(connection).native_handle();
}

}  // namespace xa_tm::mysql
