// How often a global transaction waits for the network, counted by a proxy that lets no answer
// through before every branch waits for one.

#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <soci/soci.h>

#include "sandbox.h"
#include "shop.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;

TEST(WireProxy, KnowsWhenABatchOfRequestsIsWhole) {
    const auto mysql_packet = [](const std::string& statement) {
        return std::string{static_cast<char>(statement.size() + 1)} + std::string("\0\0\0\x03", 4) +
               statement;
    };
    EXPECT_FALSE(is_whole_request(Wire::mysql, ""));
    EXPECT_TRUE(is_whole_request(Wire::mysql, mysql_packet("xa commit x''")));
    EXPECT_FALSE(is_whole_request(Wire::mysql, mysql_packet("xa end x''")));
    EXPECT_TRUE(
        is_whole_request(Wire::mysql, mysql_packet("xa end x''") + mysql_packet("xa prepare x''")));
    EXPECT_FALSE(is_whole_request(Wire::mysql, mysql_packet("xa commit x''").substr(0, 9)));
    EXPECT_TRUE(is_whole_request(Wire::postgresql, std::string("Q\0\0\0\x0a"
                                                               "BEGIN\0",
                                                               11)));
    EXPECT_FALSE(is_whole_request(Wire::postgresql, std::string("Q\0\0\0\x0a"
                                                                "BEG",
                                                                8)));
}

/// Every answer is held until all branches wait for one.
class RoundTrips : public testing::TestWithParam<std::size_t> {
protected:
    RoundTrips() {
        for (std::size_t i = 0; i < GetParam(); i += 2) {
            for (const auto& server : {sandbox::postgres_server(), sandbox::mysql_server()}) {
                Database database{sandbox::uri(server)};
                database.execute(fmt::format("drop table if exists trips_{}", i));
                database.execute(fmt::format("create table trips_{} (id int)", i));
            }
            users_all_.push_back(&manager_.add<postgres::Datasource>(
                fmt::format("users{}", i), with_port(users_uri_, proxy_.port(i))));
            points_all_.push_back(&manager_.add<mysql::Datasource>(
                fmt::format("points{}", i), with_port(points_uri_, proxy_.port(i + 1))));
        }
        manager_.start();
    }

    [[nodiscard]] static std::vector<WireProxy::Upstream> upstreams() {
        std::vector<WireProxy::Upstream> upstreams;
        for (std::size_t i = 0; i < GetParam(); i += 2) {
            upstreams.push_back(
                {Wire::postgresql, port_of(sandbox::tcp_uri(sandbox::postgres_server()))});
            upstreams.push_back({Wire::mysql, port_of(sandbox::tcp_uri(sandbox::mysql_server()))});
        }
        return upstreams;
    }
    [[nodiscard]] static std::string insert(std::size_t i) {
        return fmt::format("insert into trips_{} values (1)", 2 * i);
    }
    /// Opens every branch, because all are enlisted when the first one is used.
    void open_all(Transaction& transaction) {
        for (std::size_t i = 0; i < users_all_.size(); ++i) {
            std::ignore = transaction.enlist(*users_all_[i], *points_all_[i]);
        }
        std::ignore = transaction.enlist(*users_all_[0]).sql();
    }
    void write_all(Transaction& transaction) {
        for (std::size_t i = 0; i < users_all_.size(); ++i) {
            transaction.enlist(*users_all_[i]).sql() << insert(i);
            transaction.enlist(*points_all_[i]).sql() << insert(i);
        }
    }
    [[nodiscard]] RunReport run_all() {
        std::vector<Statement> statements;
        for (std::size_t i = 0; i < users_all_.size(); ++i) {
            statements.push_back(users_all_[i]->statement(insert(i)));
            statements.push_back(points_all_[i]->statement(insert(i)));
        }
        return manager_.run(std::move(statements), {.conflict_keys = {"trips"}});
    }

    std::string users_uri_ = sandbox::tcp_uri(sandbox::postgres_server());
    std::string points_uri_ = sandbox::tcp_uri(sandbox::mysql_server());
    WireProxy proxy_{upstreams()};
    TemporaryDirectory log_;
    TransactionManager manager_{{.node = "trips",
                                 .log_directory = log_.path(),
                                 .answer_timeout = 20s,
                                 .recovery_interval = 1h,
                                 .log_segment_size_bytes = 1 << 16}};
    std::vector<postgres::Datasource*> users_all_;
    std::vector<mysql::Datasource*> points_all_;
};

TEST_P(RoundTrips, OfACommitAreThreeWhateverTheNumberOfBranches) {
    {
        auto warm_up = manager_.begin();
        open_all(warm_up);
        write_all(warm_up);
        ASSERT_EQ(warm_up.commit().outcome(), Outcome::committed);
    }
    auto transaction = manager_.begin();
    proxy_.hold_until_waiting(GetParam());
    open_all(transaction);
    EXPECT_EQ(proxy_.stop_holding(), 1U) << "one wait opens every branch";
    write_all(transaction);
    proxy_.hold_until_waiting(GetParam());
    const auto report = transaction.commit();
    EXPECT_EQ(proxy_.stop_holding(), 2U) << "one wait prepares and one commits every branch";
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_TRUE(report.is_settled());
}

