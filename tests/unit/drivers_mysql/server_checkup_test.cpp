#include "server_checkup.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Grants grants_of(const std::string& line) {
    return Grants{{.is_ok = true, .rows = {{line}}}};
}

/// A user that holds every grant, at a server that keeps what it has prepared.
ServerCheckup sound_mysql() {
    ServerCheckup checkup;
    checkup.variables = {{"version", "9.7.4-2"},
                         {"innodb_flush_log_at_trx_commit", "1"},
                         {"innodb_doublewrite", "ON"},
                         {"log_bin", "ON"},
                         {"sync_binlog", "1"},
                         {"binlog_format", "ROW"},
                         {"xa_detach_on_prepare", "ON"},
                         {"read_only", "OFF"},
                         {"super_read_only", "OFF"},
                         {"innodb_read_only", "OFF"},
                         {"default_storage_engine", "InnoDB"},
                         {"wait_timeout", "28800"},
                         {"performance_schema", "ON"}};
    checkup.grants = grants_of("GRANT ALL PRIVILEGES ON *.* TO `app`@`%`");
    checkup.account = "app@%";
    checkup.prepared = 0;
    checkup.is_replica = false;
    checkup.shows_locks = true;
    return checkup;
}

ServerCheckup sound_mariadb() {
    auto checkup = sound_mysql();
    checkup.variables.erase("xa_detach_on_prepare");
    checkup.variables.erase("super_read_only");
    checkup.variables["version"] = "10.11.19-MariaDB-0+deb12u1";
    checkup.variables["log_bin"] = "OFF";
    checkup.variables["sync_binlog"] = "0";
    checkup.variables["wsrep_on"] = "OFF";
    checkup.variables["performance_schema"] = "OFF";
    checkup.variables["max_statement_time"] = "0.000000";
    checkup.variables["idle_transaction_timeout"] = "0";
    checkup.shows_locks = false;
    return checkup;
}

ServerFact fact(const ServerCheckup& checkup, std::string_view name) {
    const auto facts = judged(checkup).facts;
    const auto found = std::ranges::find(facts, name, &ServerFact::name);
    return found == facts.end() ? ServerFact{"none", ""} : *found;
}

/// The judgement of one variable's value.
ServerFact fact_of(ServerCheckup checkup, const std::string& name, const std::string& value) {
    checkup.variables[name] = value;
    return fact(checkup, name);
}

TEST(ServerCheckup, IsAllGoodAtASoundServerAndThenHasNothingToMend) {
    for (const auto& checkup : {sound_mysql(), sound_mariadb()}) {
        for (const auto& fact : judged(checkup).facts) {
            EXPECT_EQ(fact.severity, Severity::good) << fact.name;
            EXPECT_EQ(fact.remedy, "") << fact.name;
        }
    }
    EXPECT_EQ(judged(sound_mysql()).product, "MySQL 9.7.4");
    EXPECT_EQ(judged(sound_mariadb()).product, "MariaDB 10.11.19");
}

TEST(ServerCheckup, IsBadWhereACrashLosesBranches) {
    const auto severity = [](const std::string& name, const std::string& value) {
        return fact_of(sound_mysql(), name, value).severity;
    };
    EXPECT_EQ(severity("innodb_flush_log_at_trx_commit", "0"), Severity::bad);
    EXPECT_EQ(severity("innodb_flush_log_at_trx_commit", "2"), Severity::bad);
    EXPECT_EQ(severity("innodb_flush_log_at_trx_commit", "3"), Severity::good) << "MariaDB's";
    EXPECT_EQ(severity("sync_binlog", "0"), Severity::bad);
    EXPECT_EQ(severity("sync_binlog", "1000"), Severity::bad);
    EXPECT_EQ(severity("innodb_doublewrite", "OFF"), Severity::bad);
    EXPECT_EQ(severity("innodb_doublewrite", "DETECT_ONLY"), Severity::bad);
    EXPECT_EQ(severity("innodb_doublewrite", "DETECT_AND_RECOVER"), Severity::good);
    EXPECT_EQ(severity("innodb_doublewrite", "fast"), Severity::good) << "MariaDB's";
}

TEST(ServerCheckup, MindsNoSettingOfABinaryLogThatIsNotThere) {
    auto checkup = sound_mysql();
    checkup.variables["log_bin"] = "OFF";
    EXPECT_EQ(fact_of(checkup, "sync_binlog", "0").severity, Severity::good);
    EXPECT_EQ(fact_of(checkup, "binlog_format", "STATEMENT").severity, Severity::good);
    EXPECT_EQ(fact_of(sound_mysql(), "binlog_format", "STATEMENT").severity, Severity::notice);
    EXPECT_EQ(fact_of(sound_mysql(), "binlog_format", "MIXED").severity, Severity::good);
}

