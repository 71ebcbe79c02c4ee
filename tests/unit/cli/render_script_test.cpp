#include "render_script.h"

#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report_fixtures.h"
#include "xa_tm/mysql/session_condition.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<ScriptServer> servers() {
    return {{.resource = "points",
             .kind = "mysql",
             .client = "mysql --user=shop points",
             .product = "MariaDB 10.11.19"},
            {.resource = "users",
             .kind = "postgresql",
             .client = "psql postgresql:///users",
             .product = "PostgreSQL 15.18"}};
}

RecoveryReport report_of(RecoveryTransaction transaction) {
    auto report = calm_report();
    report.transactions.push_back(std::move(transaction));
    return report;
}

/// kGtrid at users and points in this state, with this action.
RecoveryReport in_state(TransactionState state, RecoveryAction action) {
    auto at_points = branch_at("points", RecoveredState::prepared, action, "because");
    at_points.name = "x'01',x'02',1480676429";
    return report_of(
        {.gtrid = kGtrid,
         .state = state,
         .age = std::nullopt,
         .branches = {at_points, branch_at("users", RecoveredState::prepared, action, "because")}});
}

/// Every decision is known to be durable.
ScriptFacts facts_of(const RecoveryReport& report, std::vector<ScriptServer> at = servers()) {
    ScriptFacts facts{.report = report, .servers = std::move(at), .durable_decisions = {}};
    for (const auto& transaction : report.transactions) {
        facts.durable_decisions.insert(transaction.gtrid);
    }
    return facts;
}

std::vector<std::string> sql_of(const ScriptFacts& facts) {
    std::vector<std::string> sql;
    for (const auto& statement : script_statements(facts)) {
        sql.push_back(statement.resource + ": " + statement.sql);
    }
    return sql;
}

/// The lines that a client would carry out.
std::vector<std::string> executable_lines(const ScriptFacts& facts) {
    std::istringstream text{render_script(facts)};
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) {
        if (!line.empty() && !line.starts_with("-- ")) {
            lines.push_back(line);
        }
    }
    return lines;
}

constexpr auto kLookAtPostgres =
    "SELECT gid, prepared, owner, database FROM pg_prepared_xacts WHERE database = "
    "current_database() ORDER BY prepared;";
constexpr auto kLookAtMariaDb = "XA RECOVER FORMAT='SQL';";
/// The sessions of the seven incarnations of calm_report().
const auto kSessions = [] {
    std::string query = "SELECT id, user, host FROM information_schema.processlist WHERE ";
    for (int incarnation = 7; incarnation > 0; --incarnation) {
        query +=
            mysql::session_condition(fmt::format("xa_tm:91b52e0c7a14d3f8:{}:shop-1", incarnation));
        query += incarnation > 1 ? " OR " : ";";
    }
    return query;
}();
constexpr auto kPause = "DO SLEEP(1);";

TEST(RenderScript, FinishesWhatResolveWould) {
    EXPECT_THAT(executable_lines(
                    facts_of(in_state(TransactionState::commit_decided, RecoveryAction::commit))),
                ElementsAre(kSessions, kPause, kLookAtMariaDb, "XA COMMIT x'01',x'02',1480676429;",
                            kLookAtMariaDb, kLookAtPostgres, "COMMIT PREPARED 'name-at-users';",
                            kLookAtPostgres));
    EXPECT_THAT(
        sql_of(facts_of(in_state(TransactionState::presumed_abort, RecoveryAction::rollback))),
        ElementsAre("points: XA ROLLBACK x'01',x'02',1480676429;",
                    "users: ROLLBACK PREPARED 'name-at-users';"));
}

