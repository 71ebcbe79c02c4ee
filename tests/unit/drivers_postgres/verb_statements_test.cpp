#include "verb_statements.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Circumstances kAlone{.voting = Voting::probe_first,
                               .is_alone = true,
                               .is_own_branch = false,
                               .statement_timeout = {}};

std::vector<std::string> texts_of(Request request, Circumstances circumstances = kAlone) {
    request.xid = {.gtrid = "g", .bqual = "b"};
    std::vector<std::string> texts;
    for (const auto& statement : statements_of(request, circumstances)) {
        texts.push_back(statement.text);
    }
    return texts;
}

std::vector<std::string> votes(Voting voting) {
    auto circumstances = kAlone;
    circumstances.voting = voting;
    return texts_of({.verb = Verb::prepare}, circumstances);
}

TEST(VerbStatements, LimitTheApplicationsStatementsOnlyWhereALimitIsSet) {
    EXPECT_THAT(texts_of({.verb = Verb::start}), ElementsAre("begin"));
    auto limited = kAlone;
    limited.statement_timeout = std::chrono::milliseconds{250};
    EXPECT_THAT(texts_of({.verb = Verb::start}, limited),
                ElementsAre("begin", "set local statement_timeout = 250"));
}

TEST(VerbStatements, AskForTheVoteAsTheBranchNeedsIt) {
    constexpr auto* kPrepare = "prepare transaction 'xa_tm:g/b'";
    EXPECT_THAT(votes(Voting::probe_first), ElementsAre(HasSubstr("pg_cursors")));
    EXPECT_THAT(votes(Voting::probe_and_prepare),
                ElementsAre(HasSubstr("pg_current_xact_id_if_assigned()"), kPrepare));
    EXPECT_THAT(votes(Voting::with_last_work),
                ElementsAre(HasSubstr("pg_current_xact_id()"), kPrepare));
    EXPECT_THAT(votes(Voting::undo), ElementsAre("rollback"));
}

TEST(VerbStatements, WriteTheDecisionInsideTheTransactionThatItDecides) {
    const DecisionTable table{"public.xa_tm_decision"};
    auto circumstances = kAlone;
    circumstances.decision_table = &table;
    const Request commit{.verb = Verb::commit_with_decision, .log = "l", .decision = "d"};
    EXPECT_THAT(texts_of(commit, circumstances),
                ElementsAre(HasSubstr("synchronous_commit"),
                            HasSubstr("insert into public.xa_tm_decision"), "commit"));
    circumstances.voting = Voting::undo;
    EXPECT_THAT(texts_of(commit, circumstances), ElementsAre("rollback"));
}

TEST(VerbStatements, RollBackWhatIsOpenHereOrElsePrepared) {
    EXPECT_THAT(texts_of({.verb = Verb::rollback}), ElementsAre("rollback prepared 'xa_tm:g/b'"));
    auto own = kAlone;
    own.is_own_branch = true;
    EXPECT_THAT(texts_of({.verb = Verb::rollback}, own), ElementsAre("rollback"));
}

TEST(VerbStatements, AskForTheFateOnlyWhereThereIsEvidence) {
    EXPECT_THAT(texts_of({.verb = Verb::locate}), ElementsAre(HasSubstr("pg_prepared_xacts")));
    EXPECT_THAT(texts_of({.verb = Verb::locate, .evidence = "pg_xid=5"}),
                ElementsAre(HasSubstr("pg_prepared_xacts"), HasSubstr("pg_xact_status('5'")));
}

TEST(VerbStatements, WantTheAnswerToACommitBeforeThatOfWhatFollows) {
    auto among_others = kAlone;
    among_others.is_alone = false;
    const Request commit{.verb = Verb::commit, .xid = {.gtrid = "g", .bqual = "b"}};
    EXPECT_FALSE(statements_of(commit, kAlone).front().is_flushed);
    EXPECT_TRUE(statements_of(commit, among_others).front().is_flushed);
}

}  // namespace
}  // namespace xa_tm::postgres
