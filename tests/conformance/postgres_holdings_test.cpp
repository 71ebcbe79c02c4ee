// What PostgreSQL tells of a prepared branch's locks, and of those who wait for it.

#include <thread>

#include <fmt/format.h>

#include "eventually.h"
#include "postgres_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

auto waits_to(const std::string& statement) {
    return AllOf(Field(&BlockedSession::user, "app"),
                 Field(&BlockedSession::statement, HasSubstr(statement)));
}
auto holds(const std::string& object, const std::string& mode) {
    return AllOf(Field(&HeldLock::object, object), Field(&HeldLock::mode, mode));
}

class PostgresHoldings : public OnPostgres {
protected:
    void TearDown() override {
        for (const auto& xid : prepared_) {
            EXPECT_EQ(run(*datasource_.connect({}), Verb::rollback, xid).code, XaCode::ok);
        }
        waiting_.clear();
    }

    Xid prepare(std::initializer_list<const char*> statements) {
        prepared_.push_back(unique_xid());
        const auto connection = start(prepared_.back());
        for (const auto* statement : statements) {
            sql(*connection) << statement;
        }
        EXPECT_EQ(run(*connection, Verb::prepare, prepared_.back()).code, XaCode::ok);
        return prepared_.back();
    }

    /// Runs a statement that has to wait, and returns when it does.
    void wait_to(const std::string& statement) {
        const auto before = waiting_sessions();
        waiting_.emplace_back(
            [statement] { Database{sandbox::uri(GetParam())}.execute(statement); });
        ASSERT_TRUE(eventually([&] { return waiting_sessions() == before + 1; }));
    }
    std::int64_t waiting_sessions() {
        return admin_.number("select count(*) from pg_locks where not granted");
    }

    Holdings examine(const Xid& xid) {
        auto answer = run(*datasource_.connect({}), Verb::examine, xid);
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        return std::move(answer.holdings);
    }

    std::vector<Xid> prepared_;
    std::vector<std::jthread> waiting_;
};

TEST_P(PostgresHoldings, AreNamedAndCounted) {
    outside_.execute("insert into only_postgres values (1)");
    const auto xid = prepare({"update only_postgres set id = 2 where id = 1",
                              "do 'begin perform pg_advisory_xact_lock(5, 6); "
                              "perform pg_advisory_xact_lock(4294967297); end'"});
    const auto holdings = examine(xid);
    EXPECT_THAT(holdings.locks, Contains(holds("table public.only_postgres", "RowExclusiveLock")));
    EXPECT_EQ(holdings.locks.front().object, "table public.only_postgres") << "tables come first";
    EXPECT_THAT(holdings.locks,
                Contains(holds("index public.only_postgres_pkey", "RowExclusiveLock")));
    EXPECT_THAT(holdings.locks, Contains(holds("advisory lock 5, 6", "ExclusiveLock")));
    EXPECT_THAT(holdings.locks, Contains(holds("advisory lock 4294967297", "ExclusiveLock")));
    EXPECT_THAT(holdings.locks.back().object, HasSubstr("transaction "));
    EXPECT_THAT(holdings.blocked, IsEmpty());
    EXPECT_EQ(holdings.caveat, "");
}

TEST_P(PostgresHoldings, BlockAlsoWhoWaitsBehindSomebodyElse) {
    outside_.execute("insert into only_postgres values (1)");
    const auto xid = prepare({"update only_postgres set id = 1 where id = 1"});
    wait_to("update only_postgres set id = 3 where id = 1");
    wait_to("alter table only_postgres add v int");
    wait_to("select count(*) from only_postgres");
    EXPECT_THAT(examine(xid).blocked,
                UnorderedElementsAre(waits_to("set id = 3"), waits_to("alter table"),
                                     waits_to("select count(*)")));
}

TEST_P(PostgresHoldings, BlockNobodyWhoWaitsForAnotherBranchOnTheSameTable) {
    const auto reading = prepare({"lock table only_postgres in access share mode",
                                  "select nextval('only_postgres_numbers')"});
    const auto writing = prepare({"insert into only_postgres values (1)"});
    wait_to("create index on only_postgres (id)");
    EXPECT_THAT(examine(reading).blocked, IsEmpty());
    EXPECT_THAT(examine(writing).blocked, ElementsAre(waits_to("create index")));
}

TEST_P(PostgresHoldings, HideWhatOtherRolesDoWithoutTheGrantThatTheCaveatNames) {
    const auto xid = prepare({"insert into only_postgres values (1)"});
    const std::jthread waiting{
        [] { Database{sandbox::admin_uri(GetParam())}.execute("vacuum full only_postgres"); }};
    ASSERT_TRUE(eventually([&] { return waiting_sessions() == 1; }));
    const auto hidden = examine(xid);
    admin_.execute("grant pg_read_all_stats to app");
    const auto shown = examine(xid);
    admin_.execute("revoke pg_read_all_stats from app");
    EXPECT_EQ(run(*datasource_.connect({}), Verb::rollback, xid).code, XaCode::ok);
    prepared_.clear();
    ASSERT_EQ(hidden.blocked.size(), 1U);
    EXPECT_EQ(hidden.blocked.front().user, "postgres");
    EXPECT_EQ(hidden.blocked.front().statement, "");
    EXPECT_THAT(hidden.caveat, HasSubstr("grant pg_read_all_stats to app"));
    ASSERT_EQ(shown.blocked.size(), 1U);
    EXPECT_EQ(shown.blocked.front().statement, "vacuum full only_postgres");
    EXPECT_EQ(shown.caveat, "");
}

TEST_P(PostgresHoldings, OfAnotherDatabaseAreToldWithoutNames) {
    const auto xid = prepare({"insert into only_postgres values (1)"});
    auto uri = sandbox::uri(GetParam());
    uri.replace(uri.find("xa_tm_test"), 10, "postgres");
    postgres::Datasource elsewhere{"users", uri};
    const auto answer = run(*elsewhere.connect({}), Verb::examine, xid);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    const auto& holdings = answer.holdings;
    EXPECT_THAT(holdings.locks, Contains(Field(&HeldLock::object, HasSubstr("relation "))));
    EXPECT_THAT(holdings.caveat, HasSubstr("prepared in the database xa_tm_test"));
}

INSTANTIATE_TEST_SUITE_P(On, PostgresHoldings, testing::ValuesIn(kPostgresServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
