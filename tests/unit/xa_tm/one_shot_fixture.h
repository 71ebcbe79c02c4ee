#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "manager_fixture.h"
#include "transaction_manager_state.h"

namespace xa_tm::test {

/// A started manager over three fake servers, whose conflict queue the tests can see.
class OneShotFixture : public ManagerFixture {
protected:
    struct Manager {
        explicit Manager(OneShotFixture& fixture,
                         std::unique_ptr<TransactionManagerState> owned_state)
            : state{*owned_state},
              tm{std::move(owned_state)},
              users{tm.add<FakeLink>("users", fixture.users_, fixture.users_options_)},
              points{tm.add<FakeLink>("points", fixture.points_, fixture.options_)},
              audit{tm.add<FakeLink>("audit", fixture.audit_, fixture.options_)} {}

        [[nodiscard]] std::vector<Statement> both(const std::string& row) {
            return {users.statement("insert ?", row), points.statement("insert ?", row)};
        }
        /// How many wait for their turn or have it.
        [[nodiscard]] std::size_t queued() const { return state.conflict_queue.size(); }

        TransactionManagerState& state;
        TransactionManager tm;
        FakeLink& users;
        FakeLink& points;
        FakeLink& audit;
    };

    void open() {
        manager_ =
            std::make_unique<Manager>(*this, std::make_unique<TransactionManagerState>(config()));
    }
    /// With a connection that waits in each pool, so that no test begins with a fresh one.
    void start() {
        open();
        manager_->tm.start();
        std::ignore = manager_->tm
                          .run({manager_->users.statement("insert warm"),
                                manager_->points.statement("insert warm"),
                                manager_->audit.statement("insert warm")})
                          .outcome();
    }

    /// Every transaction that ran is finished, and nothing of it is left.
    void expect_all_settled() {
        EXPECT_EQ(manager_->queued(), 0U);
        for (const auto* server : {&users_, &points_, &audit_}) {
            EXPECT_TRUE(eventually([&] { return server->prepared().empty(); })) << server->name();
        }
        EXPECT_TRUE(eventually([this] { return !manager_->tm.has_work_left(); }));
    }
    /// On how many of users and points the row is.
    [[nodiscard]] int copies(const std::string& row) const {
        return static_cast<int>(users_.has_row("insert " + row)) +
               static_cast<int>(points_.has_row("insert " + row));
    }
    /// The transactions that points was told to commit.
    [[nodiscard]] std::size_t decisions() const {
        std::set<std::string> gtrids;
        for (const auto& sent : points_.sent()) {
            if (sent.verb == Verb::commit || sent.verb == Verb::commit_one_phase) {
                gtrids.insert(sent.xid.gtrid);
            }
        }
        return gtrids.size();
    }

    DatasourceOptions users_options_;
    std::unique_ptr<Manager> manager_;
};

/// Trips to some servers since its construction, or the last call.
class TripCounter {
public:
    explicit TripCounter(std::vector<const FakeResourceManager*> servers)
        : servers_{std::move(servers)} {
        std::ignore = take();
    }
    std::vector<std::size_t> take() {
        std::vector<std::size_t> trips;
        for (const auto* server : servers_) {
            trips.push_back(server->trips());
        }
        const auto before = std::exchange(trips_, trips);
        for (std::size_t i = 0; i < before.size(); ++i) {
            trips[i] -= before[i];
        }
        return trips;
    }

private:
    std::vector<const FakeResourceManager*> servers_;
    std::vector<std::size_t> trips_;
};

}  // namespace xa_tm::test
