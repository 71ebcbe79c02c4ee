// The ways in which people connect to PostgreSQL, and what they are told when it does not work.

#include <cstdlib>
#include <fstream>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child_process.h"
#include "eventually.h"
#include "postgres_fixture.h"
#include "temporary_directory.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// An environment variable for as long as this lives.
class Variable {
public:
    Variable(const char* name, const std::string& value) : name_{name} {
        ::setenv(name, value.c_str(), 1);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { ::unsetenv(name_); }

private:
    const char* name_;
};

class PostgresWays : public OnPostgres {
protected:
    /// Port of the server; its user is app, the password app-secret.
    std::int64_t port() { return outside_.number("select current_setting('port')::int"); }

    std::string file(const std::string& name, const std::string& text) {
        const auto path = directory_.path() / name;
        std::ofstream{path} << text;
        ::chmod(path.c_str(), 0600);
        return path.string();
    }

    static void expect_two_phase(const std::string& connection_string) {
        postgres::Datasource datasource{"users", connection_string};
        const auto xid = unique_xid();
        const auto connection = start_on(datasource, xid);
        sql(*connection) << "insert into only_postgres values (1)";
        EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    }

    static Error error_of(const std::string& connection_string) {
        try {
            postgres::Datasource datasource{"users", connection_string};
            std::ignore = datasource.connect({});
        } catch (const Error& error) {
            return error;
        }
        throw std::runtime_error("connected");
    }

    TemporaryDirectory directory_;
};

TEST_P(PostgresWays, KeywordsAndValues) {
    expect_two_phase(
        fmt::format("host=127.0.0.1 port={} dbname = xa_tm_test user=app "
                    "password='app-secret'",
                    port()));
}

TEST_P(PostgresWays, AServiceFileAndAPasswordFile) {
    const Variable services{
        "PGSERVICEFILE",
        file(
            "services",
            fmt::format("[shop]\nhost=127.0.0.1\nport={}\ndbname=xa_tm_test\nuser=app\n", port()))};
    EXPECT_EQ(error_of("service=shop").code(), ErrorCode::authentication_failed);
    const Variable passwords{"PGPASSFILE",
                             file("passwords", "127.0.0.1:*:xa_tm_test:app:app-secret\n")};
    expect_two_phase("service=shop");
    expect_two_phase("postgresql:///?service=shop");
}

TEST_P(PostgresWays, NeitherAPasswordNorAPieceOfItIsInAMessage) {
    for (const auto& text :
         {fmt::format("host=127.0.0.1 port={} dbname=xa_tm_test user=app password=se-cret", port()),
          fmt::format("postgresql://app:se-cret@127.0.0.1:{}/xa_tm_test", port()),
          std::string{"host=127.0.0.1 port=1 password='my se-cret' dbname=x"},
          std::string{"host=127.0.0.1 password=my se-cret"},
          std::string{"host=127.0.0.1 password='se-cret"}}) {
        EXPECT_THAT(error_of(text).what(), Not(HasSubstr("se-cret"))) << text;
    }
}

TEST_P(PostgresWays, AnEncryptedConnectionWhoseServerIsVerified) {
    // Made by the server itself, in its own data folder, where its rights are right.
    admin_.execute(
        "copy (select 1) to program 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
        "-subj /CN=sandbox -addext subjectAltName=IP:127.0.0.1 -keyout server.key "
        "-out server.crt 2>openssl.log && chmod 600 server.key'");
    const auto root = file("root.crt", admin_.column("select pg_read_file('server.crt')").at(0));
    const auto stranger = file("stranger.crt", "");
    const auto set_ssl = [this](const char* value) {
        admin_.execute(fmt::format("alter system set ssl = {}", value));
        std::ignore = admin_.number("select pg_reload_conf()::int");
        return eventually([&] {
            return Database{sandbox::admin_uri(GetParam())}.column("show ssl").at(0) == value;
        });
    };
    const auto uri = sandbox::tcp_uri(GetParam()) + "?sslmode=verify-full&sslrootcert=";
    EXPECT_THAT(error_of(uri + root).what(), HasSubstr("does not support SSL"));
    ASSERT_TRUE(set_ssl("on"));
    expect_two_phase(uri + root);
    EXPECT_THAT(error_of(uri + stranger).what(), HasSubstr("resource users: "));
    const auto by_name = uri + root;
    EXPECT_THAT(
        error_of(std::string{by_name}.replace(by_name.find("127.0.0.1"), 9, "localhost")).what(),
        HasSubstr("does not match host name"));
    ASSERT_TRUE(set_ssl("off"));
}

/// A pgbouncer of the test's own in front of the server.
class Pgbouncer {
public:
    Pgbouncer(const TemporaryDirectory& directory, std::int64_t server_port, const char* pool_mode)
        : port_{free_port()},
          process_{arguments(write_configuration(directory, server_port, pool_mode)), {}} {}

