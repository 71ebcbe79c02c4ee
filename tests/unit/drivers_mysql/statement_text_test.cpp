#include "statement_text.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

TEST(StatementText, LeavesOutTheEnd) {
    EXPECT_EQ(without_end("select 1 ; ;\n"), "select 1");
    EXPECT_EQ(without_end(" ;"), "");
    EXPECT_EQ(without_end(""), "");
}

TEST(StatementText, IsSurelyOneWhenNoSemicolonStandsInTheOpen) {
    for (const auto* text :
         {"select 1", "select 1;\n", "select ';'", R"(select ";", `a;b` from `c;`)",
          "select 'it''s;'", "select 1 /* ; ' */ + 1", "select 1 -- ;'\n+ 1", "select 1 # ;'\n+ 1",
          "select 1 --", "select 1 # ;", "select 4/2", "select 1--1", "select `a\\`",
          "select /*+ hint */ 1", "call p(1);"}) {
        EXPECT_TRUE(is_surely_one(text)) << text;
    }
}

TEST(StatementText, IsNotSurelyOneWhenASecondMayBeginOrTheFirstDoesNotEnd) {
    for (const auto* text :
         {"", ";", "select 1; select 2", "select 1;;select 2", "select 1 -- \n; select 2",
          "select 1--1; select 2", "select 'a'; select 'b'", "select 'a", "select \"a", "select `a",
          "select 1 /*", "select 1 /* *", "select 1 /*/", "select 'a''", R"(select 'a\'; select ')",
          R"(select "\"; select ")", "select 1 /*! ; select 2 */", "select 1 /*!50000 + 1 */",
          "select 1 /*M!100000 ; select 2 */"}) {
        EXPECT_FALSE(is_surely_one(text)) << text;
    }
    EXPECT_FALSE(is_surely_one({"select 1\0;", 10}));
}

}  // namespace
}  // namespace xa_tm::mysql
