#include "statement_text.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

TEST(StatementText, LeavesOutTheEnd) {
    EXPECT_EQ(without_end("select 1 ; ;\n"), "select 1");
    EXPECT_EQ(without_end(" ;"), "");
    EXPECT_EQ(without_end(""), "");
}

using testing::ElementsAre;
using testing::Optional;

bool is_one(std::string_view text) {
    return is_surely_one(text, Bytewise::yes);
}

TEST(StatementText, IsSurelyOneWhenNoSemicolonStandsInTheOpen) {
    for (const auto* text :
         {"select 1", "select 1;\n", "select ';'", R"(select ";", `a;b` from `c;`)",
          "select 'it''s;'", "select 1 /* ; ' */ + 1", "select 1 -- ;'\n+ 1", "select 1 # ;'\n+ 1",
          "select 1 --", "select 1 # ;", "select 4/2", "select 1--1", "select `a\\`",
          "select /*+ hint */ 1", "call p(1);"}) {
        EXPECT_TRUE(is_one(text)) << text;
    }
}

TEST(StatementText, IsNotSurelyOneWhenASecondMayBeginOrTheFirstDoesNotEnd) {
    for (const auto* text :
         {"", ";", "select 1; select 2", "select 1;;select 2", "select 1 -- \n; select 2",
          "select 1--1; select 2", "select 'a'; select 'b'", "select 'a", "select \"a", "select `a",
          "select 1 /*", "select 1 /* *", "select 1 /*/", "select 'a''", R"(select 'a\'; select ')",
          R"(select "\"; select ")", "select 1 /*! ; select 2 */", "select 1 /*!50000 + 1 */",
          "select 1 /*M!100000 ; select 2 */"}) {
        EXPECT_FALSE(is_one(text)) << text;
    }
    EXPECT_FALSE(is_one({"select 1\0;", 10}));
    EXPECT_FALSE(is_one({"select 1 -- \0; select 2", 23})) << "a zero ends a comment";
}

TEST(StatementText, IsNotSurelyOneWhereServersReadADifferentText) {
    for (const auto* text : {"select $$'$$; delete from t where '1'", "select $a$'$a$ '",
                             "select 1--\x7f ;\n", "select 1--\xa0 'a\n'", "select 1--\xc3\xa9"}) {
        EXPECT_FALSE(is_one(text)) << text;
    }
    EXPECT_TRUE(is_one("select a$b$ from t$"));
}

TEST(StatementText, IsNotSurelyOneWhereAQuoteMayBeHalfACharacter) {
    for (const auto* text :
         {"select \x81`; delete from t where \x81`", "select '\x81\\'", "select `\x81`"}) {
        EXPECT_FALSE(is_surely_one(text, Bytewise::no)) << text;
    }
    EXPECT_TRUE(is_surely_one("select '\x81\x40' from `t`", Bytewise::no));
    EXPECT_TRUE(is_surely_one("select `stra\xc3\x9f`", Bytewise::yes));
}

TEST(StatementText, FindsQuestionMarksOutsideOfStringsQuotedNamesAndComments) {
    EXPECT_THAT(placeholders_in("?,? , ?;", Bytewise::yes), Optional(ElementsAre(0, 2, 6)));
    EXPECT_THAT(placeholders_in("'?' \"?\" `?` /* ? */ ?-- ?\n# ?\n?", Bytewise::yes),
                Optional(ElementsAre(20, 30)));
    EXPECT_THAT(placeholders_in("select 1", Bytewise::yes), Optional(ElementsAre()));
}

TEST(StatementText, IsNotCertainOfAQuestionMarkThatWouldBecomeAPartOfSomethingElse) {
    for (const auto* text : {"select a?", "select 1?", "select _latin1?", "select x?", "select @?",
                             "select 1--?", "select \xc3\xa9?", "select a$?"}) {
        EXPECT_FALSE(is_one(text)) << text;
    }
    EXPECT_TRUE(is_one("select 1-?, a.b=?and(?)or ?"));
}

TEST(StatementText, IsPlainWithoutWhatBeginsOrEndsAnything) {
    EXPECT_TRUE(is_plain("update t set n = n + ? where id in (1, 2) and m >= 1.5;"));
    EXPECT_TRUE(is_plain("savepoint xa_tm_1"));
    for (const auto* text :
         {"select 'a'", "select `a`", "select \"a\"", "select 1-1", "select 1/1", "select 1 # a",
          "select \\N", "select a$", "select @a", "select 1; select 2", "select \xc3\xa9",
          "select {d 1}", "select 1 \x01"}) {
        EXPECT_FALSE(is_plain(text)) << text;
    }
    EXPECT_FALSE(is_plain({"select\0a", 8}));
}

TEST(StatementText, TellsByTheFirstWordWhatAStatementIs) {
    for (const auto* text : {"select 1", "SAVEPOINT a", " \n(select 1) union (select 2)",
                             "/* why */ update t set a = 1", "-- why\n# why\ndelete from t",
                             "with a as (select 1) select 1 from a", "rollback to savepoint a"}) {
        EXPECT_EQ(kind_of(text), Kind::one_result) << text;
    }
    EXPECT_EQ(kind_of("call p(1)"), Kind::call);
    for (const auto* text : {"set sql_mode = ''", "execute s", "use a", "begin not atomic", "do 1",
                             "/*! select */ set a = 1", "selected", "/* select", "--1", "", ";",
                             "prepare s from 'select 1'", "savepoints a"}) {
        EXPECT_EQ(kind_of(text), Kind::other) << text;
    }
}

}  // namespace
}  // namespace xa_tm::mysql
