#include "connection_pool.h"

#include <atomic>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "fake_resource_manager.h"
#include "gather.h"
#include "manager_fixture.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;

const Xid kXid{kFormatId, "gtrid", "users:1"};

class ConnectionPool : public testing::Test {
protected:
    FakeResourceManager server_{"users"};
    FakeLink link_{"users", server_, {.pool_size_max = 2, .pool_timeout = milliseconds{50}}};

    [[nodiscard]] xa_tm::ConnectionPool::Lease acquire() {
        return link_.pool().acquire({}, "gtrid");
    }
};

TEST_F(ConnectionPool, GivesAConnectionAgainThatCameBack) {
    Connection* first = nullptr;
    {
        const auto lease = acquire();
        first = lease.connection();
        EXPECT_TRUE(lease.is_fresh());
    }
    const auto lease = acquire();
    EXPECT_EQ(lease.connection(), first);
    EXPECT_FALSE(lease.is_fresh());
    EXPECT_EQ(server_.connects(), 1U);
}

TEST_F(ConnectionPool, SaysThatItIsExhaustedWhenNoConnectionComesBackInTime) {
    const auto first = acquire();
    const auto second = acquire();
    const auto error = error_of([&] { static_cast<void>(acquire()); });
    EXPECT_THAT(error, HasCode(ErrorCode::pool_exhausted));
    EXPECT_TRUE(error.is_retryable());
    EXPECT_EQ(error.resource(), "users");
    EXPECT_THAT(error.what(), testing::HasSubstr("all 2 connections are in use"));
    EXPECT_EQ(server_.connects(), 2U);
}

TEST_F(ConnectionPool, WaitsForAConnectionToComeBack) {
    FakeLink patient{"users", server_, {.pool_size_max = 1, .pool_timeout = std::chrono::hours{1}}};
    std::optional lease{patient.pool().acquire({}, "gtrid")};
    std::atomic<bool> has_one = false;
    std::thread waiting{[&] {
        const auto second = patient.pool().acquire({}, "gtrid");
        has_one = second.connection() != nullptr;
    }};
    EXPECT_FALSE(has_one);
    lease.reset();
    waiting.join();
    EXPECT_TRUE(has_one);
    EXPECT_EQ(server_.connects(), 1U);
}

TEST_F(ConnectionPool, ServesWhoWaitsOnWithWhatCameFreeWhileItWasChosen) {
    FakeLink patient{"users", server_, {.pool_size_max = 2, .pool_timeout = std::chrono::hours{1}}};
    auto& pool = patient.pool();
    const auto first = pool.acquire({}, "gtrid");
    std::optional second{pool.acquire({}, "gtrid")};
    std::optional<xa_tm::ConnectionPool::Lease> third;
    std::thread waiting{
        [&] { third.emplace(pool.acquire({}, "gtrid", {{.verb = Verb::start, .xid = kXid}})); }};
    std::optional<xa_tm::ConnectionPool::Successor> successor;
    EXPECT_TRUE(eventually([&] {
        if (auto next = pool.next_successor()) {
            successor.emplace(*std::move(next));
        }
        return successor.has_value();
    }));
    const auto* came_free = second->connection();
    second.reset();
    successor->wait_on();
    waiting.join();
    EXPECT_EQ(third->connection(), came_free);
    EXPECT_FALSE(third->take_sent_batch());
    EXPECT_EQ(server_.connects(), 2U);
}

TEST_F(ConnectionPool, GivesItsPlaceBackWhenConnectingFails) {
    server_.set_reachable(false);
    for (int i = 0; i < 3; ++i) {
        EXPECT_THAT(error_of([&] { static_cast<void>(acquire()); }),
                    HasCode(ErrorCode::resource_unreachable));
    }
    server_.set_reachable(true);
    EXPECT_NE(acquire().connection(), nullptr);
}

TEST_F(ConnectionPool, Trap53DropsAConnectionThatIsNotReusable) {
    {
        const auto lease = acquire();
        EXPECT_EQ(
            exchange(*lease.connection(), {.verb = Verb::start, .xid = kXid}, milliseconds{1000})
                .code,
            XaCode::ok);
    }
    EXPECT_TRUE(acquire().is_fresh());
    EXPECT_EQ(server_.connects(), 2U);
}