TEST_P(RoundTrips, OfAOneShotTransactionWithConflictKeysAreTwo) {
    ASSERT_EQ(run_all().outcome(), Outcome::committed);
    proxy_.hold_until_waiting(GetParam());
    const auto report = run_all();
    EXPECT_EQ(proxy_.stop_holding(), 2U) << "one wait for all up to the votes, one for the commit";
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
    EXPECT_TRUE(report.commit().is_settled());
}

INSTANTIATE_TEST_SUITE_P(Over, RoundTrips, testing::Values(2, 4), [](const auto& parameter) {
    return fmt::format("{}Branches", parameter.param);
});

/// Counts the trips of single branches over a network that is slow enough for all that is sent in
/// one go to be seen as one trip.
class TripsOfABranch : public testing::Test {
protected:
    TripsOfABranch() {
        for (auto* database : {&users_database_, &points_database_}) {
            database->execute("drop table if exists trips_counted");
            database->execute("create table trips_counted (id int primary key)");
            database->execute("drop table if exists xa_tm_decision");
        }
        points_database_.execute("drop table if exists xa_tm_witness, xa_tm_witness_removed");
        proxy_.set_round_trip(4ms);
    }

    void start(DatasourceOptions users_options = {}, DatasourceOptions points_options = {}) {
        users_ = &manager_.add<postgres::Datasource>("users", with_port(users_uri_, proxy_.port(0)),
                                                     users_options);
        points_ = &manager_.add<mysql::Datasource>("points", with_port(points_uri_, proxy_.port(1)),
                                                   points_options);
        // Before the start, or recovery would try again meanwhile, and its trips be counted too.
        if (users_options.is_last_resource) {
            users_->set_up_decision_table();
        }
        if (points_options.is_last_resource || points_options.has_witness) {
            points_->set_up_decision_table();
        }
        manager_.start();
    }

    static std::string insert(int id) {
        return fmt::format("insert into trips_counted values ({})", id);
    }
    /// Trips to both servers since the last call.
    std::pair<std::size_t, std::size_t> take_trips() {
        const auto before = std::exchange(trips_, {proxy_.trips(0), proxy_.trips(1)});
        return {trips_.first - before.first, trips_.second - before.second};
    }
    std::int64_t count_rows() {
        const std::string query = "select count(*) from trips_counted";
        return users_database_.number(query) + points_database_.number(query);
    }

    Database users_database_{sandbox::uri(sandbox::postgres_server())};
    Database points_database_{sandbox::uri(sandbox::mysql_server())};
    std::string users_uri_ = sandbox::tcp_uri(sandbox::postgres_server());
    std::string points_uri_ = sandbox::tcp_uri(sandbox::mysql_server());
    WireProxy proxy_{
        {{Wire::postgresql, port_of(users_uri_)}, {Wire::mysql, port_of(points_uri_)}}};
    TemporaryDirectory log_;
    TransactionManager manager_{{.node = "trips",
                                 .log_directory = log_.path(),
                                 .recovery_interval = 1h,
                                 .log_segment_size_bytes = 1 << 16}};
    postgres::Datasource* users_ = nullptr;
    mysql::Datasource* points_ = nullptr;
    std::pair<std::size_t, std::size_t> trips_;
};

TEST_F(TripsOfABranch, AreThreeWithOneStatementThatOpensIt) {
    start();
    for (int id = 1; id <= 2; ++id) {
        auto transaction = manager_.begin();
        auto [users, points] = transaction.enlist(*users_, *points_);
        users.execute(insert(id));
        points.execute(insert(id));
        EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
        const auto trips = take_trips();
        EXPECT_TRUE(id == 1 || trips == std::pair(std::size_t{3}, std::size_t{3}))
            << trips.first << ' ' << trips.second;
    }
    EXPECT_EQ(count_rows(), 4);
}

TEST_F(TripsOfABranch, AreTwoWhenItsLastStatementPreparesIt) {
    start();
    for (int id = 1; id <= 2; ++id) {
        auto transaction = manager_.begin();
        auto [users, points] = transaction.enlist(*users_, *points_);
        users.execute_last(insert(id));
        points.execute_last(insert(id));
        EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
        const auto trips = take_trips();
        EXPECT_TRUE(id == 1 || trips == std::pair(std::size_t{2}, std::size_t{2}))
            << trips.first << ' ' << trips.second;
    }
    EXPECT_EQ(count_rows(), 4);
}

TEST_F(TripsOfABranch, AreTwoForAOneShotTransactionAndOneMoreForWhoGoesFirst) {
    start();
    for (int id = 1; id <= 6; id += 2) {
        const auto report =
            manager_.run({users_->statement(insert(id)), users_->statement(insert(id + 1)),
                          points_->statement(insert(id)), points_->statement(insert(id + 1))},
                         {.conflict_keys = id == 5 ? std::vector<std::string>{"hot"}
                                                   : std::vector<std::string>{}});
        EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report.commit());
        const auto trips = take_trips();
        const std::size_t of_first = id == 5 ? 2 : 3;
        EXPECT_TRUE(id == 1 || trips == std::pair(of_first, std::size_t{2}))
            << trips.first << ' ' << trips.second;
    }
    EXPECT_EQ(count_rows(), 12);
}

