// A last resource on MySQL and MariaDB: what the application may set, and which tables are no place
// for a decision.

#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "mysql_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class MysqlLastResource : public OnMysql {
protected:
    void SetUp() override {
        OnMysql::SetUp();
        outside_.execute("drop table if exists xa_tm_decision");
        last_.set_up_decision_table();
    }
    void TearDown() override { outside_.execute("drop table if exists xa_tm_decision"); }

    std::unique_ptr<Connection> start_last(const Xid& xid) {
        auto connection = last_.connect({});
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }
    /// A session that has run this statement as an application might, with no branch open.
    std::unique_ptr<Connection> connect_with(const char* statement) {
        const auto xid = unique_xid();
        auto connection = start_last(xid);
        sql(*connection) << statement;
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        return connection;
    }
    static Answer run_one(Connection& connection, Request request) {
        return run(connection, std::vector{std::move(request)}).front();
    }
    static Answer commit(Connection& connection, const Xid& xid) {
        return run_one(connection, {.verb = Verb::commit_with_decision,
                                    .xid = xid,
                                    .log = "somelog",
                                    .decision = "committed"});
    }
    static Answer list(Connection& connection) {
        return run_one(connection, {.verb = Verb::list_decisions, .log = "somelog"});
    }
    static Answer forget(Connection& connection, std::string gtrid) {
        return run_one(connection, {.verb = Verb::forget_decisions, .gtrids = {std::move(gtrid)}});
    }
    void insert_decision(Database& database, const std::string& gtrid) {
        database.execute(fmt::format(
            "insert into xa_tm_decision (gtrid, log_id, decision) values ('{}', 'somelog', '')",
            gtrid));
    }
    std::int64_t decisions() { return outside_.number("select count(*) from xa_tm_decision"); }

    mysql::Datasource last_{"points", sandbox::uri(GetParam()), {.is_last_resource = true}};
    const Xid xid_ = unique_xid();
};

TEST_P(MysqlLastResource, WritesToItsOwnTableWhateverDatabaseTheApplicationUses) {
    const auto connection = start_last(xid_);
    sql(*connection) << "insert into points values (1)";
    sql(*connection) << "use information_schema";
    const auto answer = commit(*connection, xid_);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_EQ(decisions(), 1);
    EXPECT_EQ(rows(), 1);
    EXPECT_EQ(list(*connection).decisions.size(), 1U);
}

TEST_P(MysqlLastResource, CommitsAfterWorkOverTheNativeHandle) {
    const auto connection = start_last(xid_);
    ASSERT_EQ(::mysql_query(native_handle(*connection), "insert into points values (1)"), 0);
    EXPECT_EQ(commit(*connection, xid_).code, XaCode::ok);
    EXPECT_EQ(decisions(), 1);
    EXPECT_EQ(rows(), 1);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlLastResource, MindsNeitherTheSqlModeNorTheCharacterSetOfTheSession) {
    const auto connection = start_last(xid_);
    sql(*connection) << "set sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'";
    sql(*connection) << "set names gbk";
    const auto answer = commit(*connection, xid_);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    const auto listed = list(*connection).decisions;
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed.front().decision, "committed");
}

TEST_P(MysqlLastResource, ListsNoRowThatIsNotCommittedWhateverIsolationIsSet) {
    const auto connection =
        connect_with("set session transaction isolation level read uncommitted");
    Database writer{sandbox::uri(GetParam())};
    writer.execute("start transaction");
    insert_decision(writer, "undecided");
    const auto answer = list(*connection);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_TRUE(answer.decisions.empty());
    writer.execute("commit");
    EXPECT_EQ(list(*connection).decisions.size(), 1U);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlLastResource, ForgetsForGoodWhateverAutocommitIsSetTo) {
    insert_decision(outside_, "finished");
    const auto connection = connect_with("set autocommit = 0");
    EXPECT_EQ(forget(*connection, "finished").code, XaCode::ok);
    EXPECT_EQ(decisions(), 0);
    // Neither does a list leave a transaction behind, which would go on seeing what it saw first.
    EXPECT_TRUE(list(*connection).decisions.empty());
    insert_decision(outside_, "later");
    EXPECT_EQ(list(*connection).decisions.size(), 1U);
}

TEST_P(MysqlLastResource, ForgetsWithoutWaitingForTheRowsOfOthers) {
    for (const auto* gtrid : {"a", "b", "d"}) {
        insert_decision(outside_, gtrid);
    }
    Database writer{sandbox::uri(GetParam())};
    writer.execute("start transaction");
    insert_decision(writer, "c");
    const auto connection = connect_with("set innodb_lock_wait_timeout = 1");
    for (const auto* gtrid : {"b", "d", "never.written"}) {
        const auto answer = forget(*connection, gtrid);
        EXPECT_EQ(answer.code, XaCode::ok) << gtrid << ": " << answer.message;
    }
    writer.execute("rollback");
    EXPECT_EQ(decisions(), 1);
}

