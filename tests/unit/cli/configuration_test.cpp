#include "configuration.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr auto kFile = "/etc/shop/xa.toml";

/// The message of the ConfigurationError that `action` throws.
template <class Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "no error";
}

std::string toml_error(std::string_view text) {
    return error_of([&] { static_cast<void>(parse_configuration(text, kFile)); });
}

std::string resource_error(std::string_view argument) {
    return error_of([&] { static_cast<void>(parse_resource(argument)); });
}

TEST(Configuration, ReadsNodeLogAndResources) {
    const auto configuration = parse_configuration(R"(
        node = "shop-1"
        log = "/var/lib/shop/xa"
        [resources]
        users = "postgresql:///users"
        points = "mysql://shop@localhost/points"
        "eu.orders" = "mariadb:///orders"
    )",
                                                   kFile);

    EXPECT_EQ(configuration.node, "shop-1");
    EXPECT_EQ(configuration.log, "/var/lib/shop/xa");
    EXPECT_THAT(configuration.resources,
                ElementsAre(Resource{"eu.orders", "mariadb:///orders"},
                            Resource{"points", "mysql://shop@localhost/points"},
                            Resource{"users", "postgresql:///users"}));
}

TEST(Configuration, ReadsTheSizeOfTheApplicationsPool) {
    const auto configuration = parse_configuration(R"(
        [resources]
        users = { uri = "postgresql:///users", pool_size = 8 }
        [resources.points]
        uri = "mysql:///points"
    )",
                                                   kFile);

    EXPECT_THAT(configuration.resources, ElementsAre(Resource{"points", "mysql:///points", 64},
                                                     Resource{"users", "postgresql:///users", 8}));
}

TEST(Configuration, ReadsWhichResourceIsALastResource) {
    const auto configuration = parse_configuration(R"(
        [resources]
        users = { uri = "postgresql:///users", last_resource = true }
        points = { uri = "mysql:///points", last_resource = false }
    )",
                                                   kFile);
    EXPECT_THAT(configuration.resources,
                ElementsAre(Resource{"points", "mysql:///points", 64, false},
                            Resource{"users", "postgresql:///users", 64, true}));
}

TEST(Configuration, ReadsWhichResourceHasWitnessRows) {
    const auto configuration = parse_configuration(
        "[resources]\npoints = { uri = 'mysql:///points', witness = true }", kFile);
    EXPECT_THAT(configuration.resources,
                ElementsAre(Resource{"points", "mysql:///points", 64, false, true}));
    EXPECT_THAT(toml_error("[resources]\na = { uri = 'x', witness = 1 }"),
                HasSubstr("\"witness\" must be true or false"));
}

TEST(Configuration, RefusesATableThatIsNoResource) {
    EXPECT_THAT(toml_error("[resources]\na = { uri = 'x', last_resource = 1 }"),
                HasSubstr("\"last_resource\" must be true or false"));
    EXPECT_THAT(toml_error("[resources]\na = { pool_size = 8 }"), HasSubstr("a needs a uri"));
    EXPECT_THAT(toml_error("[resources]\na = { uri = 'x', pool_size = 0 }"),
                HasSubstr("\"pool_size\" must be a number from 1"));
    EXPECT_THAT(toml_error("[resources]\na = { uri = 'x', pool_size = '8' }"),
                HasSubstr("\"pool_size\" must be a number from 1"));
    EXPECT_THAT(toml_error("[resources]\na = { uri = 'x', pool = 8 }"),
                HasSubstr("unknown key \"pool\" of resource a"));
}

TEST(Configuration, NeedsNoNode) {
    EXPECT_EQ(parse_configuration("log = '/x'", kFile).node, std::nullopt);
}

TEST(Configuration, TakesARelativeLogFromTheFilesFolder) {
    EXPECT_EQ(parse_configuration("log = 'xa'", kFile).log, "/etc/shop/xa");
}

TEST(Configuration, TellsTheLineOfIllFormedToml) {
    EXPECT_THAT(toml_error("node = 'a'\nlog = \n"), StartsWith("/etc/shop/xa.toml:2: "));
}

TEST(Configuration, TellsTheLineOfAnUnknownKey) {
    EXPECT_EQ(toml_error("log = '/x'\n\nlogs = '/y'\n"),
              "/etc/shop/xa.toml:3: unknown key \"logs\"; there are node, log and [resources]");
}

TEST(Configuration, RefusesValuesThatAreNoText) {
    EXPECT_EQ(toml_error("log = 7"), "/etc/shop/xa.toml:1: \"log\" must be a non-empty string");
    EXPECT_EQ(toml_error("node = ''"), "/etc/shop/xa.toml:1: \"node\" must be a non-empty string");
    EXPECT_THAT(toml_error("resources = 'x'"), HasSubstr("resources must be a table"));
    EXPECT_THAT(toml_error("[resources]\nusers = 7"), HasSubstr(":2: \"users\" must be"));
}

