#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "child_process.h"
#include "database.h"
#include "sandbox.h"
#include "temporary_directory.h"

namespace xa_tm::test {

/// The URI of database xa_tm_cli, made if need be, of one of the sandbox's servers.
[[nodiscard]] std::string cli_uri(const std::string& server);

/// A shop whose users are in PostgreSQL and whose points are in MariaDB or MySQL, with a log of its
/// own and the program register_user; and xa-recover to look at it.
class ShopTest : public testing::Test {
public:
    /// Finishes what the test has left prepared.
    ~ShopTest() override;

protected:
    ShopTest();

    /// Runs xa-recover with these arguments and nothing else.
    [[nodiscard]] static Completed xa_recover(const std::vector<std::string>& arguments);
    /// Runs a command of xa-recover over the shop's log and resources.
    [[nodiscard]] Completed over_shop(const std::vector<std::string>& command) const;
    /// The options that name the shop's log, and one of its resources.
    [[nodiscard]] std::vector<std::string> options() const;
    /// The JSON of a command; fails the test when the exit code is another, or docs/json.md does
    /// not describe it.
    [[nodiscard]] nlohmann::json json_of(std::vector<std::string> command, int exit_code) const;

    /// Runs register_user, killed at the crash point unless that is empty.
    [[nodiscard]] Completed register_user(int id, const std::string& crash_point = "") const;
    /// The command line of the same.
    [[nodiscard]] std::vector<std::string> register_user_arguments(int id) const;
    /// Leaves a transaction behind that is decided but not committed, or prepared but not decided.
    void die_after_decision(int id) const;
    void die_before_decision(int id) const;
    [[nodiscard]] bool has_user(int id);
    [[nodiscard]] bool has_points(int id);

    [[nodiscard]] const std::string& node() const { return node_; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
    [[nodiscard]] std::filesystem::path log() const { return folder() / "log"; }
    /// A file in folder() with this text.
    [[nodiscard]] std::filesystem::path write_file(const std::string& name,
                                                   const std::string& text) const;

    std::string users_uri_ = cli_uri(sandbox::postgres_server());
    std::string points_uri_ = cli_uri(sandbox::mysql_server());
    Database users_{users_uri_};
    Database points_{points_uri_};

private:
    TemporaryDirectory folder_;
    /// Unique, so that what another run has left behind is never taken for ours.
    std::string node_;
};

/// Appends one list of arguments to another.
[[nodiscard]] std::vector<std::string> operator+(std::vector<std::string> first,
                                                 const std::vector<std::string>& second);

}  // namespace xa_tm::test
