#include "uri_text.h"

#include <cstdlib>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configuration.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// For one test.
class Variable {
public:
    Variable(const char* name, const char* value) : name_{name} { ::setenv(name, value, 1); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { ::unsetenv(name_); }

private:
    const char* name_;
};

std::string error_of(const std::string& uri) {
    try {
        return with_variables(uri);
    } catch (const ConfigurationError& error) {
        return error.what();
    }
}

TEST(UriText, TakesPasswordsFromTheEnvironment) {
    const Variable password{"XA_TEST_PW", "s3cret"};

    EXPECT_EQ(with_variables("mysql://app:${XA_TEST_PW}@h/db"), "mysql://app:s3cret@h/db");
    EXPECT_EQ(with_variables("postgresql:///db?user=app&password=${XA_TEST_PW}&host=h"),
              "postgresql:///db?user=app&password=s3cret&host=h");
}

TEST(UriText, EncodesAValueThatMayHoldAnyCharacters) {
    const Variable password{"XA_TEST_PW", "a/b@c:%$&ü"};
    const std::string encoded = "a%2Fb%40c%3A%25%24%26%C3%BC";

    EXPECT_EQ(with_variables("mysql://app:${XA_TEST_PW}@h/db"), "mysql://app:" + encoded + "@h/db");
    EXPECT_EQ(with_variables("mysql://${XA_TEST_PW}:x@h/db"), "mysql://" + encoded + ":x@h/db");
    EXPECT_EQ(with_variables("postgresql:///db?password=${XA_TEST_PW}"),
              "postgresql:///db?password=" + encoded);
}

TEST(UriText, TakesAWholeUriAndAnAddressAsTheyAre) {
    const Variable uri{"XA_TEST_URI", "mysql://app:x%40@h/db?socket=/s"};
    const Variable address{"XA_TEST_ADDRESS", "db-1:5433"};

    EXPECT_EQ(with_variables("${XA_TEST_URI}"), "mysql://app:x%40@h/db?socket=/s");
    EXPECT_EQ(with_variables("postgresql://app@${XA_TEST_ADDRESS}/db?sslmode=require"),
              "postgresql://app@db-1:5433/db?sslmode=require");
}

TEST(UriText, WritesADollarAsTwoAndLeavesALoneOneAlone) {
    EXPECT_EQ(with_variables("mysql://app:a$$b@h/db"), "mysql://app:a$b@h/db");
    EXPECT_EQ(with_variables("mysql://app:$${HOME}@h/db"), "mysql://app:${HOME}@h/db");
    EXPECT_EQ(with_variables("mysql://app:a$b@h/db$"), "mysql://app:a$b@h/db$");
}

TEST(UriText, NamesTheVariableThatIsMissingAndNothingElse) {
    EXPECT_THAT(error_of("mysql://app:secret@${XA_TEST_MISSING}/db"),
                AllOf(StartsWith("the environment variable XA_TEST_MISSING is not set"),
                      HasSubstr("$${XA_TEST_MISSING}"), Not(HasSubstr("secret"))));
    for (const auto* uri : {"mysql://app:${secret@h/db", "mysql://app:${sec-ret}@h", "${}", "${"}) {
        EXPECT_THAT(error_of(uri), AllOf(StartsWith("${ is not followed by"), HasSubstr("$$"),
                                         Not(HasSubstr("sec"))));
    }
}

TEST(UriText, ExpandsOnlyTheResourcesThatAreUsed) {
    const Configuration file{.log = "/a", .resources = {{"users", "mysql://${XA_TEST_MISSING}/"}}};

    EXPECT_EQ(combine_log(file, std::nullopt).log, "/a");
    EXPECT_EQ(combine(file, std::nullopt, {{"users", "new"}}).resources.front().uri, "new");
    try {
        static_cast<void>(combine(file, std::nullopt, {}));
        FAIL();
    } catch (const ConfigurationError& error) {
        EXPECT_THAT(error.what(), StartsWith("resource users: the environment variable "));
    }
}

TEST(UriText, StarsOutPasswords) {
    EXPECT_EQ(without_passwords("users=mysql://app:secret@h:3306/db"),
              "users=mysql://app:***@h:3306/db");
    EXPECT_EQ(without_passwords("--resource=users=postgresql://app:x@/db"),
              "--resource=users=postgresql://app:*@/db");
    EXPECT_EQ(without_passwords("u=postgresql:///db?password=secret&user=app&sslpassword=other"),
              "u=postgresql:///db?password=***&user=app&sslpassword=***");
}

TEST(UriText, StarsOutAPasswordWhoseCharactersAreNotEncoded) {
    for (const auto* password : {"se@cret", "se/cret", "se?cret", "se:cret", "se#cret"}) {
        EXPECT_EQ(without_passwords("u=mysql://app:" + std::string{password} + "@h/db"),
                  "u=mysql://app:***@h/db");
    }
    EXPECT_EQ(without_passwords("u=mysql://app:a@h/db?password=x@y"),
              "u=mysql://app:*@h/db?password=***");
}

TEST(UriText, StarsOutAPasswordAmongKeywordsWhateverItHolds) {
    EXPECT_EQ(without_passwords("u=host=h user=app password=se&cret"),
              "u=host=h user=app password=***");
    EXPECT_EQ(without_passwords("u=host=h password=se&password=cret"), "u=host=h password=***");
}

TEST(UriText, LeavesWhatHoldsNoPassword) {
    for (const auto* text :
         {"users=postgresql:///users?host=/run/postgresql", "mysql://app@h:3306/db", "--timeout",
          "shop-1:91b52e0c7a14d3f8:7:42", "a@b", "password", ""}) {
        EXPECT_EQ(without_passwords(text), text);
    }
}

TEST(UriText, MasksTheArgumentsInPlace) {
    std::string program = "xa-recover";
    std::string uri = "users=mysql://app:secret-of-mine@h/db";
    const auto size = uri.size();
    std::vector<char*> argv{program.data(), uri.data()};

    mask_passwords(2, argv.data());

    EXPECT_STREQ(uri.c_str(), "users=mysql://app:***@h/db");
    EXPECT_EQ(uri.size(), size);
    EXPECT_THAT(uri, Not(HasSubstr("mine")));
}

}  // namespace
}  // namespace xa_tm::cli
