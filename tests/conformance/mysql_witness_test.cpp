// Witness rows on MySQL and MariaDB: what a person may do meanwhile, and what is no proof.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include "mysql_fixture.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

constexpr auto kLog = "somelog";

class MysqlWitness : public OnMysql {
protected:
    struct Prepared {
        std::unique_ptr<Connection> connection;
        Xid xid;
        std::string evidence;
    };

    void SetUp() override {
        OnMysql::SetUp();
        drop_tables();
        witnessed_.set_up_decision_table();
    }
    void TearDown() override {
        drop_tables();
        outside_.execute("drop table if exists xa_tm_decision");
    }
    void drop_tables() {
        outside_.execute("drop table if exists xa_tm_witness, xa_tm_witness_removed");
    }

    static Answer run_one(Connection& connection, Request request) {
        return run(connection, std::vector{std::move(request)}).front();
    }
    static Answer prepare(Connection& connection, const Xid& xid) {
        return run_one(connection, {.verb = Verb::prepare, .xid = xid, .log = kLog});
    }
    std::unique_ptr<Connection> start_witnessed(const Xid& xid) {
        auto connection = witnessed_.connect({});
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }
    Prepared prepare_row(int id) {
        const auto xid = unique_xid();
        auto connection = start_witnessed(xid);
        sql(*connection) << "insert into points values (" << id << ")";
        auto vote = prepare(*connection, xid);
        EXPECT_EQ(vote.code, XaCode::ok) << vote.message;
        return {std::move(connection), xid, std::move(vote.evidence)};
    }
    Answer ask(Verb verb, const Prepared& branch) {
        return run_one(*witnessed_.connect({}),
                       {.verb = verb, .xid = branch.xid, .evidence = branch.evidence});
    }
    Answer forget(std::vector<std::string> rows) {
        return run_one(*witnessed_.connect({}),
                       {.verb = Verb::forget_witnesses, .witnesses = std::move(rows)});
    }
    std::int64_t witnesses() { return outside_.number("select count(*) from xa_tm_witness"); }

    mysql::Datasource witnessed_{"points", sandbox::uri(GetParam()), {.has_witness = true}};
};

TEST_P(MysqlWitness, NamesTheRowAndTheLog) {
    const auto branch = prepare_row(1);
    EXPECT_EQ(branch.evidence, "witness=1;log=somelog");
    EXPECT_EQ(run(*branch.connection, Verb::rollback, branch.xid).code, XaCode::ok);
}

// Trap 29, as it happens: a branch that a person rolls back with XA ROLLBACK.
TEST_P(MysqlWitness, Trap29ABranchRolledBackByHandIsAHeuristicRollback) {
    auto branch = prepare_row(1);
    branch.connection.reset();  // MariaDB keeps it from all others before
    ASSERT_TRUE(eventually([&] {
        try {
            outside_.execute(fmt::format("xa rollback x'{}',x'{}',{}", to_hex(branch.xid.gtrid),
                                         to_hex(branch.xid.bqual), branch.xid.format_id));
            return true;
        } catch (const std::exception&) {
            return false;
        }
    }));
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch);
        EXPECT_EQ(answer.code, XaCode::heurrb) << to_string(verb) << ": " << answer.message;
        EXPECT_THAT(answer.message, HasSubstr("by hand"));
    }
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlWitness, RollsTheBranchBackAndSaysWhatToDoWhenThereIsNoTable) {
    drop_tables();
    const auto xid = unique_xid();
    const auto connection = start_witnessed(xid);
    sql(*connection) << "insert into points values (1)";
    const auto vote = prepare(*connection, xid);
    EXPECT_TRUE(is_rolled_back(vote.code)) << to_string(vote.code);
    EXPECT_THAT(vote.message, HasSubstr("xa-recover setup-last-resource points --witness"));
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(run(*connection, Verb::recover).listed.empty());
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlWitness, RollsTheBranchBackInTheTripOfItsLastStatementWhenThereIsNoTable) {
    drop_tables();
    const auto xid = unique_xid();
    const auto connection = witnessed_.connect({});
    const auto answers = run_batch(
        *connection,
        {{.verb = Verb::start, .xid = xid},
         {.verb = Verb::execute, .xid = xid, .statement = "insert into points values (1)"},
         {.verb = Verb::prepare, .xid = xid, .log = kLog}});
    EXPECT_TRUE(is_rolled_back(answers.back().code)) << to_string(answers.back().code);
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(run(*connection, Verb::recover).listed.empty());
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(MysqlWitness, ProvesNothingWithoutItsTable) {
    auto branch = prepare_row(1);
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    branch.connection.reset();
    drop_tables();
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch);
        EXPECT_EQ(answer.code, XaCode::nota) << answer.message;
        EXPECT_FALSE(answer.is_proven);
    }
}

TEST_P(MysqlWitness, ProvesNothingByTheRowOfAnotherBranch) {
    auto branch = prepare_row(1);
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    branch.connection.reset();
    branch.xid.bqual = "points:9";
    EXPECT_NE(ask(Verb::commit, branch).code, XaCode::ok);
}

