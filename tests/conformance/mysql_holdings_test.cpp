// What MySQL and MariaDB tell of prepared branches' locks, and of those who wait for them.

#include <thread>

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

auto waits_to(const std::string& statement) {
    return AllOf(Field(&BlockedSession::user, "app"),
                 Field(&BlockedSession::statement, HasSubstr(statement)));
}

class MysqlHoldings : public OnMysql {
protected:
    void SetUp() override {
        OnMysql::SetUp();
        outside_.execute("insert into points values (1), (2), (3)");
    }

    void TearDown() override {
        connections_.clear();
        const auto finisher = datasource_.connect({});
        for (const auto& xid : prepared_) {
            EXPECT_EQ(run_until_known(*finisher, Verb::rollback, xid).code, XaCode::ok);
        }
        waiting_.clear();
    }

    /// A branch that has row `id` locked; its session stays.
    Xid prepare(int id) {
        prepared_.push_back(unique_xid());
        connections_.push_back(start(prepared_.back()));
        sql(*connections_.back()) << fmt::format("update points set id = {} where id = {}",
                                                 id + 100, id);
        EXPECT_EQ(run(*connections_.back(), Verb::prepare, prepared_.back()).code, XaCode::ok);
        return prepared_.back();
    }

    /// Runs a statement that has to wait, and returns when the server is at it.
    void wait_to(const std::string& statement) {
        waiting_.emplace_back(
            [statement] { Database{sandbox::uri(GetParam())}.execute(statement); });
        ASSERT_TRUE(eventually([&] {
            return admin_.number(fmt::format("select count(*) from information_schema.processlist "
                                             "where command = 'Query' and info = '{}'",
                                             statement)) == 1;
        }));
    }

    /// Asks until this many sessions are told to wait, or for 30 s.
    Holdings examine_until_blocked(const Xid& xid, std::size_t count) {
        const auto connection = admins_.connect({});
        Answer answer;
        EXPECT_TRUE(eventually([&] {
            answer = run(*connection, Verb::examine, xid);
            return answer.holdings.blocked.size() == count;
        })) << answer.holdings.blocked.size();
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        return std::move(answer.holdings);
    }

    mysql::Datasource admins_{"points", sandbox::admin_uri(GetParam())};
    std::vector<Xid> prepared_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<std::jthread> waiting_;
};

TEST_P(MysqlHoldings, AreThoseOfTheBranchWhileTheServerRemembersWhoLockedForIt) {
    if (is_mariadb()) {
        GTEST_SKIP() << "MariaDB does not tell";
    }
    const auto one = prepare(1);
    const auto other = prepare(2);
    wait_to("delete from points where id = 1");
    const auto of_one = examine_until_blocked(one, 1);
    EXPECT_THAT(of_one.blocked, ElementsAre(waits_to("where id = 1")));
    EXPECT_THAT(of_one.locks,
                Contains(Field(&HeldLock::object, "table xa_tm_test.points, index PRIMARY")));
    EXPECT_EQ(of_one.caveat, "");
    const auto of_other = examine_until_blocked(other, 0);
    EXPECT_THAT(of_other.locks, Not(IsEmpty()));
    EXPECT_EQ(of_other.caveat, "");
}

TEST_P(MysqlHoldings, KeepTableDefinitionsAsTheyAre) {
    if (is_mariadb()) {
        GTEST_SKIP() << "MariaDB does not tell";
    }
    const auto xid = prepare(1);
    wait_to("alter table points add v int");
    EXPECT_THAT(examine_until_blocked(xid, 1).blocked, ElementsAre(waits_to("alter table")));
}

TEST_P(MysqlHoldings, OfTheOnlyBranchAreKnownAlsoWhenItsSessionHasEnded) {
    const auto xid = prepare(1);
    connections_.clear();
    wait_to("delete from points where id = 1");
    const auto holdings = examine_until_blocked(xid, 1);
    EXPECT_THAT(holdings.blocked, ElementsAre(waits_to("where id = 1")));
    EXPECT_THAT(holdings.locks,
                Contains(Field(&HeldLock::object, "table xa_tm_test.points, index PRIMARY")));
    EXPECT_THAT(holdings.locks, Each(Field(&HeldLock::count, testing::Gt(0U))));
    if (is_mariadb()) {
        EXPECT_THAT(holdings.locks, Contains(Field(&HeldLock::mode, "row locks")));
        EXPECT_THAT(holdings.caveat, HasSubstr("MariaDB names only"));
    } else {
        EXPECT_EQ(holdings.caveat, "");
    }
}

TEST_P(MysqlHoldings, OfAllBranchesAreToldWhereTheServerDoesNotTellThemApartAndTheCaveatSaysSo) {
    const auto one = prepare(1);
    const auto other = prepare(2);
    connections_.clear();
    wait_to("delete from points where id = 1");
    wait_to("delete from points where id = 2");
    for (const auto& xid : {one, other}) {
        const auto holdings = examine_until_blocked(xid, 2);
        EXPECT_THAT(holdings.locks, Not(IsEmpty()));
        EXPECT_THAT(holdings.caveat, HasSubstr("of 2 branches that are prepared"));
    }
}

TEST_P(MysqlHoldings, BlockAlsoWhoWaitsBehindSomebodyElse) {
    const auto xid = prepare(1);
    connections_.clear();
    wait_to("delete from points where id in (1, 2)");
    wait_to("update points set id = 7 where id = 1");
    EXPECT_THAT(examine_until_blocked(xid, 2).blocked, SizeIs(2));
}

TEST_P(MysqlHoldings, AreNotSeenWithoutTheGrantsThatTheCaveatNames) {
    const auto xid = prepare(1);
    const auto answer = run(*datasource_.connect({}), Verb::examine, xid);
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_THAT(answer.holdings.locks, IsEmpty());
    EXPECT_THAT(answer.holdings.caveat, HasSubstr("grant PROCESS"));
    if (!is_mariadb()) {
        EXPECT_THAT(answer.holdings.caveat, HasSubstr("grant SELECT on performance_schema.*"));
    }
}

TEST_P(MysqlHoldings, AreNotToldOfABranchWhoseSessionStillHasItAndTheCaveatSaysSo) {
    if (!is_mariadb()) {
        GTEST_SKIP() << "MySQL tells";
    }
    const auto xid = prepare(1);
    const auto holdings = examine_until_blocked(xid, 0);
    EXPECT_THAT(holdings.locks, IsEmpty());
    EXPECT_THAT(holdings.caveat, HasSubstr("while the session that prepared it is there"));
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlHoldings, testing::ValuesIn(kMysqlServers), name_of_server);

}  // namespace
}  // namespace xa_tm::test
