// Several requests in one trip, and what the application's text must never do to them.

#include "mysql_fixture.h"
#include "wire_proxy.h"

namespace xa_tm::test {
namespace {

using testing::HasSubstr;

std::vector<XaCode> codes_of(const std::vector<Answer>& answers) {
    std::vector<XaCode> codes;
    for (const auto& answer : answers) {
        codes.push_back(answer.code);
    }
    return codes;
}

class MysqlBatch : public OnMysql {
protected:
    static Request start_of(const Xid& xid) { return {.verb = Verb::start, .xid = xid}; }
    static Request execute_of(const Xid& xid, std::string statement) {
        return {.verb = Verb::execute, .xid = xid, .statement = std::move(statement)};
    }
    static Request prepare_of(const Xid& xid) { return {.verb = Verb::prepare, .xid = xid}; }
    static Request commit_of(const Xid& xid) { return {.verb = Verb::commit, .xid = xid}; }

    static std::vector<Request> one_shot(const Xid& xid, std::string statement) {
        return {start_of(xid), execute_of(xid, std::move(statement)), prepare_of(xid)};
    }

    std::vector<std::string> prepared() { return admin_.prepared(); }

    const Xid xid_ = unique_xid();
    const std::vector<XaCode> all_ok_{XaCode::ok, XaCode::ok, XaCode::ok};
};

TEST_P(MysqlBatch, StartsExecutesAndPrepares) {
    const auto connection = datasource_.connect({});
    const auto answers =
        run_batch(*connection, one_shot(xid_, "insert into points values (1),(2)"));
    EXPECT_EQ(codes_of(answers), all_ok_);
    EXPECT_EQ(answers[1].rows, 2U);
    EXPECT_EQ(rows(), 0);
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 2);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlBatch, CommitsTheOldBranchAndStartsTheNext) {
    const auto connection = datasource_.connect({});
    EXPECT_EQ(codes_of(run_batch(*connection, one_shot(xid_, "insert into points values (1)"))),
              all_ok_);
    const auto next = unique_xid();
    auto batch = one_shot(next, "insert into points values (2)");
    batch.insert(batch.begin(), commit_of(xid_));
    EXPECT_EQ(codes_of(run_batch(*connection, batch)), std::vector(4, XaCode::ok));
    EXPECT_EQ(rows(), 1);
    const auto last = unique_xid();
    EXPECT_EQ(codes_of(run_batch(*connection, {commit_of(next), start_of(last)})),
              std::vector(2, XaCode::ok));
    EXPECT_EQ(rows(), 2);
    sql(*connection) << "insert into points values (3)";
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, last).code, XaCode::ok);
    EXPECT_EQ(rows(), 3);
}

TEST_P(MysqlBatch, ACommitIsAnsweredThoughTheStatementBehindItWaitsForALock) {
    const auto connection = start_with_row(xid_);
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok);
    outside_.execute("begin");
    outside_.execute("insert into points values (2)");
    const auto next = unique_xid();
    connection->send({commit_of(xid_), start_of(next),
                      execute_of(next, "insert into points values (2)"), prepare_of(next)});
    std::vector<Answer> answers;
    const auto have_come = [&](std::size_t count) {
        return eventually([&] {
            if (auto answer = connection->receive()) {
                answers.push_back(*std::move(answer));
            }
            return answers.size() == count;
        });
    };
    ASSERT_TRUE(have_come(1));
    EXPECT_EQ(admin_.number("select count(*) from xa_tm_test.points"), 1);
    EXPECT_EQ(connection->receive(), std::nullopt);
    EXPECT_FALSE(connection->is_reusable());
    outside_.execute("rollback");
    ASSERT_TRUE(have_come(4));
    EXPECT_EQ(codes_of(answers), std::vector(4, XaCode::ok));
    EXPECT_EQ(run(*connection, Verb::commit, next).code, XaCode::ok);
    EXPECT_EQ(rows(), 2);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlBatch, DoesNotStartTheNextBranchBehindAFailedCommit) {
    const auto connection = datasource_.connect({});
    EXPECT_EQ(codes_of(run_batch(*connection, {commit_of(unique_xid()), start_of(xid_),
                                               execute_of(xid_, "insert into points values (1)"),
                                               prepare_of(xid_)})),
              (std::vector{XaCode::nota, not_carried_out().code, not_carried_out().code,
                           not_carried_out().code}));
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlBatch, RunsNoStatementWhenTheBranchCanNotBeStarted) {
    const auto first = start(xid_);
    const auto second = datasource_.connect({});
    EXPECT_EQ(codes_of(run_batch(*second, one_shot(xid_, "insert into points values (1)"))),
              (std::vector{XaCode::dupid, not_carried_out().code, not_carried_out().code}));
    EXPECT_EQ(rows(), 0) << "nothing may run in autocommit";
    EXPECT_TRUE(serves_again(*second));
}

