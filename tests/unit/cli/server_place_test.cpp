#include "server_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::cli {
namespace {

std::string command_for(const std::string& uri, std::string_view product = "") {
    return client_command({.name = "users", .uri = uri}, product);
}

TEST(ClientCommand, ConnectsPsqlByTheSameUri) {
    EXPECT_EQ(command_for("postgresql:///users?host=/run/postgresql"),
              "psql 'postgresql:///users?host=/run/postgresql'");
    EXPECT_EQ(command_for("postgres://shop@db-1:5433/users"),
              "psql postgresql://shop@db-1:5433/users");
}

TEST(ClientCommand, GivesTheClientOfMySqlItsOptions) {
    EXPECT_EQ(command_for("mysql://shop@db-2:3307/points"),
              "mysql --host=db-2 --port=3307 --user=shop points");
    EXPECT_EQ(
        command_for(
            "mariadb://shop@localhost/points?default-file=/etc/shop/my.cnf&socket=/run/my%20sql.s"),
        "mysql --defaults-file=/etc/shop/my.cnf '--socket=/run/my sql.s' --user=shop points");
    EXPECT_EQ(command_for("mysql://db-2/points", "MariaDB 11.8.6"), "mariadb --host=db-2 points");
    EXPECT_EQ(command_for("mysql://[::1]/points"), "mysql '--host=[::1]' points");
}

TEST(ClientCommand, NeverGivesAPassword) {
    for (const auto* uri :
         {"postgresql://shop:s3cret@db-1/users", "postgresql://shop@db-1/users?password=s3cret",
          "mysql://shop:s3cret@db-1/users", "mysql://shop:s3cret@db-1/users?password=s3cret",
          "mysql://shop:/s3cret@db-1/users", "mysql://shop:a@s3cret@db-1/users",
          "mysql://shop:?s3cret@db-1/users", "postgresql://shop:a?b=s3cret@db-1/users",
          "postgresql:///users?user=shop&password=s3cret&host=db-1",
          "postgresql:///users?sslpassword=s3cret", "s3cret",
          "user=shop password=a://s3cret host=db-1", "user=shop password=mysql://s3cret host=db-1",
          "postgresql:///users?sslmode=require?password=s3cret"}) {
        EXPECT_THAT(command_for(uri), testing::Not(testing::HasSubstr("s3cret"))) << uri;
    }
}

}  // namespace
}  // namespace xa_tm::cli
