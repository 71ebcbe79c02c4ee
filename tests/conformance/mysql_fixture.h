#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mysql.h>
#include <soci/soci.h>

#include "database.h"
#include "eventually.h"
#include "sandbox.h"
#include "servers.h"
#include "subjects.h"
#include "xa_tm/error.h"
#include "xa_tm/mysql/datasource.h"

namespace xa_tm::test {

/// What is only about MySQL and MariaDB, on each server of kMysqlServers: a table `points` with the
/// column id, and connections to work with it.
class OnMysql : public testing::TestWithParam<const char*> {
protected:
    OnMysql()
        : datasource_{"points", sandbox::uri(GetParam())},
          outside_{sandbox::uri(GetParam())},
          admin_{sandbox::admin_uri(GetParam())} {}

    void SetUp() override {
        outside_.execute("drop table if exists points");
        outside_.execute("create table points (id int primary key) engine = innodb");
    }

    static bool is_mariadb() {
        return std::string_view{GetParam()}.find("mariadb") != std::string_view::npos;
    }

    std::unique_ptr<Connection> start(const Xid& xid) {
        auto connection = datasource_.connect({});
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }

    /// A branch that inserts row 1.
    std::unique_ptr<Connection> start_with_row(const Xid& xid) {
        auto connection = start(xid);
        sql(*connection) << "insert into points values (1)";
        return connection;
    }

    static soci::session& sql(Connection& connection) {
        return mysql::Datasource::sql_of(connection);
    }
    static MYSQL* native_handle(Connection& connection) {
        return mysql::Datasource::native_handle_of(connection);
    }

    std::int64_t rows() { return outside_.number("select count(*) from points"); }

    mysql::Datasource datasource_;
    Database outside_;
    Database admin_;
};

inline std::string name_of_server(const testing::TestParamInfo<const char*>& info) {
    std::string name = info.param;
    std::ranges::replace_if(
        name, [](char c) { return c == '-' || c == '.'; }, '_');
    return name;
}

/// Sends a batch and waits for all its answers. Throws std::runtime_error when one does not come.
[[nodiscard]] std::vector<Answer> run_batch(Connection& connection, std::vector<Request> batch);
/// One statement in the branch.
[[nodiscard]] Answer run_statement(Connection& connection, const Xid& xid, std::string statement);

}  // namespace xa_tm::test
