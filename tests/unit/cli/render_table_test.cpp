#include "render_table.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

RecoveryTransaction undecided() {
    return {.gtrid = "shop-1:91b52e0c7a14d3f8:6:3",
            .state = TransactionState::presumed_abort,
            .age = std::chrono::seconds{3700},
            .branches = {branch_at("points", RecoveredState::prepared, RecoveryAction::rollback,
                                   "incarnation 6 has ended"),
                         branch_at("users", RecoveredState::prepared, RecoveryAction::rollback,
                                   "incarnation 6 has ended")}};
}

RecoveryTransaction foreign(const std::string& name) {
    return {.gtrid = name,
            .state = TransactionState::foreign,
            .age = std::nullopt,
            .branches = {{.resource = "users",
                          .xid = std::nullopt,
                          .name = name,
                          .state = RecoveredState::prepared,
                          .action = RecoveryAction::none,
                          .reason = "another transaction manager's"}}};
}

TEST(RenderTable, SaysThatNothingIsInDoubt) {
    EXPECT_EQ(render_table(calm_report(), {}),
              "log /var/lib/shop/xa\n"
              "  node shop-1, id 91b52e0c7a14d3f8, incarnation 7, owned by no process\n"
              "\n"
              "RESOURCE  KIND        STATE\n"
              "points    mysql       reachable\n"
              "users     postgresql  reachable\n"
              "\n"
              "Nothing is in doubt.\n");
}

TEST(RenderTable, ShowsWhatIsInDoubtAndWhatWillBeDone) {
    auto report = decided_report();
    report.transactions.push_back(undecided());

    EXPECT_THAT(render_table(report, {}),
                EndsWith("TRANSACTION                   STATE           AGE      ACTION\n"
                         "shop-1:91b52e0c7a14d3f8:7:42  commit_decided  12 s     commit\n"
                         "  points  absent\n"
                         "    The server does not list the branch.\n"
                         "  users   prepared\n"
                         "    The log holds the decision to commit.\n"
                         "shop-1:91b52e0c7a14d3f8:6:3   presumed_abort  61 min   rollback\n"
                         "  points  prepared\n"
                         "  users   prepared\n"
                         "  Incarnation 6 has ended.\n"
                         "\n"
                         "2 transactions in doubt: 1 will be committed, 1 rolled back. Run "
                         "`xa-recover resolve` with the same\noptions.\n"));
}

TEST(RenderTable, TellsWhatWasDone) {
    EXPECT_THAT(render_table(resolved_report(), {.is_resolved = true}),
                AllOf(HasSubstr("incarnation 7, recovered by this command\n"),
                      HasSubstr("commit_decided  12 s     committed\n"),
                      HasSubstr("  users   committed\n    Committed now: "),
                      EndsWith("\n1 transaction finished: 1 committed.\n"
                               "Nothing is in doubt.\n")));
}

TEST(RenderTable, SaysThatADryRunDidNothing) {
    EXPECT_THAT(render_table(decided_report(), {.is_dry_run = true}),
                EndsWith("1 transaction in doubt: 1 will be committed. Nothing was done: leave "
                         "--dry-run away to do it.\n"));
}

TEST(RenderTable, LeavesTheWorkToTheLogsOwner) {
    auto report = decided_report();
    report.log.owner = recovery_log::LogOwner{.pid = 4711, .host = "db-1"};

    EXPECT_THAT(render_table(report, {}),
                AllOf(HasSubstr("owned by pid 4711 on db-1\n"),
                      EndsWith("1 transaction in doubt: 1 will be committed. pid 4711 on db-1 owns "
                               "the log and will finish it;\nnothing is left to do here while it "
                               "runs.\n")));
    EXPECT_THAT(render_table(report, {.is_resolved = true}),
                AllOf(HasSubstr("12 s     commit\n"), HasSubstr("Nothing was done: pid 4711")));
}

TEST(RenderTable, GivesTheErrorOfAResourceWithoutItsNameTwice) {
    auto report = calm_report();
    report.resources[1].is_reachable = false;
    report.resources[1].error = "resource users: connection refused; check that the server runs";

    EXPECT_THAT(render_table(report, {}),
                EndsWith("users     postgresql  unreachable\n"
                         "  Connection refused; check that the server runs.\n"
                         "\n"
                         "Nothing that could be read is in doubt. Resource users could not be "
                         "read: more may be in doubt\nthere.\n"));
}

TEST(RenderTable, TellsWhatWaitsForAPerson) {
    auto report = decided_report();
    auto& branch = report.transactions[0].branches[1];
    branch.state = RecoveredState::heuristic;
    branch.action = RecoveryAction::none;
    report.transactions[0].branches[0].action = RecoveryAction::none;

    EXPECT_THAT(render_table(report, {}),
                EndsWith("1 transaction in doubt: 1 waits for a person. `xa-recover explain "
                         "GTRID` says what to compare, and\nwhat to type then.\n"));
    EXPECT_THAT(render_table(report, {.is_resolved = true}), HasSubstr("12 s     for a person\n"));
}

