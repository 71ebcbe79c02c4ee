// What the servers answer in odd cases, and what the driver makes of it.

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

class MysqlAnswer : public OnMysql {
protected:
    /// A branch that is prepared and whose session is still there.
    std::unique_ptr<Connection> prepare(const Xid& xid) {
        auto connection = start_with_row(xid);
        EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        return connection;
    }

    /// Sends the verb while a backup lock blocks it, and ends it in the server's own way.
    Answer run_blocked(Connection& connection, Verb verb, const Xid& xid, std::string_view kill) {
        const auto id = connection.session_id().number;
        admin_.execute("flush tables with read lock");
        connection.send(verb, xid);
        std::optional<Answer> answer;
        EXPECT_TRUE(eventually([&] {
            answer = connection.receive();
            return admin_.number(fmt::format("select count(*) from information_schema.processlist "
                                             "where id = {} and state like 'waiting for%lock'",
                                             id)) == 1;
        }));
        EXPECT_EQ(answer, std::nullopt);
        admin_.execute(fmt::format("kill {} {}", kill, id));
        EXPECT_TRUE(eventually([&] {
            answer = connection.receive();
            return answer.has_value();
        }));
        admin_.execute("unlock tables");
        return answer.value_or(Answer{});
    }

    /// As one writes it in a statement.
    static std::string name_of(const Xid& xid) {
        return fmt::format("x'{}',x'{}',{}", to_hex(xid.gtrid), to_hex(xid.bqual), xid.format_id);
    }

    const Xid xid_ = unique_xid();
};

