#include "command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::variant<CommandLine, Information> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "xa-recover");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

CommandLine command_of(std::vector<const char*> arguments) {
    return std::get<CommandLine>(parse(std::move(arguments)));
}

std::string text_of(std::vector<const char*> arguments) {
    return std::get<Information>(parse(std::move(arguments))).text;
}

std::string error_of(std::vector<const char*> arguments) {
    try {
        static_cast<void>(parse(std::move(arguments)));
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "no error";
}

TEST(CommandLine, ReadsEveryOption) {
    const auto line = command_of({"list", "--config", "xa.toml", "--log", "/xa", "--resource",
                                  "users=postgresql:///u", "--resource=points=mysql:///p?socket=/s",
                                  "--timeout", "60", "--json"});

    EXPECT_EQ(line.command, Command::list);
    EXPECT_EQ(line.config_file, "xa.toml");
    EXPECT_EQ(line.log, "/xa");
    EXPECT_THAT(line.resources, ElementsAre(Resource{"users", "postgresql:///u"},
                                            Resource{"points", "mysql:///p?socket=/s"}));
    EXPECT_EQ(line.timeout, std::chrono::seconds{60});
    EXPECT_TRUE(line.is_json);
}

TEST(CommandLine, ReadsTheTransactionOfShowBeforeOrAfterTheOptions) {
    EXPECT_EQ(command_of({"show", "a:b:1:2", "--log", "/xa"}).gtrid, "a:b:1:2");
    EXPECT_EQ(command_of({"show", "--resource", "u=x", "a:b:1:2"}).gtrid, "a:b:1:2");
}

TEST(CommandLine, ActsUnlessItIsADryRun) {
    EXPECT_FALSE(command_of({"resolve"}).is_dry_run);
    EXPECT_TRUE(command_of({"resolve", "--dry-run"}).is_dry_run);
    EXPECT_EQ(command_of({"resolve"}).command, Command::resolve);
}

TEST(CommandLine, GivesHelpWithExamplesForEveryCommand) {
    EXPECT_THAT(text_of({"--help"}), AllOf(HasSubstr("Exit codes:"), HasSubstr("[resources]")));
    for (const auto* command : {"list", "show", "resolve"}) {
        EXPECT_THAT(text_of({command, "--help"}),
                    AllOf(HasSubstr("Examples:"), HasSubstr("--resource NAME=URI")));
    }
    EXPECT_THAT(text_of({"resolve", "--help"}), HasSubstr("--dry-run"));
    EXPECT_THAT(text_of({"list", "--help"}), Not(HasSubstr("--dry-run")));
}

TEST(CommandLine, TellsTheVersion) {
    EXPECT_THAT(text_of({"--version"}), StartsWith("xa-recover 0."));
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    EXPECT_THAT(error_of({"list", "--jsn"}), StartsWith("unknown option --jsn "));
    EXPECT_THAT(error_of({"list", "--dry-run"}), StartsWith("unknown option --dry-run "));
    EXPECT_THAT(error_of({"lst"}), StartsWith("give a command: list, show, resolve or log"));
    EXPECT_THAT(error_of({}), StartsWith("give a command: list, show, resolve or log"));
    EXPECT_THAT(error_of({"show", "--log", "/xa"}), HasSubstr("GTRID"));
    EXPECT_THAT(error_of({"list", "--timeout", "0"}), HasSubstr("--timeout"));
    EXPECT_THAT(error_of({"list", "--timeout", "soon"}), HasSubstr("--timeout"));
}

TEST(CommandLine, NeverQuotesAUriThatStandsAtTheWrongPlace) {
    for (const auto& arguments : std::vector<std::vector<const char*>>{
             {"list", "users=mysql://app:secret@localhost/db"},
             {"list", "--resorce=users=mysql://app:secret@localhost/db"},
             {"list", "--resorce", "users=mysql://app:secret@localhost/db"},
             {"users=mysql://app:secret@localhost/db"},
             {"list", "--resource", "mysql://app:secret@localhost/db"},
             {"show", "a", "b:secret"}}) {
        EXPECT_THAT(error_of(arguments), AllOf(Not(HasSubstr("secret")), Not("no error")));
    }
}

}  // namespace
}  // namespace xa_tm::cli
