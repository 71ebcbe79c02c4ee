#include "holdings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using Statements = std::vector<std::string>;

class HoldingsTest : public testing::Test {
protected:
    static Examination examination(const char* version) {
        std::vector<Reply> facts(ServerFacts::questions().size());
        facts.front() = {.is_ok = true, .rows = {{"version", version}}};
        return {Xid{7, "g", "b"}, ServerFacts{facts}};
    }
    static Reply rows(std::vector<Row> rows) { return {.is_ok = true, .rows = std::move(rows)}; }
    static Reply listed(int count) {
        std::vector<Row> all{{"7", "1", "1", "gb"}};
        for (int i = 1; i < count; ++i) {
            all.push_back({"7", "1", "1", "x" + std::to_string(i)});
        }
        return rows(all);
    }
    static Answer answer_to(Examination& examination, const std::vector<Reply>& replies) {
        return std::get<Answer>(examination.take(replies));
    }

    const Reply done_ = rows({});
    const Reply no_process_ = {.error = 1227, .message = "Access denied"};
    const Reply no_select_ = {.error = 1142, .message = "SELECT command denied"};
};

TEST_F(HoldingsTest, AreOfTheTransactionsWhoseLocksWereTakenAtTheXid) {
    auto mysql = examination("9.7.4");
    EXPECT_THAT(mysql.look(), SizeIs(4));
    const auto step = mysql.take(
        std::vector{done_, listed(2), rows({{"11", "1", "1"}, {"12", "1", "1"}}), rows({{"12"}})});
    EXPECT_THAT(std::get<Statements>(step).front(), HasSubstr("in (12)"));
    const auto answer = answer_to(
        mysql, {rows({{"table a.t", "X", "3"}}), rows({{"5", "app", "9", "delete from t"}})});
    ASSERT_THAT(answer.holdings.locks, SizeIs(1));
    EXPECT_EQ(answer.holdings.locks.front().count, 3U);
    ASSERT_THAT(answer.holdings.blocked, SizeIs(1));
    EXPECT_EQ(answer.holdings.blocked.front().waiting, std::chrono::seconds{9});
    EXPECT_EQ(answer.holdings.caveat, "");
}

TEST_F(HoldingsTest, AreOfAllTransactionsWithoutASessionWhereThereAreSeveral) {
    auto mariadb = examination("10.11.19-MariaDB");
    EXPECT_THAT(mariadb.look(), SizeIs(3));
    const auto step =
        mariadb.take(std::vector{done_, listed(2), rows({{"11", "1", "2"}, {"12", "1", "3"}})});
    EXPECT_THAT(std::get<Statements>(step).front(), HasSubstr("in (11,12)"));
    const auto answer = answer_to(mariadb, {rows({}), rows({})});
    ASSERT_THAT(answer.holdings.locks, SizeIs(2));
    EXPECT_EQ(answer.holdings.locks[0].mode, "table locks");
    EXPECT_EQ(answer.holdings.locks[0].count, 2U);
    EXPECT_EQ(answer.holdings.locks[1].count, 5U);
    EXPECT_THAT(answer.holdings.caveat, HasSubstr("all 2 have that belong to no session"));
}

TEST_F(HoldingsTest, OfABranchThatIsNotListedAreNone) {
    auto mysql = examination("9.7.4");
    const auto answer = answer_to(mysql, {done_, rows({}), rows({{"11", "1", "1"}}), rows({})});
    EXPECT_EQ(answer.code, XaCode::nota);
}

TEST_F(HoldingsTest, AreHiddenWithoutGrantsWhichTheCaveatNamesOnce) {
    auto mysql = examination("9.7.4");
    auto answer = answer_to(mysql, {done_, listed(1), no_process_, no_select_});
    EXPECT_EQ(answer.code, XaCode::ok);
    EXPECT_THAT(answer.holdings.caveat, HasSubstr("grant PROCESS"));
    EXPECT_THAT(answer.holdings.caveat, HasSubstr("grant SELECT on performance_schema.*"));

    auto with_process = examination("9.7.4");
    std::ignore =
        with_process.take(std::vector{done_, listed(1), rows({{"11", "1", "4"}}), no_select_});
    answer = answer_to(with_process, {no_select_, no_select_});
    EXPECT_THAT(answer.holdings.locks, SizeIs(2)) << "how many there are is told";
    const auto& caveat = answer.holdings.caveat;
    EXPECT_EQ(caveat.find("grant SELECT"), caveat.rfind("grant SELECT"));
}

TEST_F(HoldingsTest, AreNotToldWhereTheListIsRefused) {
    auto mysql = examination("9.7.4");
    const Reply refused{.error = 1401, .message = "XAER_RMERR"};
    const auto answer = answer_to(mysql, {done_, refused, no_process_, no_select_});
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_THAT(answer.message, HasSubstr("XA_RECOVER_ADMIN"));
}

}  // namespace
}  // namespace xa_tm::mysql