TEST(RenderScript, WaitsForTheSessionsOfEndedProcessesWhereTheyKeepTheirBranches) {
    const auto report = in_state(TransactionState::commit_decided, RecoveryAction::commit);
    const auto facts = facts_of(report);
    EXPECT_THAT(render_script(facts), AllOf(HasSubstr("So KILL CONNECTION every id that"),
                                            Not(HasSubstr("SHOW PROCESSLIST"))));
    ASSERT_EQ(script_session_queries(facts).size(), 1U);
    EXPECT_EQ(script_session_queries(facts)[0].resource, "points");
    EXPECT_EQ(script_session_queries(facts)[0].sql, kSessions);

    auto detaching = facts_of(report);
    detaching.servers[0].keeps_branches = false;
    EXPECT_THAT(executable_lines(detaching),
                AllOf(Not(testing::Contains(kSessions)), Not(testing::Contains(kPause))));
    EXPECT_THAT(script_session_queries(detaching), IsEmpty());
}

TEST(RenderScript, CommitsNothingByADecisionThatIsNotKnownToBeDurable) {
    auto facts = facts_of(in_state(TransactionState::commit_decided, RecoveryAction::commit));
    facts.durable_decisions.clear();

    EXPECT_THAT(executable_lines(facts), IsEmpty());
    EXPECT_THAT(sql_of(facts), IsEmpty());
    EXPECT_THAT(render_script(facts),
                AllOf(HasSubstr("-- The decision to commit is not known to be durable: run "
                                "`xa-recover resolve` or start the\n-- application first."),
                      HasSubstr("\n-- XA COMMIT x'01',x'02',1480676429;\n")));
    ASSERT_EQ(script_omissions(facts).size(), 1U);
    EXPECT_EQ(script_omissions(facts)[0].gtrid, kGtrid);
    EXPECT_THAT(script_omissions(facts)[0].reason, HasSubstr("not known to be durable"));

    facts.report = in_state(TransactionState::presumed_abort, RecoveryAction::rollback);
    EXPECT_EQ(sql_of(facts).size(), 2U);
    EXPECT_THAT(script_omissions(facts), IsEmpty());
}

TEST(RenderScript, AsksNothingOfAServerThatHasNothingToFinish) {
    EXPECT_THAT(executable_lines(facts_of(decided_report())),
                ElementsAre(kLookAtPostgres, "COMMIT PREPARED 'name-at-users';", kLookAtPostgres));
}

TEST(RenderScript, NamesTheBranchesOfADecisionAtAServerThatIsNotReachedFromHere) {
    auto report = in_state(TransactionState::commit_decided, RecoveryAction::commit);
    for (auto& branch : report.transactions[0].branches) {
        branch.state = RecoveredState::unreachable;
        branch.name.clear();
    }
    for (auto& resource : report.resources) {
        resource.is_reachable = false;
        resource.error = "resource " + resource.name + ": connection refused";
    }

    EXPECT_THAT(
        sql_of(facts_of(report)),
        ElementsAre("points: XA COMMIT "
                    "x'73686f702d313a393162353265306337613134643366383a373a3432',"
                    "x'706f696e74733a31',1480676429;",
                    "users: COMMIT PREPARED 'xa_tm:shop-1:91b52e0c7a14d3f8:7:42/users:1';"));
    EXPECT_THAT(render_script(facts_of(report)),
                HasSubstr("-- Not reached from here, so that only the log speaks: Connection "
                          "refused.\n"));
}

TEST(RenderScript, ExecutesNothingBesideALiveOwnerOrWithAnOldCopyOfTheLog) {
    auto owned = in_state(TransactionState::commit_decided, RecoveryAction::commit);
    owned.log.owner = recovery_log::LogOwner{.pid = 4711, .host = "db-1"};
    auto outdated = in_state(TransactionState::presumed_abort, RecoveryAction::rollback);
    outdated.log.doubt = "later branches are prepared";

    for (const auto& report : {owned, outdated}) {
        EXPECT_THAT(executable_lines(facts_of(report)), IsEmpty());
        EXPECT_THAT(sql_of(facts_of(report)), IsEmpty());
        EXPECT_THAT(render_script(facts_of(report)), HasSubstr("-- NOTHING TO EXECUTE: "));
    }
}

