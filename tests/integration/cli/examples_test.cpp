#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shop_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class Examples : public ShopTest {
protected:
    void create_quick_start_tables() {
        users_.execute("create table users(id int primary key, name varchar(100))");
        points_.execute("create table points(user_id int primary key, balance int)");
    }

    [[nodiscard]] std::vector<std::string> quick_start() const {
        return {XA_TM_QUICK_START, log().string(), users_uri_, points_uri_};
    }

    [[nodiscard]] std::vector<std::string> transfer(const std::string& from, const std::string& to,
                                                    int amount) const {
        return {XA_TM_TRANSFER, "--node", node(), "--log",    log().string(),        "--from",
                from,           "--to",   to,     "--amount", std::to_string(amount)};
    }

    [[nodiscard]] std::vector<std::string> register_with_picture(int id) const {
        return {XA_TM_REGISTER_WITH_PICTURE,
                "--node",
                node(),
                "--log",
                log().string(),
                "--users",
                users_uri_,
                "--files",
                (folder() / "files").string(),
                "--id",
                std::to_string(id),
                "--name",
                "Ada",
                "--picture",
                write_file("ada.png", kPicture).string()};
    }
    [[nodiscard]] bool has_picture(int id) const {
        std::ifstream picture{folder() / "files" / fmt::format("{}.png", id)};
        return std::string{std::istreambuf_iterator<char>{picture}, {}} == kPicture;
    }
    /// Branches that lie in the folder of files, finished or not.
    [[nodiscard]] std::size_t branches_of_files() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(std::filesystem::directory_iterator{folder() / "files" / ".xa"},
                                  [](const auto& entry) { return entry.is_directory(); }));
    }

    const std::string kPicture = "the picture\0 of Ada";
};

TEST_F(Examples, QuickStartCommitsOnBothDatabases) {
    create_quick_start_tables();

    const auto done = run_program(quick_start());

    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_TRUE(has_user(1));
    EXPECT_TRUE(has_points(1));
}

TEST_F(Examples, RegisterUserCommitsOnBothDatabases) {
    const auto done = register_user(7);

    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_THAT(done.out, AllOf(StartsWith(node() + ":"), HasSubstr(": committed\n")));
    EXPECT_EQ(done.err, "");
    EXPECT_TRUE(has_user(7));
    EXPECT_EQ(points_.number("select balance from points where user_id = 7"), 100);
}

TEST_F(Examples, RegisterUserCommitsNothingWhenTheSecondDatabaseRefuses) {
    points_.execute("create table points(user_id int primary key, balance int)");
    points_.execute("insert into points values (7, 5)");

    const auto done = register_user(7);

    EXPECT_EQ(done.exit_code, 1) << done;
    EXPECT_THAT(done.out, AllOf(StartsWith("rolled back: "), HasSubstr("Duplicate entry")));
    EXPECT_FALSE(has_user(7));
    EXPECT_EQ(points_.number("select balance from points where user_id = 7"), 5);
}

TEST_F(Examples, RegisterUserSaysWhatToChangeWhenItCannotBegin) {
    points_uri_ = "mysql://app:wrong@localhost/xa_tm_cli";

    const auto done = register_user(7);

    EXPECT_EQ(done.exit_code, 2) << done;
    EXPECT_THAT(done.err, StartsWith("register_user: "));
}

TEST_F(Examples, TransferWorksBetweenAnyTwoKindsOfServers) {
    const auto postgres2 = cli_uri("postgres2");
    const auto mariadb2 = cli_uri("mariadb2");
    for (const auto& [from, to] : {std::pair{users_uri_, points_uri_},
                                   {points_uri_, users_uri_},
                                   {users_uri_, postgres2},
                                   {points_uri_, mariadb2}}) {
        for (const auto& uri : {from, to}) {
            Database{uri}.execute("drop table if exists account");
        }
        std::filesystem::remove_all(log());
        std::filesystem::create_directory(log());

        const auto done = run_program(transfer(from, to, 30));

        EXPECT_EQ(done.exit_code, 0) << done;
        EXPECT_THAT(done.out, AllOf(StartsWith("bank1 100, bank2 100\n"),
                                    HasSubstr(": committed\n"), EndsWith("bank1 70, bank2 130\n")));
        EXPECT_EQ(Database{from}.number("select balance from account"), 70);
        EXPECT_EQ(Database{to}.number("select balance from account"), 130);
    }
}

