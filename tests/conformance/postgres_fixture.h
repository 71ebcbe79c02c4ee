#pragma once

#include <algorithm>
#include <cctype>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "database.h"
#include "sandbox.h"
#include "servers.h"
#include "subjects.h"
#include "xa_tm/postgres/datasource.h"

namespace xa_tm::test {

/// Every server of kPostgresServers, with an empty table only_postgres.
class OnPostgres : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        outside_.execute("drop table if exists only_postgres");
        outside_.execute("create table only_postgres (id int primary key)");
        outside_.execute("drop sequence if exists only_postgres_numbers");
        outside_.execute("create sequence only_postgres_numbers");
    }

    std::unique_ptr<Connection> start(const Xid& xid) { return start_on(datasource_, xid); }

    static std::unique_ptr<Connection> start_on(postgres::Datasource& datasource, const Xid& xid) {
        auto connection = datasource.connect({});
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }

    static soci::session& sql(Connection& connection) {
        return postgres::Datasource::sql_of(connection);
    }

    /// Runs statements in a branch and prepares it.
    Answer vote_after(std::initializer_list<const char*> statements) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        for (const auto* statement : statements) {
            sql(*connection) << statement;
        }
        auto vote = run(*connection, Verb::prepare, xid);
        if (vote.code == XaCode::ok) {
            EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        }
        EXPECT_TRUE(serves_again(*connection));
        return vote;
    }

    static Request execute(const Xid& xid, std::string statement) {
        return {.verb = Verb::execute, .xid = xid, .statement = std::move(statement)};
    }

    std::int64_t rows() { return outside_.number("select count(*) from only_postgres"); }

    postgres::Datasource datasource_{"users", sandbox::uri(GetParam())};
    Database outside_{sandbox::uri(GetParam())};
    Database admin_{sandbox::admin_uri(GetParam())};
};

/// How a server's name shows in a test's.
inline std::string name_of_server(const testing::TestParamInfo<const char*>& info) {
    std::string name = info.param;
    std::ranges::replace_if(
        name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
    return name;
}

}  // namespace xa_tm::test
