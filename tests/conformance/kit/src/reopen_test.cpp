// What a resource still knows when another process opens it: everything that was prepared or has
// committed, and nothing else.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xa_tm/conformance/suite.h"

namespace xa_tm::conformance {
namespace {

class Reopen : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        if (!subject_->traits().can_be_reopened) {
            GTEST_SKIP() << "the subject can't be reopened";
        }
    }
};

TEST_P(Reopen, BringsBackWhatWasPreparedAndNothingThatWasOnlyBegun) {
    const auto committed = unique_xid();
    const auto to_commit = unique_xid();
    const auto to_roll_back = unique_xid();
    EXPECT_EQ(run(*prepare(committed, 1), Verb::commit, committed).code, XaCode::ok);
    prepare(to_commit, 2).reset();
    prepare(to_roll_back, 3).reset();
    {
        const auto open = start(unique_xid());
        subject_->insert(*open, 4);
    }
    subject_->reopen();

    EXPECT_THAT(listed(), testing::UnorderedElementsAre(to_commit, to_roll_back));
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
    const auto connection = subject_->connect();
    EXPECT_EQ(run(*connection, Verb::commit, committed).code, XaCode::nota);
    EXPECT_EQ(run(*connection, Verb::commit, to_commit).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::rollback, to_roll_back).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(2));
    EXPECT_FALSE(subject_->has_row(3));
    EXPECT_FALSE(subject_->has_row(4));
}

TEST_P(Reopen, KeepsWhatWasFinishedFinished) {
    const auto committed = unique_xid();
    const auto rolled_back = unique_xid();
    EXPECT_EQ(run(*prepare(committed, 1), Verb::commit, committed).code, XaCode::ok);
    EXPECT_EQ(run(*prepare(rolled_back, 2), Verb::rollback, rolled_back).code, XaCode::ok);
    subject_->reopen();
    EXPECT_EQ(listed(), std::vector<Xid>{});
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
}

TEST_P(Reopen, NeverChangesTheServersIdentity) {
    const auto before = subject_->connect()->server_identity();
    EXPECT_FALSE(before.empty()) << "recovery can't tell other data from these";
    subject_->reopen();
    EXPECT_EQ(subject_->connect()->server_identity(), before);
}

INSTANTIATE_TEST_SUITE_P(Of, Reopen, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace xa_tm::conformance
