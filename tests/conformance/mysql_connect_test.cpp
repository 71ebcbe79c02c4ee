// Connecting as people do, and what is said when that fails.

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "mysql_fixture.h"
#include "temporary_directory.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
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

std::string socket_of(const std::string& server) {
    const auto uri = sandbox::uri(server);
    return uri.substr(uri.find("socket=") + 7);
}

/// The file of the server's own certificates, where it has made some.
std::string certificate(const std::string& server, const std::string& name) {
    const auto socket = std::filesystem::path{socket_of(server)};
    return (socket.parent_path().parent_path() / "data" / name).string();
}

/// The cipher of a new connection; empty when it is not encrypted.
std::string cipher_of(const std::string& uri) {
    mysql::Datasource datasource{"points", uri};
    const auto connection = datasource.connect({});
    const auto xid = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
    const char* cipher = ::mysql_get_ssl_cipher(mysql::Datasource::native_handle_of(*connection));
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    return cipher == nullptr ? "" : cipher;
}

TEST_P(MysqlConnect, UsesTlsAsTheModeSays) {
    const auto uri = sandbox::tcp_uri(GetParam());
    EXPECT_EQ(cipher_of(uri + "?ssl-mode=disabled"), "");
    const bool has_tls = !cipher_of(uri + "?ssl-mode=preferred").empty();
    if (has_tls) {
        EXPECT_NE(cipher_of(uri + "?ssl-mode=required"), "");
        return;
    }
    const auto [code, message] = connect_error(uri + "?ssl-mode=required");
    EXPECT_EQ(code, ErrorCode::resource_refused);
    EXPECT_THAT(message, one_line_with("offers no TLS"));
}

TEST_P(MysqlConnect, ChecksTheServersCertificate) {
    if (!std::filesystem::exists(certificate(GetParam(), "ca.pem"))) {
        GTEST_SKIP() << "this server has not made a CA of its own";
    }
    const auto uri = sandbox::tcp_uri(GetParam());
    const auto ca = certificate(GetParam(), "ca.pem");
    EXPECT_NE(cipher_of(uri + "?ssl-mode=verify-ca&ssl-ca=" + ca), "");
    const auto with_client_certificate = fmt::format(
        "{}?ssl-mode=verify-ca&ssl-ca={}&ssl-cert={}&ssl-key={}", uri, ca,
        certificate(GetParam(), "client-cert.pem"), certificate(GetParam(), "client-key.pem"));
    EXPECT_NE(cipher_of(with_client_certificate), "");
    const auto stranger = certificate(GetParam(), "client-cert.pem");
    for (const auto& parameters :
         {"?ssl-mode=verify-ca&ssl-ca=" + stranger, "?ssl-mode=verify-identity&ssl-ca=" + ca,
          std::string{"?ssl-mode=verify-identity"},
          std::string{"?ssl-mode=verify-ca&ssl-ca=/nonexistent"}}) {
        const auto [code, message] = connect_error(uri + parameters);
        EXPECT_EQ(code, ErrorCode::resource_refused) << parameters;
        EXPECT_THAT(message, one_line_with("ssl-ca"));
    }
}

TEST_P(MysqlConnect, TakesAPasswordThatTheServerHasNotCachedAlsoOverTlsAndSocket) {
    Database admin{sandbox::admin_uri(GetParam())};
    const auto tcp = sandbox::tcp_uri(GetParam());
    const auto address = tcp.substr(tcp.find('@') + 1);
    const auto host = address.substr(0, address.find('/'));
    // The same password as SQL writes it and as a URI does.
    for (const auto& [text, encoded] :
         {std::pair{R"(a;b c={d\'e\\ )", "a%3Bb%20c%3D%7Bd%27e%5C%20"}, {"a}b c", "a%7Db%20c"}}) {
        admin.execute("drop user if exists 'awkward'@'%'");
        admin.execute(fmt::format("create user 'awkward'@'%' identified by '{}'", text));
        const auto login = fmt::format("mysql://awkward:{}@", encoded);
        for (const auto& uri : {login + host, login + host + "/?ssl-mode=preferred",
                                login + "localhost/?socket=" + socket_of(GetParam())}) {
            admin.execute("flush privileges");
            mysql::Datasource datasource{"points", uri};
            EXPECT_TRUE(datasource.connect({})->is_reusable());
        }
    }
}

TEST_P(MysqlConnect, ReadsOptionFiles) {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "my.cnf").string();
    std::ofstream{path}
        << "[client]\nuser = nobody\n[shop]\nuser = app\npassword = \"app-secret\"\n"
        << "socket = " << socket_of(GetParam()) << "\n";
    mysql::Datasource datasource{"points",
                                 "mysql:///xa_tm_test?default-group=shop&default-file=" + path};
    EXPECT_TRUE(datasource.connect({})->is_reusable());
    const auto uri = "mysql://app:wrong-secret@/xa_tm_test?default-group=shop&default-file=" + path;
    EXPECT_EQ(connect_error(uri).first, ErrorCode::authentication_failed) << "the URI comes first";
}

TEST_P(MysqlConnect, SaysThatTheOptionFileCanNotBeRead) {
    const auto [code, message] =
        connect_error("mysql://app:secret@db/shop?default-file=/nonexistent/my.cnf");
    EXPECT_EQ(code, ErrorCode::invalid_configuration);
    EXPECT_THAT(message, one_line_with("/nonexistent/my.cnf can't be read"));
}

TEST_P(MysqlConnect, GivesUpAStatementThatRunsTooLong) {
    mysql::Datasource datasource{
        "points", sandbox::uri(GetParam()), {.statement_timeout = std::chrono::milliseconds{100}}};
    const auto connection = datasource.connect({});
    const auto xid = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
    const auto answer = run_statement(*connection, xid,
                                      "select count(*) from information_schema.columns a, "
                                      "information_schema.columns b, information_schema.columns c");
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_THAT(answer.native_error, AnyOf(1969, 3024)) << answer.message;
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlConnect, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
