#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documented_json.h"
#include "shop_fixture.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr auto kMysql = "mysql-9.7";

/// Each makes something bad for real, and puts it back.
class Doctor : public ShopTest {
protected:
    Doctor() {
        const auto made = recovery_log::RecoveryLog::open(
            {.directory = log(), .node = node(), .segment_size_bytes = 1 << 20});
    }

    /// What `doctor --json` finds out with these arguments.
    [[nodiscard]] static json diagnosis(const std::vector<std::string>& arguments, int exit_code) {
        const auto completed = xa_recover(std::vector<std::string>{"doctor", "--json"} + arguments);
        EXPECT_EQ(completed.exit_code, exit_code) << completed;
        EXPECT_EQ(completed.err, "");
        expect_documented("doctor", nlohmann::ordered_json::parse(completed.out, nullptr, false));
        return json::parse(completed.out, nullptr, false);
    }

    [[nodiscard]] static json fact(const json& part, const std::string& name) {
        for (const auto& fact : part["facts"]) {
            if (fact["name"] == name) {
                return fact;
            }
        }
        ADD_FAILURE() << "no fact " << name << " in " << part.dump(2);
        return {};
    }

    /// The only resource's fact.
    [[nodiscard]] static json fact_of(const std::string& uri, int exit_code,
                                      const std::string& name) {
        return fact(diagnosis({"--resource", "it=" + uri}, exit_code)["resources"][0], name);
    }

    [[nodiscard]] json log_fact(const std::filesystem::path& folder, int exit_code,
                                const std::string& name) const {
        return fact(diagnosis({"--log", folder.string(), "--resource", "users=" + users_uri_},
                              exit_code)["log"],
                    name);
    }
};

TEST_F(Doctor, IsNowhereRedOverAShopThatIsSetUpAsTheManualSays) {
    const auto before = content_of(log());
    const auto completed = over_shop({"doctor"});
    EXPECT_EQ(completed.exit_code, 1) << completed << "grants that spare a wait are missing";
    EXPECT_THAT(completed.out,
                AllOf(HasSubstr("users (PostgreSQL "), HasSubstr("points (M"),
                      HasSubstr(log().string() + " (log)\n"), HasSubstr("\n0 red, "),
                      HasSubstr("  green   max_prepared_transactions: 100, 0 in use\n"),
                      HasSubstr("          mend: grant pg_signal_backend to app\n")));
    EXPECT_EQ(completed.err, "");
    EXPECT_EQ(content_of(log()), before);
}

TEST_F(Doctor, IsAllGreenForARoleThatHoldsEveryGrant) {
    const auto completed =
        xa_recover({"doctor", "--resource", "it=" + sandbox::admin_uri(sandbox::postgres_server()),
                    "--log", log().string()});
    EXPECT_EQ(completed.exit_code, 0) << completed;
    EXPECT_THAT(completed.out, AllOf(HasSubstr("\n0 red, 0 yellow, "), Not(HasSubstr("mend:"))));
}

TEST_F(Doctor, GoesOnBehindAServerThatCanNotBeReached) {
    const auto completed =
        xa_recover({"doctor", "--resource", "down=mysql://app:secret@127.0.0.1:1/x", "--resource",
                    "users=" + users_uri_});
    EXPECT_EQ(completed.exit_code, 3) << completed;
    EXPECT_THAT(completed.out, AllOf(StartsWith("down (mysql)\n  red     reachable: no\n"),
                                     HasSubstr("Resource down: "), HasSubstr("users (PostgreSQL "),
                                     HasSubstr("No log was looked at"), Not(HasSubstr("secret"))));
}

TEST_F(Doctor, Trap41IsRedForAServerThatCanNotPrepare) {
    const auto uri = cli_uri(TwoPhaseDisabled::kServer);
    const TwoPhaseDisabled disabled;
    const auto slots = fact_of(uri, 3, "max_prepared_transactions");
    EXPECT_EQ(slots["severity"], "bad");
    EXPECT_EQ(slots["remedy"],
              "alter system set max_prepared_transactions = 64, and restart the server");
}

TEST_F(Doctor, WantsASlotForEveryConnectionOfTheApplicationsPool) {
    const auto config = write_file(
        "xa.toml",
        fmt::format("[resources]\nusers = {{ uri = \"{}\", pool_size = 101 }}\n", users_uri_));
    const auto slots = fact(diagnosis({"--config", config.string()}, 1)["resources"][0],
                            "max_prepared_transactions");
    EXPECT_EQ(slots["severity"], "notice");
    EXPECT_THAT(slots["remedy"].get<std::string>(),
                StartsWith("alter system set max_prepared_transactions = 101"));
}

TEST_F(Doctor, SaysWhoCanFinishWhatAnotherRoleHasPrepared) {
    auto uri = users_uri_;
    uri.replace(uri.find("user=app"), 8, "user=postgres");
    Database other{uri};
    other.execute("create table if not exists of_another (n int)");
    other.execute("begin; insert into of_another values (1); prepare transaction 'xa_tm:a/b'");
    const auto prepared = fact_of(users_uri_, 1, "prepared transactions");
    other.execute("rollback prepared 'xa_tm:a/b'");
    other.execute("drop table of_another");
    EXPECT_EQ(prepared["value"], "1 of postgres");
    EXPECT_EQ(prepared["severity"], "notice");
    EXPECT_EQ(prepared["remedy"], "if they are this log's, connect as postgres");
}

