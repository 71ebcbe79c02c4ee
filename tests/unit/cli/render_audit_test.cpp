#include "render_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report_fixtures.h"

namespace xa_tm::cli {
namespace {

using testing::HasSubstr;

Audit audit() {
    using namespace std::chrono_literals;
    return {.log = {.directory = "/var/lib/shop/xa",
                    .node = "shop-1",
                    .id = recovery_log::LogId{0x91b52e0c7a14d3f8},
                    .incarnation = 7,
                    .owner = {}},
            .acts = {{.ordered_at = LogTime{10s},
                      .who = "ann@shop",
                      .verb = OrderVerb::commit,
                      .format_id = kFormatId,
                      .gtrid = kGtrid,
                      .resource = "users",
                      .reason = "paid",
                      .overridden = "law 3"},
                     {.ordered_at = LogTime{30s},
                      .who = "bob@shop",
                      .verb = OrderVerb::rollback,
                      .format_id = 1,
                      .gtrid = std::string("\0\x1b", 2),
                      .resource = {},
                      .reason = "gone",
                      .overridden = {}}},
            .notes = {{.at = LogTime{20s}, .text = "ann@shop accepted a loss"}}};
}

TEST(RenderAudit, ShowsOrdersAndRepairsOldestFirst) {
    EXPECT_EQ(render_audit(audit(), false), R"(log /var/lib/shop/xa
  node shop-1, id 91b52e0c7a14d3f8, incarnation 7, owned by no process

1970-01-01 00:00:10 UTC  ann@shop  commit shop-1:91b52e0c7a14d3f8:7:42, only at users
  reason: paid
  overridden: law 3
1970-01-01 00:00:20 UTC
  ann@shop accepted a loss
1970-01-01 00:00:30 UTC  bob@shop  rollback 001b
  reason: gone
)");
}

TEST(RenderAudit, SaysThatNobodyHasOrderedAnything) {
    auto nothing = audit();
    nothing.acts.clear();
    nothing.notes.clear();
    EXPECT_THAT(render_audit(nothing, false), HasSubstr("\nNobody has ordered anything.\n"));
}

TEST(RenderAudit, GivesTheSameAsJson) {
    const auto json = nlohmann::json::parse(render_audit_json(audit()));
    EXPECT_EQ(json["orders"].size(), 2U);
    EXPECT_EQ(json["orders"][0]["verb"], "commit");
    EXPECT_EQ(json["orders"][0]["ordered_at_us"], 10'000'000);
    EXPECT_EQ(json["orders"][1]["gtrid_hex"], "001b");
    EXPECT_EQ(json["orders"][1]["overridden"], nullptr);
    EXPECT_EQ(json["notes"][0]["text"], "ann@shop accepted a loss");
}

}  // namespace
}  // namespace xa_tm::cli
