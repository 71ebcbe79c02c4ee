#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shop_fixture.h"
#include "xa_tm/xid.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Show : public ShopTest {
protected:
    /// The gtrid of the transaction in doubt.
    [[nodiscard]] std::string gtrid() const {
        return json_of({"list"}, 1)["transactions"][0]["gtrid"];
    }
};

TEST_F(Show, GivesOneTransactionWithWhatTheServersCallItsBranches) {
    die_after_decision(1);
    const auto wanted = gtrid();

    const auto shown = over_shop({"show", wanted});

    EXPECT_EQ(shown.exit_code, 1) << shown;
    EXPECT_THAT(shown.out, AllOf(HasSubstr("name at the server  xa_tm:" + wanted + "/users:1"),
                                 HasSubstr("bqual               " + to_hex("points:2"))));
}

TEST_F(Show, GivesJsonInTheShapeOfList) {
    die_after_decision(1);
    const auto wanted = gtrid();

    auto listed = json_of({"list"}, 1);
    auto shown = json_of({"show", wanted}, 1);

    for (auto* json : {&listed, &shown}) {
        (*json)["transactions"][0].erase("age_s");
    }
    EXPECT_EQ(shown, listed);
}

TEST_F(Show, ExitsWith2WhenNobodyKnowsTheTransaction) {
    ASSERT_EQ(register_user(1).exit_code, 0);

    const auto shown = over_shop({"show", node() + ":0123456789abcdef:1:1"});

    EXPECT_EQ(shown.exit_code, 2) << shown;
    EXPECT_EQ(shown.out, "");
    EXPECT_THAT(shown.err, StartsWith("xa-recover: no transaction " + node() +
                                      ":0123456789abcdef:1:1 is in doubt: it has finished, or"));
}

TEST_F(Show, ExitsWith3WhenAnUnreadableResourceMayKnowTheTransaction) {
    ASSERT_EQ(register_user(1).exit_code, 0);

    const auto shown = over_shop(
        {"show", "x:0123456789abcdef:1:1", "--resource", "spare=mysql://a@127.0.0.1:1/b"});

    EXPECT_EQ(shown.exit_code, 3) << shown;
    EXPECT_THAT(shown.err, StartsWith("xa-recover: spare could hide the transaction: "));
}

}  // namespace
}  // namespace xa_tm::test