TEST_P(MysqlBatch, DoesNotPrepareBehindAFailedStatementAndTheBranchGoesOn) {
    outside_.execute("insert into points values (1)");
    const auto connection = datasource_.connect({});
    const auto answers = run_batch(*connection, one_shot(xid_, "insert into points values (1)"));
    EXPECT_EQ(codes_of(answers), (std::vector{XaCode::ok, XaCode::rmerr, not_carried_out().code}));
    EXPECT_EQ(answers[1].native_error, 1062);
    EXPECT_EQ(answers[1].sqlstate, "23000");
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_EQ(codes_of(run_batch(*connection, {execute_of(xid_, "insert into points values (2)"),
                                               prepare_of(xid_)})),
              std::vector(2, XaCode::ok));
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 2);
}

TEST_P(MysqlBatch, TellsTheRowsThatAStatementGaveOrWrote) {
    const auto connection = start_with_row(xid_);
    EXPECT_EQ(run_statement(*connection, xid_, "select 1 union select 2").rows, 2U);
    EXPECT_EQ(run_statement(*connection, xid_, "delete from points").rows, 1U);
    EXPECT_EQ(run_statement(*connection, xid_, "delete from points").rows, 0U);
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

TEST_P(MysqlBatch, TheApplicationMayUseTheSessionBetweenStatementsOfItsOwnAndOurs) {
    const auto connection = datasource_.connect({});
    EXPECT_EQ(codes_of(run_batch(*connection, {start_of(xid_),
                                               execute_of(xid_, "insert into points values (1)")})),
              std::vector(2, XaCode::ok));
    sql(*connection) << "insert into points values (2)";
    EXPECT_NE(::mysql_query(native_handle(*connection), "select 1; select 2"), 0)
        << "several statements in one are switched off while the application has the session";
    auto& before = sql(*connection);
    EXPECT_EQ(run_statement(*connection, xid_, "insert into points values (3)").code, XaCode::ok);
    EXPECT_THROW(before << "insert into points values (4)", soci::soci_error)
        << "until it asks again";
    sql(*connection) << "insert into points values (5)";
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 4);
}

TEST_P(MysqlBatch, AProcedureThatGivesSeveralResultsIsOneStatement) {
    outside_.execute("drop procedure if exists several");
    outside_.execute(
        "create procedure several(in id int) begin select 1; insert into points values (id); "
        "select 2; end");
    const auto connection = datasource_.connect({});
    EXPECT_EQ(codes_of(run_batch(*connection, one_shot(xid_, "call several(1);"))), all_ok_);
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    const auto next = unique_xid();
    EXPECT_EQ(run(*connection, Verb::start, next).code, XaCode::ok);
    EXPECT_EQ(run_statement(*connection, next, "call several(2)").rows, 2U);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, next).code, XaCode::ok);
    EXPECT_EQ(rows(), 2);
    outside_.execute("drop procedure several");
}

TEST_P(MysqlBatch, ASecondStatementInTheTextIsRefusedByTheServer) {
    for (const auto* text :
         {"insert into points values (1); insert into points values (2)",
          "insert into points values (1); xa end x'61'; xa prepare x'61'; -- ",
          "insert into points values (1) /*! ; insert into points values (2) */",
          R"(insert into points values (1 + length('\')) ; delete from points -- ')"}) {
        const auto xid = unique_xid();
        const auto connection = datasource_.connect({});
        const auto answers = run_batch(*connection, one_shot(xid, text));
        EXPECT_EQ(codes_of(answers),
                  (std::vector{XaCode::ok, XaCode::rmerr, not_carried_out().code}))
            << text;
        EXPECT_THAT(answers[1].message, HasSubstr("one statement at a time"));
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        EXPECT_TRUE(serves_again(*connection));
    }
    EXPECT_EQ(prepared(), std::vector<std::string>{});
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlBatch, AStatementThatSwallowsWhatFollowsIsNeverPrepared) {
    for (const auto* text : {"insert into points values (1) /*", "insert into points values ('1",
                             "select \"1", "select `1", "insert into points values (1) /* \\",
                             "select 0x", "select x'", "select 1 from (", "select 1 as"}) {
        const auto xid = unique_xid();
        const auto connection = datasource_.connect({});
        const auto answers = run_batch(*connection, one_shot(xid, text));
        EXPECT_NE(answers[1].code, XaCode::ok) << text;
        EXPECT_EQ(answers[2].code, not_carried_out().code) << text;
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok) << text;
        EXPECT_TRUE(serves_again(*connection));
    }
    EXPECT_EQ(prepared(), std::vector<std::string>{});
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlBatch, SemicolonsInStringsAndCommentsEndNothing) {
    outside_.execute("drop table if exists words");
    outside_.execute("create table words (word varchar(80)) engine = innodb");
    const auto connection = datasource_.connect({});
    const auto answers =
        run_batch(*connection, one_shot(xid_,
                                        "insert into words values ('a;b'), (\"c;''d\") "
                                        "/* ; */ # ; \n ; -- ;"));
    EXPECT_EQ(codes_of(answers), all_ok_) << answers[1].message;
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(outside_.column("select word from words order by word"),
              (std::vector<std::string>{"a;b", "c;''d"}));
    outside_.execute("drop table words");
}

