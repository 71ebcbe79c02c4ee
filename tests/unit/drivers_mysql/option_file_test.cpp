#include "option_file.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

TEST(OptionFile, GivesWhatClientsAndTheGroupSay) {
    EXPECT_EQ(parse_option_file("# a comment\n"
                                "user = nobody\n"
                                "[mysqld]\nuser=mysql\nport=1\n"
                                "[client]\nuser=app\nport = 3307\nskip-ssl\n!include /x\n"
                                "[ shop ]\r\n"
                                "password = \"a # b\"  \r\n"
                                "host=db # the new one\n"
                                "ssl_ca=/ca.pem\n"
                                "no-such-option=1\n"
                                "[other]\npassword=x",
                                "shop"),
              (ServerAddress{.user = "app",
                             .password = "a # b",
                             .host = "db",
                             .port = 3307,
                             .charset = "",
                             .ssl_ca = "/ca.pem"}));
}

TEST(OptionFile, KnowsEscapes) {
    EXPECT_EQ(parse_option_file(R"([client]
password='a\\b\sc\"')",
                                "")
                  .password,
              R"(a\b c\")");
}

TEST(OptionFile, NamesALineAndNotWhatStandsInIt) {
    try {
        static_cast<void>(parse_option_file("[client]\npassword=x\nport=secret\n", ""));
        ADD_FAILURE() << "accepted";
    } catch (const std::invalid_argument& error) {
        EXPECT_THAT(error.what(), testing::StartsWith("line 3: the port"));
        EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("secret")));
    }
}

}  // namespace
}  // namespace xa_tm::mysql
