#include "render_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::json;

TEST(RenderJson, GivesTheWholeReport) {
    auto report = decided_report();
    report.resources[0].is_reachable = false;
    report.resources[0].error = "server down";
    report.resources[0].server.clear();
    report.transactions[0].branches[0].state = RecoveredState::unreachable;

    EXPECT_EQ(Json::parse(render_json(report)), Json::parse(R"({
        "schema": "xa-recover/1",
        "log": {"path": "/var/lib/shop/xa", "node": "shop-1", "id": "91b52e0c7a14d3f8", "epoch": 7,
                "owner": null, "quarantined_through": 0, "doubt": null},
        "resources": [
            {"name": "points", "kind": "mysql", "reachable": false, "error": "server down",
             "unended_session": null, "doubt": null, "server": null},
            {"name": "users", "kind": "postgresql", "reachable": true, "error": null,
             "unended_session": null, "doubt": null, "server": "pg-7"}],
        "transactions": [
            {"gtrid": "shop-1:91b52e0c7a14d3f8:7:42", "state": "commit_decided", "age_s": 12,
             "action": "commit", "reason": "the log holds the decision to commit",
             "waits_for_a_person": false,
             "branches": [
                {"resource": "points", "format_id": 1480676429,
                 "gtrid_hex": "73686f702d313a393162353265306337613134643366383a373a3432",
                 "bqual_hex": "706f696e74733a31", "state": "unreachable", "name": null,
                 "action": "confirm", "reason": "the server does not list the branch",
                 "heuristic": null, "server": null, "evidence": null, "made_by": null},
                {"resource": "users", "format_id": 1480676429,
                 "gtrid_hex": "73686f702d313a393162353265306337613134643366383a373a3432",
                 "bqual_hex": "75736572733a31", "state": "prepared", "name": "name-at-users",
                 "action": "commit", "reason": "the log holds the decision to commit",
                 "heuristic": null, "server": null, "evidence": null, "made_by": null}]}]})"));
}

TEST(RenderJson, TellsWhatNeedsAPerson) {
    auto report = decided_report();
    report.log.quarantined_through = 3;
    report.log.doubt = "old copy";
    report.resources[0].unended_session = "no grant";
    report.resources[1].doubt = "restored";
    auto& branch = report.transactions[0].branches[1];
    branch.heuristic = XaCode::heurrb;
    branch.server = "server-a";
    branch.evidence = "tx-4711";

    const auto json = Json::parse(render_json(report));

    EXPECT_EQ(json["log"]["quarantined_through"], 3);
    EXPECT_EQ(json["log"]["doubt"], "old copy");
    EXPECT_EQ(json["resources"][0]["unended_session"], "no grant");
    EXPECT_EQ(json["resources"][1]["doubt"], "restored");
    EXPECT_EQ(json["transactions"][0]["branches"][1]["heuristic"], "XA_HEURRB");
    EXPECT_EQ(json["transactions"][0]["branches"][1]["server"], "server-a");
    EXPECT_EQ(json["transactions"][0]["branches"][1]["evidence"], "tx-4711");
}

TEST(RenderJson, GivesEmptyListsForNothing) {
    const auto json = Json::parse(render_json(calm_report()));

    EXPECT_EQ(json["transactions"], Json::array());
}

TEST(RenderJson, NamesTheOwnerOfTheLog) {
    auto report = calm_report();
    report.log.owner = recovery_log::LogOwner{.pid = 4711, .host = "db-1"};

    EXPECT_EQ(Json::parse(render_json(report))["log"]["owner"],
              Json::parse(R"({"pid": 4711, "host": "db-1"})"));
}

TEST(RenderJson, TellsWhatWasDone) {
    const auto transaction = Json::parse(render_json(resolved_report()))["transactions"][0];

    EXPECT_EQ(transaction["action"], "commit");
    EXPECT_EQ(transaction["branches"][0]["state"], "finished");
    EXPECT_EQ(transaction["branches"][1]["state"], "committed");
    EXPECT_EQ(transaction["branches"][1]["action"], "commit");
}

TEST(RenderJson, GivesNullForWhatIsNoXid) {
    auto report = calm_report();
    report.transactions.push_back({.gtrid = "by hand",
                                   .state = TransactionState::foreign,
                                   .age = std::nullopt,
                                   .branches = {{.resource = "users",
                                                 .xid = std::nullopt,
                                                 .name = "by hand",
                                                 .state = RecoveredState::prepared,
                                                 .action = RecoveryAction::none,
                                                 .reason = "another transaction manager's"}}});

    const auto transaction = Json::parse(render_json(report))["transactions"][0];

    EXPECT_EQ(transaction["age_s"], nullptr);
    EXPECT_EQ(transaction["action"], "none");
    EXPECT_EQ(transaction["branches"][0]["format_id"], nullptr);
    EXPECT_EQ(transaction["branches"][0]["gtrid_hex"], nullptr);
    EXPECT_EQ(transaction["branches"][0]["bqual_hex"], nullptr);
    EXPECT_EQ(transaction["branches"][0]["name"], "by hand");
}

TEST(RenderJson, TellsWhoMadeAForeignBranch) {
    auto report = decided_report();
    report.transactions[0].state = TransactionState::foreign;
    auto& branch = report.transactions[0].branches[0];
    branch.xid = std::nullopt;
    branch.name = "citus_0_4242_17_1";

    EXPECT_EQ(Json::parse(render_json(report))["transactions"][0]["branches"][0]["made_by"],
              Json::parse(R"({"product": "Citus", "parts": [
                  {"name": "coordinator's group", "value": "0"}, {"name": "pid", "value": "4242"},
                  {"name": "transaction", "value": "17"}, {"name": "connection", "value": "1"}]})"));
}

TEST(RenderJson, StaysJsonWhateverBytesAServerLists) {
    auto report = decided_report();
    report.transactions[0].branches[1].name = "\xff\"\n\x1b";
    report.transactions[0].branches[1].xid->gtrid = std::string("\0\xff", 2);

    const auto branch = Json::parse(render_json(report))["transactions"][0]["branches"][1];

    EXPECT_EQ(branch["gtrid_hex"], "00ff");
}

}  // namespace
}  // namespace xa_tm::cli
