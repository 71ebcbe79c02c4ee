#include "xa_tm/postgres/datasource.h"

#include <stdexcept>

#include <fmt/format.h>

#include "connection.h"
#include "sqlstate_map.h"
#include "xa_tm/error.h"

namespace xa_tm::postgres {
namespace {

std::string checked_uri(const std::string& resource, const std::string& uri,
                        std::chrono::seconds connect_timeout) {
    const auto refuse = [&resource](std::string_view why) -> Error {
        return {{.code = ErrorCode::invalid_configuration, .resource = resource},
                fmt::format("resource {}: {}", resource, why)};
    };
    if (connect_timeout < std::chrono::seconds{1}) {
        throw refuse("connect_timeout must be at least 1 s");
    }
    try {
        return canonical_uri(uri, connect_timeout);
    } catch (const std::invalid_argument& error) {
        throw refuse(
            fmt::format("the URI can't be used: {}; its form is "
                        "postgresql://user:password@host:port/database?parameter=value, with "
                        "special characters percent-encoded, or libpq's keyword=value string",
                        error.what()));
    }
}

}  // namespace

soci::session& Branch::sql() const {
    return Datasource::sql_of(connection());
}

PGconn* Branch::native_handle() const {
    return Datasource::native_handle_of(connection());
}

Datasource::Datasource(std::string name, const std::string& uri, DatasourceOptions options)
    : xa_tm::Datasource{std::move(name), options},
      connect_uri_{checked_uri(this->name(), uri, options.connect_timeout)} {}

Datasource::~Datasource() = default;

std::unique_ptr<Connection> Datasource::open(const SessionMark& mark) const {
    // The last of two equal parameters counts, so that no URI can hide whose session it is.
    auto uri = connect_uri_;
    if (!mark.text.empty()) {
        uri += fmt::format("&application_name={}", percent_encode(mark.text));
    }
    try {
        return std::make_unique<Connection>(name(), uri, mark, options().statement_timeout);
    } catch (const ConnectError& error) {
        auto failure = classify_connect_failure(error.what());
        if (!failure.is_recognised && !is_server_up(uri)) {
            failure.code = ErrorCode::resource_unreachable;
        }
        throw Error({.code = failure.code, .resource = name()},
                    fmt::format("resource {}: {}; {}", name(), error.what(), failure.advice));
    }
}

std::unique_ptr<xa_tm::Connection> Datasource::connect(const SessionMark& mark) {
    auto connection = open(mark);
    connection->set_up(options().connect_timeout);
    return connection;
}

std::unique_ptr<xa_tm::Connection> Datasource::adopt(const Lent& lent,
                                                     const SessionMark& mark) const {
    try {
        auto connection = std::make_unique<Connection>(name(), lent, mark, options());
        connection->set_up(options().connect_timeout);
        return connection;
    } catch (const std::invalid_argument& error) {
        throw Error({.code = ErrorCode::invalid_state, .resource = name()},
                    fmt::format("resource {}: {}", name(), error.what()));
    }
}

ServerDescription Datasource::describe() {
    return open({})->describe(options());
}

soci::session& Datasource::sql_of(xa_tm::Connection& connection) {
    return static_cast<Connection&>(connection).sql();
}

PGconn* Datasource::native_handle_of(xa_tm::Connection& connection) {
    return static_cast<Connection&>(connection).native_handle();
}

}  // namespace xa_tm::postgres