TEST_F(Doctor, JudgesTheSettingsThatTheSessionHas) {
    const auto uri = users_uri_ +
                     "&options=-c%20statement_timeout%3D500%20"
                     "-c%20synchronous_commit%3Doff";
    const auto timeout = fact_of(uri, 1, "statement_timeout");
    EXPECT_EQ(timeout["value"], "500ms");
    EXPECT_EQ(timeout["severity"], "notice");
    const auto commit = fact_of(uri, 1, "synchronous_commit");
    EXPECT_EQ(commit["severity"], "notice");
    EXPECT_THAT(commit["meaning"].get<std::string>(), HasSubstr("flushed all the same"));
}

TEST_F(Doctor, Trap49IsRedForAUserThatMayNotListWhatIsPrepared) {
    Database admin{sandbox::admin_uri(kMysql)};
    admin.execute("create user if not exists 'no list'@'localhost' identified by 'secret-too'");
    auto uri = sandbox::uri(kMysql);
    uri.replace(uri.find("app:app-secret"), 14, "no%20list:secret-too");
    uri.replace(uri.find("/xa_tm_test"), 11, "/");
    const auto listing = fact_of(uri, 3, "XA RECOVER");
    EXPECT_EQ(listing["severity"], "bad");
    EXPECT_THAT(listing["meaning"].get<std::string>(), HasSubstr("can't list what is prepared"));
    const auto remedy = listing["remedy"].get<std::string>();
    EXPECT_EQ(remedy, "grant xa_recover_admin on *.* to 'no list'@'localhost'");
    admin.execute(remedy);
    EXPECT_EQ(fact_of(uri, 1, "XA RECOVER")["severity"], "good") << "the remedy mends it";
    admin.execute("drop user 'no list'@'localhost'");
}

TEST_F(Doctor, IsRedForAServerThatDoesNotFlushWhatItHasPrepared) {
    for (const std::string& server : {sandbox::mysql_server(), std::string{kMysql}}) {
        Database admin{sandbox::admin_uri(server)};
        admin.execute("set global innodb_flush_log_at_trx_commit = 2");
        const auto flush = fact_of(sandbox::uri(server), 3, "innodb_flush_log_at_trx_commit");
        admin.execute("set global innodb_flush_log_at_trx_commit = 1");
        EXPECT_EQ(fact_of(sandbox::uri(server), 1, "innodb_flush_log_at_trx_commit")["severity"],
                  "good");
        EXPECT_EQ(flush["value"], "2");
        EXPECT_EQ(flush["severity"], "bad");
        EXPECT_THAT(flush["remedy"].get<std::string>(),
                    HasSubstr("innodb_flush_log_at_trx_commit = 1"));
    }
}

TEST_F(Doctor, SeesTablesThatTakeNoPartInABranch) {
    points_.execute("create table not_xa (n int) engine = MyISAM");
    const auto tables = fact_of(points_uri_, 1, "tables");
    points_.execute("drop table not_xa");
    EXPECT_EQ(tables["severity"], "notice");
    EXPECT_THAT(tables["value"].get<std::string>(), HasSubstr("not_xa (MyISAM)"));
}

TEST_F(Doctor, SeesThatALogIsNotThere) {
    const auto readable = log_fact(folder() / "none", 3, "readable");
    EXPECT_THAT(readable["meaning"].get<std::string>(), HasSubstr("correct the path"));
}

TEST_F(Doctor, IsRedForALogThatIsGoneWithTheMachine) {
    const std::filesystem::path memory{fmt::format("/dev/shm/xa_tm_{}", node())};
    std::filesystem::copy(log(), memory);
    const auto file_system = log_fact(memory, 3, "file system");
    std::filesystem::remove_all(memory);
    EXPECT_EQ(file_system["value"], "tmpfs");
    EXPECT_EQ(file_system["severity"], "bad");
}

TEST_F(Doctor, IsRedForAFolderThatAnyUserMayWriteTo) {
    std::filesystem::permissions(log(), std::filesystem::perms::others_write,
                                 std::filesystem::perm_options::add);
    const auto permissions = log_fact(log(), 3, "permissions");
    EXPECT_EQ(permissions["remedy"], "chmod o-w " + log().string());
}

TEST_F(Doctor, IsRedForAnotherNodesLog) {
    const auto config = write_file("xa.toml", fmt::format("node = \"other\"\nlog = \"log\"\n"
                                                          "[resources]\nusers = \"{}\"\n",
                                                          users_uri_));
    EXPECT_EQ(fact(diagnosis({"--config", config.string()}, 3)["log"], "node")["severity"], "bad");
}

TEST_F(Doctor, SeesTheOwnerAndWhatIsLeftWithoutOne) {
    die_after_decision(1);
    const auto open = log_fact(log(), 1, "open decisions");
    EXPECT_EQ(open["value"], "1");
    EXPECT_EQ(open["severity"], "notice");
    const auto owner = recovery_log::RecoveryLog::open({.directory = log(), .node = node()});
    EXPECT_EQ(log_fact(log(), 1, "open decisions")["severity"], "good");
    EXPECT_THAT(log_fact(log(), 1, "owner")["value"].get<std::string>(), StartsWith("pid "));
}

}  // namespace
}  // namespace xa_tm::test
