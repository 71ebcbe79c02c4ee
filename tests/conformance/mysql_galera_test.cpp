// A Galera cluster of one node: it can't prepare, and that is said when we connect and not later.

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <unistd.h>

#include "child_process.h"
#include "database.h"
#include "eventually.h"
#include "temporary_directory.h"
#include "xa_tm/error.h"
#include "xa_tm/mysql/datasource.h"

namespace xa_tm::test {
namespace {

using testing::HasSubstr;

// Debian: package galera-4.
constexpr const char* kProvider = "/usr/lib/galera/libgalera_smm.so";

class GaleraNode {
public:
    GaleraNode() : installed_{install()}, server_{command(), {}} {}

    [[nodiscard]] std::string uri() const {
        return fmt::format("mysql://root@localhost/mysql?socket={}", socket());
    }
    [[nodiscard]] bool is_ready() const {
        try {
            return !Database{uri()}
                        .column("show status where variable_name = 'wsrep_ready' and value = 'ON'")
                        .empty();
        } catch (const soci::soci_error&) {
            return false;
        }
    }

private:
    [[nodiscard]] std::string in_folder(std::string_view name) const {
        return (folder_.path() / name).string();
    }
    [[nodiscard]] std::string socket() const { return in_folder("s"); }

    /// The server refuses to be root's unless it is told so.
    static void add_user(std::vector<std::string>& arguments) {
        if (::geteuid() == 0) {
            arguments.emplace_back("--user=root");
        }
    }

    [[nodiscard]] Completed install() const {
        std::vector<std::string> arguments{
            "/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + in_folder("data"),
            "--auth-root-authentication-method=normal", "--skip-test-db"};
        add_user(arguments);
        return run_program(std::move(arguments));
    }

    [[nodiscard]] std::vector<std::string> command() const {
        const int port = 20000 + ::getpid() % 12000;
        std::vector<std::string> arguments{
            "/usr/sbin/mariadbd",
            "--no-defaults",
            "--datadir=" + in_folder("data"),
            "--socket=" + socket(),
            "--pid-file=" + in_folder("pid"),
            "--log-error=" + in_folder("log"),
            "--skip-networking",
            "--binlog-format=row",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=1",
            fmt::format("--wsrep-provider={}", kProvider),
            "--wsrep-cluster-address=gcomm://",
            "--wsrep-node-address=127.0.0.1",
            fmt::format("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{}", port)};
        add_user(arguments);
        return arguments;
    }

    TemporaryDirectory folder_;
    Completed installed_;
    ChildProcess server_;
};

TEST(MysqlGalera, IsRefusedWithItsReasonWhenWeConnect) {
    if (!std::filesystem::exists(kProvider)) {
        GTEST_SKIP() << "needs " << kProvider << "; install galera-4";
    }
    const GaleraNode node;
    ASSERT_TRUE(eventually([&] { return node.is_ready(); }));
    mysql::Datasource datasource{"points", node.uri()};
    try {
        std::ignore = datasource.connect({"m"});
        FAIL() << "connected to a server that can't prepare";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::two_phase_unavailable);
        EXPECT_THAT(error.what(), HasSubstr("Galera"));
    }
    try {
        Database{node.uri()}.execute("xa start 'a'");
        ADD_FAILURE() << "Galera has learnt to prepare: the refusal can go";
    } catch (const soci::soci_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("Galera"));
    }
}

}  // namespace
}  // namespace xa_tm::test
