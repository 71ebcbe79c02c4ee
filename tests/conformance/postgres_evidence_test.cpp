// What PostgreSQL's transaction id proves about a branch that is not there any more.

#include "postgres_fixture.h"

namespace xa_tm::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

class PostgresEvidence : public OnPostgres {
protected:
    struct Prepared {
        std::unique_ptr<Connection> connection;
        Xid xid;
        std::string evidence;
    };

    Prepared prepare() {
        const auto xid = unique_xid();
        auto connection = start(xid);
        sql(*connection) << "insert into only_postgres values (1)";
        const auto vote = run(*connection, Verb::prepare, xid);
        EXPECT_EQ(vote.code, XaCode::ok);
        return {std::move(connection), xid, vote.evidence};
    }

    Answer ask(Verb verb, const Xid& xid, const std::string& evidence) {
        const auto connection = datasource_.connect({});
        auto answer = run(*connection, {{.verb = verb, .xid = xid, .evidence = evidence}}).front();
        EXPECT_TRUE(serves_again(*connection));
        return answer;
    }

    static std::string on_another_timeline(std::string evidence) {
        return evidence.replace(evidence.find("timeline=") + 9, 8, "000000FF");
    }
};

TEST_P(PostgresEvidence, NamesTheTransactionAndTheTimeline) {
    const auto branch = prepare();
    EXPECT_THAT(branch.evidence, StartsWith("pg_xid="));
    EXPECT_THAT(branch.evidence, HasSubstr(";timeline=0000000"));
    EXPECT_LE(branch.evidence.size(), 64U) << "a decision record keeps no more";
    EXPECT_EQ(run(*branch.connection, Verb::rollback, branch.xid).code, XaCode::ok);
}

TEST_P(PostgresEvidence, Trap28ACommitWhoseReplyWasLostIsKnownByItsTransactionId) {
    const auto branch = prepare();
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    EXPECT_EQ(ask(Verb::commit, branch.xid, branch.evidence).code, XaCode::ok);
    EXPECT_EQ(ask(Verb::locate, branch.xid, branch.evidence).code, XaCode::nota);
    EXPECT_EQ(ask(Verb::commit, branch.xid, "").code, XaCode::nota) << "nothing is proven";
}

TEST_P(PostgresEvidence, Trap29ABranchRolledBackByHandIsAHeuristicRollback) {
    const auto branch = prepare();
    const auto gid = outside_.prepared().at(0);
    outside_.execute("rollback prepared '" + gid + "'");
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch.xid, branch.evidence);
        EXPECT_EQ(answer.code, XaCode::heurrb);
        EXPECT_THAT(answer.message, HasSubstr("by hand"));
    }
}

TEST_P(PostgresEvidence, Trap44AServerOfAnotherTimelineProvesNothing) {
    const auto branch = prepare();
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch.xid, on_another_timeline(branch.evidence));
        EXPECT_EQ(answer.code, XaCode::heurhaz);
        EXPECT_THAT(answer.message, HasSubstr("compare the data"));
    }
}

TEST_P(PostgresEvidence, Trap44AServerThatHasNotComeSoFarIsABackup) {
    const auto branch = prepare();
    ASSERT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    const auto later = "pg_xid=4000000000" + branch.evidence.substr(branch.evidence.find(';'));
    EXPECT_EQ(ask(Verb::commit, branch.xid, later).code, XaCode::heurhaz);
    EXPECT_EQ(ask(Verb::locate, branch.xid, later).code, XaCode::heurhaz);
}

TEST_P(PostgresEvidence, APreparedBranchIsFinishedWhateverTheEvidenceSays) {
    const auto branch = prepare();
    const auto evidence = on_another_timeline(branch.evidence);
    EXPECT_EQ(ask(Verb::locate, branch.xid, evidence).code, XaCode::retry);
    EXPECT_EQ(ask(Verb::commit, branch.xid, evidence).code, XaCode::ok);
    EXPECT_EQ(rows(), 1);
}

TEST_P(PostgresEvidence, ATransactionThatHasNotEndedIsAskedForAgain) {
    outside_.execute("begin");
    const auto id = outside_.number("select pg_current_xact_id()::text::bigint");
    const auto evidence = "pg_xid=" + std::to_string(id);
    EXPECT_EQ(ask(Verb::commit, unique_xid(), evidence).code, XaCode::retry);
    EXPECT_EQ(ask(Verb::locate, unique_xid(), evidence).code, XaCode::retry);
    outside_.execute("rollback");
}

TEST_P(PostgresEvidence, ATransactionOfLongAgoIsUnknown) {
    const auto answer = ask(Verb::commit, unique_xid(), "pg_xid=3");
    EXPECT_EQ(answer.code, XaCode::nota);
    EXPECT_EQ(answer.sqlstate, "42704");
}

TEST_P(PostgresEvidence, IsNoneWhenItIsNotAsWeWriteIt) {
    for (const auto* evidence : {"pg_xid=", "pg_xid=1'; drop table only_postgres", "gtid=1",
                                 "pg_xid=123456789012345678901", "pg_xid=-1"}) {
        EXPECT_EQ(ask(Verb::commit, unique_xid(), evidence).code, XaCode::nota) << evidence;
        EXPECT_EQ(ask(Verb::locate, unique_xid(), evidence).code, XaCode::nota) << evidence;
    }
}

TEST_P(PostgresEvidence, WorkAndVoteInOneTripCarryItToo) {
    const auto xid = unique_xid();
    const auto connection = start(xid);
    const auto vote =
        run(*connection, {execute(xid, "select 1"), {.verb = Verb::prepare, .xid = xid}}).back();
    EXPECT_EQ(vote.code, XaCode::ok) << "prepared, though it wrote nothing";
    EXPECT_THAT(vote.evidence, StartsWith("pg_xid="));
    EXPECT_THAT(outside_.prepared(), SizeIs(1));
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_EQ(ask(Verb::commit, xid, vote.evidence).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(On, PostgresEvidence, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
