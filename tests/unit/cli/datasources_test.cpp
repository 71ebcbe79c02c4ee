#include "datasources.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string kind_for(const std::string& uri) {
    const std::array resources{Resource{"users", uri}};
    return std::string{make_datasources(resources, std::chrono::seconds{10}).front()->kind()};
}

std::string error_for(const std::string& uri) {
    try {
        return kind_for(uri);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

TEST(Datasources, ChoosesTheDriverByTheScheme) {
    EXPECT_EQ(kind_for("postgresql:///users"), "postgresql");
    EXPECT_EQ(kind_for("postgres:///users?host=/run/postgresql"), "postgresql");
    EXPECT_EQ(kind_for("mysql://shop@localhost/points"), "mysql");
    EXPECT_EQ(kind_for("mariadb:///points?socket=/run/mysqld/mysqld.sock"), "mysql");
}

TEST(Datasources, RefusesAnyOtherScheme) {
    for (const auto* uri : {"oracle://app:secret@h/db", "app:secret@h/db", "", "secret"}) {
        EXPECT_EQ(error_for(uri),
                  "resource users: the URI must begin with postgresql://, mysql:// or mariadb://");
    }
}

TEST(Datasources, NeverQuotesThePasswordOfAMalformedUri) {
    for (const auto* uri : {"postgresql://app:secret@h/db?nonsense=1",
                            "postgresql://app:sec@ret@h/db", "postgresql://app:%zzsecret@h/db",
                            "mysql://app:secret@h:port/db", "mysql://app:secret@h/db?nonsense=1",
                            "mysql://app:%zzsecret@h/db", "mysql://app:sec/ret@h/db"}) {
        EXPECT_THAT(error_for(uri), AllOf(StartsWith("resource users: "), Not(HasSubstr("secret")),
                                          Not(HasSubstr("ret@"))))
            << uri;
    }
}

}  // namespace
}  // namespace xa_tm::cli
