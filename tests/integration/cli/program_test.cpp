#include <csignal>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "child_process.h"
#include "documented_json.h"
#include "eventually.h"
#include "temporary_directory.h"
#include "xa_tm/recovery_log/recovery_log.h"

// xa-recover as a program among others: shells, the manual, the list of processes, signals.
namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

Completed xa_recover(std::vector<std::string> arguments,
                     const ChildProcess::Environment& environment = {}) {
    arguments.insert(arguments.begin(), XA_RECOVER);
    return run_program(std::move(arguments), environment);
}

std::string content_of(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

class Program : public testing::Test {
protected:
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

    std::filesystem::path write(const std::string& name, const std::string& text) const {
        auto path = folder() / name;
        std::ofstream{path} << text;
        return path;
    }

    /// A log that nobody owns.
    [[nodiscard]] std::string made_log() const {
        const auto log = folder() / "log";
        std::filesystem::create_directory(log);
        static_cast<void>(recovery_log::RecoveryLog::open(
            {.directory = log, .node = "shop-1", .allow_volatile_file_system = true}));
        return log.string();
    }

    /// The words that bash offers for the last of these, which stand behind the program.
    [[nodiscard]] std::vector<std::string> completed_by_bash(const std::string& words) const {
        const auto script = write("completion.bash", xa_recover({"completion", "bash"}).out);
        const auto done =
            run_program({"/bin/bash", "--norc", "-c",
                         "cd \"$1\"; source \"$2\"; COMP_WORDS=(xa-recover " + words +
                             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _xa_recover; "
                             "((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"",
                         "bash", folder().string(), script.string()});
        EXPECT_EQ(done.exit_code, 0) << done;
        EXPECT_EQ(done.err, "") << done;
        std::vector<std::string> offered;
        std::istringstream lines{done.out};
        for (std::string line; std::getline(lines, line);) {
            offered.push_back(line);
        }
        return offered;
    }

private:
    TemporaryDirectory folder_;
};

TEST_F(Program, CompletesCommandsInBash) {
    EXPECT_THAT(completed_by_bash("''"), IsSupersetOf({"list", "show", "resolve", "log"}));
    EXPECT_THAT(completed_by_bash("resol"), ElementsAre("resolve"));
    EXPECT_THAT(completed_by_bash("log v"), ElementsAre("verify"));
    EXPECT_THAT(completed_by_bash("log ''"), IsSupersetOf({"list", "tail", "repair"}));
}

TEST_F(Program, CompletesTheOptionsOfEachCommandInBash) {
    EXPECT_THAT(completed_by_bash("resolve --d"), ElementsAre("--dry-run"));
    EXPECT_THAT(completed_by_bash("list --d"), IsEmpty());
    EXPECT_THAT(completed_by_bash("log tail --log /xa --f"), ElementsAre("--follow"));
    EXPECT_THAT(completed_by_bash("list --watch 5 --j"), ElementsAre("--json"));
    EXPECT_THAT(completed_by_bash("list -"), AllOf(Each(StartsWith("-")), IsSupersetOf({
                                                                              "--config",
                                                                              "--json",
                                                                          })));
}

TEST_F(Program, CompletesValuesInBash) {
    std::filesystem::create_directory(folder() / "xa log");
    write("xa.toml", "");

    EXPECT_THAT(completed_by_bash("completion f"), ElementsAre("fish"));
    EXPECT_THAT(completed_by_bash("list --config xa"), IsSupersetOf({"xa.toml", "xa log"}));
    EXPECT_THAT(completed_by_bash("list --config = xa.t"), ElementsAre("xa.toml"));
    EXPECT_THAT(completed_by_bash("list --log x"), ElementsAre("xa log"));
    EXPECT_THAT(completed_by_bash("log verify x"), ElementsAre("xa log"));
    EXPECT_THAT(completed_by_bash("list --resource l"), IsEmpty());
}

TEST_F(Program, RefusesAShellThatItDoesNotKnow) {
    const auto done = xa_recover({"completion", "tcsh"});

    EXPECT_EQ(done.exit_code, 2);
    EXPECT_THAT(done.err, AllOf(HasSubstr("SHELL"), EndsWith("`xa-recover completion --help`\n")));
}

TEST_F(Program, HasAManualPageThatIsFormattedWithoutAWarning) {
    const auto page = xa_recover({"man"});
    ASSERT_EQ(page.exit_code, 0);

    const auto formatted = run_program(
        {"/usr/bin/groff", "-man", "-Tascii", "-ww", write("xa-recover.1", page.out).string()});

    EXPECT_EQ(formatted.exit_code, 0) << formatted;
    EXPECT_EQ(formatted.err, "");
    EXPECT_THAT(formatted.out, HasSubstr("xa-recover log verify /var/lib/shop/xa"));
}

TEST_F(Program, ShowsNoPasswordInTheListOfProcesses) {
    const auto log = made_log();
    ChildProcess watching{
        {XA_RECOVER, "list", "--log", log, "--resource", "users=mysql://app:secret@127.0.0.1:1/x",
         "--resource=points=postgresql://app@127.0.0.1:1/x?password=secret", "--watch", "--timeout",
         "1"},
        {}};
    const auto command_line = [&] {
        return content_of(fmt::format("/proc/{}/cmdline", watching.pid()));
    };

    EXPECT_TRUE(eventually([&] { return command_line().find("***") != std::string::npos; }));
    EXPECT_THAT(command_line(),
                AllOf(HasSubstr("users=mysql://app:***@127.0.0.1:1/x"),
                      HasSubstr("127.0.0.1:1/x?password=***"), Not(HasSubstr("secret"))));
    ::kill(watching.pid(), SIGTERM);
    static_cast<void>(watching.wait());
}

/// The server refuses the connection; what it is told, or could have been told, stays hidden.
TEST_F(Program, ShowsNoPasswordWhereverItComesFrom) {
    const auto log = made_log();
    const std::vector<std::string> uris{
        "mysql://app:secret@127.0.0.1:1/x",
        "postgresql://app:secret@127.0.0.1:1/x",
        "postgresql://app@127.0.0.1:1/x?password=secret",
        "mysql://app:${XA_TEST_PASSWORD}@127.0.0.1:1/x",
        "postgresql://app:${XA_TEST_PASSWORD}@127.0.0.1:1/x",
        "mysql://app:secret@${XA_TEST_MISSING}/x",
        "mysql://app:${secret@127.0.0.1:1/x",
        "mysql://app:se@secret@127.0.0.1:1/x",
        "postgresql://app:se/secret@127.0.0.1:1/x",
        "postgresql://app:secret@127.0.0.1:1/x?nonsense=1",
        "oracle://app:secret@127.0.0.1:1/x",
    };
    for (const auto& uri : uris) {
        const auto file =
            write("xa.toml", fmt::format("[resources]\nusers = '{}'\n", uri)).string();
        const auto resource = "users=" + uri;
        for (const auto& arguments : std::vector<std::vector<std::string>>{
                 {"list", "--resource", resource},
                 {"list", "--config", file, "--json"},
                 {"show", "x", "--config", file},
                 {"resolve", "--resource", resource, "--json"},
                 {"resolve", "--dry-run", "--config", file},
                 {"describe", "--config", file},
                 {"describe", "--resource", resource, "--json"}}) {
            auto with_log = arguments;
            with_log.insert(with_log.end(), {"--log", log, "--timeout", "1"});
            const auto done = xa_recover(with_log, {{"XA_TEST_PASSWORD", "top/secret@1"}});

            EXPECT_THAT(done.out + done.err, Not(HasSubstr("secret"))) << uri;
            EXPECT_NE(done.out + done.err, "");
            EXPECT_GE(done.exit_code, 2) << done;
        }
    }
}

TEST_F(Program, WatchesUntilItIsInterrupted) {
    const auto log = made_log();
    for (const auto signal : {SIGINT, SIGTERM}) {
        const auto file = folder() / fmt::format("out-{}", signal);
        ChildProcess watching{{"/bin/sh", "-c",
                               "exec \"$0\" list --watch 1 --json --timeout 1 --log \"$1\" "
                               "--resource users=mysql://app@127.0.0.1:1/x > \"$2\"",
                               XA_RECOVER, log, file.string()},
                              {}};
        const auto lines = [&] { return std::ranges::count(content_of(file), '\n'); };
        EXPECT_TRUE(eventually([&] { return lines() >= 2; }));
        ::kill(watching.pid(), signal);
        const auto done = watching.wait();

        EXPECT_EQ(done.exit_code, 3) << done;
        EXPECT_EQ(done.err, "");
        std::istringstream documents{content_of(file)};
        for (std::string line; std::getline(documents, line);) {
            expect_documented("list", nlohmann::ordered_json::parse(line, nullptr, false));
        }
    }
}

TEST_F(Program, GoesOnWatchingALogThatGoesAway) {
    const auto log = made_log();
    const auto file = folder() / "out";
    ChildProcess watching{{"/bin/sh", "-c",
                           "exec \"$0\" list --watch 1 --json --timeout 1 --log \"$1\" "
                           "--resource users=mysql://app@127.0.0.1:1/x > \"$2\"",
                           XA_RECOVER, log, file.string()},
                          {}};
    const std::string failed = R"({"schema":"xa-recover/1","error":)";
    const std::string seen = R"({"schema":"xa-recover/1","log":)";
    EXPECT_TRUE(eventually([&] { return content_of(file).starts_with(seen); }));
    std::filesystem::rename(log, folder() / "away");
    EXPECT_TRUE(eventually([&] { return content_of(file).find(failed) != std::string::npos; }));
    std::filesystem::rename(folder() / "away", log);
    EXPECT_TRUE(
        eventually([&] { return content_of(file).rfind(seen) > content_of(file).rfind(failed); }));
    ::kill(watching.pid(), SIGTERM);
    EXPECT_EQ(watching.wait().exit_code, 3);
}

TEST_F(Program, WatchesOnlyWhatCouldBeSeenOnce) {
    const auto done = xa_recover({"list", "--watch", "--log", (folder() / "nowhere").string(),
                                  "--resource", "users=mysql://app@127.0.0.1:1/x"});

    EXPECT_EQ(done.exit_code, 3) << done;
    EXPECT_THAT(done.err, HasSubstr("nowhere"));
    EXPECT_EQ(xa_recover({"list", "--watch", "0"}).exit_code, 2);
    EXPECT_THAT(xa_recover({"list", "--watch", "0"}).err, HasSubstr("--watch wants 1 to "));
}

}  // namespace
}  // namespace xa_tm::test