TEST_F(ConnectionPool, DropsAConnectionThatWasClosedWhateverItSaysItself) {
    auto& pool = server_.pool();  // of connections that don't know that they were closed
    {
        auto lease = pool.acquire({}, "gtrid");
        lease.close();
        EXPECT_EQ(lease.connection(), nullptr);
        const auto moved = std::move(lease);
        EXPECT_EQ(moved.connection(), nullptr);
    }
    EXPECT_TRUE(pool.acquire({}, "gtrid").is_fresh());
    pool.clear();
}

TEST_F(ConnectionPool, ClosesWhatIsIdleWhenCleared) {
    static_cast<void>(acquire());
    link_.pool().clear();
    EXPECT_TRUE(acquire().is_fresh());
}

TEST_F(ConnectionPool, NeverOpensMoreConnectionsThanAllowed) {
    FakeLink narrow{"users", server_, {.pool_size_max = 3, .pool_timeout = std::chrono::hours{1}}};
    std::atomic<int> in_use = 0;
    std::atomic<int> most = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 100; ++turn) {
                const auto lease = narrow.pool().acquire({}, "gtrid");
                const int now = ++in_use;
                int seen = most;
                while (now > seen && !most.compare_exchange_weak(seen, now)) {
                }
                --in_use;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_LE(most, 3);
    EXPECT_LE(server_.connects(), 3U);
}

TEST_F(ConnectionPool, OpensConnectionsUpToItsMinimumThoseInUseIncluded) {
    FakeLink kept{"users", server_, {.pool_size_max = 4, .pool_size_min = 3}};
    const auto lease = kept.pool().acquire({}, "gtrid");
    EXPECT_TRUE(kept.pool().open_one_more({}));
    EXPECT_TRUE(kept.pool().open_one_more({}));
    EXPECT_FALSE(kept.pool().open_one_more({}));
    EXPECT_EQ(kept.pool_status().in_use, 1U);
    EXPECT_EQ(kept.pool_status().idle, 2U);
    EXPECT_FALSE(link_.pool().open_one_more({})) << "the minimum is 0 unless it is set";
}

TEST_F(ConnectionPool, KeepsItsPlaceWhenItsMinimumCanNotBeReached) {
    FakeLink kept{"users", server_, {.pool_size_max = 1, .pool_size_min = 1}};
    server_.set_reachable(false);
    EXPECT_THAT(error_of([&] { kept.pool().open_one_more({}); }),
                HasCode(ErrorCode::resource_unreachable));
    EXPECT_EQ(kept.pool_status().failed_to_open, 1U);
    EXPECT_EQ(kept.pool_status().in_use, 0U);
    server_.set_reachable(true);
    EXPECT_TRUE(kept.pool().open_one_more({}));
}

TEST_F(ConnectionPool, ClosesAConnectionThatComesBackTooOld) {
    FakeLink aging{"users", server_, {.connection_lifetime_max = milliseconds{1}}};
    const auto began = std::chrono::steady_clock::now();
    {
        const auto lease = aging.pool().acquire({}, "gtrid");
        EXPECT_TRUE(
            eventually([&] { return std::chrono::steady_clock::now() - began > milliseconds{5}; }));
    }
    EXPECT_EQ(aging.pool_status().closed, 1U);
    EXPECT_EQ(aging.pool_status().idle, 0U);
}

TEST_F(ConnectionPool, ClosesWhatWasIdleForTooLongButForItsMinimum) {
    FakeLink kept{"users", server_, {.pool_size_min = 1, .idle_timeout = milliseconds{1}}};
    {
        const auto first = kept.pool().acquire({}, "gtrid");
        const auto second = kept.pool().acquire({}, "gtrid");
        const auto third = kept.pool().acquire({}, "gtrid");
    }
    EXPECT_TRUE(eventually([&] {
        kept.pool().close_outdated();
        return kept.pool_status().closed == 2;
    }));
    kept.pool().close_outdated();
    EXPECT_EQ(kept.pool_status().idle, 1U);
}

TEST_F(ConnectionPool, KeepsWhatHasNoAgeForEver) {
    FakeLink kept{"users",
                  server_,
                  {.connection_lifetime_max = milliseconds{0}, .idle_timeout = milliseconds{0}}};
    static_cast<void>(kept.pool().acquire({}, "gtrid"));
    kept.pool().close_outdated();
    EXPECT_EQ(kept.pool_status().idle, 1U);
}

