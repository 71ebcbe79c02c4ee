// A last resource on every kind: its branch and the decision's row are committed together or not at
// all, and the row tells afterwards.

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"
#include "every_kind.h"

namespace xa_tm::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr auto kLog = "0123456789abcdef";
constexpr auto kOtherLog = "fedcba9876543210";

class LastResource : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        subject_->drop_decision_table();
        subject_->set_up_decision_table();
    }

    std::unique_ptr<Connection> start_last(const Xid& xid) {
        auto connection = subject_->connect_last_resource();
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }

    static Request commit_of(const Xid& xid, std::string decision = "committed",
                             std::string log = kLog) {
        return {.verb = Verb::commit_with_decision,
                .xid = xid,
                .log = std::move(log),
                .decision = std::move(decision)};
    }

    static Answer run_one(Connection& connection, Request request) {
        return run(connection, std::vector{std::move(request)}).front();
    }

    Answer list(std::string log = kLog) {
        return run_one(*subject_->connect_last_resource(),
                       {.verb = Verb::list_decisions, .log = std::move(log)});
    }

    /// The rows of a log that must be readable.
    std::vector<DecisionRow> decisions(std::string log = kLog) {
        auto answer = list(std::move(log));
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        return answer.decisions;
    }

    const Xid xid_ = unique_xid();
};

