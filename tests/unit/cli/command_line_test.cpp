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

TEST(CommandLine, ReadsTheCommandsOfTheLog) {
    EXPECT_EQ(command_of({"log", "list", "/xa"}).command, Command::log_list);
    EXPECT_EQ(command_of({"log", "verify", "/xa"}).log, "/xa");
    EXPECT_EQ(command_of({"log", "verify", "--log", "/xa", "--json"}).log, "/xa");

    const auto show = command_of({"log", "show", "42", "/xa"});
    EXPECT_EQ(show.command, Command::log_show);
    EXPECT_EQ(show.gtrid, "42");
    EXPECT_EQ(show.log, "/xa");

    const auto tail = command_of({"log", "tail", "-n", "3", "--follow", "/xa"});
    EXPECT_EQ(tail.command, Command::log_tail);
    EXPECT_EQ(tail.record_count, 3U);
    EXPECT_TRUE(tail.follows);

    const auto inspect = command_of({"log", "inspect", "--pages", "--segment", "file", "/xa"});
    EXPECT_EQ(inspect.command, Command::log_inspect);
    EXPECT_TRUE(inspect.has_pages);
    EXPECT_EQ(inspect.segment, "file");
}

TEST(CommandLine, RepairsOnlyWhatItIsToldTo) {
    const auto look = command_of({"log", "repair", "/xa"});
    EXPECT_EQ(look.command, Command::log_repair);
    EXPECT_EQ(look.mirror, std::nullopt);
    EXPECT_FALSE(look.accepts_loss);

    const auto repair = command_of({"log", "repair", "--from", "/mirror", "--accept-loss", "/xa"});
    EXPECT_EQ(repair.mirror, "/mirror");
    EXPECT_TRUE(repair.accepts_loss);
}

TEST(CommandLine, GivesHelpWithExamplesForEveryCommand) {
    EXPECT_THAT(text_of({"--help"}), AllOf(HasSubstr("Exit codes:"), HasSubstr("[resources]")));
    for (const auto* command : {"list", "show", "resolve"}) {
        EXPECT_THAT(text_of({command, "--help"}),
                    AllOf(HasSubstr("Examples:"), HasSubstr("--resource NAME=URI")));
    }
    for (const auto* command : {"list", "show", "verify", "tail", "inspect", "repair"}) {
        EXPECT_THAT(text_of({"log", command, "--help"}),
                    AllOf(HasSubstr("Examples:"), HasSubstr("DIR"), Not(HasSubstr("--resource"))));
    }
    EXPECT_THAT(text_of({"log", "--help"}), AllOf(HasSubstr("Exit codes:"), HasSubstr("verify")));
    EXPECT_THAT(text_of({"resolve", "--help"}), HasSubstr("--dry-run"));
    EXPECT_THAT(text_of({"list", "--help"}), Not(HasSubstr("--dry-run")));
}

TEST(CommandLine, TellsTheVersion) {
    EXPECT_THAT(text_of({"--version"}), StartsWith("xa-recover 0."));
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    EXPECT_THAT(error_of({"list", "--jsn"}), StartsWith("unknown option --jsn "));
    EXPECT_THAT(error_of({"list", "--dry-run"}), StartsWith("unknown option --dry-run "));
    EXPECT_THAT(error_of({"lst"}),
                StartsWith("give a command: list, show, resolve, describe or log"));
    EXPECT_THAT(error_of({}), StartsWith("give a command: list, show, resolve, describe or log"));
    EXPECT_THAT(error_of({"show", "--log", "/xa"}), HasSubstr("GTRID"));
    EXPECT_THAT(error_of({"log"}), StartsWith("give a command of log: list, show, verify"));
    EXPECT_THAT(error_of({"log", "lst"}), StartsWith("give a command of log: "));
    EXPECT_THAT(error_of({"log", "show"}),
                AllOf(HasSubstr("ENTRY|GTRID"), HasSubstr("`xa-recover log show --help`")));
    EXPECT_THAT(error_of({"log", "verify", "/a", "--log", "/b"}), HasSubstr("folder once"));
    EXPECT_THAT(error_of({"log", "verify", "--accept-loss"}),
                StartsWith("unknown option --accept-loss "));
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
