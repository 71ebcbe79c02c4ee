// Whether a branch has written: what its vote says, and what can't be rolled back.

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

using testing::HasSubstr;

class MysqlWritten : public OnMysql {
protected:
    void SetUp() override {
        OnMysql::SetUp();
        admin_.execute("drop table if exists xa_tm_test.triggered, xa_tm_test.unsafe_words");
        admin_.execute("drop function if exists xa_tm_test.add_points");
        admin_.execute("drop procedure if exists xa_tm_test.add_more");
        admin_.execute("create table xa_tm_test.triggered (id int) engine = innodb");
        admin_.execute("create table xa_tm_test.unsafe_words (id int) engine = myisam");
        admin_.execute(
            "create trigger xa_tm_test.also before insert on xa_tm_test.triggered for each row "
            "insert into xa_tm_test.points values (new.id)");
        admin_.execute(
            "create function xa_tm_test.add_points() returns int deterministic modifies sql data "
            "begin insert into xa_tm_test.points values (100); return 1; end");
        admin_.execute("create procedure xa_tm_test.add_more() insert into points values (100)");
        outside_.execute("insert into points values (1)");
    }

    /// The vote of a branch with this statement, which is then finished.
    XaCode vote_of(const std::string& statement, bool over_soci) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        if (over_soci) {
            try {
                sql(*connection) << statement;
            } catch (const soci::soci_error&) {
                EXPECT_THAT(statement, HasSubstr("fails"));
            }
        } else {
            const auto code = run_statement(*connection, xid, statement).code;
            EXPECT_EQ(code == XaCode::ok, statement.find("fails") == std::string::npos);
        }
        const auto vote = run(*connection, Verb::prepare, xid).code;
        if (vote == XaCode::ok) {
            EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        }
        EXPECT_TRUE(serves_again(*connection)) << statement;
        EXPECT_EQ(admin_.prepared(), std::vector<std::string>{}) << statement;
        return vote;
    }
};

TEST_P(MysqlWritten, NothingIsVotedByReadsWhereTheServerTells) {
    const auto expected = is_mariadb() ? XaCode::ok : XaCode::rdonly;
    for (const auto* statement :
         {"select 1", "select * from points", "select * from points where id = 99",
          "select * from points lock in share mode", "select count(*) from unsafe_words"}) {
        EXPECT_EQ(vote_of(statement, true), expected) << statement;
        EXPECT_EQ(vote_of(statement, false), expected) << statement;
    }
}

TEST_P(MysqlWritten, IsVotedByEverythingThatWritesOrLocks) {
    for (const auto* statement :
         {"select * from points for update", "select * from points where id = 99 for update",
          "insert into points values (2)", "insert into points values (1) /* fails */",
          "insert into points select id + 10 from points where id = 99",
          "update points set id = id where id = 99", "update points set id = id where id = 1",
          "delete from points where id = 99", "select add_points()", "do add_points()",
          "call add_more()", "insert into triggered values (7)",
          "insert into unsafe_words values (1)", "select add_points() into @x",
          "replace into points values (1)"}) {
        EXPECT_EQ(vote_of(statement, true), XaCode::ok) << statement;
        EXPECT_EQ(vote_of(statement, false), XaCode::ok) << statement;
    }
}

TEST_P(MysqlWritten, IsVotedWhenReadsStandBeforeOrBehindTheWrite) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    sql(*connection) << "select * from points";
    sql(*connection) << "insert into points values (2)";
    sql(*connection) << "select * from points";
    EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 2);
}

TEST_P(MysqlWritten, ASerializableReadLocksItsRowsUntilItsBranchHasEnded) {
    const auto connection = datasource_.connect({});
    const auto setting = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, setting).code, XaCode::ok);
    sql(*connection) << "set session transaction isolation level serializable";
    EXPECT_EQ(run(*connection, Verb::rollback, setting).code, XaCode::ok);

    const auto xid = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
    EXPECT_EQ(run_statement(*connection, xid, "select * from points where id = 1").rows, 1U);
    outside_.execute("set innodb_lock_wait_timeout = 1");
    EXPECT_THROW(outside_.execute("delete from points"), soci::soci_error);
    if (run(*connection, Verb::prepare, xid).code != XaCode::rdonly) {
        EXPECT_TRUE(is_mariadb());
        EXPECT_THROW(outside_.execute("delete from points"), soci::soci_error);
        EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    }
    outside_.execute("delete from points");
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlWritten, NothingIsVotedByTheReadOfABatch) {
    const auto xid = unique_xid();
    const auto connection = datasource_.connect({});
    const auto answers = run_batch(
        *connection, {{.verb = Verb::start, .xid = xid},
                      {.verb = Verb::execute, .xid = xid, .statement = "select * from points"},
                      {.verb = Verb::prepare, .xid = xid}});
    EXPECT_EQ(answers.back().code, is_mariadb() ? XaCode::ok : XaCode::rdonly);
    if (is_mariadb()) {
        EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    }
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlWritten, WhatCanNotBeRolledBackIsToldByTheVote) {
    for (const bool over_soci : {true, false}) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        if (over_soci) {
            sql(*connection) << "insert into unsafe_words values (1)";
        } else {
            std::ignore = run_statement(*connection, xid, "insert into unsafe_words values (1)");
        }
        const auto vote = run(*connection, Verb::prepare, xid);
        EXPECT_EQ(vote.code, XaCode::ok);
        EXPECT_THAT(vote.message, HasSubstr("use InnoDB"));
        EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    }
}

TEST_P(MysqlWritten, WhatCanNotBeRolledBackIsToldByTheVoteOfABatch) {
    const auto xid = unique_xid();
    const auto connection = datasource_.connect({});
    for (const bool is_unsafe : {true, false}) {
        const auto vote =
            run_batch(*connection, {{.verb = Verb::start, .xid = xid},
                                    {.verb = Verb::execute,
                                     .xid = xid,
                                     .statement = is_unsafe ? "insert into unsafe_words values (1)"
                                                            : "insert into points values (2)"},
                                    {.verb = Verb::prepare, .xid = xid}})
                .back();
        EXPECT_EQ(vote.code, XaCode::ok);
        EXPECT_EQ(vote.message.find("use InnoDB") != std::string::npos, is_unsafe) << vote.message;
        EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    }
}

TEST_P(MysqlWritten, WhatWasNotRolledBackIsToldByTheRollback) {
    for (const bool is_prepared : {true, false}) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        sql(*connection) << "insert into unsafe_words values (1)";
        sql(*connection) << "insert into points values (2)";
        if (is_prepared) {
            EXPECT_EQ(run(*connection, Verb::prepare, xid).code, XaCode::ok);
        }
        const auto answer = run(*connection, Verb::rollback, xid);
        EXPECT_EQ(answer.code, XaCode::ok);
        EXPECT_THAT(answer.message, HasSubstr("use InnoDB"));
    }
    EXPECT_EQ(outside_.number("select count(*) from unsafe_words"), 2);
    EXPECT_EQ(rows(), 1);
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlWritten, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