TEST_P(MysqlLastResource, RefusesATableWhoseRowsOutliveARollback) {
    outside_.execute("alter table xa_tm_decision engine = MyISAM");
    try {
        std::ignore = last_.connect({});
        FAIL() << "connected";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::resource_refused);
        EXPECT_THAT(error.what(), AllOf(HasSubstr("MyISAM"), HasSubstr("engine = InnoDB")));
    }
    EXPECT_THAT(last_.describe().last_resource,
                Contains(AllOf(Field(&ServerFact::name, "decision table"),
                               Field(&ServerFact::severity, Severity::bad),
                               Field(&ServerFact::remedy, HasSubstr("engine = InnoDB")))));
}

TEST_P(MysqlLastResource, SaysWhichGrantIsMissing) {
    admin_.execute("create database if not exists closed");
    admin_.execute(
        "create table if not exists closed.xa_tm_decision like "
        "xa_tm_test.xa_tm_decision");
    admin_.execute("create table if not exists closed.points (id int primary key)");
    admin_.execute("grant insert, select on closed.points to app@localhost");
    admin_.execute("grant select on closed.xa_tm_decision to app@localhost");
    auto uri = sandbox::uri(GetParam());
    uri.replace(uri.find("xa_tm_test?"), 10, "closed");
    mysql::Datasource closed{"points", uri, {.is_last_resource = true}};
    const auto connection = closed.connect({});
    EXPECT_EQ(run(*connection, Verb::start, xid_).code, XaCode::ok);
    sql(*connection) << "insert into points values (1)";
    const auto answer = commit(*connection, xid_);
    EXPECT_EQ(answer.code, XaCode::rbrollback) << answer.message;
    EXPECT_THAT(answer.message, AllOf(HasSubstr("denied"), HasSubstr("grant this user insert")));
    EXPECT_EQ(admin_.number("select count(*) from closed.points"), 0);
    EXPECT_TRUE(serves_again(*connection));
    const auto facts = closed.describe().last_resource;
    const auto fact = [](const char* name, Severity severity) {
        return AllOf(Field(&ServerFact::name, name), Field(&ServerFact::severity, severity));
    };
    EXPECT_THAT(facts, Contains(fact("insert on the decision table", Severity::bad)));
    EXPECT_THAT(facts, Contains(fact("select on the decision table", Severity::good)));
    EXPECT_THAT(facts, Contains(fact("delete on the decision table", Severity::bad)));
    admin_.execute("drop database closed");
}

TEST_P(MysqlLastResource, NeedsADatabaseForItsTable) {
    auto uri = sandbox::uri(GetParam());
    uri.erase(uri.find("xa_tm_test?"), 10);
    mysql::Datasource nowhere{"points", uri, {.is_last_resource = true}};
    for (const bool connects : {true, false}) {
        try {
            if (connects) {
                std::ignore = nowhere.connect({});
            } else {
                nowhere.set_up_decision_table();
            }
            FAIL() << "found a place";
        } catch (const Error& error) {
            EXPECT_THAT(error.what(), HasSubstr("names no database"));
        }
    }
}

TEST_P(MysqlLastResource, DescribesItsTable) {
    EXPECT_EQ(commit(*start_last(xid_), xid_).code, XaCode::ok);
    EXPECT_THAT(last_.describe().last_resource,
                Contains(AllOf(Field(&ServerFact::name, "decision table"),
                               Field(&ServerFact::value, "`xa_tm_test`.xa_tm_decision"),
                               Field(&ServerFact::severity, Severity::good))));
    outside_.execute("update xa_tm_decision set decided_at = now() - interval 2 day");
    EXPECT_THAT(last_.describe().last_resource,
                Contains(AllOf(Field(&ServerFact::name, "rows in the decision table"),
                               Field(&ServerFact::value, HasSubstr("1, the oldest of")),
                               Field(&ServerFact::severity, Severity::notice))));
    EXPECT_THAT(datasource_.describe().last_resource, IsEmpty());
}

TEST_P(MysqlLastResource, TakesNoDecisionsOnAConnectionOfAnotherDatasource) {
    const auto connection = start(xid_);
    EXPECT_EQ(commit(*connection, xid_).code, XaCode::rmerr);
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(On, MysqlLastResource, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
