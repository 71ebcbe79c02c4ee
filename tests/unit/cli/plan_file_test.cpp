#include "plan_file.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "configuration.h"
#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Json = nlohmann::ordered_json;

PlanFacts decided() {
    return {.report = decided_report(), .decisions = {{kGtrid, 42}}};
}

PlanFacts undecided() {
    PlanFacts facts{.report = calm_report(), .decisions = {}};
    facts.report.transactions.push_back(
        {.gtrid = kGtrid,
         .state = TransactionState::presumed_abort,
         .age = {},
         .branches = {branch_at("users", RecoveredState::prepared, RecoveryAction::rollback,
                                "the log holds no decision")}});
    return facts;
}

Plan plan_of(const PlanFacts& facts) {
    auto plan = make_plan(facts);
    plan.made_at = "2026-11-29T01:02:03Z";
    plan.made_by = "ann@shop";
    return plan;
}

/// The plan's JSON after a person has been at it.
std::string edited(const std::function<void(Json&)>& edit) {
    auto json = Json::parse(render_plan(plan_of(decided())));
    edit(json);
    return json.dump();
}

std::string error_of(std::string_view text) {
    try {
        static_cast<void>(parse_plan(text, "shop.plan"));
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "";
}

TEST(PlanFile, StatesEveryBranchThatMayBeFinishedAndWhatItWasJudgedBy) {
    EXPECT_EQ(render_plan(plan_of(decided())), R"({
  "format": "xa-recover plan",
  "version": 1,
  "made_at": "2026-11-29T01:02:03Z",
  "made_by": "ann@shop",
  "log": {
    "id": "91b52e0c7a14d3f8",
    "node": "shop-1",
    "incarnation": 7
  },
  "entries": [
    {
      "resource": "points",
      "xid": {
        "format_id": 1480676429,
        "gtrid": "shop-1:91b52e0c7a14d3f8:7:42",
        "bqual": "points:1"
      },
      "action": "confirm",
      "reason": "the server does not list the branch",
      "judged_by": {
        "transaction": "commit_decided",
        "branch": "absent",
        "decision": 42,
        "server": "mariadb-1"
      }
    },
    {
      "resource": "users",
      "xid": {
        "format_id": 1480676429,
        "gtrid": "shop-1:91b52e0c7a14d3f8:7:42",
        "bqual": "users:1"
      },
      "action": "commit",
      "reason": "the log holds the decision to commit",
      "judged_by": {
        "transaction": "commit_decided",
        "branch": "prepared",
        "decision": 42,
        "server": "pg-7"
      }
    }
  ]
}
)");
}

TEST(PlanFile, IsReadAsItWasWritten) {
    for (const auto& facts : {decided(), undecided()}) {
        const auto plan = plan_of(facts);
        EXPECT_EQ(parse_plan(render_plan(plan), "shop.plan"), plan);
    }
}

TEST(PlanFile, LeavesOutWhatNobodyMayDoByTheLaws) {
    auto facts = undecided();
    auto& transaction = facts.report.transactions.front();
    transaction.state = TransactionState::quarantined;
    transaction.branches.front().action = RecoveryAction::none;
    EXPECT_THAT(make_plan(facts).entries, IsEmpty());
    transaction.branches.front() =
        branch_at("users", RecoveredState::unreachable, RecoveryAction::commit, "no answer");
    EXPECT_THAT(make_plan(facts).entries, IsEmpty());
}

TEST(PlanFile, MayBeShortened) {
    const auto plan = parse_plan(edited([](Json& json) { json["entries"].erase(0); }), "shop.plan");
    ASSERT_THAT(plan.entries, SizeIs(1));
    EXPECT_EQ(plan.entries[0].resource, "users");
}

TEST(PlanFile, MayHoldNoVersionThatIsNestedWithoutEnd) {
    constexpr std::size_t kDepth = 200'000;
    EXPECT_THAT(error_of(R"({"format": "xa-recover plan", "version": )" + std::string(kDepth, '[') +
                         std::string(kDepth, ']') + "}"),
                HasSubstr("version is not such a number"));
}

TEST(PlanFile, IsReadStrictly) {
    EXPECT_THAT(error_of("not JSON"), HasSubstr("shop.plan: it is no JSON"));
    EXPECT_THAT(error_of("[]"), HasSubstr("the plan: is not an object"));
    const auto full = render_plan(plan_of(decided()));
    EXPECT_THAT(error_of(full.substr(0, full.size() / 2)), HasSubstr("it is no JSON"));
    const std::pair<std::function<void(Json&)>, std::string> cases[] = {
        {[](Json& json) { json["format"] = "report"; }, "format is not \"xa-recover plan\""},
        {[](Json& json) { json["version"] = 2; }, "version 2 is not 1"},
        {[](Json& json) { json["version"] = "1"; }, "version is not such a number"},
        {[](Json& json) { json.erase("version"); }, "version is missing"},
        {[](Json& json) { json["hurry"] = true; }, "hurry is not expected"},
        {[](Json& json) { json["log"]["id"] = "91b5"; }, "log: id is no log's id"},
        {[](Json& json) { json["log"]["incarnation"] = -1; }, "incarnation is not such a number"},
        {[](Json& json) { json["log"]["incarnation"] = 4294967296; },
         "incarnation is not such a number"},
        {[](Json& json) { json["entries"] = Json::object(); }, "entries is not an array"},
        {[](Json& json) { json["entries"][1] = 3; }, "entries[1]: is not an object"},
        {[](Json& json) { json["entries"][1].erase("resource"); },
         "entries[1]: resource is missing"},
        {[](Json& json) { json["entries"][1]["action"] = "none"; },
         "entries[1]: action \"none\" is none that a plan can hold"},
        {[](Json& json) { json["entries"][1]["action"] = "Commit"; }, "action \"Commit\""},
        {[](Json& json) { json["entries"][1]["xid"]["format_id"] = "x"; },
         "entries[1].xid: format_id is not such a number"},
        {[](Json& json) { json["entries"][1]["judged_by"]["transaction"] = "foreign"; },
         "entries[1].judged_by: transaction \"foreign\""},
        {[](Json& json) { json["entries"][1]["judged_by"]["decision"] = "42"; },
         "decision is not such a number"},
        {[](Json& json) { json["entries"][1]["note"] = "mine"; },
         "entries[1]: note is not expected"},
        {[](Json& json) { json["entries"].push_back(json["entries"][1]); },
         "branch users:1 of shop-1:91b52e0c7a14d3f8:7:42 at users stands there twice"},
    };
    for (const auto& [edit, words] : cases) {
        EXPECT_THAT(error_of(edited(edit)), AllOf(HasSubstr("shop.plan: "), HasSubstr(words),
                                                  HasSubstr("nothing was done")));
    }
}

