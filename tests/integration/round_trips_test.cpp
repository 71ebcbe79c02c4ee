// How often a global transaction waits for the network, counted by a proxy that lets no answer
// through before every branch waits for one.

#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>
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

class RoundTrips : public testing::TestWithParam<std::size_t> {};

/// Warms the pools, then commits over `n` branches with every answer held until all branches wait.
TEST_P(RoundTrips, OfACommitAreThreeWhateverTheNumberOfBranches) {
    const auto n = GetParam();
    const auto users = sandbox::tcp_uri(sandbox::postgres_server());
    const auto points = sandbox::tcp_uri(sandbox::mysql_server());
    std::vector<WireProxy::Upstream> upstreams;
    for (std::size_t i = 0; i < n / 2; ++i) {
        upstreams.push_back({Wire::postgresql, port_of(users)});
        upstreams.push_back({Wire::mysql, port_of(points)});
    }
    WireProxy proxy{upstreams};
    const TemporaryDirectory log;
    TransactionManager manager{{.node = "trips",
                                .log_directory = log.path(),
                                .answer_timeout = 20s,
                                .recovery_interval = 1h,
                                .log_segment_size_bytes = 1 << 16}};
    std::vector<postgres::Datasource*> users_all;
    std::vector<mysql::Datasource*> points_all;
    for (std::size_t i = 0; i < n; i += 2) {
        Database{sandbox::uri(sandbox::postgres_server())}.execute(
            fmt::format("drop table if exists trips_{}", i));
        Database{sandbox::uri(sandbox::postgres_server())}.execute(
            fmt::format("create table trips_{} (id int)", i));
        Database{sandbox::uri(sandbox::mysql_server())}.execute(
            fmt::format("drop table if exists trips_{}", i));
        Database{sandbox::uri(sandbox::mysql_server())}.execute(
            fmt::format("create table trips_{} (id int)", i));
        users_all.push_back(&manager.add<postgres::Datasource>(fmt::format("users{}", i),
                                                               with_port(users, proxy.port(i))));
        points_all.push_back(&manager.add<mysql::Datasource>(fmt::format("points{}", i),
                                                             with_port(points, proxy.port(i + 1))));
    }
    manager.start();

    const auto enlist_all = [&](Transaction& transaction) {
        if (n == 2) {
            std::ignore = transaction.enlist(*users_all[0], *points_all[0]);
        } else {
            std::ignore =
                transaction.enlist(*users_all[0], *points_all[0], *users_all[1], *points_all[1]);
        }
    };
    const auto write_all = [&](Transaction& transaction) {
        for (std::size_t i = 0; i < n / 2; ++i) {
            transaction.enlist(*users_all[i]).sql()
                << fmt::format("insert into trips_{} values (1)", 2 * i);
            transaction.enlist(*points_all[i]).sql()
                << fmt::format("insert into trips_{} values (1)", 2 * i);
        }
    };
    {
        auto warm_up = manager.begin();
        enlist_all(warm_up);
        write_all(warm_up);
        ASSERT_EQ(warm_up.commit().outcome(), Outcome::committed);
    }

    auto transaction = manager.begin();
    proxy.hold_until_waiting(n);
    enlist_all(transaction);
    EXPECT_EQ(proxy.stop_holding(), 1U) << "one wait opens every branch";
    write_all(transaction);
    proxy.hold_until_waiting(n);
    const auto report = transaction.commit();
    EXPECT_EQ(proxy.stop_holding(), 2U) << "one wait prepares and one commits every branch";
    EXPECT_EQ(report.outcome(), Outcome::committed) << to_string(report);
    EXPECT_TRUE(report.is_settled());
}

INSTANTIATE_TEST_SUITE_P(Over, RoundTrips, testing::Values(2, 4), [](const auto& parameter) {
    return fmt::format("{}Branches", parameter.param);
});

}  // namespace
}  // namespace xa_tm::test
