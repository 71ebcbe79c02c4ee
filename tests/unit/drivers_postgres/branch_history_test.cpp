#include "branch_history.h"

#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

BranchHistory after(std::initializer_list<const char*> tags) {
    BranchHistory history;
    for (const auto* tag : tags) {
        history.add_success(tag, false);
    }
    return history;
}

TEST(BranchHistory, HoldsOnlyWhatChangesRowsOrIsUnknownForWriting) {
    EXPECT_FALSE(after({}).has_writing_statement());
    EXPECT_FALSE(after({"", "SELECT 3", "FETCH 1", "MOVE 0", "UPDATE 0", "INSERT 0 0", "DELETE 0",
                        "MERGE 0", "SET", "SAVEPOINT", "RELEASE", "DECLARE CURSOR", "DO"})
                     .has_writing_statement());
    for (const auto* tag :
         {"UPDATE 1", "UPDATE 10", "INSERT 0 1", "DELETE 2", "MERGE 1", "COPY 5", "CREATE TABLE",
          "TRUNCATE TABLE", "LISTEN", "NOTIFY", "A TAG OF TOMORROW"}) {
        EXPECT_TRUE(after({"SELECT 1", tag, "SELECT 1"}).has_writing_statement()) << tag;
    }
}

TEST(BranchHistory, SeesThatTheTransactionWasEndedWhateverCameAfter) {
    EXPECT_FALSE(after({"SELECT 1", "INSERT 0 1"}).has_ended_transaction());
    for (const auto* tag :
         {"COMMIT", "ROLLBACK", "PREPARE TRANSACTION", "BEGIN", "START TRANSACTION"}) {
        EXPECT_TRUE(after({tag, "SELECT 1"}).has_ended_transaction()) << tag;
    }
}

TEST(BranchHistory, LetsTheApplicationRollBackToItsSavepoint) {
    EXPECT_FALSE(after({"SAVEPOINT", "ROLLBACK"}).has_ended_transaction());
    EXPECT_TRUE(after({"SAVEPOINT", "COMMIT"}).has_ended_transaction());
}

TEST(BranchHistory, KnowsABeginThatFoundTheTransactionOpen) {
    BranchHistory history;
    history.add_success("BEGIN", true);
    EXPECT_FALSE(history.has_ended_transaction());
}

TEST(BranchHistory, KeepsTheCauseOfTheFailedTransactionAndNotItsConsequences) {
    BranchHistory history;
    history.add_failure("23505");
    history.add_failure("40P01");
    history.add_failure("25P02");
    EXPECT_EQ(history.last_failure(), "40P01");
}

TEST(BranchHistory, ForgetsAFailureThatASavepointHasUndone) {
    BranchHistory history;
    history.add_success("SAVEPOINT", false);
    history.add_failure("23505");
    history.add_success("ROLLBACK", false);
    EXPECT_EQ(history.last_failure(), "");
    EXPECT_FALSE(history.has_ended_transaction());
}

TEST(ControlsTransaction, LooksAtTheFirstWordsWhateverStandsBeforeThem) {
    for (const auto* statement : {"commit",
                                  "COMMIT WORK",
                                  " \n\tEnd",
                                  "abort",
                                  "rollback",
                                  "Rollback Work",
                                  "rollback transaction",
                                  "rollback and chain",
                                  "rollback prepared 'x'",
                                  "begin",
                                  "start transaction",
                                  "prepare transaction 'x'",
                                  "prepare /* a */ transaction 'x'",
                                  "commit prepared 'x'",
                                  "-- x\ncommit",
                                  "/* /* */ select */ commit",
                                  ";;commit",
                                  "commit;",
                                  "rollback/**/",
                                  "abort to nothing"}) {
        EXPECT_TRUE(controls_transaction(statement)) << statement;
    }
}

TEST(ControlsTransaction, LeavesEverythingElseToTheServer) {
    for (const auto* statement :
         {"", "-- commit", "/* commit */ select 1", "/* commit", "select 'commit'", "rollback to a",
          "rollback to savepoint a", "ROLLBACK WORK TO a", "rollback transaction to a",
          "prepare commit as select 1", "committed", "ending", "savepoint commit", "release a",
          "update t set commit = 1", "call commit()", "\"commit\""}) {
        EXPECT_FALSE(controls_transaction(statement)) << statement;
    }
}

TEST(ContainsTransactionControl, SeesItInAnyStatementOfAText) {
    for (const auto* text :
         {"commit", "select 1; commit", "select ';'; rollback;", "select 1;/* ; */begin",
          "select \";\";end", "select $$;$$;abort", "select $a$ $$ ; $a$; commit",
          "select 1; -- ;\n commit", "select 'it''s'; commit"}) {
        EXPECT_TRUE(contains_transaction_control(text)) << text;
    }
}

TEST(ContainsTransactionControl, SeesNoneWhereASemicolonIsQuoted) {
    for (const auto* text :
         {"", ";", "select 'a; commit'", "do $$ begin null; end $$", "select \"a; commit\"",
          "-- a; commit", "/* a; commit", "do $body$ begin null; end; $body$; select 1",
          "select $1; select $2", "savepoint a; rollback to a", "select 'unfinished; commit"}) {
        EXPECT_FALSE(contains_transaction_control(text)) << text;
    }
}

}  // namespace
}  // namespace xa_tm::postgres
