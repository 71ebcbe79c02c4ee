// A replica that has missed the last transactions takes over: nothing that it lacks may pass for
// done.

#include <fmt/format.h>

#include "postgres_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// A replica that gets nothing after its making. The server's own superuser can run programs as the
/// user to whom the server's files belong, and with its version's programs.
class StaleReplica {
public:
    explicit StaleReplica(Database& admin)
        : admin_{admin},
          programs_{setting("select setting from pg_config() where name = 'BINDIR'")},
          socket_{setting("select current_setting('unix_socket_directories')")},
          port_{setting("select current_setting('port')")},
          folder_{setting("select current_setting('data_directory')") + "/../tmp"} {
        run_program(fmt::format(
            "rm -rf {0}/replica && {1}/pg_basebackup -h {2} -p {3} -U postgres -c fast --no-sync "
            "-D {0}/replica && touch {0}/replica/standby.signal && "
            "{1}/pg_ctl -s -w -D {0}/replica -l {0}/replica/log -o \"-p {3} -c listen_addresses= "
            "-c max_connections={4} -c unix_socket_directories={0}\" start >{0}/replica/start.log",
            folder_, programs_, socket_, port_,
            setting("select current_setting('max_connections')")));
    }
    StaleReplica(const StaleReplica&) = delete;
    StaleReplica& operator=(const StaleReplica&) = delete;
    ~StaleReplica() {
        run_program(
            fmt::format("{0}/pg_ctl -s -D {1}/replica -m immediate stop; rm -rf {1}/replica",
                        programs_, folder_));
    }

    [[nodiscard]] std::string uri(const char* user) const {
        return fmt::format("postgresql://{}@/xa_tm_test?host={}&port={}", user, folder_, port_);
    }

private:
    std::string setting(const std::string& query) { return admin_.column(query).at(0); }
    void run_program(const std::string& command) {
        admin_.execute("copy (select 1) to program '" + command + "'");
    }

    Database& admin_;
    std::string programs_;
    std::string socket_;
    std::string port_;
    std::string folder_;
};

class PostgresFailover : public OnPostgres {};

TEST_P(PostgresFailover, Trap44WhatAPromotedReplicaHasMissedIsReportedAndNeverTakenForDone) {
    StaleReplica replica{admin_};
    postgres::Datasource replicated{"users", replica.uri("app")};
    try {
        std::ignore = replicated.connect({});
        FAIL() << "connected to a standby";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::two_phase_unavailable);
        EXPECT_THAT(error.what(), HasSubstr("standby"));
    }

    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "insert into only_postgres values (1)";
    const auto vote = run(*connection, Verb::prepare, xid);
    ASSERT_EQ(vote.code, XaCode::ok);
    ASSERT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);

    Database promoted{replica.uri("postgres")};
    ASSERT_EQ(promoted.number("select pg_promote()::int"), 1);
    const auto after = replicated.connect({});
    EXPECT_EQ(after->server_identity(), connection->server_identity())
        << "nothing but the timeline tells them apart";
    EXPECT_NE(run(*after, Verb::recover).position.history,
              run(*connection, Verb::recover).position.history);
    const auto expect_hazard = [&] {
        for (const auto verb : {Verb::commit, Verb::locate}) {
            const auto answer =
                run(*after, {{.verb = verb, .xid = xid, .evidence = vote.evidence}}).front();
            EXPECT_EQ(answer.code, XaCode::heurhaz) << answer.message;
        }
    };
    expect_hazard();
    // The promoted server gives the same number to a transaction of its own.
    const auto transaction = std::stoll(vote.evidence.substr(vote.evidence.find('=') + 1));
    while (promoted.number("select pg_current_xact_id()::text::bigint") <= transaction) {
    }
    EXPECT_EQ(promoted.column(fmt::format("select pg_xact_status('{}'::xid8)", transaction)).at(0),
              "committed");
    expect_hazard();
    EXPECT_THAT(promoted.prepared(), IsEmpty());
}

// Of the newer versions the sandbox has the server, but not the programs that make replicas.
INSTANTIATE_TEST_SUITE_P(On, PostgresFailover, testing::Values("postgres"), name_of_server);

}  // namespace
}  // namespace xa_tm::test
