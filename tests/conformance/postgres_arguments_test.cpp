// Arguments and results over PostgreSQL: which types they take, and what is refused.

#include <cmath>
#include <limits>

#include "postgres_fixture.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

class PostgresArguments : public OnPostgres {
protected:
    static Request execute(const Xid& xid, std::string statement, std::vector<Value> arguments) {
        return {.verb = Verb::execute,
                .xid = xid,
                .statement = std::move(statement),
                .arguments = std::move(arguments),
                .wants_result = true};
    }

    /// In a branch of its own, which is rolled back.
    Answer answer_to(std::string statement, std::vector<Value> arguments) {
        const auto xid = unique_xid();
        const auto connection = start(xid);
        auto answer =
            run(*connection, {execute(xid, std::move(statement), std::move(arguments))}).front();
        EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
        EXPECT_TRUE(serves_again(*connection));
        return answer;
    }

    /// The one value of the one row that a query gives.
    std::optional<std::string> value_of(std::string query, std::vector<Value> arguments) {
        const auto answer = answer_to(query, std::move(arguments));
        EXPECT_EQ(answer.code, XaCode::ok) << query << ": " << answer.message;
        return answer.result.rows.empty() ? std::nullopt : answer.result.rows.front().front();
    }
};

TEST_P(PostgresArguments, FitTheTypesThatTheServerInfers) {
    for (const auto* type : {"smallint", "int", "bigint", "numeric", "real", "double precision"}) {
        const auto query = std::string{"select 40::"} + type + " + $1";
        EXPECT_THAT(value_of(query, {std::int64_t{2}}), Optional(std::string{"42"})) << type;
        EXPECT_THAT(value_of(query, {std::uint64_t{2}}), Optional(std::string{"42"})) << type;
        EXPECT_THAT(value_of(query, {2.0}), Optional(std::string{"42"})) << type;
    }
    EXPECT_THAT(value_of("select '2026-01-31'::date = $1", {std::string{"2026-01-31"}}),
                Optional(std::string{"t"}));
    EXPECT_THAT(value_of("select '{\"a\": 1}'::jsonb = $1", {std::string{"{\"a\":1}"}}),
                Optional(std::string{"t"}));
    EXPECT_THAT(value_of("select not $1", {true}), Optional(std::string{"f"}));
    EXPECT_THAT(value_of("select $1", {std::string{"of no type"}}),
                Optional(std::string{"of no type"}));
    EXPECT_EQ(value_of("select 1 + $1", {nullptr}), std::nullopt);
}

TEST_P(PostgresArguments, ThatAreNoFiniteNumbersStayThemselves) {
    using Limits = std::numeric_limits<double>;
    EXPECT_THAT(value_of("select $1::float8", {Limits::infinity()}),
                Optional(std::string{"Infinity"}));
    EXPECT_THAT(value_of("select $1::float8", {-Limits::infinity()}),
                Optional(std::string{"-Infinity"}));
    for (const double nan : {Limits::quiet_NaN(), std::copysign(Limits::quiet_NaN(), -1.0)}) {
        EXPECT_THAT(value_of("select $1::numeric", {nan}), Optional(std::string{"NaN"}));
    }
}

TEST_P(PostgresArguments, OfBytesAreByteaAndNothingElse) {
    EXPECT_THAT(value_of("select pg_typeof($1)", {Bytes{"abc"}}), Optional(std::string{"bytea"}));
    EXPECT_EQ(answer_to("select 1 + $1", {Bytes{"1"}}).code, XaCode::rmerr);
}

