#include "command_line.h"

#include <memory>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands.h"
#include "options.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A command line that was read, and the parser that has read it.
class Parsed {
public:
    explicit Parsed(std::vector<std::string> words) {
        words.insert(words.begin(), "xa-recover");
        result_ = line_.parse(words);
    }

    [[nodiscard]] std::string_view command() const {
        return std::get<Invocation>(result_).command->name;
    }
    [[nodiscard]] std::string text() const { return std::get<Information>(result_).text; }

    [[nodiscard]] bool has(const std::string& option) const {
        return chosen().get_option(option)->count() > 0;
    }
    [[nodiscard]] std::string value(const std::string& option) const {
        return chosen().get_option(option)->as<std::string>();
    }

private:
    [[nodiscard]] const CLI::App& chosen() const {
        const auto* app = &line_.app();
        while (!app->get_subcommands().empty()) {
            app = app->get_subcommands().front();
        }
        return *app;
    }

    CommandLine line_;
    std::variant<Invocation, Information> result_;
};

std::string text_of(std::vector<std::string> arguments) {
    return Parsed{std::move(arguments)}.text();
}

std::string error_of(std::vector<std::string> arguments) {
    try {
        const Parsed parsed{std::move(arguments)};
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "no error";
}

TEST(CommandLine, ReadsEveryOptionOfACommandThatAsksServers) {
    CLI::App app;
    const ServerOptions options{app};
    app.parse(
        R"(--log /xa --resource users=postgresql:///u "--resource=points=mysql:///p?socket=/s")"
        " --timeout 60 --json");
    const auto request = options.request();

    EXPECT_EQ(request.configuration.log, "/xa");
    EXPECT_THAT(request.configuration.resources,
                ElementsAre(Resource{"users", "postgresql:///u"},
                            Resource{"points", "mysql:///p?socket=/s"}));
    EXPECT_EQ(request.timeout, std::chrono::seconds{60});
    EXPECT_TRUE(request.is_json);
}

TEST(CommandLine, ReadsEveryOptionOfACommandOfTheLog) {
    CLI::App app;
    LogOptions options{app};
    options.add_directory(app);
    app.parse("/xa --json");
    const auto request = options.request();

    EXPECT_EQ(request.directory, "/xa");
    EXPECT_TRUE(request.is_json);
}

TEST(CommandLine, FindsTheCommandAndItsConfigurationFile) {
    const Parsed list{{"list", "--config", "xa.toml"}};
    EXPECT_EQ(list.command(), "list");
    EXPECT_EQ(list.value("--config"), "xa.toml");
}

TEST(CommandLine, ReadsTheTransactionOfShowBeforeOrAfterTheOptions) {
    EXPECT_EQ((Parsed{{"show", "a:b:1:2", "--log", "/xa"}}.value("GTRID")), "a:b:1:2");
    EXPECT_EQ((Parsed{{"show", "--resource", "u=x", "a:b:1:2"}}.value("GTRID")), "a:b:1:2");
}

TEST(CommandLine, ActsUnlessItIsADryRun) {
    EXPECT_FALSE(Parsed{{"resolve"}}.has("--dry-run"));
    EXPECT_TRUE((Parsed{{"resolve", "--dry-run"}}.has("--dry-run")));
    EXPECT_EQ(Parsed{{"resolve"}}.command(), "resolve");
}

TEST(CommandLine, ReadsTheCommandsOfTheLog) {
    EXPECT_EQ((Parsed{{"log", "list", "/xa"}}.command()), "log list");
    EXPECT_EQ((Parsed{{"log", "verify", "/xa"}}.value("DIR")), "/xa");
    EXPECT_EQ((Parsed{{"log", "verify", "--log", "/xa", "--json"}}.value("--log")), "/xa");

    const Parsed show{{"log", "show", "42", "/xa"}};
    EXPECT_EQ(show.command(), "log show");
    EXPECT_EQ(show.value("ENTRY|GTRID"), "42");
    EXPECT_EQ(show.value("DIR"), "/xa");

    const Parsed tail{{"log", "tail", "-n", "3", "--follow", "/xa"}};
    EXPECT_EQ(tail.command(), "log tail");
    EXPECT_EQ(tail.value("--lines"), "3");
    EXPECT_TRUE(tail.has("--follow"));

    const Parsed inspect{{"log", "inspect", "--pages", "--segment", "file", "/xa"}};
    EXPECT_EQ(inspect.command(), "log inspect");
    EXPECT_TRUE(inspect.has("--pages"));
    EXPECT_EQ(inspect.value("--segment"), "file");
}

TEST(CommandLine, RepairsOnlyWhatItIsToldTo) {
    const Parsed look{{"log", "repair", "/xa"}};
    EXPECT_EQ(look.command(), "log repair");
    EXPECT_FALSE(look.has("--from"));
    EXPECT_FALSE(look.has("--accept-loss"));

    const Parsed repair{{"log", "repair", "--from", "/mirror", "--accept-loss", "/xa"}};
    EXPECT_EQ(repair.value("--from"), "/mirror");
    EXPECT_TRUE(repair.has("--accept-loss"));
}

TEST(CommandLine, GivesHelpWithExamplesAndExitCodesForEveryCommand) {
    EXPECT_THAT(text_of({"--help"}), AllOf(HasSubstr("Exit codes:"), HasSubstr("[resources]")));
    for (const auto* command : all_commands()) {
        const std::string name{command->name};
        const auto space = name.find(' ');
        std::vector<std::string> words{name.substr(0, space)};
        if (space != std::string::npos) {
            words.push_back(name.substr(space + 1));
        }
        words.emplace_back("--help");

        EXPECT_THAT(text_of(words), AllOf(HasSubstr("Examples:\n  xa-recover " + name),
                                          HasSubstr("Exit codes:\n  0  ")));
    }
}

TEST(CommandLine, GivesEachCommandItsOwnOptions) {
    for (const auto* command : {"list", "show", "resolve"}) {
        EXPECT_THAT(text_of({command, "--help"}), HasSubstr("--resource NAME=URI"));
    }
    for (const auto* command : {"list", "show", "verify", "tail", "inspect", "repair"}) {
        EXPECT_THAT(text_of({"log", command, "--help"}),
                    AllOf(HasSubstr("DIR"), Not(HasSubstr("--resource"))));
    }
    EXPECT_THAT(text_of({"log", "--help"}), HasSubstr("verify"));
    EXPECT_THAT(text_of({"resolve", "--help"}), HasSubstr("--dry-run"));
    EXPECT_THAT(text_of({"list", "--help"}), Not(HasSubstr("--dry-run")));
}

TEST(CommandLine, TellsTheVersion) {
    EXPECT_THAT(text_of({"--version"}), StartsWith("xa-recover 0."));
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    EXPECT_THAT(error_of({"list", "--jsn"}), StartsWith("unknown option --jsn "));
    EXPECT_THAT(error_of({"list", "--dry-run"}), StartsWith("unknown option --dry-run "));
    EXPECT_THAT(error_of({"lst"}), StartsWith("give a command: list, show, explain, resolve, "));
    EXPECT_THAT(error_of({}), AllOf(StartsWith("give a command: list, show, explain, resolve, "),
                                    HasSubstr("; see `xa-recover --help`")));
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
    for (const auto& arguments : std::vector<std::vector<std::string>>{
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
