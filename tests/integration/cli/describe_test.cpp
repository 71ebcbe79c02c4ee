#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shop_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Describe : public ShopTest {};

TEST_F(Describe, SaysWhatEachServerIsAndWhatFollows) {
    const auto described = over_shop({"describe"});
    EXPECT_EQ(described.exit_code, 0) << described;
    EXPECT_THAT(described.out,
                AllOf(HasSubstr("users: PostgreSQL "),
                      HasSubstr("\n  max_prepared_transactions: 100\n"), HasSubstr("points: M")));
    EXPECT_EQ(described.err, "");
}

TEST_F(Describe, GivesTheFactsAsJson) {
    const auto json = json_of({"describe"}, 0);
    ASSERT_EQ(json["resources"].size(), 2U) << json;
    EXPECT_EQ(json["resources"][0]["name"], "users");
    EXPECT_EQ(json["resources"][0]["error"], nullptr);
    for (const auto& resource : json["resources"]) {
        EXPECT_FALSE(resource["facts"].empty());
        for (const auto& fact : resource["facts"]) {
            EXPECT_NE(fact["name"], "");
            EXPECT_TRUE(fact.contains("value") && fact.contains("meaning")) << fact;
        }
    }
}

TEST_F(Describe, NeedsNoLogAndGoesOnBehindAServerThatCanNotBeReached) {
    const auto described =
        xa_recover({"describe", "--resource", "down=mysql://app:secret@127.0.0.1:1/x", "--resource",
                    "users=" + cli_uri(sandbox::postgres_server())});
    EXPECT_EQ(described.exit_code, 3) << described;
    EXPECT_THAT(described.out, AllOf(HasSubstr("down: not described: resource down: "),
                                     HasSubstr("users: PostgreSQL "), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace xa_tm::test