TEST_F(ConnectionPool, GivesOutNoIdleConnectionThatItsServerHasClosed) {
    {
        const auto first = acquire();
        const auto second = acquire();
    }
    link_.hang_up();
    EXPECT_TRUE(acquire().is_fresh());
    EXPECT_EQ(link_.pool_status().found_dead, 2U);
    EXPECT_EQ(server_.connects(), 3U);
    link_.pool().close_outdated();
    EXPECT_EQ(link_.pool_status().found_dead, 3U);
    EXPECT_EQ(link_.pool_status().idle, 0U);
}

TEST_F(ConnectionPool, NamesThoseWhoHoldConnectionsForLongestAndCountsTheRest) {
    FakeLink busy{"users", server_, {.pool_size_max = 7, .pool_timeout = milliseconds{1}}};
    std::vector<xa_tm::ConnectionPool::Lease> leases;
    for (int i = 1; i <= 7; ++i) {
        leases.push_back(busy.pool().acquire({}, "tx" + std::to_string(i)));
    }
    leases[0].show(Activity::statement);
    leases[1].show(Activity::between);
    leases[2].show(Activity::application);
    leases[3].show(Activity::committing);
    leases[4].show(Activity::rolling_back);
    const auto error = error_of([&] { static_cast<void>(busy.pool().acquire({}, "tx8")); });
    EXPECT_THAT(error.what(),
                testing::MatchesRegex(
                    ".*held by tx1 for [0-9]+ ms \\(a statement is running\\), tx2 for [0-9]+ ms "
                    "\\(between statements\\), tx3 for [0-9]+ ms \\(in the application's "
                    "hands\\), tx4 for [0-9]+ ms \\(committing\\), tx5 for [0-9]+ ms "
                    "\\(rolling back\\) and 2 more"));
    leases.erase(leases.begin());
    const auto ninth = busy.pool().acquire({}, "tx9");
    const auto later = error_of([&] { static_cast<void>(busy.pool().acquire({}, "tx10")); });
    EXPECT_THAT(later.what(), testing::HasSubstr("held by tx2 "));
}

TEST_F(ConnectionPool, CountsWhatItDoes) {
    {
        const auto first = acquire();
        const auto second = acquire();
        EXPECT_THAT(error_of([&] { static_cast<void>(acquire()); }),
                    HasCode(ErrorCode::pool_exhausted));
        const auto busy = link_.pool_status();
        EXPECT_EQ(busy.in_use, 2U);
        EXPECT_EQ(busy.size_max, 2U);
        EXPECT_GE(busy.waited_longest, milliseconds{50});
        EXPECT_EQ(busy.waited_total, busy.waited_longest);
    }
    const auto status = link_.pool_status();
    EXPECT_EQ(status.in_use, 0U);
    EXPECT_EQ(status.idle, 2U);
    EXPECT_EQ(status.waiting, 0U);
    EXPECT_EQ(status.acquired, 2U);
    EXPECT_EQ(status.timed_out, 1U);
    EXPECT_EQ(status.opened, 2U);
    EXPECT_EQ(status.closed, 0U);
    EXPECT_GE(status.used_total, milliseconds{100});
}

TEST(Datasource, RefusesOptionsThatCanNotBe) {
    const auto refused = [](const std::string& name, DatasourceOptions options) {
        return error_of([&] { FakeResourceManager{name, options}; });
    };
    for (const auto& name : {std::string{}, std::string(49, 'a'), std::string{"a b"},
                             std::string{"a:b"}, std::string{"a'b"}, std::string("a\0b", 3)}) {
        EXPECT_THAT(refused(name, {}), HasCode(ErrorCode::invalid_configuration)) << name;
    }
    EXPECT_THAT(refused("users", {.pool_size_max = 0}), HasCode(ErrorCode::invalid_configuration));
    EXPECT_THAT(refused("users", {.pool_timeout = milliseconds{-1}}),
                HasCode(ErrorCode::invalid_configuration));
    EXPECT_THAT(refused("users", {.pool_timeout = milliseconds::max()}),
                HasCode(ErrorCode::invalid_configuration));
    EXPECT_THAT(refused("users", {.pool_size_max = 2, .pool_size_min = 3}),
                HasCode(ErrorCode::invalid_configuration));
    for (const auto value : {milliseconds{-1}, milliseconds::max()}) {
        EXPECT_THAT(refused("users", {.connection_lifetime_max = value}),
                    HasCode(ErrorCode::invalid_configuration));
        EXPECT_THAT(refused("users", {.idle_timeout = value}),
                    HasCode(ErrorCode::invalid_configuration));
    }
    EXPECT_NO_THROW(FakeResourceManager{std::string(48, 'a')});
}

}  // namespace
}  // namespace xa_tm::test
