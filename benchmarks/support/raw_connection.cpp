#include "raw_connection.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <poll.h>

#include "mysql/src/client_library.h"
#include "mysql/src/uri.h"

namespace xa_tm::bench {
namespace {

std::runtime_error failure(const std::string& statements, const char* why) {
    return std::runtime_error(fmt::format("{}: {}", statements, why));
}

class PostgresConnection final : public RawConnection {
public:
    explicit PostgresConnection(const std::string& uri) : connection_{PQconnectdb(uri.c_str())} {
        if (PQstatus(connection_) != CONNECTION_OK) {
            const std::runtime_error error{PQerrorMessage(connection_)};
            PQfinish(connection_);
            throw error;
        }
    }
    ~PostgresConnection() override { PQfinish(connection_); }

    void scatter(const std::string& statements) override {
        statements_ = statements;
        if (PQsendQuery(connection_, statements.c_str()) == 0) {
            throw failure(statements_, PQerrorMessage(connection_));
        }
    }

    void gather() override {
        bool is_ok = true;
        while (PGresult* result = PQgetResult(connection_)) {
            const auto status = PQresultStatus(result);
            const std::string tag = PQcmdStatus(result);
            is_ok = is_ok && tag != "ROLLBACK" &&
                    (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
            PQclear(result);
        }
        if (!is_ok) {
            throw failure(statements_, PQerrorMessage(connection_));
        }
    }

    [[nodiscard]] int descriptor() const override { return PQsocket(connection_); }

    std::vector<Row> query(const std::string& statement) override {
        PGresult* result = PQexec(connection_, statement.c_str());
        const bool is_ok = PQresultStatus(result) == PGRES_TUPLES_OK;
        std::vector<Row> rows;
        for (int row = 0; row < PQntuples(result); ++row) {
            auto& values = rows.emplace_back();
            for (int column = 0; column < PQnfields(result); ++column) {
                values.emplace_back(PQgetvalue(result, row, column));
            }
        }
        PQclear(result);
        if (!is_ok) {
            throw failure(statement, PQerrorMessage(connection_));
        }
        return rows;
    }

private:
    PGconn* connection_;
    std::string statements_;
};

const char* or_null(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

class MysqlConnection final : public RawConnection {
public:
    explicit MysqlConnection(const std::string& uri) : connection_{mysql_init(nullptr)} {
        const auto address = mysql::parse_uri(uri);
        if (mysql_real_connect(connection_, or_null(address.host), or_null(address.user),
                               or_null(address.password), or_null(address.database), address.port,
                               or_null(address.socket), CLIENT_MULTI_STATEMENTS) == nullptr) {
            const std::runtime_error error{mysql_error(connection_)};
            mysql_close(connection_);
            throw error;
        }
    }
    ~MysqlConnection() override { mysql_close(connection_); }

    void scatter(const std::string& statements) override {
        statements_ = statements;
        if (mysql_send_query(connection_, statements.data(), statements.size()) != 0) {
            throw failure(statements_, mysql_error(connection_));
        }
    }

    void gather() override {
        int status = mysql_read_query_result(connection_) != 0 ? 1 : 0;
        while (status == 0) {
            mysql_free_result(mysql_store_result(connection_));
            status = mysql_next_result(connection_);
        }
        if (status > 0) {
            throw failure(statements_, mysql_error(connection_));
        }
    }

    [[nodiscard]] int descriptor() const override {
        return mysql::client_library::socket_of(*connection_);
    }

    std::vector<Row> query(const std::string& statement) override {
        MYSQL_RES* result = mysql_real_query(connection_, statement.data(), statement.size()) == 0
                                ? mysql_store_result(connection_)
                                : nullptr;
        if (result == nullptr) {
            throw failure(statement, mysql_error(connection_));
        }
        std::vector<Row> rows;
        const auto columns = mysql_num_fields(result);
        while (MYSQL_ROW values = mysql_fetch_row(result)) {
            auto& row = rows.emplace_back();
            for (unsigned column = 0; column < columns; ++column) {
                row.emplace_back(values[column] != nullptr ? values[column] : "");
            }
        }
        mysql_free_result(result);
        return rows;
    }

private:
    MYSQL* connection_;
    std::string statements_;
};

}  // namespace

std::unique_ptr<RawConnection> RawConnection::open(const std::string& uri) {
    if (uri.starts_with("postgres")) {
        return std::make_unique<PostgresConnection>(uri);
    }
    return std::make_unique<MysqlConnection>(uri);
}

void gather_all(std::span<const std::unique_ptr<RawConnection>> connections) {
    std::vector<pollfd> waiting;
    for (const auto& connection : connections) {
        waiting.push_back({connection->descriptor(), POLLIN, 0});
    }
    for (std::size_t left = waiting.size(); left > 0;) {
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "poll");
        }
        for (std::size_t i = 0; i < waiting.size(); ++i) {
            if (waiting[i].fd >= 0 && waiting[i].revents != 0) {
                connections[i]->gather();
                waiting[i].fd = -1;
                --left;
            }
        }
    }
}

}  // namespace xa_tm::bench