TEST(RenderScript, GivesBothStatementsInCommentsForWhatWaitsForAPerson) {
    for (const auto state :
         {TransactionState::restored, TransactionState::quarantined, TransactionState::lost_log}) {
        const auto report = in_state(state, RecoveryAction::none);

        EXPECT_THAT(executable_lines(facts_of(report)), IsEmpty());
        EXPECT_THAT(render_script(facts_of(report)),
                    AllOf(HasSubstr("-- Because.\n-- WAITS FOR A PERSON. "),
                          HasSubstr("\n-- COMMIT PREPARED 'name-at-users';\n"
                                    "-- ROLLBACK PREPARED 'name-at-users';\n"),
                          HasSubstr("\n-- XA COMMIT x'01',x'02',1480676429;\n"
                                    "-- XA ROLLBACK x'01',x'02',1480676429;\n")));
    }
}

TEST(RenderScript, LeavesForeignBranchesToTheirMaker) {
    const auto report = report_of({.gtrid = "citus_0_4242_17_1",
                                   .state = TransactionState::foreign,
                                   .age = std::nullopt,
                                   .branches = {{.resource = "users",
                                                 .xid = std::nullopt,
                                                 .name = "citus_0_4242_17_1",
                                                 .state = RecoveredState::prepared,
                                                 .action = RecoveryAction::none,
                                                 .reason = "another transaction manager's"}}});

    EXPECT_THAT(executable_lines(facts_of(report)), IsEmpty());
    EXPECT_THAT(render_script(facts_of(report)),
                AllOf(HasSubstr("-- Not ours: 'citus_0_4242_17_1' is left to Citus: "),
                      Not(HasSubstr("PREPARED"))));
}

TEST(RenderScript, NeverLetsANameLeaveItsCommentOrItsLiteral) {
    const std::string name = "a'; drop table users;\n\\! rm -rf /\n--\xff";
    auto waiting = in_state(TransactionState::restored, RecoveryAction::none);
    auto decided = in_state(TransactionState::commit_decided, RecoveryAction::commit);
    for (auto* report : {&waiting, &decided}) {
        report->transactions[0].branches[1].name = name;
        report->transactions[0].branches[1].reason = name;
        report->transactions[0].gtrid = name;
        report->resources[1].doubt = name;
    }

    EXPECT_THAT(executable_lines(facts_of(waiting)), IsEmpty());
    EXPECT_THAT(executable_lines(facts_of(decided)),
                testing::Contains(
                    R"(COMMIT PREPARED E'a''; drop table users;\x0a\x5c! rm -rf /\x0a--\xff';)"));
    EXPECT_EQ(executable_lines(facts_of(decided)).size(), 8U);
}

TEST(RenderScript, AsksEachProductForItsListAsItUnderstands) {
    const auto report = in_state(TransactionState::commit_decided, RecoveryAction::commit);
    auto both = servers();

    both[0].product = "MySQL 9.7.4";
    EXPECT_THAT(render_script(facts_of(report, both)), HasSubstr("\nXA RECOVER CONVERT XID;\n"));
    both[0].product = "";
    EXPECT_THAT(render_script(facts_of(report, both)), HasSubstr("\nXA RECOVER;\n"));
}

TEST(RenderScript, SaysHowToConnectAndAsWhom) {
    EXPECT_THAT(
        render_script(facts_of(in_state(TransactionState::commit_decided, RecoveryAction::commit))),
        AllOf(HasSubstr("-- Connect with: psql postgresql:///users\n"
                        "-- In this very database, as the role that the list names as "
                        "owner "),
              HasSubstr("-- Connect with: mysql --user=shop points\n")));
}

TEST(RenderScript, SaysWhatIsMissingWhenAResourceWasNotGiven) {
    auto report = decided_report();
    report.resources.pop_back();

    EXPECT_THAT(
        render_script(facts_of(report, {})),
        HasSubstr("-- MISSING: shop-1:91b52e0c7a14d3f8:7:42 has a branch at resource users, "
                  "which was not given.\n"));
}

TEST(RenderScript, SaysThatTheLogStillHoldsTheDecisions) {
    EXPECT_THAT(render_script(facts_of(calm_report())),
                AllOf(HasSubstr("-- The log still holds the decisions. Run `xa-recover resolve`"),
                      HasSubstr("-- Nothing is in doubt there.\n")));
}

}  // namespace
}  // namespace xa_tm::cli
