#include "render_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Order order() {
    return {.verb = OrderVerb::rollback,
            .gtrid = kGtrid,
            .reason = "points' disk is gone",
            .who = "ann@shop"};
}

OrderResult needing(Permission permission) {
    return {
        .verdict = {.permission = permission,
                    .why = "law 1, atomicity: the log holds the decision to commit",
                    .consequences = {"the branch users:1 at users is rolled back"},
                    .confirmation = permission == Permission::needs_confirmation ? "12ab-34cd" : "",
                    .branches = {
                        branch_at("users", RecoveredState::prepared, RecoveryAction::commit, "")}}};
}

TEST(RenderOrder, SpellsOutWhatFollowsAndWhatToType) {
    const auto given = order();
    const auto result = needing(Permission::needs_confirmation);
    EXPECT_EQ(
        render_order({.order = given, .result = result, .options = " --config shop.toml"}, false),
        R"(rollback shop-1:91b52e0c7a14d3f8:7:42
  ordered by ann@shop: points' disk is gone
needs a confirmation
  Law 1, atomicity: the log holds the decision to commit.

It would act on
  users  prepared  name-at-users

What follows
  The branch users:1 at users is rolled back.

Nothing was done. To do it, type:
  xa-recover rollback shop-1:91b52e0c7a14d3f8:7:42 --reason 'points'\'' disk is gone' --confirm 12ab-34cd --config shop.toml
)");
}

TEST(RenderOrder, SaysThatAWrongCodeStandsForSomethingElse) {
    auto given = order();
    given.confirmation = "ffff-ffff";
    const auto result = needing(Permission::needs_confirmation);
    EXPECT_THAT(render_order({.order = given, .result = result}, false),
                HasSubstr("stands for other consequences"));
}

TEST(RenderOrder, OffersNothingToTypeForWhatIsRefused) {
    const auto given = order();
    const auto result = needing(Permission::refused);
    const auto text = render_order({.order = given, .result = result}, false);
    EXPECT_THAT(text, HasSubstr("Nothing was done.\n"));
    EXPECT_THAT(text, Not(HasSubstr("To do it")));
}

TEST(RenderOrder, AsksForTheReasonWhereNoneWasGiven) {
    auto given = order();
    given.reason.clear();
    given.resource = "users";
    const auto result = needing(Permission::needs_force);
    EXPECT_THAT(render_order({.order = given, .result = result, .is_dry_run = true}, false),
                HasSubstr(" --only users --reason TEXT --force\n"));
}

TEST(RenderOrder, TellsWhatBecameOfEachBranch) {
    const auto given = order();
    auto result = needing(Permission::granted);
    result.is_carried_out = true;
    result.branches = result.verdict.branches;
    result.branches[0].state = RecoveredState::rolled_back;
    result.branches[0].reason = "as ordered";
    EXPECT_TRUE(is_carried_out({.order = given, .result = result}));
    EXPECT_THAT(
        render_order({.order = given, .result = result}, false),
        HasSubstr("  users  rolled_back  name-at-users\n    As ordered.\n\nDone, and kept"));

    result.branches[0].state = RecoveredState::unreachable;
    EXPECT_FALSE(is_carried_out({.order = given, .result = result}));
    EXPECT_THAT(render_order({.order = given, .result = result}, false),
                HasSubstr("Not all of it is done"));
}

TEST(RenderOrder, GivesTheSameAsJson) {
    const auto given = order();
    const auto result = needing(Permission::needs_confirmation);
    const auto json = nlohmann::json::parse(render_order_json({.order = given, .result = result}));
    EXPECT_EQ(json["order"]["verb"], "rollback");
    EXPECT_EQ(json["order"]["resource"], nullptr);
    EXPECT_EQ(json["verdict"]["permission"], "needs_confirmation");
    EXPECT_EQ(json["verdict"]["confirmation"], "12ab-34cd");
    EXPECT_EQ(json["verdict"]["consequences"].size(), 1U);
    EXPECT_EQ(json["verdict"]["branches"][0]["bqual_hex"], "75736572733a31");
    EXPECT_EQ(json["carried_out"], false);
}

}  // namespace
}  // namespace xa_tm::cli