TEST(ServerCheckup, MendsASettingAsTheServerKeepsIt) {
    EXPECT_EQ(fact_of(sound_mysql(), "innodb_flush_log_at_trx_commit", "2").remedy,
              "set persist innodb_flush_log_at_trx_commit = 1");
    EXPECT_EQ(fact_of(sound_mariadb(), "innodb_flush_log_at_trx_commit", "2").remedy,
              "set global innodb_flush_log_at_trx_commit = 1, and "
              "innodb_flush_log_at_trx_commit = 1 in the option file");
}

TEST(ServerCheckup, IsBadWhereNothingCanBeWrittenOrPrepared) {
    for (const auto* name : {"read_only", "super_read_only", "innodb_read_only", "wsrep_on"}) {
        EXPECT_EQ(fact_of(sound_mariadb(), name, "ON").severity, Severity::bad) << name;
        EXPECT_EQ(fact_of(sound_mariadb(), name, "OFF").severity, Severity::good) << name;
    }
}

TEST(ServerCheckup, SaysWhereAPreparedBranchStays) {
    EXPECT_EQ(fact_of(sound_mysql(), "xa_detach_on_prepare", "OFF").severity, Severity::notice);
    EXPECT_EQ(fact(sound_mysql(), "prepared branches").value, "detached");
    EXPECT_EQ(fact(sound_mariadb(), "prepared branches").value, "kept by their session");
}

TEST(ServerCheckup, Trap49NamesTheGrantWithoutWhichNothingCanBeListed) {
    auto checkup = sound_mysql();
    checkup.account = "o'hara@shop%";
    checkup.prepared.reset();
    checkup.why_not_listed = "XAER_RMERR: Fatal error occurred";
    const auto listing = fact(checkup, "XA RECOVER");
    EXPECT_EQ(listing.severity, Severity::bad);
    EXPECT_THAT(listing.meaning, HasSubstr("XAER_RMERR: Fatal error occurred"));
    EXPECT_EQ(listing.remedy, "grant xa_recover_admin on *.* to 'o''hara'@'shop%'");
}

TEST(ServerCheckup, NamesTheGrantsThatSpareAWait) {
    auto checkup = sound_mysql();
    checkup.grants = grants_of("GRANT XA_RECOVER_ADMIN ON *.* TO `app`@`%`");
    EXPECT_EQ(fact(checkup, "CONNECTION_ADMIN").severity, Severity::notice);
    EXPECT_EQ(fact(checkup, "CONNECTION_ADMIN").remedy,
              "grant CONNECTION_ADMIN on *.* to 'app'@'%'");
    EXPECT_EQ(fact(checkup, "PROCESS").remedy, "grant PROCESS on *.* to 'app'@'%'");
    checkup.grants = grants_of("GRANT `ops`@`%` TO `app`@`%`");
    EXPECT_EQ(fact(checkup, "PROCESS").value, "not held, unless by a role");
    for (const auto* grant : {"CONNECTION_ADMIN", "SUPER"}) {
        checkup.grants = grants_of(std::string{"GRANT "} + grant + " ON *.* TO `app`@`%`");
        EXPECT_EQ(fact(checkup, "CONNECTION_ADMIN").severity, Severity::good) << grant;
    }
}

TEST(ServerCheckup, WarnsOfServersOlderThanWhatABranchNeeds) {
    const auto severity = [](ServerCheckup checkup, const char* version) {
        return fact_of(std::move(checkup), "version", version).severity;
    };
    EXPECT_EQ(severity(sound_mysql(), "8.0.30"), Severity::good);
    EXPECT_EQ(severity(sound_mysql(), "8.0.29"), Severity::notice) << "with a binary log";
    EXPECT_EQ(severity(sound_mysql(), "5.7.6-log"), Severity::bad);
    EXPECT_EQ(severity(sound_mariadb(), "10.5.2-MariaDB"), Severity::good);
    EXPECT_EQ(severity(sound_mariadb(), "10.4.34-MariaDB"), Severity::bad);
    auto without_binary_log = sound_mysql();
    without_binary_log.variables["log_bin"] = "OFF";
    EXPECT_EQ(severity(without_binary_log, "8.0.29"), Severity::good);
}

