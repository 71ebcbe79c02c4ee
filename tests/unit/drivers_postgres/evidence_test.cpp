#include "evidence.h"

#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

Reply status(const char* text) {
    Reply reply{.is_ok = true};
    reply.rows.push_back({text == nullptr ? std::nullopt : std::optional<std::string>{text}});
    return reply;
}

TEST(Evidence, IsReadBackAsItWasWritten) {
    const Evidence evidence{"18446744073709551615", "0000000A"};
    EXPECT_EQ(to_string(evidence), "pg_xid=18446744073709551615;timeline=0000000A");
    EXPECT_LE(to_string(evidence).size(), 64U);
    EXPECT_EQ(evidence_from(to_string(evidence)), evidence);
    EXPECT_EQ(evidence_from("pg_xid=7"), (Evidence{"7", ""}));
}

TEST(Evidence, IsNoneWhenAnythingButDigitsWouldReachAStatement) {
    for (const auto* text : {"", "pg_xid=", "pg_xid=;timeline=1", "pg_xid=1'", "pg_xid=x", "xid=1",
                             "pg_xid=123456789012345678901"}) {
        EXPECT_EQ(evidence_from(text), std::nullopt) << text;
    }
}

TEST(Evidence, IsNoneWhenNobodyWouldHaveWrittenItSo) {
    EXPECT_EQ(evidence_from("pg_xid=7;timeline="), std::nullopt);
}

TEST(Evidence, TellsTheFateOnlyOnItsOwnTimeline) {
    const Evidence evidence{"7", "00000001"};
    EXPECT_EQ(fate_from(evidence, "00000001", status("committed")), Fate::committed);
    EXPECT_EQ(fate_from(evidence, "00000001", status("aborted")), Fate::rolled_back);
    EXPECT_EQ(fate_from(evidence, "00000001", status("in progress")), Fate::in_progress);
    EXPECT_EQ(fate_from(evidence, "00000001", status(nullptr)), Fate::unknown);
    EXPECT_EQ(fate_from(evidence, "00000002", status("committed")), Fate::other_history);
    EXPECT_EQ(fate_from({"7", ""}, "00000002", status("committed")), Fate::committed);
    EXPECT_EQ(fate_from(evidence, "00000001", {.sqlstate = "22023"}), Fate::other_history);
    EXPECT_EQ(fate_from(evidence, "00000001", {.sqlstate = "57014"}), Fate::unknown);
}

TEST(Evidence, NeverMakesARollbackOrADoubtASuccess) {
    EXPECT_EQ(answer_from(Fate::committed, Verb::commit)->code, XaCode::ok);
    EXPECT_EQ(answer_from(Fate::committed, Verb::locate)->code, XaCode::nota);
    for (const auto verb : {Verb::commit, Verb::locate}) {
        EXPECT_EQ(answer_from(Fate::rolled_back, verb)->code, XaCode::heurrb);
        EXPECT_EQ(answer_from(Fate::other_history, verb)->code, XaCode::heurhaz);
        EXPECT_EQ(answer_from(Fate::in_progress, verb)->code, XaCode::retry);
        EXPECT_FALSE(answer_from(Fate::unknown, verb).has_value());
    }
}

}  // namespace
}  // namespace xa_tm::postgres
