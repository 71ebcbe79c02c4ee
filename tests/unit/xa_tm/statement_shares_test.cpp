#include "statement_shares.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.h"
#include "transaction_manager_state.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StatementShares : public ManagerFixture {
protected:
    StatementShares() {
        state_.datasources.push_back(std::make_unique<FakeLink>("users", users_));
        state_.datasources.push_back(std::make_unique<FakeLink>("points", points_));
    }
    [[nodiscard]] Datasource& users() { return *state_.datasources[0]; }
    [[nodiscard]] Datasource& points() { return *state_.datasources[1]; }

    TransactionManagerState state_{config()};
};

TEST_F(StatementShares, AreInTheOrderOfTheDatasourcesAndKeepTheOrderOfTheStatements) {
    const std::vector statements{points().statement("a"), users().statement("b"),
                                 points().statement("c"), users().statement("d")};
    const auto shares = shares_of(state_, statements);
    ASSERT_EQ(shares.size(), 2U);
    EXPECT_EQ(shares[0].datasource, &users());
    EXPECT_THAT(shares[0].statements, ElementsAre(1, 3));
    EXPECT_EQ(shares[1].datasource, &points());
    EXPECT_THAT(shares[1].statements, ElementsAre(0, 2));
}

TEST_F(StatementShares, RefuseADatasourceOfAnotherManager) {
    FakeLink stranger{"audit", audit_};
    const std::vector statements{users().statement("a"), stranger.statement("b")};
    const auto error = error_of([&] { std::ignore = shares_of(state_, statements); });
    EXPECT_THAT(error, HasCode(ErrorCode::invalid_configuration));
    EXPECT_EQ(error.resource(), "audit");
}

TEST_F(StatementShares, AskForTheRowsThemselves) {
    const auto request = request_of(users().statement("read ?", 7));
    EXPECT_EQ(request.verb, Verb::execute);
    EXPECT_EQ(request.statement, "read ?");
    EXPECT_THAT(request.arguments, ElementsAre(Value{std::int64_t{7}}));
    EXPECT_TRUE(request.wants_result);
}

TEST(IsCombinable, IsWhatBeginsWithAWordThatChangesNothingButRows) {
    for (const auto* statement :
         {"select 1", "INSERT into t values (1)", "  \n\tUpdate t set a = 1", "delete from t",
          "replace into t values (1)", "merge into t using u on true when matched then do nothing",
          "values (1)", "with t as (select 1) select * from t", "values(1)"}) {
        EXPECT_TRUE(is_combinable(statement)) << statement;
    }
}

TEST(IsCombinable, IsNothingElse) {
    for (const auto* statement :
         {"", "   ", "set a = 1", "create table t (a int)", "truncate t", "call p()",
          "lock tables t", "commit", "updates", "selection", "/* update */ drop table t", "do 1",
          "update t set a = 1; drop table t"}) {
        EXPECT_FALSE(is_combinable(statement)) << statement;
    }
}

class StatementTally : public StatementShares {};

TEST_F(StatementTally, KeepsWhatEachStatementHasDone) {
    const std::vector statements{users().statement("a"), users().statement("b").expect_rows(2)};
    xa_tm::StatementTally tally{statements};
    EXPECT_TRUE(tally.take_done(0, {.rows = 5, .result = {{"value"}, {{"7"}}}}));
    EXPECT_TRUE(tally.take_done(1, {.rows = 2}));
    EXPECT_FALSE(tally.fault());
    const auto results = tally.take_results();
    ASSERT_EQ(results.size(), 2U);
    EXPECT_TRUE(results[0].is_done);
    EXPECT_EQ(results[0].rows, 5U);
    EXPECT_EQ(results[0].set, (ResultSet{{"value"}, {{"7"}}}));
    EXPECT_THAT(results[1].set.rows, IsEmpty());
}

TEST_F(StatementTally, SaysHowManyRowsWereExpected) {
    const std::vector statements{users().statement("a"), users().statement("b").expect_rows(1)};
    xa_tm::StatementTally tally{statements};
    EXPECT_FALSE(tally.take_done(1, {.rows = 0}));
    ASSERT_TRUE(tally.fault());
    EXPECT_THAT(*tally.fault(), HasCode(ErrorCode::unexpected_rows));
    EXPECT_EQ(tally.fault()->resource(), "users");
    EXPECT_FALSE(tally.fault()->is_retryable());
    EXPECT_THAT(tally.fault()->what(), HasSubstr("statement 2 of 2"));
    EXPECT_THAT(tally.fault()->what(), HasSubstr("0 rows, where 1 were expected"));
}

TEST_F(StatementTally, BlamesTheFirstInTheListWhicheverBranchAnsweredFirst) {
    const std::vector statements{users().statement("a"), points().statement("b"),
                                 users().statement("c")};
    xa_tm::StatementTally tally{statements};
    const Error first{{.code = ErrorCode::statement_failed,
                       .resource = "points",
                       .sqlstate = "23505",
                       .native_error = 1062},
                      "the first"};
    tally.take_failed(2, {{.code = ErrorCode::conflict}, "the last"});
    tally.take_failed(1, first);
    tally.take_failed(2, {{.code = ErrorCode::conflict}, "the last"});
    ASSERT_TRUE(tally.fault());
    EXPECT_EQ(tally.fault()->code(), ErrorCode::statement_failed);
    EXPECT_EQ(tally.fault()->resource(), "points");
    EXPECT_EQ(tally.fault()->sqlstate(), "23505");
    EXPECT_EQ(tally.fault()->native_error(), 1062);
    EXPECT_STREQ(tally.fault()->what(), "statement 2 of 3: the first");
}

}  // namespace
}  // namespace xa_tm::test
