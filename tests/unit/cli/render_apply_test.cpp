#include "render_apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Plan two_entries() {
    auto plan = make_plan({.report = decided_report(), .decisions = {{kGtrid, 42}}});
    plan.made_at = "2026-11-29T01:02:03Z";
    plan.made_by = "ann@shop";
    return plan;
}

const std::vector<CheckedEntry> kBothHold{{EntryVerdict::holds, RecoveryAction::confirm, ""},
                                          {EntryVerdict::holds, RecoveryAction::commit, ""}};

TEST(RenderApply, TellsWhatBecameOfEveryEntry) {
    const auto plan = two_entries();
    auto report = resolved_report();
    report.transactions[0].branches[1].state = RecoveredState::prepared;
    report.transactions[0].branches[1].reason = "not finished yet (XAER_RMERR: disk full)";
    const AppliedPlan applied{.file = "shop.plan",
                              .plan = plan,
                              .owner = {},
                              .is_dry_run = false,
                              .results = results_of(plan, kBothHold, report)};
    EXPECT_EQ(render_apply(applied, false), R"(plan shop.plan
  made 2026-11-29T01:02:03Z by ann@shop, for log 91b52e0c7a14d3f8 of node shop-1

RESOURCE  TRANSACTION                   ACTION    RESULT
points    shop-1:91b52e0c7a14d3f8:7:42  confirm   done
  Nothing was left of it.
users     shop-1:91b52e0c7a14d3f8:7:42  commit    not finished
  Not finished yet (XAER_RMERR: disk full).

2 entries: 1 done, 1 not finished. Run the same command again when the reason is gone.
)");
    EXPECT_EQ(exit_code_of(applied), kInDoubt);
}

TEST(RenderApply, CountsWhatWasDoneBeforeAsDone) {
    const auto plan = two_entries();
    const AppliedPlan applied{
        .file = "shop.plan",
        .plan = plan,
        .owner = {},
        .is_dry_run = false,
        .results = {{EntryResult::done, ""}, {EntryResult::done_before, "it is gone"}}};
    EXPECT_THAT(render_apply(applied, false), HasSubstr("2 entries: 1 done, 1 done before.\n"));
    EXPECT_EQ(exit_code_of(applied), kNothingInDoubt);
}

TEST(RenderApply, SaysWhatIsRefusedAndWhatIsNotKnown) {
    const auto plan = two_entries();
    AppliedPlan applied{.file = "shop.plan",
                        .plan = plan,
                        .owner = {},
                        .is_dry_run = false,
                        .results = results_of({{EntryVerdict::changed, RecoveryAction::none,
                                                "the branch was absent and is prepared"},
                                               {EntryVerdict::holds, RecoveryAction::commit, ""}})};
    EXPECT_THAT(render_apply(applied, false), HasSubstr("What was refused needs a new plan."));
    EXPECT_EQ(exit_code_of(applied), kInDoubt);
    applied.results[1] = {EntryResult::unproven, "connection refused"};
    EXPECT_EQ(exit_code_of(applied), kUnreadable);
}

TEST(RenderApply, NamesTheOwnerBesideWhichNothingWasDone) {
    const auto plan = two_entries();
    const AppliedPlan applied{.file = "shop.plan",
                              .plan = plan,
                              .owner = recovery_log::LogOwner{.pid = 7, .host = "vm"},
                              .is_dry_run = false,
                              .results = results_of(kBothHold)};
    const auto text = render_apply(applied, false);
    EXPECT_THAT(text, HasSubstr("Nothing was done: pid 7 on vm owns the log"));
    EXPECT_THAT(text, Not(HasSubstr("again")));
    EXPECT_EQ(exit_code_of(applied), kInDoubt);
    const auto json = nlohmann::json::parse(render_apply_json(applied));
    EXPECT_EQ(json["owner"]["pid"], 7);
    EXPECT_EQ(json["entries"][1]["result"], "would_be");
    EXPECT_EQ(json["entries"][1]["bqual"], "users:1");
}

TEST(RenderApply, KnowsThatABranchWasGoneWhenItsTurnHadCome) {
    auto report = resolved_report();
    report.transactions.clear();
    auto results = results_of(two_entries(), kBothHold, report);
    EXPECT_EQ(results[0].result, EntryResult::changed);
    report.resources[0].is_reachable = false;
    results = results_of(two_entries(), kBothHold, report);
    EXPECT_EQ(results[0].result, EntryResult::unproven);
}

}  // namespace
}  // namespace xa_tm::cli
