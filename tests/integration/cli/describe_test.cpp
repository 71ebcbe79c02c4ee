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

TEST_F(Describe, TakesPasswordsFromTheEnvironmentAndFromFiles) {
    auto postgres = sandbox::tcp_uri(sandbox::postgres_server());
    auto mariadb = sandbox::tcp_uri(sandbox::mysql_server());
    const std::string password = "app-secret";
    const auto passfile = write_file("pgpass", "*:*:*:*:" + password + "\n");
    std::filesystem::permissions(passfile, std::filesystem::perms::owner_read);
    const auto with_passfile = [&] {
        auto uri = postgres;
        uri.erase(uri.find(":" + password), password.size() + 1);
        return uri + (uri.find('?') == std::string::npos ? "?" : "&") +
               "passfile=" + passfile.string();
    }();
    for (auto* uri : {&postgres, &mariadb}) {
        uri->replace(uri->find(password), password.size(), "${XA_TEST_PASSWORD}");
    }

    const auto described =
        run_program({XA_RECOVER, "describe", "--resource", "users=" + postgres, "--resource",
                     "points=" + mariadb, "--resource", "orders=" + with_passfile},
                    {{"XA_TEST_PASSWORD", password}});

    EXPECT_EQ(described.exit_code, 0) << described;
    EXPECT_THAT(described.out, AllOf(HasSubstr("users: Postgre"), HasSubstr("points: M"),
                                     HasSubstr("orders: Postgre"), Not(HasSubstr(password))));
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