TEST(RenderTable, ShowsAHeuristicWithItsCode) {
    auto report = calm_report();
    auto branch = branch_at("users", RecoveredState::heuristic, RecoveryAction::none,
                            "the server says that it was rolled back");
    branch.heuristic = XaCode::heurrb;
    report.transactions.push_back({.gtrid = kGtrid,
                                   .state = TransactionState::heuristic,
                                   .age = std::chrono::hours{3},
                                   .branches = {branch}});

    EXPECT_THAT(render_table(report, {}),
                EndsWith("shop-1:91b52e0c7a14d3f8:7:42  heuristic       3 h      none\n"
                         "  users  heuristic (XA_HEURRB)\n"
                         "  The server says that it was rolled back.\n"
                         "\n"
                         "1 transaction in doubt: 1 waits for a person. `xa-recover explain GTRID` "
                         "says what to compare, and\nwhat to type then.\n"));
}

TEST(RenderTable, ShowsWhatIsDoubtfulAboutAServerItsSessionsAndTheLog) {
    auto report = calm_report();
    report.log.doubt = "users holds a branch of incarnation 9";
    report.resources[0].unended_session = "grant CONNECTION_ADMIN to end session 7";
    report.resources[1].doubt = "it went back from timeline 2 to 1";

    EXPECT_THAT(render_table(report, {}),
                HasSubstr("owned by no process\n"
                          "  The log is an old copy of itself. Users holds a branch of incarnation "
                          "9.\n\n"
                          "RESOURCE  KIND        STATE\n"
                          "points    mysql       reachable\n"
                          "  An old session may still be at work. Grant CONNECTION_ADMIN to end "
                          "session 7.\n"
                          "users     postgresql  reachable\n"
                          "  Not the server that knew all branches. It went back from timeline 2 "
                          "to 1.\n"));
}

TEST(RenderTable, TellsWhoMadeAForeignBranch) {
    auto report = calm_report();
    report.transactions.push_back(foreign("citus_0_4242_17_1"));

    EXPECT_THAT(render_table(report, {}),
                HasSubstr("  users  prepared\n"
                          "    made by Citus: coordinator's group 0, pid 4242, transaction 17, "
                          "connection 1\n"));
}

TEST(RenderTable, CountsWhatIsNotInDoubtButShown) {
    auto report = decided_report();
    report.transactions[0].branches.pop_back();
    report.transactions.push_back(foreign("by hand"));
    report.transactions.push_back(undecided());
    report.transactions.back().state = TransactionState::live;

    EXPECT_THAT(render_table(report, {}),
                EndsWith("\nNothing is in doubt. 1 transaction is still running. 1 transaction is "
                         "not ours to finish. The log\nstill holds 1 transaction that is finished; "
                         "recovery will forget it.\n"));
}

TEST(RenderTable, NeverLetsAServersNameDriveTheTerminal) {
    auto report = calm_report();
    report.transactions.push_back(foreign("\x1b[2J\r\nfree\tform\xc3\xa9"));

    EXPECT_THAT(render_table(report, {.has_details = true}),
                AllOf(HasSubstr("\\x1b[2J\\x0d\\x0afree\\x09form\\xc3\\xa9"),
                      Not(HasSubstr("\x1b")), Not(HasSubstr("\r"))));
}

TEST(RenderTable, PutsLongNamesOnALineOfTheirOwn) {
    auto report = decided_report();
    report.transactions.push_back(foreign(std::string(150, 'x')));

    EXPECT_THAT(render_table(report, {}),
                HasSubstr(std::string(150, 'x') +
                          "\n                              foreign         -        none\n"));
}

TEST(RenderTable, StaysWithin100ColumnsUnlessANameIsLonger) {
    auto report = decided_report();
    report.transactions[0].gtrid = std::string(64, 'g');
    report.transactions[0].age = std::chrono::hours{100 * 24};
    report.transactions[0].branches[0].reason =
        "a reason with many words that goes on and on so that it has to be broken at some point, "
        "and not only once but at the least two times until all of it has been said and shown";
    report.log.owner = recovery_log::LogOwner{.pid = 4711, .host = "a-rather-long-host-name"};

    std::istringstream lines{render_table(report, {.has_details = true})};
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(line.size(), 100U) << line;
    }
}

TEST(RenderTable, ShowsEachBranchsXidOnRequest) {
    EXPECT_THAT(render_table(decided_report(), {.has_details = true}),
                HasSubstr("  users   prepared\n"
                          "    name at the server  name-at-users\n"
                          "    format id           1480676429\n"
                          "    gtrid               "
                          "73686f702d313a393162353265306337613134643366383a373a3432\n"
                          "    bqual               75736572733a31\n"));
}

TEST(RenderTable, UsesColourOnlyWhenAsked) {
    EXPECT_THAT(render_table(decided_report(), {}), Not(HasSubstr("\x1b")));
    EXPECT_THAT(render_table(decided_report(), {.has_colour = true}), HasSubstr("\x1b["));
}

}  // namespace
}  // namespace xa_tm::cli