    /// Valid once it listens.
    [[nodiscard]] std::string uri() const {
        return fmt::format("postgresql://app:app-secret@127.0.0.1:{}/xa_tm_test", port_);
    }
    [[nodiscard]] bool listens() const {
        const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = loopback(port_);
        const bool is_connected =
            ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(descriptor);
        return is_connected;
    }

private:
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }

    static std::uint16_t free_port() {
        const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = loopback(0);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        if (::bind(descriptor, any, size) != 0 || ::getsockname(descriptor, any, &size) != 0) {
            throw std::runtime_error("no free port");
        }
        ::close(descriptor);
        return ntohs(address.sin_port);
    }

    std::string write_configuration(const TemporaryDirectory& directory, std::int64_t server_port,
                                    const char* pool_mode) const {
        const auto path = (directory.path() / "pgbouncer.ini").string();
        std::ofstream{path} << fmt::format(
            "[databases]\nxa_tm_test = host=127.0.0.1 port={} user=app password=app-secret\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = {}\n",
            server_port, port_, pool_mode);
        return path;
    }

    static std::vector<std::string> arguments(std::string configuration) {
        std::vector<std::string> words{"/usr/sbin/pgbouncer", "-q", std::move(configuration)};
        if (::geteuid() == 0) {  // as which it refuses to run
            words.insert(words.begin() + 1, {"-u", "nobody"});
        }
        return words;
    }

    std::uint16_t port_;
    ChildProcess process_;
};

/// How the server's description judges one fact.
std::optional<Severity> severity_of(postgres::Datasource& datasource, std::string_view name) {
    for (const auto& fact : datasource.describe().facts) {
        if (fact.name == name) {
            return fact.severity;
        }
    }
    return std::nullopt;
}

TEST_P(PostgresWays, APoolerInTransactionOrSessionModeWorksAndIsSeen) {
    for (const auto* mode : {"transaction", "session"}) {
        const Pgbouncer pgbouncer{directory_, port(), mode};
        ASSERT_TRUE(eventually([&] { return pgbouncer.listens(); })) << mode;
        expect_two_phase(pgbouncer.uri());
        postgres::Datasource datasource{"users", pgbouncer.uri()};
        const auto connection = datasource.connect({"xa_tm:log:1:node"});
        EXPECT_EQ(severity_of(datasource, "pooler"), Severity::notice) << mode;
        EXPECT_EQ(connection->session_id(), SessionId{});
        const auto xid = unique_xid();
        const auto answers = run(*connection, {{.verb = Verb::start, .xid = xid},
                                               execute(xid, "insert into only_postgres values (1)"),
                                               {.verb = Verb::prepare, .xid = xid}});
        EXPECT_EQ(answers.back().code, XaCode::ok) << answers.back().message;
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    }
}

TEST_P(PostgresWays, BehindAPoolerSessionsOfEndedProcessesAreWaitedFor) {
    const Pgbouncer pgbouncer{directory_, port(), "transaction"};
    ASSERT_TRUE(eventually([&] { return pgbouncer.listens(); }));
    postgres::Datasource datasource{"users", pgbouncer.uri()};
    auto dead = datasource.connect({"xa_tm:log:1:node"});
    EXPECT_EQ(run(*dead, Verb::start, unique_xid()).code, XaCode::ok);
    const auto recovery = datasource.connect({"xa_tm:log:2:node", {"xa_tm:log:1:node"}});
    const auto answer = run(*recovery, Verb::end_ended_sessions);
    EXPECT_EQ(answer.code, XaCode::retry);
    EXPECT_THAT(answer.message, HasSubstr("pooler"));
    dead.reset();
    EXPECT_TRUE(
        eventually([&] { return run(*recovery, Verb::end_ended_sessions).code == XaCode::ok; }));
}

TEST_P(PostgresWays, APoolerIsNoPlaceForALastResource) {
    const Pgbouncer pgbouncer{directory_, port(), "session"};
    ASSERT_TRUE(eventually([&] { return pgbouncer.listens(); }));
    postgres::Datasource datasource{"users", pgbouncer.uri(), {.is_last_resource = true}};
    try {
        std::ignore = datasource.connect({});
        FAIL() << "connected";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::two_phase_unavailable);
        EXPECT_THAT(error.what(), HasSubstr("connect to PostgreSQL itself"));
    }
    EXPECT_EQ(datasource.describe().last_resource.back().severity, Severity::bad);
}

TEST_P(PostgresWays, APoolerInStatementModeIsRefusedWithItsRemedy) {
    const Pgbouncer pgbouncer{directory_, port(), "statement"};
    ASSERT_TRUE(eventually([&] { return pgbouncer.listens(); }));
    const auto error = error_of(pgbouncer.uri());
    EXPECT_EQ(error.code(), ErrorCode::two_phase_unavailable) << error.what();
    EXPECT_THAT(error.what(), AllOf(HasSubstr("pooler"), HasSubstr("pool_mode to transaction")));
    postgres::Datasource datasource{"users", pgbouncer.uri()};
    EXPECT_EQ(severity_of(datasource, "pooler"), Severity::bad);
}

INSTANTIATE_TEST_SUITE_P(On, PostgresWays, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