/// The C client by itself, as one would use it without knowing of the trap.
class RawClient {
public:
    explicit RawClient(const std::string& socket) : mysql_{::mysql_init(nullptr)} {
        EXPECT_NE(::mysql_real_connect(mysql_, nullptr, "app", "app-secret", "xa_tm_test", 0,
                                       socket.c_str(), 0),
                  nullptr);
    }
    ~RawClient() { ::mysql_close(mysql_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    int query(const char* statement) { return ::mysql_query(mysql_, statement); }
    int reset() { return ::mysql_reset_connection(mysql_); }
    int change_user() { return ::mysql_change_user(mysql_, "app", "app-secret", "xa_tm_test"); }

private:
    MYSQL* mysql_;
};

TEST_P(MysqlAnswer, ResettingASessionWithAPreparedBranchLosesTheLaterCommitInMariadb) {
    const auto uri = sandbox::uri(GetParam());
    const auto socket = uri.substr(uri.find("socket=") + 7);
    for (const auto reset : {&RawClient::reset, &RawClient::change_user}) {
        {
            RawClient owner{socket};
            RawClient other{socket};
            for (const auto* statement : {"xa start 'trap'", "insert into points values (1)",
                                          "xa end 'trap'", "xa prepare 'trap'"}) {
                ASSERT_EQ(owner.query(statement), 0) << statement;
            }
            EXPECT_EQ((owner.*reset)(), 0) << "the server sees nothing wrong in it";
            EXPECT_EQ(other.query("xa commit 'trap'"), 0) << "and says that it has committed";
            EXPECT_EQ(admin_.prepared(), std::vector<std::string>{});
            EXPECT_EQ(rows(), is_mariadb() ? 0 : 1);
        }
        if (is_mariadb()) {
            // Only a restart brings the branch back to light.
            sandbox::restart(GetParam());
            outside_ = Database{uri};
            admin_ = Database{sandbox::admin_uri(GetParam())};
            EXPECT_EQ(admin_.prepared(), std::vector<std::string>{"trap"});
            admin_.execute("xa rollback 'trap'");
        }
        outside_.execute("delete from points");
    }
}

TEST_P(MysqlAnswer, OurConnectionsAreClosedAndNotResetSoThatTheCommitIsTrue) {
    auto connection = prepare(xid_);
    if (is_mariadb()) {
        EXPECT_FALSE(connection->is_reusable()) << "a pool must not hand it out";
    }
    connection->close();
    connection.reset();
    const auto other = datasource_.connect({"m"});
    EXPECT_EQ(run_until_known(*other, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlAnswer, Trap47UnknownButListedIsBusy) {
    const auto owner = prepare(xid_);
    const auto other = datasource_.connect({});
    if (is_mariadb()) {
        for (const auto verb : {Verb::commit, Verb::rollback}) {
            const auto answer = run(*other, verb, xid_);
            EXPECT_EQ(answer.code, XaCode::retry);
            EXPECT_THAT(answer.message, HasSubstr("has not ended yet"));
        }
        EXPECT_EQ(run(*owner, Verb::commit, xid_).code, XaCode::ok);
    } else {
        EXPECT_EQ(run(*other, Verb::commit, xid_).code, XaCode::ok) << "it is detached";
    }
    EXPECT_EQ(run(*other, Verb::commit, xid_).code, XaCode::nota);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlAnswer, Trap48ABranchThatAnotherSessionWorksOnIsUnknownUntilThatEnds) {
    const auto owner = datasource_.connect({"m"});
    EXPECT_EQ(run(*owner, Verb::start, xid_).code, XaCode::ok);
    sql(*owner) << "insert into points values (1)";
    const auto other = datasource_.connect({"m"});
    EXPECT_EQ(run(*other, Verb::rollback, xid_).code, XaCode::nota);
    EXPECT_EQ(run(*other, Verb::locate, xid_).code, XaCode::retry);
    sql(*owner) << "xa end " + name_of(xid_);
    EXPECT_EQ(run(*other, Verb::rollback, xid_).code, XaCode::nota);
    EXPECT_EQ(run(*other, Verb::locate, xid_).code, XaCode::retry);
    EXPECT_TRUE(eventually([&] {
        return run_batch(*other, {{.verb = Verb::end_session, .session = owner->session_id()}})
                   .front()
                   .code == XaCode::ok;
    }));
    EXPECT_EQ(run(*other, Verb::locate, xid_).code, XaCode::nota);
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlAnswer, Trap49ListingWithoutTheRightNamesTheGrant) {
    admin_.execute("drop user if exists other@localhost");
    admin_.execute("create user other@localhost identified by 'other-secret'");
    admin_.execute("grant all on xa_tm_test.* to other@localhost");
    auto uri = sandbox::uri(GetParam());
    uri.replace(uri.find("app:app-secret"), 14, "other:other-secret");
    mysql::Datasource datasource{"points", uri};
    const auto connection = datasource.connect({});
    const auto answer = run(*connection, Verb::recover);
    if (is_mariadb()) {
        EXPECT_EQ(answer.code, XaCode::ok);
        return;
    }
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(answer.native_error, 1401);
    EXPECT_THAT(answer.message, HasSubstr("grant XA_RECOVER_ADMIN"));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlAnswer, Trap54BinaryXidsOfOthersAreListedExactlyAndOnce) {
    admin_.execute("xa start x'00ff27',x'0022',5");
    admin_.execute("insert into xa_tm_test.points values (1)");
    admin_.execute("xa end x'00ff27',x'0022',5");
    admin_.execute("xa prepare x'00ff27',x'0022',5");
    const auto connection = datasource_.connect({});
    const Xid xid{5, std::string{"\0\xff'", 3}, std::string{"\0\"", 2}};
    for (int scan = 0; scan < 2; ++scan) {
        EXPECT_THAT(run(*connection, Verb::recover).listed,
                    ElementsAre(Field(&ListedBranch::xid, std::optional{xid})));
    }
    admin_.execute("xa rollback x'00ff27',x'0022',5");
    EXPECT_TRUE(run(*connection, Verb::recover).listed.empty());
}

TEST_P(MysqlAnswer, Trap53AConnectionWithAnUnfinishedBranchIsNotReused) {
    const auto connection = start_with_row(xid_);
    sql(*connection) << "xa end " + name_of(xid_);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok)
        << "it is idle, whoever has ended it";
    EXPECT_EQ(admin_.prepared().size(), 1U);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlAnswer, ALockWaitThatTimesOutUndoesTheStatementOnly) {
    outside_.execute("insert into points values (1)");
    const auto holder_xid = unique_xid();
    const auto holder = start(holder_xid);
    EXPECT_EQ(run_statement(*holder, holder_xid, "delete from points where id = 1").code,
              XaCode::ok);
    const auto connection = start(xid_);
    sql(*connection) << "set innodb_lock_wait_timeout = 1";
    EXPECT_EQ(run_statement(*connection, xid_, "insert into points values (2)").code, XaCode::ok);
    const auto answer = run_statement(*connection, xid_, "delete from points where id = 1");
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(answer.native_error, 1205);
    EXPECT_EQ(run(*holder, Verb::rollback, holder_xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 2);
}

TEST_P(MysqlAnswer, AKilledCommitIsRetried) {
    const auto connection = prepare(xid_);
    EXPECT_EQ(run_blocked(*connection, Verb::commit, xid_, "query").code, XaCode::retry);
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlAnswer, AKilledPrepareHasRolledBack) {
    const auto connection = start_with_row(xid_);
    EXPECT_EQ(run_blocked(*connection, Verb::prepare, xid_, "query").code, XaCode::rbrollback);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlAnswer, Trap31ASessionKilledInItsCommitLeavesTheBranchPrepared) {
    auto connection = prepare(xid_);
    EXPECT_EQ(run_blocked(*connection, Verb::commit, xid_, "connection").code, XaCode::rmfail);
    connection.reset();
    const auto other = datasource_.connect({"m"});
    EXPECT_EQ(run_until_known(*other, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlAnswer, Trap36ASessionKilledInItsPrepareHasRolledBackAndNotaIsFine) {
    auto connection = start_with_row(xid_);
    EXPECT_EQ(run_blocked(*connection, Verb::prepare, xid_, "connection").code, XaCode::rmfail);
    connection.reset();
    const auto other = datasource_.connect({"m"});
    EXPECT_TRUE(eventually([&] { return run(*other, Verb::locate, xid_).code == XaCode::nota; }));
    EXPECT_EQ(run(*other, Verb::rollback, xid_).code, XaCode::nota);
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlAnswer, ABranchThatWroteNothingAndLostItsSessionHasNothingToCommit) {
    auto connection = start(xid_);
    sql(*connection) << "select * from points for update";
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok);
    connection.reset();
    const auto other = datasource_.connect({"m"});
    EXPECT_EQ(run_until_known(*other, Verb::commit, xid_).code,
              is_mariadb() ? XaCode::rdonly : XaCode::ok);
}

TEST_P(MysqlAnswer, AFormatIdThatACrashWouldLoseIsRefused) {
    const auto connection = datasource_.connect({});
    EXPECT_EQ(run(*connection, Verb::start, {4294967296, "g", "b"}).code, XaCode::inval);
    EXPECT_EQ(run(*connection, Verb::start, {-1, "g", "b"}).code, XaCode::inval);
    EXPECT_EQ(run(*connection, Verb::start, {2147483647, "g", "b"}).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::rollback, {2147483647, "g", "b"}).code, XaCode::ok);
}

TEST_P(MysqlAnswer, ATemporaryTableIsRefusedWherePreparedBranchesAreDetached) {
    const auto connection = start(xid_);
    const auto answer = run_statement(*connection, xid_, "create temporary table t (id int)");
    if (is_mariadb()) {
        EXPECT_EQ(answer.code, XaCode::ok);
    } else {
        EXPECT_THAT(answer,
                    AllOf(Field(&Answer::code, XaCode::rmerr), Field(&Answer::native_error, 4091),
                          Field(&Answer::message, HasSubstr("not temporary"))));
    }
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlAnswer, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
