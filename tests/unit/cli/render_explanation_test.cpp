#include "render_explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

LogEntry decision_entry() {
    return {.id = 42,
            .bytes = 100,
            .record = Decision{.gtrid = kGtrid,
                               .decided_at = LogTime{1767323045s},
                               .branches = {{"points", "points:1", "mariadb-1", ""},
                                            {"users", "users:1", "7412:shop", "1234"}}},
            .is_known_durable = true};
}

Explanation decided() {
    Explanation explanation{.report = decided_report(),
                            .entries = {decision_entry()},
                            .examined = {{{.server = "mariadb-2"}, {.server = "7412:shop"}}}};
    auto& branches = explanation.report.transactions[0].branches;
    branches[0].server = "mariadb-1";
    branches[1].server = "7412:shop";
    branches[1].evidence = "1234";
    explanation.examined[0][1].holdings = Holdings{
        .locks = {{.object = "table public.users", .mode = "RowExclusiveLock", .count = 3}},
        .blocked = {
            {.number = 4711, .user = "shop", .waiting = 75s, .statement = "update users set x"}}};
    return explanation;
}

TEST(RenderExplanation, GivesTheEvidenceWhatItBlocksAndTheNextCommand) {
    EXPECT_EQ(
        render_explanation(decided(), false),
        "transaction shop-1:91b52e0c7a14d3f8:7:42\n"
        "  commit_decided for 12 s, log 91b52e0c7a14d3f8 of node shop-1, owned by no process\n"
        "\n"
        "The log\n"
        "  entry 42: decided to commit at 2026-01-02 03:04:05 UTC\n"
        "    points:1 at points\n"
        "    users:1 at users\n"
        "\n"
        "At points: absent\n"
        "    The server does not list the branch.\n"
        "    server    mariadb-2 answers, and mariadb-1 prepared it: another server, or "
        "another database\n"
        "\n"
        "At users: prepared\n"
        "    The log holds the decision to commit.\n"
        "    name      name-at-users\n"
        "    server    7412:shop, the one that prepared it\n"
        "    evidence  1234\n"
        "    holds     3 × RowExclusiveLock on table public.users\n"
        "    blocks    session 4711 of shop, for 75 s: update users set x\n"
        "\n"
        "Next, with the same options:  xa-recover resolve\n"
        "  It commits what is prepared; starting the application does the same.\n");
}

TEST(RenderExplanation, SaysWhenTheLogHoldsNothingAndNobodyIsBlocked) {
    auto explanation = decided();
    explanation.entries.clear();
    explanation.examined[0][1].holdings = Holdings{};

    EXPECT_THAT(render_explanation(explanation, false),
                AllOf(HasSubstr("The log\n  holds nothing about it.\n"),
                      HasSubstr("    blocks    nobody at this moment\n")));
}

TEST(RenderExplanation, SaysWhatCouldNotBeToldAndNotThatNobodyIsBlocked) {
    auto explanation = decided();
    explanation.examined[0][0].error = "server down";
    explanation.examined[0][1].holdings = Holdings{.caveat = "grant PROCESS to shop"};

    EXPECT_THAT(
        render_explanation(explanation, false),
        AllOf(HasSubstr("    not told  Server down.\n"),
              HasSubstr("    not told  Grant PROCESS to shop.\n"), Not(HasSubstr("nobody"))));
}

TEST(RenderExplanation, GivesEachChoiceWithItsCommand) {
    auto explanation = decided();
    explanation.report.transactions[0].state = TransactionState::restored;

    EXPECT_THAT(
        render_explanation(explanation, false),
        HasSubstr("  When the data shows that another branch of it has committed:\n"
                  "    xa-recover commit shop-1:91b52e0c7a14d3f8:7:42 --force --reason '…'\n"));
}

TEST(RenderExplanation, ShowsHeuristicsAndOrdersOfTheLog) {
    auto explanation = decided();
    explanation.entries = {{.id = 43,
                            .bytes = 1,
                            .record = Heuristic{.gtrid = kGtrid,
                                                .bqual = "users:1",
                                                .code = XaCode::heurrb,
                                                .resource = "users",
                                                .noticed_at = LogTime{1767323045s},
                                                .words = "the server says aborted"},
                            .is_known_durable = true},
                           {.id = 44,
                            .bytes = 1,
                            .record = OperatorAct{.ordered_at = LogTime{1767323045s},
                                                  .who = "ann@db-1",
                                                  .verb = OrderVerb::forget,
                                                  .format_id = kFormatId,
                                                  .gtrid = kGtrid,
                                                  .resource = "",
                                                  .reason = "mended",
                                                  .overridden = ""},
                            .is_known_durable = true}};

    EXPECT_THAT(render_explanation(explanation, false),
                HasSubstr("  entry 43: XA_HEURRB at users:1, noticed at 2026-01-02 03:04:05 UTC: "
                          "The server says aborted.\n"
                          "  entry 44: ann@db-1 ordered forget at 2026-01-02 03:04:05 UTC: "
                          "Mended.\n"));
}

TEST(RenderExplanation, NeverLetsAStatementDriveTheTerminal) {
    auto explanation = decided();
    explanation.examined[0][1].holdings->blocked[0].statement = "\x1b[2J\n";

    EXPECT_THAT(render_explanation(explanation, false), Not(HasSubstr("\x1b")));
}

TEST(ExplanationJson, AddsTheEvidenceAndTheNextStepToTheReport) {
    const auto json = explanation_json(decided());

    const auto& transaction = json["transactions"][0];
    EXPECT_EQ(transaction["log_entries"][0]["entry"], 42);
    EXPECT_EQ(transaction["log_entries"][0]["decision"]["gtrid"], kGtrid);
    EXPECT_EQ(transaction["next"]["command"], "xa-recover resolve");
    EXPECT_EQ(transaction["branches"][0]["examined"]["locks"], nullptr);
    const auto& examined = transaction["branches"][1]["examined"];
    EXPECT_EQ(examined["server"], "7412:shop");
    EXPECT_EQ(examined["locks"][0]["count"], 3);
    EXPECT_EQ(examined["blocked"][0]["session"], 4711);
    EXPECT_EQ(examined["blocked"][0]["waiting_s"], 75);
}

}  // namespace
}  // namespace xa_tm::cli
