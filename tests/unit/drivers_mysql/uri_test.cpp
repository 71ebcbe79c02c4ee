#include "uri.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using namespace std::string_view_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string refusal_of(std::string_view uri) {
    try {
        static_cast<void>(parse_uri(uri));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

TEST(MysqlUri, ReadsEveryPart) {
    EXPECT_EQ(parse_uri("mysql://app:secret@db.example:3307/shop?charset=latin1"),
              (ServerAddress{.user = "app",
                             .password = "secret",
                             .host = "db.example",
                             .port = 3307,
                             .database = "shop",
                             .charset = "latin1"}));
    EXPECT_EQ(
        parse_uri("mariadb://app@localhost/shop?socket=/run/my%20sql.sock"),
        (ServerAddress{
            .user = "app", .host = "localhost", .database = "shop", .socket = "/run/my sql.sock"}));
}

TEST(MysqlUri, LeavesWhatIsMissingToTheClient) {
    for (const auto* uri : {"mysql://", "mysql:///", "mysql:///?"}) {
        EXPECT_EQ(parse_uri(uri), ServerAddress{}) << uri;
    }
    EXPECT_EQ(parse_uri("mysql://db"), ServerAddress{.host = "db"});
    EXPECT_EQ(parse_uri("mysql:///shop"), ServerAddress{.database = "shop"});
}

TEST(MysqlUri, DecodesPercentSigns) {
    const auto address = parse_uri("mysql://a%40b:%25%3a%2F%3F%23%26%27%5c%C3%A4@db/sh%6fp");
    EXPECT_EQ(address.user, "a@b");
    EXPECT_EQ(address.password, "%:/?#&'\\\xC3\xA4");
    EXPECT_EQ(address.database, "shop");
    EXPECT_EQ(parse_uri("mysql://app:a:b@db").password, "a:b");
}

TEST(MysqlUri, ReadsIpv6Addresses) {
    EXPECT_EQ(parse_uri("mysql://[::1]:3307/shop"),
              (ServerAddress{.host = "::1", .port = 3307, .database = "shop"}));
    EXPECT_EQ(parse_uri("mysql://[fe80::1]"), ServerAddress{.host = "fe80::1"});
}

TEST(MysqlUri, MeansTcpByLocalhostWithAPort) {
    EXPECT_EQ(parse_uri("mysql://localhost:3307").host, "127.0.0.1");
    EXPECT_EQ(parse_uri("mysql://localhost").host, "localhost");
}

TEST(MysqlUri, SaysWhatIsWrong) {
    EXPECT_THAT(refusal_of("postgresql://db"), HasSubstr("begin with mysql://"));
    EXPECT_THAT(refusal_of("db"), HasSubstr("begin with mysql://"));
    EXPECT_THAT(refusal_of(""), HasSubstr("begin with mysql://"));
    for (const auto* uri : {"mysql://db:", "mysql://db:0", "mysql://db:65536", "mysql://db:12x",
                            "mysql://db:-1", "mysql://[::1]:"}) {
        EXPECT_THAT(refusal_of(uri), HasSubstr("port")) << uri;
    }
    EXPECT_THAT(refusal_of("mysql://[::1"), HasSubstr("]"));
    EXPECT_THAT(refusal_of("mysql://[::1]x"), HasSubstr("port"));
    EXPECT_THAT(refusal_of("mysql://db/shop?ssl=1"), HasSubstr("\"ssl\" is unknown"));
    EXPECT_THAT(refusal_of("mysql:///shop?socket=/a&socket=/b"), HasSubstr("twice"));
    EXPECT_THAT(refusal_of("mysql://db/shop?socket=/a"), HasSubstr("either a socket or host"));
    EXPECT_THAT(refusal_of("mysql://localhost:3307/shop?socket=/a"),
                HasSubstr("either a socket or host"));
    EXPECT_THAT(refusal_of("mysql://db/shop/x"), HasSubstr("another /"));
    for (const auto* uri : {"mysql://a%", "mysql://a%2", "mysql://a%zz", "mysql://a%-1",
                            "mysql://a%+1", "mysql://a% 1"}) {
        EXPECT_THAT(refusal_of(uri), HasSubstr("hexadecimal")) << uri;
    }
    EXPECT_THAT(refusal_of("mysql://a%00"), HasSubstr("%00"));
}

TEST(MysqlUri, WantsControlCharactersEncoded) {
    for (const std::string_view uri :
         {"mysql://app:x@db/shop?ssl\rmode=required"sv, "mysql://a\0b@db"sv, "mysql://db/\n"sv}) {
        EXPECT_THAT(refusal_of(uri), HasSubstr("control characters as %0A")) << uri;
    }
    EXPECT_EQ(parse_uri("mysql://a%0Ab@db").user, "a\nb");
}

TEST(MysqlUri, NeverShowsThePasswordInARefusal) {
    for (const auto* uri : {"mysql://app:secret@db:x/shop", "mysql://app:x@secret@db/shop",
                            "mysql://app:x/secret@db/shop", "mysql://app:x?secret=1@db/shop",
                            "mysql://app:x?secret&secret@db/shop", "mysql://app:x#secret@db/shop",
                            "mysql://app:%secret@db/shop", "mysql://app:secret%00@db/shop",
                            "mysql://app:secret@db/shop?x=1", "app:secret@db/shop"}) {
        EXPECT_THAT(refusal_of(uri), Not(HasSubstr("secret"))) << uri;
        EXPECT_NE(refusal_of(uri), "accepted") << uri;
    }
}

TEST(SociConnectString, QuotesEveryValue) {
    EXPECT_EQ(
        soci_connect_string({.user = "o'brien",
                             .password = "a b\\c\"=",
                             .host = "db",
                             .port = 3307,
                             .database = "shop"},
                            std::chrono::seconds{5}),
        R"(connect_timeout='5' charset='utf8mb4' local_infile=0 user='o\'brien' password='a b\\c"=' host='db' )"
        R"(port='3307' db='shop')");
}

TEST(SociConnectString, GivesTlsToTheClientInItsOwnForm) {
    EXPECT_EQ(
        soci_connect_string({.user = "u",
                             .password = "a{b;'",
                             .host = "db",
                             .port = 3307,
                             .database = "shop",
                             .ssl_mode = "verify-identity",
                             .ssl_ca = "/ca.pem"},
                            std::chrono::seconds{5}),
        R"(connect_timeout='5' charset='utf8mb4' local_infile=0 host='ssl-enforce=1;host={db};port={3307};)"
        R"(user={u};password={a{b;\'};database={shop};ssl-ca={/ca.pem};)"
        R"(ssl-verify-server-cert={1}')");
}

TEST(SociConnectString, RefusesTlsThatContradictsItself) {
    const auto refusal = [](ServerAddress address) -> std::string {
        try {
            static_cast<void>(soci_connect_string(address, std::chrono::seconds{1}));
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "accepted";
    };
    EXPECT_EQ(refusal({.password = "a}b", .ssl_mode = "required"}), "accepted");
    for (const auto* password : {"}secret;", "{secret}", " secret}", "secret} "}) {
        EXPECT_THAT(refusal({.password = password, .ssl_mode = "required"}),
                    AllOf(HasSubstr("takes no password"), Not(HasSubstr("secret"))));
        EXPECT_EQ(refusal({.password = password}), "accepted");
    }
    EXPECT_THAT(refusal({.ssl_mode = "on"}), HasSubstr("disabled, preferred"));
    EXPECT_THAT(refusal({.ssl_mode = "verify-ca"}), HasSubstr("needs ssl-ca"));
    EXPECT_THAT(refusal({.ssl_mode = "required", .ssl_ca = "/ca"}), HasSubstr("verify-ca"));
}

TEST(MysqlUri, ReadsTlsAndOptionFiles) {
    EXPECT_EQ(parse_uri("mysql://db?ssl-mode=verify-ca&ssl-ca=/a%20b&ssl-cert=/c&ssl-key=/k"),
              (ServerAddress{.host = "db",
                             .ssl_mode = "verify-ca",
                             .ssl_ca = "/a b",
                             .ssl_cert = "/c",
                             .ssl_key = "/k"}));
    EXPECT_EQ(parse_uri("mysql:///?default-file=/f&default-group=shop"),
              (ServerAddress{.default_file = "/f", .default_group = "shop"}));
}

TEST(MysqlUri, KnowsWhenAConnectionMustBeEncrypted) {
    for (const auto* mode : {"required", "verify-ca", "verify-identity"}) {
        EXPECT_TRUE(needs_tls({.ssl_mode = mode}));
    }
    EXPECT_TRUE(needs_tls({.ssl_ca = "/ca"}));
    for (const auto* mode : {"", "disabled", "preferred"}) {
        EXPECT_FALSE(needs_tls({.ssl_mode = mode}));
    }
}

TEST(SociConnectString, LeavesOutWhatTheClientKnowsByItself) {
    EXPECT_EQ(soci_connect_string({.socket = "/run/s"}, std::chrono::seconds{1}),
              "connect_timeout='1' charset='utf8mb4' local_infile=0 unix_socket='/run/s'");
}

}  // namespace
}  // namespace xa_tm::mysql
