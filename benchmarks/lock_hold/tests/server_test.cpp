// The harness on real servers: that it keeps to its own tables, and that a whole run works.

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "child_process.h"
#include "sandbox.h"
#include "scratch_tables.h"
#include "temporary_directory.h"
#include "waiter.h"

namespace xa_tm::bench {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

/// Which of the pair that the tests run on.
enum class Server { postgres, mysql };

void PrintTo(Server server, std::ostream* stream) {
    *stream << (server == Server::postgres ? "postgres" : "mysql");
}

const std::string& name_of(Server server) {
    return server == Server::postgres ? test::sandbox::postgres_server()
                                      : test::sandbox::mysql_server();
}

/// A database of this test alone: the benchmark refuses one with tables that it did not make, and
/// other tests leave such in xa_tm_test.
class OwnDatabase {
public:
    explicit OwnDatabase(Server server) : uri_{test::sandbox::tcp_uri(name_of(server))} {
        maker_ = RawConnection::open(uri_);
        // What a killed process of this number has left; a lock of its branches is not waited for.
        if (server == Server::postgres) {
            drop_ = fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", name_);
            maker_->send("SET client_min_messages = warning");
        } else {
            drop_ = fmt::format("DROP DATABASE IF EXISTS {}", name_);
            maker_->send("SET lock_wait_timeout = 10");
        }
        maker_->send(drop_);
        maker_->send("CREATE DATABASE " + name_);
        uri_.replace(uri_.rfind('/') + 1, std::string::npos, name_);
    }
    ~OwnDatabase() {
        try {
            maker_->send(drop_);
        } catch (const std::exception& error) {
            fmt::print(stderr, "{}\n", error.what());
        }
    }
    OwnDatabase(const OwnDatabase&) = delete;
    OwnDatabase& operator=(const OwnDatabase&) = delete;

    [[nodiscard]] const std::string& uri() const { return uri_; }

private:
    std::string name_ = fmt::format("xa_tm_lock_hold_{}", ::getpid());
    std::string uri_;
    std::string drop_;
    std::unique_ptr<RawConnection> maker_;
};

/// As the benchmark takes it.
std::string argument(Server server, const OwnDatabase& database) {
    return name_of(server) + "=" + database.uri();
}

class LockHoldServerTest : public testing::TestWithParam<Server> {
protected:
    std::vector<std::string> tables() {
        const auto rows = session->query(
            fmt::format("SELECT table_name FROM information_schema.tables WHERE table_schema = {}",
                        GetParam() == Server::postgres ? "current_schema()" : "DATABASE()"));
        std::vector<std::string> names;
        std::ranges::transform(rows, std::back_inserter(names),
                               [](const auto& row) { return row.at(0); });
        return names;
    }

    OwnDatabase database{GetParam()};
    Resource resource = open_resource(argument(GetParam(), database));
    std::unique_ptr<RawConnection> session = resource.connect();
};

INSTANTIATE_TEST_SUITE_P(BothKinds, LockHoldServerTest,
                         testing::Values(Server::postgres, Server::mysql),
                         testing::PrintToStringParamName{});

TEST_P(LockHoldServerTest, RefusesATableThatItDidNotMake) {
    session->send("CREATE TABLE xa_bench_account_3 (precious INT)");
    EXPECT_THROW(DatabaseClaim{resource}, std::runtime_error);
    EXPECT_THROW((ScratchTables{{resource, resource, resource}, 1}), std::runtime_error);
    EXPECT_THAT(tables(), ElementsAre("xa_bench_account_3"));
}

TEST_P(LockHoldServerTest, RefusesADecisionTableThatItDidNotMake) {
    session->send("CREATE TABLE xa_tm_decision (precious INT)");
    EXPECT_THROW(DatabaseClaim{resource}, std::runtime_error);
    EXPECT_THROW((ScratchTables{{resource}, 1}), std::runtime_error);
    EXPECT_THAT(tables(), ElementsAre("xa_tm_decision"));
}

TEST_P(LockHoldServerTest, MakesADecisionTableForTheLastBranch) {
    const ScratchTables scratch{{resource, resource}, 1};
    EXPECT_THAT(tables(),
                UnorderedElementsAre("xa_bench_account_1", "xa_bench_account_2", "xa_tm_decision"));
}

TEST_P(LockHoldServerTest, RemovesWhatItHasMadeAndReplacesWhatAKilledRunHasLeft) {
    {
        const ScratchTables left{{resource}, 1};
        ScratchTables tables{{resource, resource}, 1};
        EXPECT_THAT(tables.sums(), ElementsAre(0, 0));
    }
    EXPECT_THAT(tables(), testing::IsEmpty());
}

TEST_P(LockHoldServerTest, LetsOneRunAtATimeIntoADatabase) {
    const DatabaseClaim claim{resource};
    EXPECT_THROW(DatabaseClaim{resource}, std::runtime_error);
}

TEST_P(LockHoldServerTest, SeesFromOutsideHowLongARowIsHeld) {
    const ScratchTables tables{{resource}, 1};
    const std::string clock = resource.kind == Kind::postgres ? "clock_timestamp()" : "SYSDATE(6)";
    Waiter waiter{resource, table_of(1)};
    constexpr int kTransactions = 5;
    constexpr std::chrono::milliseconds kHold{50};
    for (int i = 0; i < kTransactions; ++i) {
        session->send("BEGIN");
        session->send("UPDATE xa_bench_account_1 SET granted_at = " + clock + " WHERE id = 1");
        std::this_thread::sleep_for(kHold);
        session->send("COMMIT");
    }
    const auto holds_us = waiter.stop();
    ASSERT_FALSE(holds_us.empty());
    EXPECT_GE(*std::ranges::min_element(holds_us), 50'000);
}

class LockHoldRunTest : public testing::Test {
protected:
    test::Completed run(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), XA_TM_LOCK_HOLD_BENCHMARK);
        arguments.insert(arguments.end(), {"--resource", argument(Server::postgres, postgres),
                                           "--resource", argument(Server::mysql, mysql)});
        return test::run_program(arguments);
    }
    OwnDatabase postgres{Server::postgres};
    OwnDatabase mysql{Server::mysql};
    test::TemporaryDirectory directory;
    std::string file = directory.path() / "result.json";
};