TEST_F(TripsOfABranch, IsOneWhenTheNextTransactionWaitsForItsConnection) {
    constexpr int kTransactions = 60;
    // Two at work at users, one of them also at points, and one that waits for each.
    start({.pool_size_max = 2}, {.pool_size_max = 1});
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([this, thread] {
            for (int id = thread; id < kTransactions; id += 4) {
                auto transaction = manager_.begin();
                auto [users, points] = transaction.enlist(*users_, *points_);
                users.execute_last(insert(id));
                points.execute_last(insert(id));
                EXPECT_EQ(transaction.commit().outcome(), Outcome::committed);
            }
        });
    }
    threads.clear();
    EXPECT_EQ(count_rows(), 2 * kTransactions);
    // The first ones find nobody to take their requests along, and the last ones nobody's to take.
    EXPECT_LE(proxy_.trips(0), kTransactions * 3U / 2);
    EXPECT_LE(proxy_.trips(1), kTransactions * 3U / 2);
}

/// The answer to one verb.
Answer answer_to(Connection& connection, Request request) {
    connection.send({std::move(request)});
    while (true) {
        if (auto answer = connection.receive()) {
            return *std::move(answer);
        }
        const auto wanted = connection.readiness();
        pollfd waiting{wanted.descriptor,
                       static_cast<short>((wanted.for_reading ? POLLIN : 0) |
                                          (wanted.for_writing ? POLLOUT : 0)),
                       0};
        ::poll(&waiting, 1, 1000);
    }
}

TEST_F(TripsOfABranch, IsOneForTheCommitOfALastResourceWithItsDecision) {
    start({.is_last_resource = true}, {.is_last_resource = true});
    for (Datasource* datasource :
         {static_cast<Datasource*>(users_), static_cast<Datasource*>(points_)}) {
        const auto connection = datasource->connect({});
        const Xid xid{kFormatId, "trips:1", datasource->name()};
        connection->send({{.verb = Verb::start, .xid = xid},
                          {.verb = Verb::execute, .xid = xid, .statement = insert(1)}});
        for (int answers = 0; answers < 2;) {
            answers += connection->receive() ? 1 : 0;
        }
        std::ignore = take_trips();
        const auto answer = answer_to(*connection, {.verb = Verb::commit_with_decision,
                                                    .xid = xid,
                                                    .log = "trips",
                                                    .decision = "committed"});
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        const auto trips = take_trips();
        EXPECT_EQ(trips.first + trips.second, 1U) << datasource->name();
        EXPECT_EQ(
            answer_to(*connection, {.verb = Verb::forget_decisions, .gtrids = {"trips:1"}}).code,
            XaCode::ok);
    }
    EXPECT_EQ(count_rows(), 2);
}

TEST_F(TripsOfABranch, IsOneForThePrepareThatAlsoLeavesAWitnessRow) {
    start({}, {.has_witness = true});
    const auto connection = points_->connect({});
    const Xid xid{kFormatId, "trips:1", "points:1"};
    EXPECT_EQ(answer_to(*connection, {.verb = Verb::start, .xid = xid}).code, XaCode::ok);
    std::ignore = take_trips();
    const auto vote = answer_to(*connection, {.verb = Verb::prepare, .xid = xid, .log = "trips"});
    EXPECT_EQ(vote.code, XaCode::ok) << vote.message;
    const auto trips = take_trips();
    EXPECT_EQ(trips.first + trips.second, 1U);
    EXPECT_EQ(answer_to(*connection, {.verb = Verb::commit, .xid = xid}).code, XaCode::ok);
    EXPECT_EQ(
        answer_to(*connection, {.verb = Verb::forget_witnesses, .witnesses = {vote.evidence}}).code,
        XaCode::ok);
}

TEST_F(TripsOfABranch, Trap32AreFollowedByNothingWhenTheLastStatementFails) {
    start();
    for (int which = 0; which < 2; ++which) {
        auto transaction = manager_.begin();
        auto [users, points] = transaction.enlist(*users_, *points_);
        users.execute(insert(1));
        points.execute(insert(1));
        try {
            const std::string duplicate = insert(1);
            which == 0 ? users.execute_last(duplicate) : points.execute_last(duplicate);
            ADD_FAILURE() << "the row is there already";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::statement_failed) << error.what();
            EXPECT_EQ(error.sqlstate(), which == 0 ? "23505" : "23000");
        }
        EXPECT_EQ(users_database_.prepared().size() + points_database_.prepared().size(), 0U);
        transaction.rollback();
    }
    EXPECT_EQ(count_rows(), 0);
}

}  // namespace
}  // namespace xa_tm::test
