#include "witness_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chain.h"
#include "verb_statements.h"

namespace xa_tm::mysql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const WitnessTable kTable{"`d`.xa_tm_witness", "`d`.xa_tm_witness_removed"};
const Request kPrepare{.verb = Verb::prepare, .xid = {7, "g", "b"}, .log = "l"};

TEST(WitnessTable, InsertsTheRowBeforeTheBranchEnds) {
    EXPECT_THAT(
        prepare_statements(kPrepare, &kTable),
        ElementsAre(
            "insert into `d`.xa_tm_witness (log_id, gtrid, bqual) values ('l', x'67', x'62')",
            "xa end x'67',x'62',7", "xa prepare x'67',x'62',7"));
    EXPECT_THAT(prepare_statements(kPrepare, nullptr),
                ElementsAre("xa end x'67',x'62',7", "xa prepare x'67',x'62',7"));
}

TEST(WitnessTable, HasItsRowBehindTheMarkerOfAChain) {
    const std::vector<Request> batch{
        {.verb = Verb::execute, .xid = kPrepare.xid, .statement = "insert 'a'"}, kPrepare};
    EXPECT_EQ(chain_of(batch, "6d", {}, &kTable),
              "insert 'a'\n;select 0x6d00000002;insert into `d`.xa_tm_witness (log_id, gtrid, "
              "bqual) values "
              "('l', x'67', x'62');xa end x'67',x'62',7;xa prepare x'67',x'62',7");
}

TEST(WitnessTable, ReadsTheRowBeforeWhatWasRemoved) {
    EXPECT_THAT(
        kTable.fate_statements({.row = 9, .log = "l"}, kPrepare.xid),
        ElementsAre("set transaction isolation level read committed", "start transaction",
                    "select id from `d`.xa_tm_witness where id = 9 and gtrid = x'67' and "
                    "bqual = x'62' for update nowait",
                    "select through from `d`.xa_tm_witness_removed where log_id = 'l'", "commit"));
}

TEST(WitnessTable, DeletesOnlyWhatIsKeptToBeRemoved) {
    const auto statements = statements_of(
        {.verb = Verb::forget_witnesses, .witnesses = {"witness=4;log=l", "witness=12;log=l"}},
        kTable);
    ASSERT_EQ(statements.size(), 4U);
    EXPECT_THAT(statements[1], HasSubstr("values ('l', 12) on duplicate key update through = "
                                         "greatest(through, values(through))"));
    EXPECT_EQ(statements[2],
              "delete from `d`.xa_tm_witness where id in (4, 12) and id <= coalesce((select "
              "through from `d`.xa_tm_witness_removed where log_id = 'l'), 0)");
}

TEST(WitnessTable, ListsTheEvidenceOfEachRow) {
    const Reply reply{.is_ok = true, .rows = {{"4", "g"}, {"5", "h"}}};
    EXPECT_THAT(witnesses_from(reply, "l"), ElementsAre(WitnessRow{"g", "witness=4;log=l"},
                                                        WitnessRow{"h", "witness=5;log=l"}));
    EXPECT_THROW(std::ignore = witnesses_from({.is_ok = true, .rows = {{"x", "g"}}}, "l"),
                 std::out_of_range);
}

TEST(WitnessTable, IsThereOnlyWithBothTablesOfInnodb) {
    const auto state = [](Row row) {
        return witness_table_from({.is_ok = true, .rows = {std::move(row)}});
    };
    EXPECT_TRUE(state({"d", "2", std::nullopt}).exists);
    EXPECT_FALSE(state({"d", "1", std::nullopt}).exists);
    EXPECT_EQ(state({"d", "2", std::nullopt}).fault, "");
    EXPECT_THAT(state({"d", "2", "xa_tm_witness"}).fault, HasSubstr("not an InnoDB table"));
    EXPECT_EQ(state({"a`b", "2", std::nullopt}).table().rows_name(), "`a``b`.xa_tm_witness");
    EXPECT_EQ(state({std::nullopt, "0", std::nullopt}).database, "");
}

TEST(WitnessTable, IsJudgedByWhatTheUserMayDo) {
    WitnessTableState state{.database = "d"};
    EXPECT_THAT(facts_of(state, "points").front().remedy,
                HasSubstr("setup-last-resource points --witness"));
    state.exists = true;
    state.refusal = "denied";
    EXPECT_EQ(facts_of(state, "points").back().severity, Severity::bad);
    EXPECT_THAT(facts_of(state, "points").back().remedy, HasSubstr("update"));
    state.refusal.clear();
    state.rows = "3";
    EXPECT_EQ(facts_of(state, "points").back().value, "3");
}

}  // namespace
}  // namespace xa_tm::mysql
