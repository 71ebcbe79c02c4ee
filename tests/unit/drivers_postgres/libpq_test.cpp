#include "libpq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string canonical(const std::string& uri) {
    return canonical_uri(uri, std::chrono::seconds{5});
}

std::string refusal_of(const std::string& uri) {
    try {
        return "accepted as " + canonical(uri);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

TEST(CanonicalUri, KeepsEveryPart) {
    const auto uri = canonical("postgresql://app:secret@db.example:5433/shop?sslmode=require");
    for (const auto* part : {"user=app", "password=secret", "host=db%2Eexample", "port=5433",
                             "dbname=shop", "sslmode=require", "connect_timeout=5"}) {
        EXPECT_THAT(uri, HasSubstr(part));
    }
    EXPECT_THAT(canonical("postgres:///shop?host=/run/postgresql"),
                HasSubstr("host=%2Frun%2Fpostgresql"));
}

TEST(CanonicalUri, HoldsNoWhitespaceSinceSociWouldSplitThere) {
    const auto uri = canonical("postgresql://app:a%20b%09c@db/shop?options=-c%20geqo%3Doff");
    EXPECT_EQ(uri.find_first_of(" \t\n"), std::string::npos);
    EXPECT_THAT(uri, HasSubstr("password=a%20b%09c"));
    EXPECT_THAT(uri, HasSubstr("options=%2Dc%20geqo%3Doff"));
}

TEST(CanonicalUri, IsMadeFromKeywordsAndValuesToo) {
    const auto uri = canonical("host=/run/pg dbname='my shop' user=app password='it\\'s=@/'");
    for (const auto* part : {"postgresql:///?", "host=%2Frun%2Fpg", "dbname=my%20shop", "user=app",
                             "password=it%27s%3D%40%2F", "connect_timeout=5"}) {
        EXPECT_THAT(uri, HasSubstr(part));
    }
    EXPECT_THAT(canonical("service=shop"), HasSubstr("service=shop"));
}

TEST(CanonicalUri, PrefersTheUrisOwnConnectTimeout) {
    const auto uri = canonical("postgresql://db/shop?connect_timeout=9");
    EXPECT_THAT(uri, HasSubstr("connect_timeout=9"));
    EXPECT_THAT(uri, Not(HasSubstr("connect_timeout=5")));
}

TEST(CanonicalUri, CanBeReadAgain) {
    const auto uri = canonical("postgresql://a%26b:%25%3D%40%3F@[::1]/shop");
    for (const auto* part :
         {"user=a%26b", "password=%25%3D%40%3F", "host=%3A%3A1", "dbname=shop"}) {
        EXPECT_THAT(uri, HasSubstr(part));
        EXPECT_THAT(canonical(uri), HasSubstr(part));
    }
}

TEST(CanonicalUri, SaysWhatIsWrongWithoutShowingValues) {
    EXPECT_THAT(refusal_of("mysql://app:secret@db/shop"),
                HasSubstr("must begin with postgresql://"));
    EXPECT_THAT(refusal_of("postgresql://app:secret@db/shop?nonsense=1"),
                HasSubstr("invalid URI query parameter"));
    EXPECT_THAT(refusal_of("postgresql://app:sec%ret@db/shop"), HasSubstr("percent-encoded"));
    EXPECT_THAT(refusal_of("postgresql://app:sec@ret@db/shop"), HasSubstr("%40"));
    for (const auto* uri :
         {"host=db password=my secret", "host=db password='secret", "password=a secret=b",
          "mysql://app:secret@db/shop?a=b", "secret", "postgresql://app:secret@db/shop?nonsense=1",
          "postgresql://app:%zzsecret@db/shop", "postgresql://app:x@secret@db/shop",
          "postgresql://app:x/secret@db?a=b", "postgresql://app:secret/x@db/shop",
          "postgresql://app:1/secret@db", "postgresql://db:secret/shop",
          "postgresql://app:secret@[db/shop", "postgresql://app:%00secret@db/shop",
          "postgresql://app:x@db/shop?secret"}) {
        EXPECT_THAT(refusal_of(uri), Not(HasSubstr("secret"))) << uri;
        EXPECT_THAT(refusal_of(uri), Not(HasSubstr("\n"))) << uri;
    }
}

TEST(CanonicalUri, RefusesAZeroByteSinceLibpqWouldReadNothingBehindIt) {
    using namespace std::string_literals;
    EXPECT_THAT(refusal_of("postgresql://db/shop?\0sslmode=require"s), HasSubstr("zero byte"));
}

TEST(PercentEncode, LeavesOnlyLettersAndDigits) {
    EXPECT_EQ(percent_encode("aZ09-_.~ %&=/\xC3\xA4"), "aZ09%2D%5F%2E%7E%20%25%26%3D%2F%C3%A4");
    EXPECT_EQ(percent_encode(""), "");
}

}  // namespace
}  // namespace xa_tm::postgres
