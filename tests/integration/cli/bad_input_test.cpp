#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sandbox.h"
#include "shop_fixture.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

/// Each is told in one line on standard error, or in the report when a resource is to blame, says
/// what to change, and changes nothing.
class BadInput : public ShopTest {
protected:
    BadInput() {
        const auto made = recovery_log::RecoveryLog::open({.directory = log(), .node = node()});
    }

    /// All three commands answer the same.
    void expect_error(const std::vector<std::string>& arguments, int exit_code,
                      const std::string& message) const {
        const auto before = content_of(log());
        for (const auto& command : {std::vector<std::string>{"list"}, {"show", "x"}, {"resolve"}}) {
            const auto completed = xa_recover(command + arguments);

            EXPECT_EQ(completed.exit_code, exit_code) << completed;
            EXPECT_EQ(completed.out, "");
            EXPECT_THAT(completed.err, MatchesRegex("xa-recover: [^\n]+\n")) << "one line";
            EXPECT_THAT(completed.err, HasSubstr(message));
            EXPECT_THAT(completed.err, Not(HasSubstr("secret")));
        }
        EXPECT_EQ(content_of(log()), before);
    }

    void expect_unreachable(const std::string& uri, const std::string& message) const {
        const std::vector<std::string> arguments{"--log",        log().string(), "--resource",
                                                 "users=" + uri, "--timeout",    "2"};
        for (const auto* command : {"list", "resolve"}) {
            const auto completed = xa_recover(std::vector<std::string>{command} + arguments);

            EXPECT_EQ(completed.exit_code, 3) << completed;
            EXPECT_THAT(completed.out, AllOf(HasSubstr("unreachable"), HasSubstr(message),
                                             HasSubstr("Resource users could not be read"),
                                             Not(HasSubstr("secret"))));
            EXPECT_EQ(completed.err, "");
        }
    }

    [[nodiscard]] std::vector<std::string> with_config(const std::string& text) const {
        return {"--config", write_file("xa.toml", text).string()};
    }

    [[nodiscard]] std::vector<std::string> with_log(const std::filesystem::path& path) const {
        return {"--log", path.string(), "--resource", "users=" + users_uri_};
    }

    [[nodiscard]] std::vector<std::string> with_resource(const std::string& resource) const {
        return {"--log", log().string(), "--resource", resource};
    }
};

TEST_F(BadInput, UnknownOption) {
    expect_error(options() + std::vector<std::string>{"--colour=secret"}, 2,
                 "unknown option --colour ");
}

TEST_F(BadInput, MissingCommand) {
    const auto completed = xa_recover({});

    EXPECT_EQ(completed.exit_code, 2);
    EXPECT_THAT(completed.err, StartsWith("xa-recover: give a command: list, show, explain, "));
}

TEST_F(BadInput, NoLog) {
    expect_error({"--resource", "users=" + users_uri_}, 2, "no log given; add --log DIR");
}

TEST_F(BadInput, NoResources) {
    expect_error({"--log", log().string()}, 2, "no resource given; add --resource NAME=URI");
}

TEST_F(BadInput, MissingLogDirectory) {
    expect_error(with_log(folder() / "nowhere"), 3, (folder() / "nowhere").string());
}

TEST_F(BadInput, DirectoryWithoutALog) {
    std::filesystem::create_directory(folder() / "empty");

    expect_error(with_log(folder() / "empty"), 3, (folder() / "empty").string());
    EXPECT_TRUE(std::filesystem::is_empty(folder() / "empty"));
}

TEST_F(BadInput, LogOfAnotherNode) {
    expect_error(with_config(fmt::format(
                     "node = 'shop-2'\nlog = 'log'\n[resources]\nusers = '{}'\n", users_uri_)),
                 2,
                 fmt::format("belongs to node {}, but the configuration says node shop-2", node()));
}

TEST_F(BadInput, MissingConfigurationFile) {
    expect_error({"--config", (folder() / "nowhere.toml").string()}, 2,
                 "nowhere.toml: No such file or directory");
}