TEST_P(MysqlBatch, Trap57DdlIsRefusedAndTheBranchCanOnlyBeRolledBack) {
    const auto connection = start_with_row(xid_);
    const auto answer = run_statement(*connection, xid_, "alter table points add name text");
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_EQ(answer.native_error, 1399);
    EXPECT_THAT(answer.message, HasSubstr("DDL"));
    const auto vote = run(*connection, Verb::prepare, xid_);
    EXPECT_EQ(vote.code, XaCode::rbrollback);
    EXPECT_THAT(vote.message, HasSubstr("DDL"));
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlBatch, Trap57DdlOverSociIsSeenWhenItWasTheLastStatement) {
    const auto connection = start_with_row(xid_);
    EXPECT_THROW(sql(*connection) << "alter table points add name text", soci::soci_error);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid_).code, XaCode::rbrollback);
    EXPECT_TRUE(serves_again(*connection));
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlBatch, Trap34ADeadlocksVictimIsRolledBackBehindItsStatement) {
    outside_.execute("insert into points values (1), (2)");
    const auto other_xid = unique_xid();
    const auto one = start(xid_);
    const auto other = start(other_xid);
    const auto lock = [](Connection& connection, const Xid& xid, int id) {
        return run_statement(connection, xid,
                             "delete from points where id = " + std::to_string(id));
    };
    EXPECT_EQ(lock(*one, xid_, 1).code, XaCode::ok);
    EXPECT_EQ(lock(*other, other_xid, 2).code, XaCode::ok);
    Answer answer;
    std::jthread crossing{[&] { answer = lock(*one, xid_, 2); }};
    const auto other_answer = lock(*other, other_xid, 1);
    crossing.join();
    const bool one_is_victim = answer.code != XaCode::ok;
    EXPECT_EQ(one_is_victim ? answer.code : other_answer.code, XaCode::rbdeadlock);
    EXPECT_EQ(one_is_victim ? other_answer.code : answer.code, XaCode::ok);
    EXPECT_FALSE((one_is_victim ? one : other)->is_open_to_application());
    EXPECT_TRUE(serves_again(one_is_victim ? *one : *other));
    EXPECT_EQ(
        run(one_is_victim ? *other : *one, Verb::commit_one_phase, one_is_victim ? other_xid : xid_)
            .code,
        XaCode::ok);
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlBatch, Trap31AConnectionLostUnderABatchLeavesThePrepareUnknown) {
    const auto connection = datasource_.connect({});
    const auto id = connection->session_id().number;
    connection->send(one_shot(xid_, "insert into points select sleep(60)"));
    EXPECT_TRUE(eventually([&] {
        static_cast<void>(connection->receive());
        return admin_.number(
                   "select count(*) from information_schema.processlist where info like "
                   "'%select sleep(60)%' and id = " +
                   std::to_string(id)) == 1;
    }));
    admin_.execute("kill connection " + std::to_string(id));
    std::vector<Answer> answers;
    EXPECT_TRUE(eventually([&] {
        if (auto answer = connection->receive()) {
            answers.push_back(*std::move(answer));
        }
        return answers.size() == 3;
    }));
    EXPECT_EQ(codes_of(answers), (std::vector{XaCode::ok, XaCode::rmfail, XaCode::rmfail}));
    EXPECT_FALSE(connection->is_reusable());
}

TEST_P(MysqlBatch, TakesOneTripOnceTheServerTakesManyStatements) {
    auto uri = sandbox::tcp_uri(GetParam());
    const auto at = uri.rfind(':') + 1;
    const auto port = uri.substr(at, uri.find('/', at) - at);
    WireProxy proxy{{{Wire::mysql, static_cast<std::uint16_t>(std::stoi(port))}}};
    uri.replace(at, port.size(), std::to_string(proxy.port(0)));
    mysql::Datasource datasource{"points", uri};
    const auto connection = datasource.connect({});
    proxy.hold_until_waiting(1);
    std::ignore = run_batch(*connection, one_shot(xid_, "insert into points values (1)"));
    EXPECT_EQ(proxy.stop_holding(), 2U) << "to switch, and the batch";
    const auto next = unique_xid();
    auto batch = one_shot(next, "insert into points values (2)");
    batch.insert(batch.begin(), commit_of(xid_));
    proxy.hold_until_waiting(1);
    EXPECT_EQ(codes_of(run_batch(*connection, batch)), std::vector(4, XaCode::ok));
    EXPECT_EQ(run(*connection, Verb::commit, next).code, XaCode::ok);
    EXPECT_EQ(proxy.stop_holding(), 2U) << "commit, start, execute and prepare; commit";
    EXPECT_EQ(rows(), 2);
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlBatch, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