TEST_P(MysqlWitness, WaitsForWhoeverStillHoldsItsRow) {
    // As a session would that is about to commit the branch, when the server does not list it any
    // more.
    auto branch = prepare_row(1);
    ASSERT_EQ(run(*branch.connection, Verb::rollback, branch.xid).code, XaCode::ok);
    branch.connection.reset();
    Database committing{sandbox::uri(GetParam())};
    committing.execute("start transaction");
    committing.execute(fmt::format(
        "insert into xa_tm_witness (id, log_id, gtrid, bqual) values (1, 'somelog', x'{}', x'{}')",
        to_hex(branch.xid.gtrid), to_hex(branch.xid.bqual)));
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch);
        EXPECT_EQ(answer.code, XaCode::retry) << answer.message;
    }
    committing.execute("commit");
    EXPECT_EQ(ask(Verb::commit, branch).code, XaCode::ok);
}

TEST_P(MysqlWitness, IsRemovedWithoutWaitingForBranchesThatArePrepared) {
    const auto before = prepare_row(1);
    const auto removed = prepare_row(2);
    const auto behind = prepare_row(3);
    ASSERT_EQ(run(*removed.connection, Verb::commit, removed.xid).code, XaCode::ok);
    EXPECT_EQ(witnesses(), 1);
    const auto answer = forget({removed.evidence, "witness=100;log=somelog"});
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_EQ(witnesses(), 0);
    for (const auto* branch : {&before, &behind}) {
        EXPECT_EQ(run(*branch->connection, Verb::commit, branch->xid).code, XaCode::ok);
    }
    EXPECT_EQ(witnesses(), 2);
}

TEST_P(MysqlWitness, IsNotRemovedWhenThatCanNotBeKept) {
    auto branch = prepare_row(1);
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    branch.connection.reset();
    outside_.execute("alter table xa_tm_witness_removed rename column through to elsewhere");
    EXPECT_EQ(forget({branch.evidence}).code, XaCode::rmerr);
    EXPECT_EQ(witnesses(), 1);
    outside_.execute("alter table xa_tm_witness_removed rename column elsewhere to through");
    EXPECT_EQ(ask(Verb::commit, branch).code, XaCode::ok);
}

TEST_P(MysqlWitness, IsRemovedForGoodWhateverAutocommitIsSetTo) {
    auto branch = prepare_row(1);
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    const auto xid = unique_xid();
    ASSERT_EQ(run(*branch.connection, Verb::start, xid).code, XaCode::ok);
    sql(*branch.connection) << "set autocommit = 0";
    ASSERT_EQ(run(*branch.connection, Verb::rollback, xid).code, XaCode::ok);
    const auto answer = run_one(*branch.connection,
                                {.verb = Verb::forget_witnesses, .witnesses = {branch.evidence}});
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_EQ(witnesses(), 0);
    EXPECT_EQ(ask(Verb::locate, branch).code, XaCode::nota);
}

TEST_P(MysqlWitness, WritesToItsOwnTableWhateverDatabaseAndModeTheApplicationUses) {
    const auto xid = unique_xid();
    const auto connection = start_witnessed(xid);
    sql(*connection) << "insert into points values (1)";
    sql(*connection) << "set sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'";
    sql(*connection) << "set names gbk";
    sql(*connection) << "use information_schema";
    const auto vote = prepare(*connection, xid);
    EXPECT_EQ(vote.code, XaCode::ok) << vote.message;
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(witnesses(), 1);
    EXPECT_EQ(rows(), 1);
}

TEST_P(MysqlWitness, RefusesATableWhoseRowsOutliveARollback) {
    outside_.execute("alter table xa_tm_witness engine = MyISAM");
    try {
        std::ignore = witnessed_.connect({});
        FAIL() << "connected";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::resource_refused);
        EXPECT_THAT(error.what(), HasSubstr("engine = InnoDB"));
    }
}

TEST_P(MysqlWitness, RefusesALogsNameThatItsEvidenceHasNoRoomFor) {
    const auto xid = unique_xid();
    const auto connection = start_witnessed(xid);
    for (const auto* log : {"a log", "0123456789012345678901234"}) {
        EXPECT_EQ(run_one(*connection, {.verb = Verb::prepare, .xid = xid, .log = log}).code,
                  XaCode::inval);
    }
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

TEST_P(MysqlWitness, IsToldOfByTheDescription) {
    const auto ready = witnessed_.describe().last_resource;
    EXPECT_THAT(ready, Contains(AllOf(Field(&ServerFact::name, "use of the witness table"),
                                      Field(&ServerFact::value, "yes"))));
    drop_tables();
    const auto missing = witnessed_.describe().last_resource;
    EXPECT_THAT(missing, Contains(AllOf(Field(&ServerFact::severity, Severity::bad),
                                        Field(&ServerFact::remedy, HasSubstr("--witness")))));
}

TEST_P(MysqlWitness, IsSetUpAgainWithoutLoss) {
    const auto branch = prepare_row(1);
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    witnessed_.set_up_decision_table();
    EXPECT_EQ(witnesses(), 1);
}

INSTANTIATE_TEST_SUITE_P(On, MysqlWitness, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