TEST(ServerCheckup, NamesTablesThatTakeNoPart) {
    auto checkup = sound_mysql();
    checkup.tables_without_xa = {"a (b) (MyISAM)", "c (MEMORY)"};
    const auto tables = fact(checkup, "tables");
    EXPECT_EQ(tables.value, "without XA: a (b) (MyISAM), c (MEMORY)");
    EXPECT_EQ(tables.severity, Severity::notice);
    EXPECT_EQ(tables.remedy, "alter table `a (b)` engine = InnoDB");
    EXPECT_EQ(fact_of(sound_mysql(), "default_storage_engine", "MyISAM").severity,
              Severity::notice);
}

TEST(ServerCheckup, SaysWhatAFailoverCosts) {
    auto checkup = sound_mysql();
    checkup.replicas = 2;
    EXPECT_EQ(fact(checkup, "replicas").severity, Severity::notice);
    EXPECT_EQ(fact(checkup, "replicas").remedy, "set persist rpl_semi_sync_source_enabled = ON");
    checkup.variables["rpl_semi_sync_source_enabled"] = "ON";
    EXPECT_EQ(fact(checkup, "replicas").severity, Severity::good);
    auto mariadb = sound_mariadb();
    mariadb.replicas = 1;
    EXPECT_THAT(fact(mariadb, "replicas").remedy, HasSubstr("rpl_semi_sync_master_enabled = ON"));
}

TEST(ServerCheckup, SaysWhetherItIsAReplicaItself) {
    auto checkup = sound_mysql();
    checkup.is_replica = true;
    EXPECT_EQ(fact(checkup, "role in replication").severity, Severity::notice);
    checkup.is_replica.reset();
    EXPECT_EQ(fact(checkup, "role in replication").remedy,
              "grant replication client on *.* to 'app'@'%'");
}

TEST(ServerCheckup, WarnsOfTimeoutsThatOnlySlowWorkMeets) {
    for (const auto* name :
         {"wait_timeout", "idle_transaction_timeout", "idle_write_transaction_timeout",
          "idle_readonly_transaction_timeout", "max_statement_time"}) {
        EXPECT_EQ(fact_of(sound_mariadb(), name, "0").value, "none") << name;
        EXPECT_EQ(fact_of(sound_mariadb(), name, "9.5").severity, Severity::notice) << name;
        EXPECT_EQ(fact_of(sound_mariadb(), name, "10").severity, Severity::good) << name;
    }
}

TEST(ServerCheckup, ExplainsWhatIsNoFault) {
    for (const auto* name : {"innodb_snapshot_isolation", "innodb_rollback_on_timeout"}) {
        const auto on = fact_of(sound_mariadb(), name, "ON");
        EXPECT_EQ(on.severity, Severity::good) << name;
        EXPECT_NE(on.meaning, "") << name;
        EXPECT_EQ(fact_of(sound_mariadb(), name, "OFF").meaning, "") << name;
    }
}

TEST(ServerCheckup, WarnsOfLocksThatCanNotBeSeen) {
    auto checkup = sound_mysql();
    checkup.shows_locks = false;
    EXPECT_EQ(fact(checkup, "performance_schema").remedy,
              "grant select on performance_schema.* to 'app'@'%'");
    checkup.variables["performance_schema"] = "OFF";
    EXPECT_THAT(fact(checkup, "performance_schema").remedy, HasSubstr("restart the server"));
}

TEST(ServerCheckup, IsMadeOfOneReplyAQuestionAndMindsNoRefusal) {
    std::vector<Reply> replies(checkup_questions().size());
    replies[0] = {.is_ok = true, .rows = {{"version", "9.7.4"}}};
    auto checkup = checkup_from(replies);
    EXPECT_EQ(checkup.prepared, std::nullopt);
    EXPECT_EQ(checkup.is_replica, std::nullopt);
    EXPECT_FALSE(checkup.shows_locks);
    replies[2] = {.is_ok = true, .rows = {{"app@localhost"}}};
    replies[3] = {.is_ok = true, .rows = {{"1", "2", "3", "x"}, {"1", "2", "3", "y"}}};
    replies[4] = {.is_ok = true, .rows = {{"t", "MyISAM"}}};
    replies[5] = {.is_ok = true, .rows = {{"2"}}};
    replies[7] = {.is_ok = true, .rows = {{"source 1"}}};
    replies[8] = {.is_ok = true};
    checkup = checkup_from(replies);
    EXPECT_EQ(checkup.account, "app@localhost");
    EXPECT_EQ(checkup.prepared, 2U);
    EXPECT_THAT(checkup.tables_without_xa, ElementsAre("t (MyISAM)"));
    EXPECT_EQ(checkup.replicas, 2);
    EXPECT_EQ(checkup.is_replica, true);
    EXPECT_TRUE(checkup.shows_locks);
}

}  // namespace
}  // namespace xa_tm::mysql