TEST(PlanFile, HoldsWhileNothingHasChanged) {
    auto facts = decided();
    const auto plan = plan_of(facts);
    ++facts.report.log.incarnation;
    for (const auto& checked : check(plan, facts)) {
        EXPECT_EQ(checked.verdict, EntryVerdict::holds);
        EXPECT_EQ(checked.why, "");
    }
}

TEST(PlanFile, Trap58IsJudgedByNoClock) {
    auto facts = decided();
    auto plan = plan_of(facts);
    plan.made_at = "2999-01-01T00:00:00Z";
    for (const auto age : {-3600, 0, 1'000'000'000}) {
        facts.report.transactions[0].age = std::chrono::seconds{age};
        for (const auto& checked : check(plan, facts)) {
            EXPECT_EQ(checked.verdict, EntryVerdict::holds);
        }
    }
}

TEST(PlanFile, GoesOnWhereAnEarlierApplyWasKilled) {
    auto facts = decided();
    const auto plan = plan_of(facts);
    facts.report.transactions[0].branches[1] =
        branch_at("users", RecoveredState::absent, RecoveryAction::confirm, "not listed");
    const auto checked = check(plan, facts);
    EXPECT_EQ(checked[1].verdict, EntryVerdict::holds);
    EXPECT_EQ(checked[1].action, RecoveryAction::confirm);

    facts.report.transactions.clear();
    facts.decisions.clear();
    for (const auto& done : check(plan, facts)) {
        EXPECT_EQ(done.verdict, EntryVerdict::done_before);
        EXPECT_THAT(done.why, HasSubstr("forgotten the decision"));
    }
}

TEST(PlanFile, TellsARolledBackBranchAsDone) {
    auto facts = undecided();
    const auto plan = plan_of(facts);
    facts.report.transactions.clear();
    const auto checked = check(plan, facts);
    EXPECT_EQ(checked[0].verdict, EntryVerdict::done_before);
    EXPECT_THAT(checked[0].why, HasSubstr("does not list it any more"));
}

TEST(PlanFile, RefusesWhatHasChanged) {
    const auto plan = plan_of(undecided());
    auto facts = decided();  // decided meanwhile
    auto checked = check(plan, facts);
    EXPECT_EQ(checked[0].verdict, EntryVerdict::changed);
    EXPECT_THAT(checked[0].why,
                AllOf(HasSubstr("the transaction was presumed_abort and is commit_decided"),
                      HasSubstr("the decision was none and is entry 42"),
                      HasSubstr("the action was rollback and is commit")));

    facts = undecided();  // the log has been repaired meanwhile
    facts.report.transactions[0].state = TransactionState::quarantined;
    facts.report.transactions[0].branches[0].action = RecoveryAction::none;
    EXPECT_EQ(check(plan, facts)[0].verdict, EntryVerdict::changed);

    facts = undecided();
    facts.report.transactions.clear();
    facts.decisions = {{kGtrid, 43}};
    EXPECT_EQ(check(plan, facts)[0].verdict, EntryVerdict::changed);
}

TEST(PlanFile, RefusesABranchThatAppearedWhereItWasThoughtToBeGone) {
    auto facts = decided();
    const auto plan = plan_of(facts);
    facts.report.transactions[0].branches[0] =
        branch_at("points", RecoveredState::prepared, RecoveryAction::commit, "still prepared");
    EXPECT_EQ(check(plan, facts)[0].verdict, EntryVerdict::changed);
}

TEST(PlanFile, RefusesAnotherServer) {
    auto facts = decided();
    const auto plan = plan_of(facts);
    facts.report.resources[1].server = "pg-8";
    const auto checked = check(plan, facts);
    EXPECT_EQ(checked[0].verdict, EntryVerdict::holds);
    EXPECT_EQ(checked[1].verdict, EntryVerdict::changed);
    EXPECT_THAT(checked[1].why,
                HasSubstr("another server answers as users: it was pg-7 and is pg-8"));
}

TEST(PlanFile, KnowsNothingOfAResourceThatCouldNotBeRead) {
    auto facts = decided();
    const auto plan = plan_of(facts);
    facts.report.resources[1].is_reachable = false;
    facts.report.resources[1].error = "connection refused";
    auto checked = check(plan, facts);
    EXPECT_EQ(checked[1].verdict, EntryVerdict::unproven);
    EXPECT_EQ(checked[1].why, "connection refused");
    facts.report.resources.pop_back();
    EXPECT_THAT(check(plan, facts)[1].why, HasSubstr("resource users is not given"));
}

}  // namespace
}  // namespace xa_tm::cli