void expect_what_the_others_save(const json& counted) {
    const auto &ours = counted.at(1), &early = counted.at(2), &last_resource = counted.at(3);
    EXPECT_EQ(early.at("name"), "ours_early");
    EXPECT_NEAR(early.at("waits").get<double>(), 3, 0.5) << "all but the commits";
    EXPECT_EQ(last_resource.at("name"), "ours_last_resource");
    EXPECT_NEAR(ours.at("log_forces").get<double>(), 1, 0.1);
    EXPECT_EQ(last_resource.at("log_forces"), 0);
}

void expect_short_holds(const json& counted) {
    const auto &one_shot = counted.at(4), &keys = counted.at(5), &combined = counted.at(6);
    EXPECT_EQ(one_shot.at("name"), "ours_one_shot");
    EXPECT_EQ(one_shot.at("trips_in_hold"), 2);
    EXPECT_EQ(keys.at("name"), "ours_keys");
    EXPECT_EQ(keys.at("trips_in_hold"), 1);
    EXPECT_EQ(combined.at("name"), "ours_combined");
    EXPECT_LE(combined.at("trips_in_hold").get<double>(), 2);
    EXPECT_GT(combined.at("transactions_a_commit").get<double>(), 1.5);
}

void expect_many_open(const json& place) {
    EXPECT_EQ(place.at("open"), 20);
    const auto& contenders = place.at("contenders");
    ASSERT_EQ(contenders.size(), 3U) << place;
    EXPECT_EQ(contenders.at(0).at("name"), "ours_async");
    EXPECT_EQ(contenders.at(0).at("threads"), 2);
    for (const auto& round : contenders.at(0).at("rounds")) {
        EXPECT_EQ(round.at("committed").get<unsigned>() % 20, 0U) << "whole waves";
        EXPECT_EQ(round.at("failed"), 0);
    }
}

TEST_F(LockHoldRunTest, MeasuresItsContendersAndNamesThoseThatItCanNot) {
    const auto whole =
        run({"--quick", "--rounds", "2", "--seconds", "0.1", "--contenders",
             "local,ours,ours_early,ours_last_resource,ours_one_shot,ours_keys,"
             "ours_combined,narayana_best",
             "--open", "20", "--json", file, "--html", directory.path() / "result.html"});
    ASSERT_EQ(whole.exit_code, 0) << whole;
    EXPECT_THAT(whole.out, HasSubstr("narayana_best is not measured"));
    const auto result = json::parse(std::ifstream{file});
    ASSERT_EQ(result.at("cells").size(), 2U) << whole;
    const auto& contenders = result.at("cells").at(0).at("contenders");
    ASSERT_EQ(contenders.size(), 7U) << whole;
    EXPECT_EQ(contenders.at(1).at("name"), "ours");
    EXPECT_EQ(contenders.at(1).at("rounds").size(), 2U);
    EXPECT_GT(contenders.at(1).at("throughput").at("median"), 0);
    const auto& whole_us = contenders.at(1).at("transaction_us");
    EXPECT_GE(whole_us.at("max"), whole_us.at("p99"));
    EXPECT_GE(whole_us.at("p99"), whole_us.at("p50"));
    const auto& counted = result.at("counted").at(0).at("contenders").at(1);
    // Two statements, prepare, commit; a busy machine may tear apart what is sent at once.
    EXPECT_NEAR(counted.at("waits").get<double>(), 4, 0.5);
    EXPECT_EQ(counted.at("trips_in_hold"), 3);
    const auto& hold = result.at("hold").at(0).at("contenders").at(1);
    EXPECT_EQ(hold.at("branches").size(), 2U);
    EXPECT_GT(hold.at("branches").at(0).at("hold_us").at("p50"), 3000) << "three trips of 1 ms";
    expect_what_the_others_save(result.at("counted").at(0).at("contenders"));
    expect_short_holds(result.at("counted").at(0).at("contenders"));
    expect_many_open(result.at("many_open").at(0));

    const auto resumed =
        run({"--quick", "--open", "20", "--contenders", "local,ours", "--resume", file});
    EXPECT_EQ(resumed.exit_code, 0) << resumed;
    EXPECT_THAT(resumed.out, testing::Not(HasSubstr("[1/")));
}

TEST_F(LockHoldRunTest, SaysInOneLineWhatIsWrong) {
    const auto completed = run({"--contenders", "nobody"});
    EXPECT_EQ(completed.exit_code, 1);
    EXPECT_THAT(completed.err, HasSubstr("there is no contender nobody"));
}

}  // namespace
}  // namespace xa_tm::bench