TEST(Configuration, SaysThatANameWithADotNeedsQuotes) {
    EXPECT_EQ(toml_error("[resources]\neu.orders = 'mysql:///x'"),
              "/etc/shop/xa.toml:2: unknown key \"orders\" of resource eu; there are uri, "
              "pool_size, last_resource and witness, and a name with a dot is written in quotes");
}

TEST(Configuration, RefusesTheSameResourceTwiceInTheFile) {
    const auto error =
        toml_error("[resources]\nusers = 'mysql://a:secret@h/x'\nusers = 'mysql://a:secret@h/y'");

    EXPECT_THAT(error, AllOf(StartsWith("/etc/shop/xa.toml:3: "), HasSubstr("users"),
                             Not(HasSubstr("secret"))));
}

TEST(Configuration, RefusesAResourceNameThatAnXidCannotHold) {
    EXPECT_EQ(toml_error("[resources]\n\"a b\" = 'mysql:///x'"),
              "/etc/shop/xa.toml:2: a resource needs a NAME of 1 to 48 characters of "
              "A-Z a-z 0-9 . _ -");
    EXPECT_THAT(resource_error(std::string(49, 'a') + "=mysql:///x"),
                HasSubstr("1 to 48 characters"));
    EXPECT_EQ(parse_resource(std::string(48, 'a') + "=x").name, std::string(48, 'a'));
}

TEST(Configuration, SplitsAResourceAtTheFirstEqualsSign) {
    EXPECT_EQ(parse_resource("users=postgresql:///x?host=/run"),
              (Resource{"users", "postgresql:///x?host=/run"}));
}

TEST(Configuration, NeverQuotesAUriThatLostItsName) {
    for (const auto* argument :
         {"mysql://app:secret@localhost/db", "mysql://app:secret@localhost/db?socket=/run/x",
          "=mysql://secret"}) {
        EXPECT_THAT(resource_error(argument),
                    AllOf(StartsWith("--resource wants NAME=URI"), Not(HasSubstr("secret"))));
    }
}

TEST(Configuration, NeverQuotesAPasswordFromIllFormedToml) {
    EXPECT_THAT(toml_error("[resources]\nusers = 'mysql://app:secret@localhost/db\n"),
                AllOf(StartsWith("/etc/shop/xa.toml:2: "), Not(HasSubstr("secret"))));
    EXPECT_THAT(toml_error("[resources]\nusers = mysql://app:secret@localhost/db\n"),
                AllOf(StartsWith("/etc/shop/xa.toml:2: "), Not(HasSubstr("secret"))));
}

TEST(Configuration, NeverQuotesAUriThatStandsAsAKey) {
    EXPECT_EQ(toml_error("'mysql://app:secret@localhost/db' = 'users'"),
              "/etc/shop/xa.toml:1: unknown key; there are node, log and [resources]");
    EXPECT_THAT(toml_error("[resources.users]\n'mysql://app:secret@localhost/db' = 'uri'"),
                AllOf(StartsWith("/etc/shop/xa.toml:2: unknown key of resource users; "),
                      Not(HasSubstr("secret"))));
}

TEST(Configuration, TellsIllFormedTomlInOneLine) {
    EXPECT_THAT(toml_error("log = n\n"), Not(HasSubstr("\n")));
    EXPECT_THAT(toml_error("\"a\\nb\" = 1"), Not(HasSubstr("\n")));
}

TEST(Configuration, LetsTheCommandLineAddToTheFileAndReplaceInIt) {
    const Configuration file{
        .node = "shop-1", .log = "/a", .resources = {{"users", "old"}, {"points", "kept"}}};

    const auto combined = combine(file, "/b", {{"users", "new"}, {"orders", "added"}});

    EXPECT_EQ(combined.node, "shop-1");
    EXPECT_EQ(combined.log, "/b");
    EXPECT_THAT(combined.resources,
                ElementsAre(Resource{"users", "new"}, Resource{"points", "kept"},
                            Resource{"orders", "added"}));
}

TEST(Configuration, RefusesTwoResourcesOfOneNameOnTheCommandLine) {
    EXPECT_THAT(error_of([] {
                    static_cast<void>(combine({}, "/b", {{"users", "x"}, {"users", "y"}}));
                }),
                StartsWith("two resources are named users;"));
}

TEST(Configuration, SaysWhatIsMissing) {
    EXPECT_THAT(error_of([] {
                    static_cast<void>(combine({}, {}, {{"users", "x"}}));
                }),
                StartsWith("no log given; add --log DIR"));
    EXPECT_THAT(error_of([] { static_cast<void>(combine({}, "/b", {})); }),
                StartsWith("no resource given; add --resource NAME=URI"));
}

TEST(Configuration, SaysWhyTheFileCannotBeRead) {
    EXPECT_EQ(error_of([] { static_cast<void>(read_configuration("/nowhere/xa.toml")); }),
              "can't read the configuration file /nowhere/xa.toml: No such file or directory");
    EXPECT_EQ(error_of([] { static_cast<void>(read_configuration("/tmp")); }),
              "can't read the configuration file /tmp: Is a directory");
}

}  // namespace
}  // namespace xa_tm::cli
