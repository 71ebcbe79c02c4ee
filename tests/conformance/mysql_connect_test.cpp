// Connecting as people do, and what is said when that fails.

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// The code that connecting fails with, and its message.
std::pair<ErrorCode, std::string> connect_error(const std::string& uri) {
    try {
        mysql::Datasource datasource{"points", uri};
        std::ignore = datasource.connect({});
    } catch (const Error& error) {
        EXPECT_EQ(error.resource(), "points");
        return {error.code(), error.what()};
    }
    ADD_FAILURE() << "connected";
    return {};
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    text.replace(text.find(what), what.size(), by);
    return text;
}

auto one_line_with(const std::string& words) {
    return AllOf(StartsWith("resource points: "), HasSubstr(words), Not(HasSubstr("\n")),
                 Not(HasSubstr("secret")));
}

class MysqlConnect : public testing::TestWithParam<const char*> {};

TEST_P(MysqlConnect, SaysThatThePasswordIsWrong) {
    const auto uri = replaced(sandbox::tcp_uri(GetParam()), "app-secret", "wrong-secret");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::authentication_failed);
    EXPECT_THAT(message, one_line_with("Access denied for user 'app'"));
}

TEST_P(MysqlConnect, SaysThatTheHostIsUnknown) {
    const auto [code, message] =
        connect_error("mysql://app:secret@no-such-host.invalid/xa_tm_test");
    EXPECT_EQ(code, ErrorCode::resource_unreachable);
    EXPECT_THAT(message, one_line_with("no-such-host.invalid"));
}

TEST_P(MysqlConnect, SaysThatNoServerListens) {
    const auto [code, message] = connect_error("mysql://app:secret@127.0.0.1:1/xa_tm_test");
    EXPECT_EQ(code, ErrorCode::resource_unreachable);
    EXPECT_THAT(message, one_line_with("127.0.0.1"));
    EXPECT_EQ(connect_error("mysql:///xa_tm_test?socket=/nonexistent").first,
              ErrorCode::resource_unreachable);
}

TEST_P(MysqlConnect, SaysThatTheDatabaseIsUnknown) {
    const auto uri = replaced(sandbox::admin_uri(GetParam()), "xa_tm_test", "no_such_database");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::resource_refused);
    EXPECT_THAT(message, one_line_with("Unknown database 'no_such_database'"));
}

TEST_P(MysqlConnect, SaysThatTheDatabaseIsNotGranted) {
    const auto uri = replaced(sandbox::uri(GetParam()), "xa_tm_test", "not_granted");
    const auto [code, message] = connect_error(uri);
    EXPECT_EQ(code, ErrorCode::authentication_failed);
    EXPECT_THAT(message, one_line_with("not_granted"));
}

TEST_P(MysqlConnect, TakesPasswordsWithAnyCharacter) {
    Database admin{sandbox::admin_uri(GetParam())};
    admin.execute("drop user if exists 'awkward'@'%'");
    admin.execute(R"(create user 'awkward'@'%' identified by 'a b\'c\\d"=%&')");
    auto uri = replaced(sandbox::tcp_uri(GetParam()), "app:app-secret",
                        "awkward:a%20b%27c%5Cd%22%3D%25%26");
    uri = replaced(uri, "/xa_tm_test", "/");
    mysql::Datasource datasource{"points", uri};
    EXPECT_TRUE(datasource.connect({})->is_reusable());
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlConnect, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
