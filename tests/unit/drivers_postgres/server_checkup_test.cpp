#include "server_checkup.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// A role that owns its branches, holds what spares it a wait, at a server that keeps them.
ServerCheckup sound() {
    ServerCheckup checkup;
    checkup.facts.version = 150020;
    checkup.facts.max_prepared_transactions = 64;
    checkup.facts.role = "app";
    checkup.facts.timeline = "00000001";
    checkup.version_text = "15.20";
    checkup.may_signal_backends = true;
    checkup.may_read_all_stats = true;
    checkup.settings = {{"fsync", {"on"}},
                        {"full_page_writes", {"on"}},
                        {"synchronous_commit", {"on"}},
                        {"synchronous_standby_names", {""}},
                        {"default_transaction_read_only", {"off"}},
                        {"statement_timeout", {"0", 0}},
                        {"lock_timeout", {"0", 0}},
                        {"idle_in_transaction_session_timeout", {"0", 0}}};
    return checkup;
}

ServerFact fact(const ServerCheckup& checkup, std::string_view name,
                std::size_t pool_size_max = 64) {
    const auto facts = judged(checkup, pool_size_max).facts;
    const auto found = std::ranges::find(facts, name, &ServerFact::name);
    return found == facts.end() ? ServerFact{"none", ""} : *found;
}

/// The judgement of one setting's value.
ServerFact fact_of(std::string_view name, const Setting& value) {
    auto checkup = sound();
    checkup.settings.insert_or_assign(std::string{name}, value);
    return fact(checkup, name);
}

TEST(ServerCheckup, IsAllGoodAtASoundServerAndThenHasNothingToMend) {
    const auto description = judged(sound(), 64);
    EXPECT_EQ(description.product, "PostgreSQL 15.20");
    for (const auto& fact : description.facts) {
        EXPECT_EQ(fact.severity, Severity::good) << fact.name;
        EXPECT_EQ(fact.remedy, "") << fact.name;
    }
}

TEST(ServerCheckup, MindsNoSlotsWhereNothingIsPrepared) {
    auto checkup = sound();
    checkup.facts.max_prepared_transactions = 0;
    EXPECT_EQ(fact(checkup, "max_prepared_transactions", 1).severity, Severity::bad);
    EXPECT_EQ(fact(checkup, "max_prepared_transactions", 0).severity, Severity::good);
}

TEST(ServerCheckup, IsBadWhereAConnectionIsRefused) {
    auto old = sound();
    old.facts.version = 120022;
    auto standby = sound();
    standby.facts.is_in_recovery = true;
    auto without_slots = sound();
    without_slots.facts.max_prepared_transactions = 0;
    for (const auto& checkup : {old, standby, without_slots}) {
        ASSERT_TRUE(obstacle_to_two_phase(checkup.facts));
        const auto facts = judged(checkup, 64).facts;
        EXPECT_EQ(std::ranges::count(facts, Severity::bad, &ServerFact::severity), 1);
    }
    EXPECT_THAT(fact(old, "version").remedy, HasSubstr("upgrade"));
    EXPECT_THAT(fact(standby, "role in replication").remedy, HasSubstr("connect to the primary"));
}

TEST(ServerCheckup, Trap41WantsASlotForEveryConnectionBesideThoseThatOthersHold) {
    auto checkup = sound();
    const auto slots = [&checkup](int count, std::size_t pool_size_max) {
        checkup.facts.max_prepared_transactions = count;
        return fact(checkup, "max_prepared_transactions", pool_size_max);
    };
    EXPECT_EQ(slots(64, 64).severity, Severity::good);
    EXPECT_EQ(slots(63, 64).severity, Severity::notice);
    EXPECT_EQ(slots(0, 64).severity, Severity::bad);
    // Its own branches take no further slot; those of others do, wherever they are.
    checkup.prepared = {{"app", true, true, 10}};
    EXPECT_EQ(slots(64, 64).severity, Severity::good);
    EXPECT_EQ(slots(64, 64).value, "64, 10 in use");
    EXPECT_EQ(slots(10, 4).severity, Severity::bad) << "none is free";
    checkup.prepared.push_back({"app", false, true, 2});
    checkup.prepared.push_back({"other", true, false, 1});
    EXPECT_EQ(slots(66, 64).severity, Severity::notice);
    EXPECT_EQ(slots(67, 64).severity, Severity::good);
    EXPECT_EQ(slots(66, 64).remedy,
              "alter system set max_prepared_transactions = 67, and restart the server");
}

TEST(ServerCheckup, SaysWhoseBranchesItsRoleCanNotFinish) {
    auto checkup = sound();
    checkup.prepared = {{"Shop \"A\"", true, true, 2},
                        {"app", true, true, 1},
                        {"app", false, true, 4},
                        {"java", true, false, 1}};
    const auto prepared = fact(checkup, "prepared transactions");
    EXPECT_EQ(prepared.value, "2 of Shop \"A\", 1 of app, 1 of java; 4 in other databases");
    EXPECT_EQ(prepared.severity, Severity::notice);
    EXPECT_THAT(prepared.meaning, HasSubstr("app can't finish 2 of Shop \"A\":"))
        << "not those of other programs";
    EXPECT_THAT(prepared.remedy, HasSubstr("connect as \"Shop \"\"A\"\"\""));
    checkup.is_superuser = true;
    EXPECT_EQ(fact(checkup, "prepared transactions").severity, Severity::good);
}

