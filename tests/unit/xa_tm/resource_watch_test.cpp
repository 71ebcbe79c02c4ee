#include "resource_watch.h"

#include <boost/log/core.hpp>
#include <gtest/gtest.h>

namespace xa_tm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

PlannedBranch planned(const std::string& gtrid, RecoveryAction action,
                      TransactionState state = TransactionState::presumed_abort) {
    return {.listed = {.xid = Xid{kFormatId, gtrid, "users:1"}, .name = {}},
            .seen = RecoveredState::prepared,
            .state = state,
            .action = action,
            .reason = "because"};
}

ResourcePass pass_with(std::vector<PlannedBranch> branches) {
    ResourcePass pass{
        .resource = {.name = "users", .kind = "fake", .is_reachable = true, .error = {}},
        .planned = std::move(branches),
        .states = {}};
    for (const auto& branch : pass.planned) {
        pass.states.push_back(branch.seen);
    }
    return pass;
}

class Watch : public testing::Test {
protected:
    Watch() { boost::log::core::get()->set_logging_enabled(false); }

    ResourceWatch watch_;
    ResourceWatch::Time start_ = std::chrono::steady_clock::now();
};

TEST(AlarmOf, RisesWithTimeAndWithWhatWaitsForAPerson) {
    EXPECT_EQ(alarm_of(0, 0, minutes{60}), AlarmLevel::none);
    EXPECT_EQ(alarm_of(1, 0, seconds{59}), AlarmLevel::notice);
    EXPECT_EQ(alarm_of(1, 0, seconds{60}), AlarmLevel::warning);
    EXPECT_EQ(alarm_of(0, 1, seconds{0}), AlarmLevel::warning);
    EXPECT_EQ(alarm_of(1, 0, minutes{10}), AlarmLevel::critical);
}

TEST_F(Watch, CountsFromWhenABranchWasFirstSeenInDoubt) {
    const auto in_doubt = pass_with({planned("g1", RecoveryAction::commit)});
    watch_.note(in_doubt, {}, start_);
    watch_.note(in_doubt, {}, start_ + seconds{61});
    const auto status = watch_.status(start_ + seconds{90});
    EXPECT_EQ(status.in_doubt, 1U);
    EXPECT_EQ(status.oldest, seconds{90});
    EXPECT_EQ(status.alarm, AlarmLevel::warning);
    EXPECT_FALSE(watch_.is_idle());
}

TEST_F(Watch, CountsABranchInDoubtWhoseLastResourceHasNotToldYet) {
    const auto undecided =
        pass_with({planned("g1", RecoveryAction::none, TransactionState::at_last_resource)});
    EXPECT_FALSE(undecided.is_done());
    watch_.note(undecided, {}, start_);
    const auto status = watch_.status(start_);
    EXPECT_EQ(status.in_doubt, 1U);
    EXPECT_EQ(status.for_a_person, 0U);
    EXPECT_FALSE(watch_.is_idle());
}

TEST_F(Watch, StartsAnewForABranchThatComesAfterAnotherHasGone) {
    watch_.note(pass_with({planned("g1", RecoveryAction::commit)}), {}, start_);
    watch_.note(pass_with({planned("g2", RecoveryAction::commit)}), {}, start_ + minutes{5});
    EXPECT_EQ(watch_.status(start_ + minutes{5}).oldest, seconds{0});
    watch_.note(pass_with({}), {}, start_ + minutes{6});
    EXPECT_EQ(watch_.status(start_ + minutes{6}).alarm, AlarmLevel::none);
    EXPECT_TRUE(watch_.is_idle());
}

TEST_F(Watch, KnowsOfAnUnreachableResourceWhatTheLogKnows) {
    auto pass = pass_with({});
    pass.resource.is_reachable = false;
    pass.resource.error = "down";
    watch_.note(pass, {{"g1", "users:1"}, {"g2", "users:1"}}, start_);
    const auto status = watch_.status(start_);
    EXPECT_EQ(status.in_doubt, 2U);
    EXPECT_EQ(status.error, "down");
    EXPECT_FALSE(watch_.is_idle());
}

TEST_F(Watch, SeesWorkInAResourceThatCanNotBeListed) {
    auto pass = pass_with({});
    pass.resource.is_reachable = false;
    watch_.note(pass, {}, start_);
    EXPECT_FALSE(watch_.is_idle());
}

TEST_F(Watch, TellsWhatWaitsForAPersonFromWhatRecoveryFinishes) {
    auto pass = pass_with({planned("g1", RecoveryAction::none, TransactionState::lost_log),
                           planned("g2", RecoveryAction::none, TransactionState::live),
                           planned("g3", RecoveryAction::none, TransactionState::foreign),
                           planned("g4", RecoveryAction::none)});
    pass.states[3] = RecoveredState::rolled_back;
    watch_.note(pass, {}, start_);
    const auto status = watch_.status(start_);
    EXPECT_EQ(status.for_a_person, 1U);
    EXPECT_EQ(status.in_doubt, 0U);
    EXPECT_EQ(status.rolled_back, 1U);
    EXPECT_TRUE(watch_.is_idle());
}

}  // namespace
}  // namespace xa_tm