TEST_P(LastResource, CommitsTheRowWithTheWork) {
    const auto connection = start_last(xid_);
    subject_->insert(*connection, 1);
    EXPECT_THAT(decisions(), IsEmpty());
    const auto answer = run_one(*connection, commit_of(xid_));
    EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_THAT(decisions(), ElementsAre(DecisionRow{xid_.gtrid, "committed"}));
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(LastResource, CommitsAfterStatementsThatWereSentAsVerbs) {
    const auto connection = subject_->connect_last_resource();
    const auto answers =
        run(*connection,
            {{.verb = Verb::start, .xid = xid_},
             {.verb = Verb::execute, .xid = xid_, .statement = subject_->insert_statement(1)}});
    EXPECT_EQ(answers.back().code, XaCode::ok);
    EXPECT_EQ(run_one(*connection, commit_of(xid_)).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_EQ(decisions().size(), 1U);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(LastResource, CommitsTheRowOfABranchThatWroteNothing) {
    const auto connection = start_last(xid_);
    EXPECT_EQ(run_one(*connection, commit_of(xid_)).code, XaCode::ok);
    EXPECT_EQ(decisions().size(), 1U);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(LastResource, CommitsOneTransactionAfterTheOtherOnOneConnection) {
    const auto connection = subject_->connect_last_resource();
    for (int id = 1; id <= 5; ++id) {
        const auto xid = unique_xid();
        ASSERT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        subject_->insert(*connection, id);
        ASSERT_EQ(run_one(*connection, commit_of(xid)).code, XaCode::ok);
        EXPECT_TRUE(subject_->has_row(id));
    }
    EXPECT_EQ(decisions().size(), 5U);
}

TEST_P(LastResource, KeepsEveryByteOfADecision) {
    std::string decision;
    for (int byte = 0; byte < 256; ++byte) {
        decision += static_cast<char>(byte);
    }
    EXPECT_EQ(run_one(*start_last(xid_), commit_of(xid_, decision)).code, XaCode::ok);
    const auto empty = unique_xid();
    EXPECT_EQ(run_one(*start_last(empty), commit_of(empty, "")).code, XaCode::ok);
    EXPECT_THAT(decisions(), UnorderedElementsAre(DecisionRow{xid_.gtrid, decision},
                                                  DecisionRow{empty.gtrid, ""}));
}

TEST_P(LastResource, RollsTheWorkBackWhenTheRowCanNotBeWritten) {
    EXPECT_EQ(run_one(*start_last(xid_), commit_of(xid_)).code, XaCode::ok);
    const Xid again{xid_.format_id, xid_.gtrid, "subject.2"};
    const auto connection = start_last(again);
    subject_->insert(*connection, 1);
    const auto answer = run_one(*connection, commit_of(again, "another"));
    EXPECT_TRUE(is_rolled_back(answer.code)) << to_string(answer.code) << " " << answer.message;
    EXPECT_FALSE(answer.message.empty());
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_THAT(decisions(), ElementsAre(DecisionRow{xid_.gtrid, "committed"}));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(LastResource, RollsTheWorkBackAndSaysWhatToDoWhenThereIsNoTable) {
    subject_->drop_decision_table();
    const auto connection = start_last(xid_);
    subject_->insert(*connection, 1);
    const auto answer = run_one(*connection, commit_of(xid_));
    EXPECT_TRUE(is_rolled_back(answer.code)) << to_string(answer.code);
    EXPECT_THAT(answer.message, HasSubstr("xa-recover setup-last-resource subject"));
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
    for (auto request : {Request{.verb = Verb::list_decisions, .log = kLog},
                         Request{.verb = Verb::forget_decisions, .gtrids = {xid_.gtrid}}}) {
        const auto refusal = run_one(*connection, std::move(request));
        EXPECT_EQ(refusal.code, XaCode::rmerr);
        EXPECT_THAT(refusal.message, HasSubstr("xa-recover setup-last-resource subject"));
    }
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(LastResource, KeepsItsRowsWhenTheTableIsSetUpAgain) {
    EXPECT_EQ(run_one(*start_last(xid_), commit_of(xid_)).code, XaCode::ok);
    subject_->set_up_decision_table();
    EXPECT_EQ(decisions().size(), 1U);
}

TEST_P(LastResource, WritesNoRowForABranchThatCanOnlyBeRolledBack) {
    const auto one = start_last(xid_);
    const auto other_xid = unique_xid();
    const auto other = start_last(other_xid);
    auto& victim = subject_->make_deadlock(*one, *other);
    const bool is_one = &victim == one.get();
    const auto& victims_xid = is_one ? xid_ : other_xid;
    const auto& survivors_xid = is_one ? other_xid : xid_;
    const auto answer = run_one(victim, commit_of(victims_xid));
    EXPECT_EQ(answer.code, subject_->traits().vote_of_deadlock_victim) << answer.message;
    EXPECT_EQ(run_one(is_one ? *other : *one, commit_of(survivors_xid)).code, XaCode::ok);
    EXPECT_THAT(decisions(), ElementsAre(DecisionRow{survivors_xid.gtrid, "committed"}));
    EXPECT_TRUE(serves_again(victim));
}

TEST_P(LastResource, VotesAfterAFailedStatementAsItsServerDoes) {
    const auto connection = start_last(xid_);
    subject_->insert(*connection, 1);
    subject_->fail_statement(*connection);
    const auto expected = subject_->traits().vote_after_failed_statement;
    EXPECT_EQ(run_one(*connection, commit_of(xid_)).code, expected);
    EXPECT_EQ(subject_->has_row(1), expected == XaCode::ok);
    EXPECT_EQ(decisions().size(), expected == XaCode::ok ? 1U : 0U);
    EXPECT_TRUE(serves_again(*connection));
}

// Traps 37 and 38: a lost reply says nothing, and no second commit may be sent; the row tells.
TEST_P(LastResource, TellsByTheRowWhatALostReplyLeftOpen) {
    for (int id = 1; id <= 6; ++id) {
        const auto xid = unique_xid();
        auto connection = start_last(xid);
        subject_->insert(*connection, id);
        const auto session = connection->session_id();
        connection->send({commit_of(xid)});
        if (id % 2 == 0) {
            connection.reset();
        }
        const auto admin = subject_->connect();
        Answer ended;
        ASSERT_TRUE(eventually([&] {
            ended = run_one(*admin, {.verb = Verb::end_session, .session = session});
            return ended.code == XaCode::ok;
        })) << to_string(ended.code)
            << " " << ended.message;
        const auto rows = decisions();
        const bool is_decided = std::ranges::count(rows, xid.gtrid, &DecisionRow::gtrid) == 1;
        EXPECT_EQ(is_decided, subject_->has_row(id)) << "transaction " << id;
    }
}

TEST_P(LastResource, LeavesNoRowWhenItsSessionEndsBeforeTheCommit) {
    const auto connection = start_last(xid_);
    subject_->insert(*connection, 1);
    subject_->end_session(*connection);
    EXPECT_EQ(run_one(*connection, commit_of(xid_)).code, XaCode::rmfail);
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_THAT(decisions(), IsEmpty());
}

TEST_P(LastResource, ListsOnlyTheRowsOfOneLog) {
    const auto other = unique_xid();
    EXPECT_EQ(run_one(*start_last(xid_), commit_of(xid_)).code, XaCode::ok);
    EXPECT_EQ(run_one(*start_last(other), commit_of(other, "theirs", kOtherLog)).code, XaCode::ok);
    EXPECT_THAT(decisions(), ElementsAre(DecisionRow{xid_.gtrid, "committed"}));
    EXPECT_THAT(decisions(kOtherLog), ElementsAre(DecisionRow{other.gtrid, "theirs"}));
    EXPECT_THAT(decisions("nobody"), IsEmpty());
}

TEST_P(LastResource, TellsHowFarTheServerHadComeBeforeItListed) {
    const auto before = list().position;
    EXPECT_GT(before.flushed, 0U);
    EXPECT_EQ(run_one(*start_last(xid_), commit_of(xid_)).code, XaCode::ok);
    const auto after = list().position;
    EXPECT_EQ(after.history, before.history);
    EXPECT_GE(after.flushed, before.flushed);
}

TEST_P(LastResource, ForgetsOnlyTheRowsThatAreNamedAsOftenAsItIsAsked) {
    const auto second = unique_xid();
    const auto kept = unique_xid();
    for (const auto& xid : {xid_, second, kept}) {
        EXPECT_EQ(run_one(*start_last(xid), commit_of(xid)).code, XaCode::ok);
    }
    const auto connection = subject_->connect_last_resource();
    for (int time = 0; time < 2; ++time) {
        const auto answer =
            run_one(*connection, {.verb = Verb::forget_decisions,
                                  .gtrids = {xid_.gtrid, second.gtrid, "never.written"}});
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        EXPECT_THAT(decisions(), ElementsAre(DecisionRow{kept.gtrid, "committed"}));
    }
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(LastResource, TakesTheTablesVerbsOnlyWhileNoBranchIsOpen) {
    const auto connection = start_last(xid_);
    for (auto request : {Request{.verb = Verb::list_decisions, .log = kLog},
                         Request{.verb = Verb::forget_decisions, .gtrids = {xid_.gtrid}}}) {
        EXPECT_EQ(run_one(*connection, std::move(request)).code, XaCode::proto);
    }
    EXPECT_EQ(run_one(*connection, commit_of(unique_xid())).code, XaCode::proto);
    EXPECT_EQ(run_one(*connection, commit_of(xid_)).code, XaCode::ok);
}

INSTANTIATE_TEST_SUITE_P(Of, LastResource, every_kind(), name_of);

}  // namespace
}  // namespace xa_tm::test
