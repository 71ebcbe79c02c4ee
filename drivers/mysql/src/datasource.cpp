#include "xa_tm/mysql/datasource.h"

#include <stdexcept>

#include <fmt/format.h>

#include "connection.h"
#include "ending_sessions.h"
#include "errno_map.h"
#include "option_file.h"
#include "uri.h"
#include "xa_tm/error.h"

namespace xa_tm::mysql {

struct Datasource::Target {
    std::string connect_string;
    bool needs_tls;

    /// Throws Error (invalid_configuration).
    Target(const std::string& resource, const std::string& uri,
           std::chrono::seconds connect_timeout);
};

Datasource::Target::Target(const std::string& resource, const std::string& uri,
                           std::chrono::seconds connect_timeout) {
    const auto refuse = [&resource](std::string_view why) -> Error {
        return {{.code = ErrorCode::invalid_configuration, .resource = resource},
                fmt::format("resource {}: {}", resource, why)};
    };
    if (connect_timeout < std::chrono::seconds{1}) {
        throw refuse("connect_timeout must be at least 1 s");
    }
    try {
        const auto address = with_option_file(parse_uri(uri));
        connect_string = soci_connect_string(address, connect_timeout);
        needs_tls = mysql::needs_tls(address);
    } catch (const std::invalid_argument& error) {
        throw refuse(
            fmt::format("the URI can't be used: {}; its form is "
                        "mysql://user:password@host:port/database?parameter=value, with "
                        "special characters percent-encoded",
                        error.what()));
    }
}

soci::session& Branch::sql() const {
    return Datasource::sql_of(connection());
}

MYSQL* Branch::native_handle() const {
    return Datasource::native_handle_of(connection());
}

Datasource::Datasource(std::string name, const std::string& uri, DatasourceOptions options)
    : Datasource{name, Target{name, uri, options.connect_timeout}, options} {}

Datasource::Datasource(std::string name, Target target, DatasourceOptions options)
    : xa_tm::Datasource{std::move(name), options},
      connect_string_{std::move(target.connect_string)},
      needs_tls_{target.needs_tls},
      ending_sessions_{std::make_shared<EndingSessions>()} {}

Datasource::~Datasource() = default;

std::unique_ptr<Connection> Datasource::open() const {
    try {
        return std::make_unique<Connection>(name(), connect_string_, needs_tls_, ending_sessions_);
    } catch (const ConnectError& error) {
        const auto failure = classify_connect_failure(error.error());
        throw Error({.code = failure.code, .resource = name(), .native_error = error.error()},
                    fmt::format("resource {}: {}; {}", name(), error.what(), failure.advice));
    }
}

std::unique_ptr<xa_tm::Connection> Datasource::connect(const SessionMark& mark) {
    auto connection = open();
    connection->set_up(mark, options());
    return connection;
}

std::unique_ptr<xa_tm::Connection> Datasource::adopt(const Lent& lent,
                                                     const SessionMark& mark) const {
    try {
        auto connection =
            std::make_unique<Connection>(name(), lent, options().connect_timeout, ending_sessions_);
        connection->set_up(mark, options());
        return connection;
    } catch (const std::invalid_argument& error) {
        throw Error({.code = ErrorCode::invalid_state, .resource = name()},
                    fmt::format("resource {}: {}", name(), error.what()));
    }
}

ServerDescription Datasource::describe() {
    return open()->describe(options());
}

void Datasource::set_up_decision_table() {
    open()->set_up_decision_table(options());
}

soci::session& Datasource::sql_of(xa_tm::Connection& connection) {
    return static_cast<Connection&>(connection).sql();
}

MYSQL* Datasource::native_handle_of(xa_tm::Connection& connection) {
    return static_cast<Connection&>(connection).native_handle();
}

}  // namespace xa_tm::mysql