TEST_F(Examples, TransferRefusesAnOverdraft) {
    const auto done = run_program(transfer(users_uri_, points_uri_, 101));

    EXPECT_EQ(done.exit_code, 1) << done;
    EXPECT_THAT(done.out, HasSubstr("rolled back: the balance of bank1 is below 101\n"));
    EXPECT_EQ(users_.number("select balance from account"), 100);
    EXPECT_EQ(points_.number("select balance from account"), 100);
}

TEST_F(Examples, RegisterWithPictureCommitsTheRowAndTheFile) {
    const auto done = run_program(register_with_picture(7));

    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_THAT(done.out, HasSubstr(": committed\n"));
    EXPECT_TRUE(has_user(7));
    EXPECT_TRUE(has_picture(7));
    EXPECT_EQ(branches_of_files(), 0U);
}

TEST_F(Examples, RegisterWithPictureWritesNoFileWhenTheDatabaseRefuses) {
    users_.execute("create table users(id int primary key, name varchar(100))");
    users_.execute("insert into users values (7, 'Bob')");

    const auto done = run_program(register_with_picture(7));

    EXPECT_EQ(done.exit_code, 1) << done;
    EXPECT_THAT(done.out, StartsWith("rolled back: "));
    EXPECT_FALSE(has_picture(7));
    EXPECT_EQ(branches_of_files(), 0U);
}

TEST_F(Examples, RegisterWithPictureLeavesBothOrNeitherWhereverItIsKilled) {
    const std::vector<std::pair<std::string, bool>> points{
        {"coordinator.before_prepare", false}, {"coordinator.prepare_sent", false},
        {"coordinator.vote_received", false},  {"coordinator.before_decision_forced", false},
        {"coordinator.decision_forced", true}, {"coordinator.commit_sent", true},
        {"coordinator.commit_answered", true},
    };
    int id = 0;
    for (const auto& [point, is_decided] : points) {
        ++id;
        const auto died = run_program(register_with_picture(id), {{"XA_TM_CRASH_POINT", point}});
        ASSERT_EQ(died.signal, SIGKILL) << point << died;

        const auto next = run_program(register_with_picture(100 + id));  // recovers first

        EXPECT_EQ(next.exit_code, 0) << point << next;
        EXPECT_EQ(has_user(id), is_decided) << point;
        EXPECT_EQ(has_picture(id), is_decided) << point;
        EXPECT_EQ(branches_of_files(), 0U) << point;
    }
}

TEST_F(Examples, AsyncTransferCommitsManyAtOnce) {
    const auto done = run_program({XA_TM_ASYNC_TRANSFER, "--node", node(), "--log", log().string(),
                                   "--from", users_uri_, "--to", points_uri_, "--transfers", "20"});

    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_EQ(users_.number("select count(*) from account where balance = 70"), 20);
    EXPECT_EQ(points_.number("select count(*) from account where balance = 130"), 20);
}

#if defined(XA_TM_VALGRIND)
/// What Boost.Log and the C clients keep until the process ends is reachable and no leak.
Completed under_valgrind(std::vector<std::string> command) {
    command.insert(command.begin(),
                   {XA_TM_VALGRIND, "--quiet", "--error-exitcode=99", "--leak-check=full",
                    "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"});
    return run_program(command);
}

class ExamplesUnderValgrind : public Examples {};

TEST_F(ExamplesUnderValgrind, QuickStartIsClean) {
    create_quick_start_tables();
    const auto done = under_valgrind(quick_start());
    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_TRUE(has_user(1));
}

TEST_F(ExamplesUnderValgrind, RegisterUserIsCleanAlsoWhenADatabaseRefuses) {
    const auto committed = under_valgrind(register_user_arguments(7));
    EXPECT_EQ(committed.exit_code, 0) << committed;
    const auto refused = under_valgrind(register_user_arguments(7));
    EXPECT_EQ(refused.exit_code, 1) << refused;
    EXPECT_THAT(refused.out, HasSubstr("rolled back: "));
}

TEST_F(ExamplesUnderValgrind, RegisterWithPictureIsClean) {
    const auto done = under_valgrind(register_with_picture(7));
    EXPECT_EQ(done.exit_code, 0) << done;
    EXPECT_TRUE(has_picture(7));
}

TEST_F(ExamplesUnderValgrind, TransferIsClean) {
    const auto done = under_valgrind(transfer(users_uri_, points_uri_, 30));
    EXPECT_EQ(done.exit_code, 0) << done;
}
#endif

}  // namespace
}  // namespace xa_tm::test
