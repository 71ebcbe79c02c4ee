#include "create_table.h"

#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <libpq-fe.h>
#include <mysql.h>

namespace examples {
namespace {

void create_in_postgres(const std::string& uri, const std::string& statement) {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection{PQconnectdb(uri.c_str()),
                                                                  &PQfinish};
    // Whether the table exists already is no news.
    const auto command = "set client_min_messages = warning; " + statement;
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{
        PQexec(connection.get(), command.c_str()), &PQclear};
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        throw std::runtime_error{PQerrorMessage(connection.get())};
    }
}

/// Cuts `text` at the first of `separators` and returns what came before it.
std::string take_until(std::string& text, const char* separators) {
    const auto end = std::min(text.find_first_of(separators), text.size());
    auto taken = text.substr(0, end);
    text.erase(0, end);
    return taken;
}

/// Knows mysql://user:password@host:port/database?socket=PATH, without percent-encoding.
void create_in_mysql(std::string uri, const std::string& statement) {
    uri.erase(0, uri.find("://") + 3);
    std::string user;
    std::string password;
    if (uri.find('@') != std::string::npos) {
        auto credentials = take_until(uri, "@");
        uri.erase(0, 1);
        user = take_until(credentials, ":");
        password = credentials.empty() ? "" : credentials.substr(1);
    }
    auto address = take_until(uri, "/?");
    const auto host = take_until(address, ":");
    const auto port = address.empty() ? 0 : std::atoi(address.c_str() + 1);
    const auto database = take_until(uri, "?");
    const auto socket_at = uri.find("socket=");
    auto socket = socket_at == std::string::npos ? "" : uri.substr(socket_at + 7);
    socket = take_until(socket, "&");

    const std::unique_ptr<MYSQL, decltype(&mysql_close)> connection{mysql_init(nullptr),
                                                                    &mysql_close};
    if (mysql_real_connect(connection.get(), port == 0 ? host.c_str() : "127.0.0.1", user.c_str(),
                           password.c_str(), database.empty() ? nullptr : database.c_str() + 1,
                           static_cast<unsigned>(port), socket.empty() ? nullptr : socket.c_str(),
                           0) == nullptr ||
        mysql_query(connection.get(), statement.c_str()) != 0) {
        throw std::runtime_error{mysql_error(connection.get())};
    }
}

}  // namespace

void create_table(const std::string& uri, const std::string& statement) {
    if (uri.starts_with("postgres")) {
        create_in_postgres(uri, statement);
    } else {
        create_in_mysql(uri, statement);
    }
}

}  // namespace examples