TEST_F(BadInput, IllFormedConfigurationFile) {
    expect_error(with_config("log = 'log'\n[resources\n"), 2, "xa.toml:2: ");
    expect_error(with_config("[resources]\nusers = 'mysql://app:secret@h/db\n"), 2, "xa.toml:2: ");
}

TEST_F(BadInput, UnknownKeyInTheConfigurationFile) {
    expect_error(with_config("log = 'log'\nlgo = 'log'\n"), 2, "xa.toml:2: unknown key \"lgo\"");
}

TEST_F(BadInput, TwoResourcesOfOneName) {
    expect_error(options() + std::vector<std::string>{"--resource", "users=" + points_uri_}, 2,
                 "two resources are named users");
    expect_error(with_config("[resources]\nusers = 'mysql:///a'\nusers = 'mysql:///b'\n"), 2,
                 "xa.toml:3: ");
}

TEST_F(BadInput, NameThatAnXidCannotHold) {
    expect_error(with_resource(std::string(49, 'n') + "=" + users_uri_), 2,
                 "a NAME of 1 to 48 characters");
    expect_error(with_resource("mysql://app:secret@localhost/db?charset=utf8"), 2,
                 "--resource wants NAME=URI");
}

TEST_F(BadInput, UnknownScheme) {
    expect_error(with_resource("users=oracle://app:secret@localhost/db"), 2,
                 "resource users: the URI must begin with postgresql://");
}

TEST_F(BadInput, MalformedUri) {
    expect_error(with_resource("users=postgresql://app:secret@localhost/db?nonsense=1"), 2,
                 "resource users: ");
    expect_error(with_resource("users=mysql://app:secret@localhost:port/db"), 2,
                 "resource users: ");
}

TEST_F(BadInput, UnknownHost) {
    expect_unreachable("postgresql://app:secret@no-such-host.invalid/db", "no-such-host.invalid");
    expect_unreachable("mysql://app:secret@no-such-host.invalid/db", "no-such-host.invalid");
}

TEST_F(BadInput, ServerDown) {
    expect_unreachable("postgresql://app:secret@127.0.0.1:1/db", "refused");
    expect_unreachable("mysql://app:secret@127.0.0.1:1/db", "127.0.0.1");
}

TEST_F(BadInput, WrongPassword) {
    auto postgres = sandbox::tcp_uri(sandbox::postgres_server());
    auto mariadb = sandbox::tcp_uri(sandbox::mysql_server());
    for (auto* uri : {&postgres, &mariadb}) {
        uri->replace(uri->find("app-secret"), 10, "other-secret");
    }

    expect_unreachable(postgres, "password");
    expect_unreachable(mariadb, "password");
}

TEST_F(BadInput, ServerThatCannotPrepareTransactions) {
    const auto uri = cli_uri(TwoPhaseDisabled::kServer);
    const TwoPhaseDisabled disabled;

    expect_unreachable(uri, "max_prepared_transactions");
}

TEST_F(BadInput, DamagedLog) {
    {
        const auto owner = recovery_log::RecoveryLog::open(
            {.directory = log(), .node = node(), .segment_size_bytes = 1 << 20, .copies = 1});
        const std::vector<std::byte> body(100);
        for (int i = 0; i < 5; ++i) {
            auto space = owner->reserve(body.size());
            ASSERT_TRUE(space);
            ASSERT_EQ(owner->force(std::move(*space), body).result,
                      recovery_log::ForceResult::durable);
        }
    }
    for (const auto& [name, content] : content_of(log())) {
        if (content.size() > 65536) {
            std::fstream segment{log() / name, std::ios::in | std::ios::out | std::ios::binary};
            segment.seekp(2 * 4096 + 100);
            segment << "flipped";
        }
    }

    expect_error(with_log(log()), 3, "not a torn tail");
}

}  // namespace
}  // namespace xa_tm::test
