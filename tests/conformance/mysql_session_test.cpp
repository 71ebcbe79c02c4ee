// Whose session it is, and ending one that is lost.

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::StartsWith;

class MysqlSession : public OnMysql {
protected:
    static Answer end_once(Connection& connection, const SessionId& session) {
        return run_batch(connection, {{.verb = Verb::end_session, .session = session}}).front();
    }

    /// Asks again for as long as the session is ending.
    static Answer end(Connection& connection, const SessionId& session) {
        Answer answer;
        EXPECT_TRUE(eventually([&] {
            answer = end_once(connection, session);
            return answer.code != XaCode::retry;
        }));
        return answer;
    }

    std::unique_ptr<Connection> start_marked(const std::string& mark) {
        auto connection = datasource_.connect({mark});
        EXPECT_EQ(run(*connection, Verb::start, xid_).code, XaCode::ok);
        sql(*connection) << "insert into points values (1)";
        return connection;
    }

    std::int64_t is_there(const SessionId& session) {
        return admin_.number(fmt::format(
            "select count(*) from information_schema.processlist where id = {}", session.number));
    }

    const Xid xid_ = unique_xid();
};

TEST_P(MysqlSession, IsNamedByItsNumberAndTheServersStart) {
    const auto connection = start_marked("m");
    EXPECT_EQ(connection->session_id().number, ::mysql_thread_id(native_handle(*connection)));
    EXPECT_FALSE(connection->session_id().since.empty());
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

TEST_P(MysqlSession, ThatIsLostIsEndedAndItsBranchRolledBack) {
    const auto lost = start_marked("m");
    const auto other = datasource_.connect({"m"});
    EXPECT_EQ(end(*other, lost->session_id()).code, XaCode::ok);
    EXPECT_EQ(is_there(lost->session_id()), 0);
    EXPECT_EQ(run(*other, Verb::locate, xid_).code, XaCode::nota);
    EXPECT_EQ(run(*lost, Verb::prepare, xid_).code, XaCode::rmfail);
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(serves_again(*other));
    EXPECT_EQ(end(*other, lost->session_id()).code, XaCode::ok) << "it is gone already";
}

TEST_P(MysqlSession, OfAnEndedProcessIsEndedAsWell) {
    const auto lost = start_marked("m/1");
    const auto other = datasource_.connect({.text = "m/2", .ended = {"m/1", "m/0"}});
    EXPECT_EQ(end(*other, lost->session_id()).code, XaCode::ok);
    EXPECT_EQ(is_there(lost->session_id()), 0);
}

TEST_P(MysqlSession, ThatIsEndedLeavesItsPreparedBranchToOthers) {
    const auto lost = start_marked("m");
    EXPECT_EQ(run(*lost, Verb::prepare, xid_).code, XaCode::ok);
    const auto other = datasource_.connect({"m"});
    EXPECT_EQ(end(*other, lost->session_id()).code, XaCode::ok);
    EXPECT_EQ(run(*other, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlSession, ThatIsEndedInTheMiddleOfItsPrepareDoesNotPrepareLater) {
    const auto lost = start_marked("m");
    const auto other = datasource_.connect({"m"});
    admin_.execute("flush tables with read lock");
    lost->send(Verb::prepare, xid_);
    EXPECT_TRUE(eventually([&] {
        static_cast<void>(lost->receive());
        return admin_.number(fmt::format("select count(*) from information_schema.processlist "
                                         "where id = {} and info like 'xa prepare%'",
                                         lost->session_id().number)) == 1;
    }));
    EXPECT_EQ(end(*other, lost->session_id()).code, XaCode::ok);
    admin_.execute("unlock tables");
    EXPECT_EQ(run(*other, Verb::locate, xid_).code, XaCode::nota);
    EXPECT_EQ(admin_.prepared(), std::vector<std::string>{});
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlSession, ThatIsNotProvablyOursIsLeftAlone) {
    const auto stranger = start_marked("stranger");
    const auto other = datasource_.connect({"m"});
    const SessionId of_number{stranger->session_id().number, other->session_id().since};
    EXPECT_EQ(end_once(*other, of_number).code, XaCode::retry);
    const auto unmarked = datasource_.connect({});
    const auto answer =
        end_once(*other, {stranger->session_id().number, unmarked->session_id().since});
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_THAT(answer.message, HasSubstr("mark"));
    EXPECT_EQ(run(*stranger, Verb::commit_one_phase, xid_).code, XaCode::ok);
}

// A server that was restarted counts from 1 again, at once after its last start as well.
TEST_P(MysqlSession, IsNotTakenForAnEarlierOneThatHadItsNumberAndItsMark) {
    const auto younger = start_marked("m");
    const auto other = datasource_.connect({"m"});
    auto lost = datasource_.connect({"m"});
    const SessionId earlier{younger->session_id().number, lost->session_id().since};
    lost.reset();
    EXPECT_EQ(end_once(*other, earlier).code, XaCode::ok) << "the younger one proves it";
    EXPECT_EQ(run(*younger, Verb::commit_one_phase, xid_).code, XaCode::ok);
}

TEST_P(MysqlSession, OfAFormerLifeOfTheServerHasEnded) {
    const auto connection = start_marked("m");
    const auto other = datasource_.connect({"m"});
    const SessionId former{connection->session_id().number, "1000000000"};
    EXPECT_EQ(end_once(*other, former).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid_).code, XaCode::ok) << "not the same";
}

TEST_P(MysqlSession, OfAnotherUserNeedsAGrantThatTheAnswerNames) {
    admin_.execute("drop user if exists other@localhost");
    admin_.execute("create user other@localhost identified by 'other-secret'");
    admin_.execute("grant all on xa_tm_test.* to other@localhost");
    const auto lost = start_marked("m");
    auto uri = sandbox::uri(GetParam());
    uri.replace(uri.find("app:app-secret"), 14, "other:other-secret");
    mysql::Datasource datasource{"points", uri};
    {
        const auto other = datasource.connect({"m"});
        const auto answer = end_once(*other, lost->session_id());
        EXPECT_EQ(answer.code, XaCode::rmerr);
        EXPECT_EQ(answer.native_error, 1095);
        EXPECT_THAT(answer.message,
                    HasSubstr(is_mariadb() ? "grant CONNECTION ADMIN" : "grant CONNECTION_ADMIN"));
    }
    admin_.execute(fmt::format("grant {} on *.* to other@localhost",
                               is_mariadb() ? "connection admin" : "connection_admin"));
    const auto other = datasource.connect({"m"});
    const auto answer = end(*other, lost->session_id());
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_THAT(answer.message, HasSubstr("PROCESS"));
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlSession, OfAnEndedProcessGivesItsBranchUpToWhoFinishesIt) {
    const auto lost = start_marked("m/1");
    EXPECT_EQ(run(*lost, Verb::prepare, xid_).code, XaCode::ok);
    const auto other = datasource_.connect({.text = "m/2", .ended = {"m/1"}});
    EXPECT_EQ(run_until_known(*other, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlSession, OfAnEndedProcessOfAnotherUserNeedsAGrantThatTheAnswerNames) {
    admin_.execute("drop user if exists other@localhost");
    admin_.execute("create user other@localhost identified by 'other-secret'");
    admin_.execute("grant all on xa_tm_test.* to other@localhost");
    admin_.execute("grant process on *.* to other@localhost");
    auto uri = sandbox::uri(GetParam());
    uri.replace(uri.find("app:app-secret"), 14, "other:other-secret");
    mysql::Datasource datasource{"points", uri};
    const auto lost = start_marked("m/1");
    const SessionMark mark{.text = "m/2", .ended = {"m/1"}};
    const auto refused = run(*datasource.connect(mark), Verb::end_ended_sessions);
    EXPECT_EQ(refused.code, XaCode::rmerr);
    EXPECT_EQ(refused.native_error, 1095);
    EXPECT_THAT(refused.message,
                HasSubstr(is_mariadb() ? "grant CONNECTION ADMIN" : "grant CONNECTION_ADMIN"));
    EXPECT_EQ(is_there(lost->session_id()), 1);
    admin_.execute(fmt::format("grant {} on *.* to other@localhost",
                               is_mariadb() ? "connection admin" : "connection_admin"));
    const auto answer = run(*datasource.connect(mark), Verb::end_ended_sessions);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_EQ(answer.message, "");
    EXPECT_EQ(is_there(lost->session_id()), 0);
}

TEST_P(MysqlSession, OfAnEndedProcessMayBeHiddenFromAUserWithoutProcessWhichTheAnswerSays) {
    const auto connection = datasource_.connect({.text = "m/2", .ended = {"m/1"}});
    const auto answer = run(*connection, Verb::end_ended_sessions);
    EXPECT_EQ(answer.code, XaCode::ok);
    EXPECT_THAT(answer.message, HasSubstr("PROCESS"));
}

TEST_P(MysqlSession, IsWaitedForWholeWhateverTheTimeLimitForStatementsIs) {
    mysql::Datasource impatient{
        "points", sandbox::uri(GetParam()), {.statement_timeout = std::chrono::milliseconds{50}}};
    const auto lost = start_marked("m/1");
    EXPECT_EQ(run(*lost, Verb::prepare, xid_).code, XaCode::ok);
    const auto other = impatient.connect({.text = "m/2", .ended = {"m/1"}});
    EXPECT_EQ(run(*other, Verb::end_ended_sessions).code, XaCode::ok);
    EXPECT_EQ(run(*other, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlSession, OfThisProcessThatEndedInDoubtIsWaitedForOnce) {
    std::vector<Xid> xids;
    std::vector<std::unique_ptr<Connection>> lost;
    for (int id = 1; id <= 3; ++id) {
        xids.push_back(unique_xid());
        lost.push_back(datasource_.connect({"m"}));
        EXPECT_EQ(run(*lost.back(), Verb::start, xids.back()).code, XaCode::ok);
        sql(*lost.back()) << fmt::format("insert into points values ({})", id);
        EXPECT_EQ(run(*lost.back(), Verb::prepare, xids.back()).code, XaCode::ok);
    }
    const auto other = datasource_.connect({"m"});
    for (const auto& connection : lost) {
        const auto session = connection->session_id();
        connection->close();
        EXPECT_EQ(end(*other, session).code, XaCode::ok);
    }
    for (const auto& xid : xids) {
        const auto committed = run_counted(*other, Verb::commit, xid);
        EXPECT_EQ(committed.answer.code, XaCode::ok) << committed.answer.message;
        EXPECT_LE(committed.waits, 1) << "their end has been seen already";
    }
    EXPECT_EQ(rows(), 3);
}

TEST_P(MysqlSession, HoldsALockAlsoWhenTheMarkIsLong) {
    const auto one =
        datasource_.connect({"xa_tm:0123456789abcdef0123456789abcdef:1234567:a-long-name"});
    const auto other =
        datasource_.connect({"xa_tm:0123456789abcdef0123456789abcdef:1234567:a-long-name"});
    EXPECT_EQ(end(*other, one->session_id()).code, XaCode::ok);
}

TEST_P(MysqlSession, DescribesItsServer) {
    const auto description = datasource_.describe();
    EXPECT_THAT(description.product, StartsWith(is_mariadb() ? "MariaDB 1" : "MySQL 9.7"));
    EXPECT_THAT(description.facts,
                AllOf(Contains(ServerFact{"innodb_flush_log_at_trx_commit", "1"}),
                      Contains(Field(&ServerFact::name,
                                     is_mariadb() ? "wsrep_on" : "xa_detach_on_prepare")),
                      Contains(AllOf(Field(&ServerFact::name, "XA RECOVER"),
                                     Field(&ServerFact::severity, Severity::good)))));
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlSession, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