TEST_P(PostgresArguments, WithAZeroByteInTextAreNotSent) {
    const auto connection = datasource_.connect({});
    const auto xid = unique_xid();
    const auto answers =
        run(*connection, {{.verb = Verb::start, .xid = xid},
                          execute(xid, "insert into only_postgres values ($1)", {std::int64_t{1}}),
                          execute(xid, "insert into only_postgres values (length($1))",
                                  {std::string{"text\0more", 9}}),
                          {.verb = Verb::prepare, .xid = xid}});
    EXPECT_EQ(answers.at(1).code, XaCode::ok);
    EXPECT_EQ(answers.at(2).code, XaCode::inval);
    EXPECT_THAT(answers.at(2).message, HasSubstr("xa_tm::Bytes"));
    EXPECT_EQ(answers.at(3).message, not_carried_out().message);
    EXPECT_THAT(outside_.prepared(), IsEmpty());
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(PostgresArguments, ThatTheServerCanNotTakeAreRefusedAndTheSessionGoesOn) {
    EXPECT_EQ(answer_to("select $1::text", {std::string{"\xff\xfe"}}).sqlstate, "22021");
    EXPECT_EQ(answer_to("select $1::int", {std::string{"seven"}}).sqlstate, "22P02");
    EXPECT_EQ(answer_to("select $1::int", {std::numeric_limits<std::uint64_t>::max()}).sqlstate,
              "22003");
    EXPECT_EQ(answer_to("savepoint a", {std::int64_t{1}}).code, XaCode::rmerr);
}

TEST_P(PostgresArguments, AreAsManyAsTheProtocolCanCount) {
    std::string query = "select coalesce(null";
    for (int i = 1; i <= 65535; ++i) {
        query += ",$" + std::to_string(i) + "::int";
    }
    std::vector<Value> arguments(65534, nullptr);
    arguments.emplace_back(std::int64_t{7});
    EXPECT_THAT(value_of(query + ")", arguments), Optional(std::string{"7"}));
    arguments.emplace_back(std::int64_t{8});
    const auto answer = answer_to(query + ",$65536)", arguments);
    EXPECT_EQ(answer.code, XaCode::inval);
    EXPECT_THAT(answer.message, HasSubstr("65535"));
}

TEST_P(PostgresArguments, LeadToResultsWithEveryRowAndColumn) {
    const auto answer = answer_to(
        "select n, case when n > 1 then n::text end as n from "
        "generate_series(1, $1) n order by 1",
        {std::int64_t{3}});
    EXPECT_EQ(answer.rows, 3U);
    EXPECT_THAT(answer.result.columns, ElementsAre("n", "n"));
    EXPECT_THAT(answer.result.rows, ElementsAre(ElementsAre("1", std::nullopt),
                                                ElementsAre("2", "2"), ElementsAre("3", "3")));
    const auto written = answer_to("insert into only_postgres values ($1), ($2) returning id + 1",
                                   {std::int64_t{1}, std::int64_t{2}});
    EXPECT_EQ(written.rows, 2U);
    EXPECT_THAT(written.result.rows, ElementsAre(ElementsAre("2"), ElementsAre("3")));
    const auto silent = answer_to("insert into only_postgres values ($1)", {std::int64_t{1}});
    EXPECT_EQ(silent.rows, 1U);
    EXPECT_EQ(silent.result, ResultSet{});
}

TEST_P(PostgresArguments, AndResultsFlowBothWaysAtOnceHoweverLargeTheyAre) {
    const std::string large(1 << 20, 'x');
    const auto connection = datasource_.connect({});
    const auto xid = unique_xid();
    std::vector<Request> batch{{.verb = Verb::start, .xid = xid}};
    for (int i = 0; i < 20; ++i) {
        batch.push_back(execute(xid, "select $1::text", {large}));
    }
    const auto answers = run(*connection, std::move(batch));
    for (std::size_t i = 1; i < answers.size(); ++i) {
        ASSERT_EQ(answers[i].code, XaCode::ok) << answers[i].message;
        EXPECT_TRUE(answers[i].result.rows.at(0).at(0) == large);
    }
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(On, PostgresArguments, testing::ValuesIn(kPostgresServers),
                         name_of_server);

}  // namespace
}  // namespace xa_tm::test
