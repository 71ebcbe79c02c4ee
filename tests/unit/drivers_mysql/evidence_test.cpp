#include "evidence.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

const Evidence kEvidence{.row = 7, .log = "0123456789abcdef"};

Reply rows(std::vector<Row> found) {
    return {.is_ok = true, .rows = std::move(found)};
}
Reply error(int number) {
    return {.error = number};
}
Fate fate(const Reply& row, const Reply& removed) {
    return fate_from(kEvidence, std::vector<Reply>{rows({}), rows({}), row, removed, rows({})});
}

TEST(Evidence, IsReadBackAsItWasWritten) {
    const Evidence evidence{.row = 18446744073709551615U,
                            .log = std::string(kMaxWitnessLogNameBytes, 'l')};
    EXPECT_LE(to_string(evidence).size(), 64U) << "a decision record keeps no more";
    EXPECT_EQ(evidence_from(to_string(evidence)), evidence);
    EXPECT_EQ(to_string(kEvidence), "witness=7;log=0123456789abcdef");
    EXPECT_EQ(evidence_from("witness=7"), (Evidence{.row = 7}));
}

TEST(Evidence, IsNoneWhenAnythingElseWouldReachAStatement) {
    for (const auto* text :
         {"", "witness=", "witness=;log=a", "witness=1'", "witness=x", "pg_xid=1", "witness=01",
          "witness=-1", "witness=1;log=", "witness=1;log=a'b", "witness=1;log=a b",
          "witness=18446744073709551616", "witness=1;log=0123456789012345678901234"}) {
        EXPECT_EQ(evidence_from(text), std::nullopt) << text;
    }
}

TEST(Evidence, ProvesACommitByTheRow) {
    EXPECT_EQ(fate(rows({{"7"}}), rows({})), Fate::committed);
    EXPECT_EQ(fate(rows({{"7"}}), rows({{"9"}})), Fate::committed);
}

TEST(Evidence, ProvesARollbackByItsAbsenceOnlyIfItWasNeverRemoved) {
    EXPECT_EQ(fate(rows({}), rows({})), Fate::rolled_back);
    EXPECT_EQ(fate(rows({}), rows({{"6"}})), Fate::rolled_back);
    EXPECT_EQ(fate(rows({}), rows({{"7"}})), Fate::unknown);
    EXPECT_EQ(fate(rows({}), rows({{"8"}})), Fate::unknown);
    EXPECT_EQ(fate(rows({}), rows({{"what"}})), Fate::unknown);
}

TEST(Evidence, ProvesNothingWhileTheRowIsHeldOrCanNotBeRead) {
    EXPECT_EQ(fate(error(1205), rows({})), Fate::in_progress);
    EXPECT_EQ(fate(error(3572), rows({})), Fate::in_progress);
    EXPECT_EQ(fate(error(1146), rows({})), Fate::unknown);
    EXPECT_EQ(fate(rows({}), error(1146)), Fate::unknown);
    EXPECT_EQ(fate(error(1142), rows({})), Fate::untold);
    EXPECT_EQ(fate(rows({}), error(1142)), Fate::untold);
}

TEST(Evidence, NeverMakesARollbackOrADoubtASuccess) {
    EXPECT_EQ(answer_from(Fate::committed, Verb::commit)->code, XaCode::ok);
    EXPECT_EQ(answer_from(Fate::committed, Verb::locate)->code, XaCode::nota);
    EXPECT_TRUE(answer_from(Fate::committed, Verb::locate)->is_proven);
    for (const auto verb : {Verb::commit, Verb::locate}) {
        EXPECT_EQ(answer_from(Fate::rolled_back, verb)->code, XaCode::heurrb);
        EXPECT_EQ(answer_from(Fate::in_progress, verb)->code, XaCode::retry);
        EXPECT_FALSE(answer_from(Fate::unknown, verb).has_value());
        EXPECT_FALSE(answer_from(Fate::untold, verb).has_value());
    }
}

}  // namespace
}  // namespace xa_tm::mysql
