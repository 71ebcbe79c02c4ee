#include "verb_statements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::ElementsAre;

const Xid kXid{7, "g", "b"};

std::vector<std::string> own(Verb verb) {
    return statements_of({.verb = verb, .xid = kXid}, true);
}

TEST(VerbStatements, EndABranchBeforeItsVote) {
    EXPECT_THAT(own(Verb::prepare),
                ElementsAre("xa end x'67',x'62',7", "xa prepare x'67',x'62',7"));
    EXPECT_THAT(own(Verb::commit_one_phase),
                ElementsAre("xa end x'67',x'62',7", "xa commit x'67',x'62',7 one phase"));
}

TEST(VerbStatements, EndOnlyTheSessionsOwnBranchBeforeItIsRolledBack) {
    EXPECT_THAT(own(Verb::rollback),
                ElementsAre("xa end x'67',x'62',7", "xa rollback x'67',x'62',7"));
    EXPECT_THAT(statements_of({.verb = Verb::rollback, .xid = kXid}, false),
                ElementsAre("xa rollback x'67',x'62',7"));
}

TEST(VerbStatements, WriteTheDecisionInsideTheBranchThatItDecides) {
    EXPECT_THAT(
        statements_of(
            {.verb = Verb::commit_with_decision, .xid = kXid, .log = "l", .decision = "d"},
            DecisionTable{"`shop`.xa_tm_decision"}),
        ElementsAre("insert into `shop`.xa_tm_decision (gtrid, log_id, decision) values ('g', 'l', "
                    "'64')",
                    "xa end x'67',x'62',7", "xa commit x'67',x'62',7 one phase"));
}

TEST(VerbStatements, UseTheDecisionTableInATransactionOfTheirOwn) {
    const DecisionTable table{"t"};
    EXPECT_THAT(statements_of({.verb = Verb::list_decisions, .log = "l"}, table),
                ElementsAre(testing::HasSubstr("lsn_flushed"),
                            "set transaction isolation level read committed", "start transaction",
                            testing::StartsWith("select gtrid"), "commit"));
    EXPECT_THAT(statements_of({.verb = Verb::forget_decisions, .gtrids = {"a"}}, table),
                ElementsAre("start transaction", testing::StartsWith("delete from t"), "commit"));
}

TEST(VerbStatements, KnowWhichFormatsAServerKeeps) {
    EXPECT_TRUE(has_valid_format({0, "g", ""}));
    EXPECT_TRUE(has_valid_format({2147483647, "g", ""}));
    EXPECT_FALSE(has_valid_format({2147483648, "g", ""}));
    EXPECT_FALSE(has_valid_format({-1, "g", ""}));
}

}  // namespace
}  // namespace xa_tm::mysql
