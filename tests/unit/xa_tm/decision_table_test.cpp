#include "xa_tm/decision_table.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

const DecisionTable kTable{"shop.xa_tm_decision"};
const Request kCommit{.verb = Verb::commit_with_decision,
                      .xid = {kFormatId, "shop-1:0123456789abcdef:7:42", "users:1"},
                      .log = "0123456789abcdef",
                      .decision = std::string("'\\\0;", 4)};

TEST(DecisionTable, WritesNothingThatAServerCouldTakeForMoreThanText) {
    EXPECT_EQ(kTable.insertion(kCommit),
              "insert into shop.xa_tm_decision (gtrid, log_id, decision) values "
              "('shop-1:0123456789abcdef:7:42', '0123456789abcdef', '275c003b')");
    EXPECT_EQ(kTable.selection({.verb = Verb::list_decisions, .log = "a"}),
              "select gtrid, decision from shop.xa_tm_decision where log_id = 'a'");
    EXPECT_EQ(kTable.deletion({.verb = Verb::forget_decisions, .gtrids = {"a", "b:1"}}),
              "delete from shop.xa_tm_decision where gtrid in ('a', 'b:1')");
}

TEST(DecisionTable, ReadsADecisionAsItWasWritten) {
    EXPECT_EQ(decision_from("g", "275c003b"), (DecisionRow{"g", kCommit.decision}));
    EXPECT_EQ(decision_from("g", ""), (DecisionRow{"g", ""}));
}

TEST(DecisionTable, TakesNothingForADecisionThatItHasNotWritten) {
    for (const auto* text : {"2", "2g", "no", "AB"}) {
        EXPECT_THROW(std::ignore = decision_from("g", text), std::out_of_range) << text;
    }
}

TEST(DecisionTable, RefusesNamesThatWouldNeedEscaping) {
    EXPECT_EQ(fault_of_decision_request(kCommit), std::nullopt);
    for (const std::string bad : {"", "a'b", "a\\b", "a b", "a\"b", "a;b", "\xc3\xa4"}) {
        auto commit = kCommit;
        commit.xid.gtrid = bad;
        EXPECT_EQ(fault_of_decision_request(commit).value().code, XaCode::inval) << bad;
        commit = kCommit;
        commit.log = bad;
        EXPECT_EQ(fault_of_decision_request(commit).value().code, XaCode::inval) << bad;
        EXPECT_TRUE(fault_of_decision_request({.verb = Verb::list_decisions, .log = bad}));
        EXPECT_TRUE(
            fault_of_decision_request({.verb = Verb::forget_decisions, .gtrids = {"a", bad}}));
    }
    auto commit = kCommit;
    commit.log = std::string(kMaxLogNameBytes + 1, 'a');
    EXPECT_TRUE(fault_of_decision_request(commit));
    EXPECT_TRUE(fault_of_decision_request({.verb = Verb::forget_decisions}));
}

TEST(DecisionTable, IsBadWhereItIsMissingOrCanNotBeUsed) {
    EXPECT_THAT(
        facts_of({.name = "public.xa_tm_decision"}, "users"),
        ElementsAre(AllOf(Field(&ServerFact::severity, Severity::bad),
                          Field(&ServerFact::remedy, HasSubstr("setup-last-resource users")))));
    DecisionTableState state{.exists = true, .name = "public.xa_tm_decision"};
    state.rows = "0";
    for (const auto& fact : facts_of(state, "users")) {
        EXPECT_EQ(fact.severity, Severity::good) << fact.name;
    }
    state.delete_refusal = "permission denied";
    const auto facts = facts_of(state, "users");
    EXPECT_EQ(facts.at(3).severity, Severity::bad);
    EXPECT_THAT(facts.at(3).remedy, HasSubstr("grant"));
}

TEST(DecisionTable, NoticesRowsThatNobodyHasRemovedForADay) {
    DecisionTableState state{.exists = true, .name = "public.xa_tm_decision"};
    state.rows = "3";
    state.oldest_age_seconds = "86399";
    EXPECT_EQ(facts_of(state, "users").back().severity, Severity::good);
    state.oldest_age_seconds = "86400";
    EXPECT_EQ(facts_of(state, "users").back().severity, Severity::notice);
}

}  // namespace
}  // namespace xa_tm