TEST(ServerCheckup, IsBadWhereACrashLosesBranches) {
    for (const auto* name : {"fsync", "full_page_writes"}) {
        EXPECT_EQ(fact_of(name, {"on"}).severity, Severity::good);
        EXPECT_EQ(fact_of(name, {"off"}).severity, Severity::bad);
    }
    EXPECT_EQ(fact_of("fsync", {"off"}).remedy,
              "alter system set fsync = on; select pg_reload_conf()");
}

TEST(ServerCheckup, JudgesSynchronousCommitByOnePhaseCommitsAlone) {
    for (const auto* value : {"on", "local", "remote_write", "remote_apply"}) {
        EXPECT_EQ(fact_of("synchronous_commit", {value}).severity, Severity::good) << value;
    }
    const auto off = fact_of("synchronous_commit", {"off"});
    EXPECT_EQ(off.severity, Severity::notice);
    EXPECT_THAT(off.meaning, HasSubstr("flushed all the same"));
}

TEST(ServerCheckup, SaysWhatAFailoverCosts) {
    auto checkup = sound();
    const auto severity_with = [&checkup](int standbys, std::string names, std::string waits) {
        checkup.standbys = standbys;
        checkup.settings["synchronous_standby_names"] = {std::move(names)};
        checkup.settings["synchronous_commit"] = {std::move(waits)};
        return fact(checkup, "standbys").severity;
    };
    EXPECT_EQ(severity_with(0, "", "on"), Severity::good);
    EXPECT_EQ(severity_with(1, "", "on"), Severity::notice);
    for (const auto* waits : {"on", "remote_apply"}) {
        EXPECT_EQ(severity_with(1, "*", waits), Severity::good) << waits;
    }
    for (const auto* waits : {"off", "local", "remote_write"}) {
        EXPECT_EQ(severity_with(1, "*", waits), Severity::notice) << waits;
        EXPECT_THAT(fact(checkup, "standbys").remedy, HasSubstr("set synchronous_commit = on"));
    }
}

TEST(ServerCheckup, WarnsOfTimeoutsThatOnlySlowWorkMeets) {
    for (const auto* name : {"statement_timeout", "lock_timeout",
                             "idle_in_transaction_session_timeout", "transaction_timeout"}) {
        EXPECT_EQ(fact_of(name, {"0", 0}).value, "none");
        EXPECT_EQ(fact_of(name, {"9999ms", 9999}).severity, Severity::notice) << name;
        EXPECT_EQ(fact_of(name, {"10s", 10000}).severity, Severity::good) << name;
        EXPECT_NE(fact_of(name, {"10s", 10000}).meaning, "") << name;
    }
    EXPECT_EQ(fact(sound(), "transaction_timeout").name, "none") << "before PostgreSQL 17";
}

TEST(ServerCheckup, WarnsOfADatabaseThatIsReadOnlyByDefault) {
    EXPECT_EQ(fact_of("default_transaction_read_only", {"on"}).severity, Severity::notice);
}

TEST(ServerCheckup, NamesTheGrantsThatSpareAWait) {
    auto checkup = sound();
    checkup.may_signal_backends = false;
    checkup.may_read_all_stats = false;
    EXPECT_EQ(fact(checkup, "pg_signal_backend").severity, Severity::notice);
    EXPECT_EQ(fact(checkup, "pg_signal_backend").remedy, "grant pg_signal_backend to app");
    EXPECT_EQ(fact(checkup, "pg_read_all_stats").remedy, "grant pg_read_all_stats to app");
}

TEST(ServerCheckup, KnowsAPoolerThatWorksFromOneThatDoesNot) {
    auto checkup = sound();
    checkup.facts.is_pooled = true;
    EXPECT_EQ(fact(checkup, "pooler").severity, Severity::notice);
    checkup.pooler_refusal = "transaction blocks not allowed";
    EXPECT_EQ(fact(checkup, "pooler").severity, Severity::bad);
    EXPECT_THAT(fact(checkup, "pooler").meaning, HasSubstr("transaction blocks not allowed"));
}

TEST(ServerCheckup, IsMadeOfOneReplyAQuestion) {
    const std::vector<Reply> replies{
        {.is_ok = true, .rows = {{"150020", "64", "f", "app", "42/5", "00000001", "77", "17"}}},
        {.is_ok = true, .rows = {{"15.20", "f", "t", "f", "2"}}},
        {.is_ok = true, .rows = {{"fsync", "on", "on"}, {"lock_timeout", "5s", "5000"}}},
        {.is_ok = true, .rows = {{"app", "t", "f", "3"}}}};
    EXPECT_EQ(checkup_questions().size(), replies.size());
    const auto checkup = checkup_from(replies, 77);
    EXPECT_FALSE(checkup.facts.is_pooled);
    EXPECT_FALSE(checkup.is_superuser);
    EXPECT_TRUE(checkup.may_signal_backends);
    EXPECT_FALSE(checkup.may_read_all_stats);
    EXPECT_EQ(checkup.standbys, 2);
    EXPECT_EQ(checkup.settings.at("lock_timeout").number, 5000);
    ASSERT_EQ(checkup.prepared.size(), 1U);
    EXPECT_TRUE(checkup.prepared[0].is_in_this_database);
    EXPECT_FALSE(checkup.prepared[0].is_of_ours);
    EXPECT_EQ(checkup.prepared[0].count, 3);
    EXPECT_THAT(checkup.pooler_refusal, IsEmpty());
}

}  // namespace
}  // namespace xa_tm::postgres
