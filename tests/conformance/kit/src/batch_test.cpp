// Several verbs in one trip: each is carried out only if all before it were, on every kind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xa_tm/conformance/suite.h"

namespace xa_tm::conformance {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::Field;

auto answered(XaCode code) {
    return Field(&Answer::code, code);
}

auto was_not_carried_out() {
    return AllOf(Field(&Answer::code, not_carried_out().code),
                 Field(&Answer::message, not_carried_out().message));
}

class Batch : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        if (!subject_->traits().takes_statements) {
            GTEST_SKIP() << "the resource takes no statements";
        }
    }

    [[nodiscard]] Request start_of(const Xid& xid) const {
        return {.verb = Verb::start, .xid = xid};
    }
    [[nodiscard]] Request insert_in(const Xid& xid, int id) const {
        return {.verb = Verb::execute, .xid = xid, .statement = subject_->insert_statement(id)};
    }
    [[nodiscard]] Request failure_in(const Xid& xid) const {
        return {.verb = Verb::execute, .xid = xid, .statement = subject_->failing_statement()};
    }
    [[nodiscard]] Request prepare_of(const Xid& xid) const {
        return {.verb = Verb::prepare, .xid = xid};
    }
    [[nodiscard]] Request commit_of(const Xid& xid) const {
        return {.verb = Verb::commit, .xid = xid};
    }

    const Xid xid_ = unique_xid();
};

TEST_P(Batch, OpensTheBranchForTheApplicationWithItsFirstStatement) {
    const auto connection = subject_->connect();
    const auto answers = run(*connection, {start_of(xid_), insert_in(xid_, 1)});
    EXPECT_THAT(answers, ElementsAre(answered(XaCode::ok), answered(XaCode::ok)));
    EXPECT_EQ(answers.back().rows, 1U);
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_FALSE(connection->is_reusable());
    subject_->insert(*connection, 2);
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(subject_->has_row(2));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, CarriesAWholeBranchUpToItsVote) {
    const auto connection = subject_->connect();
    EXPECT_THAT(run(*connection, {start_of(xid_), insert_in(xid_, 1), prepare_of(xid_)}),
                ElementsAre(answered(XaCode::ok), answered(XaCode::ok), answered(XaCode::ok)));
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_EQ(listed(), std::vector{xid_});
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, CarriesTheLastStatementWithTheVote) {
    const auto connection = start(xid_);
    subject_->insert(*connection, 1);
    EXPECT_THAT(run(*connection, {insert_in(xid_, 2), prepare_of(xid_)}),
                ElementsAre(answered(XaCode::ok), answered(XaCode::ok)));
    EXPECT_EQ(listed(), std::vector{xid_});
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(subject_->has_row(2));
}

TEST_P(Batch, CarriesOneStatementAloneAndLeavesTheBranchOpen) {
    const auto connection = start(xid_);
    EXPECT_THAT(run(*connection, {insert_in(xid_, 1)}), ElementsAre(answered(XaCode::ok)));
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, CommitsOneBranchAndCarriesTheNextUpToItsVote) {
    const auto connection = subject_->connect();
    auto old_xid = xid_;
    ASSERT_THAT(run(*connection, {start_of(xid_), insert_in(xid_, 0), prepare_of(xid_)}),
                ElementsAre(answered(XaCode::ok), answered(XaCode::ok), answered(XaCode::ok)));
    for (int id = 1; id <= 20; ++id) {
        const auto xid = unique_xid();
        ASSERT_THAT(run(*connection,
                        {commit_of(old_xid), start_of(xid), insert_in(xid, id), prepare_of(xid)}),
                    ElementsAre(answered(XaCode::ok), answered(XaCode::ok), answered(XaCode::ok),
                                answered(XaCode::ok)));
        EXPECT_TRUE(subject_->has_row(id - 1));
        EXPECT_FALSE(subject_->has_row(id));
        old_xid = xid;
    }
    EXPECT_EQ(run(*connection, Verb::commit, old_xid).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(20));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, CommitsOneBranchAndOpensTheNextForTheApplication) {
    const auto connection = prepare(xid_, 1);
    const auto next = unique_xid();
    EXPECT_THAT(run(*connection, {commit_of(xid_), start_of(next)}),
                ElementsAre(answered(XaCode::ok), answered(XaCode::ok)));
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(connection->is_open_to_application());
    subject_->insert(*connection, 2);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, next).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(2));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, NeverPreparesAfterAFailedStatement) {
    const auto connection = subject_->connect();
    const auto answers = run(*connection, {start_of(xid_), failure_in(xid_), prepare_of(xid_)});
    EXPECT_THAT(answers,
                ElementsAre(answered(XaCode::ok), answered(XaCode::rmerr), was_not_carried_out()));
    EXPECT_FALSE(answers.at(1).message.empty());
    EXPECT_EQ(listed(), std::vector<Xid>{});
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, NeverPreparesWhatAnOpenBranchDidBeforeAFailedStatement) {
    const auto connection = start(xid_);
    subject_->insert(*connection, 1);
    EXPECT_THAT(run(*connection, {failure_in(xid_), prepare_of(xid_)}),
                ElementsAre(answered(XaCode::rmerr), was_not_carried_out()));
    EXPECT_EQ(listed(), std::vector<Xid>{});
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, StartsNothingAfterAFailedCommit) {
    const auto connection = prepare(xid_, 1);
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    const auto next = unique_xid();
    EXPECT_THAT(
        run(*connection, {commit_of(xid_), start_of(next), insert_in(next, 2), prepare_of(next)}),
        ElementsAre(answered(XaCode::nota), was_not_carried_out(), was_not_carried_out(),
                    was_not_carried_out()));
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_FALSE(subject_->has_row(2));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Batch, RunsNoStatementOutsideABranchThatCouldNotBeStarted) {
    const auto first = prepare(xid_, 1);
    if (subject_->traits().names_active_branches) {
        const auto second = subject_->connect();
        EXPECT_THAT(
            run(*second, {start_of(xid_), insert_in(xid_, 2), prepare_of(xid_)}),
            ElementsAre(answered(XaCode::dupid), was_not_carried_out(), was_not_carried_out()));
        EXPECT_FALSE(subject_->has_row(2));
        EXPECT_TRUE(serves_again(*second));
    }
    EXPECT_EQ(run(*first, Verb::rollback, xid_).code, XaCode::ok);
}

TEST_P(Batch, IsAnsweredInFullWhenTheSessionIsLost) {
    if (!subject_->traits().is_server) {
        GTEST_SKIP() << kNoServer;
    }
    const auto connection = start(xid_);
    subject_->insert(*connection, 1);
    subject_->end_session(*connection);
    // What comes after the loss has either not happened or can't be known.
    EXPECT_THAT(run(*connection, {insert_in(xid_, 2), prepare_of(xid_)}),
                ElementsAre(answered(XaCode::rmfail),
                            AnyOf(was_not_carried_out(), answered(XaCode::rmfail))));
    EXPECT_FALSE(connection->is_reusable());
    EXPECT_FALSE(connection->is_open_to_application());
    EXPECT_FALSE(subject_->has_row(1));
}

INSTANTIATE_TEST_SUITE_P(Of, Batch, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace xa_tm::conformance
