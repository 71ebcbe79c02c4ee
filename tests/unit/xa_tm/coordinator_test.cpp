#include "coordinator.h"

#include <deque>
#include <string>
#include <vector>

#include <boost/log/core.hpp>
#include <boost/log/sinks/basic_sink_backend.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gather.h"
#include "manager_fixture.h"
#include "scripted_log.h"

namespace xa_tm::test {
namespace {

using recovery_log::ForceResult;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kGtrid = "shop-1:0000000000000001:1:1";

class Coordinator : public testing::Test {
protected:
    Coordinator() {
        boost::log::core::get()->set_logging_enabled(false);
        table_.enter(kGtrid);
    }

    void open(FakeLink& link, const std::string& bqual, const std::string& row) {
        auto& branch = branches_.emplace_back(
            EnlistedBranch{.datasource = &link, .xid = {kFormatId, kGtrid, bqual}});
        branch.lease = link.pool().acquire({}, "gtrid");
        branch.is_started = true;
        EXPECT_EQ(exchange(*branch.connection(), {.verb = Verb::start, .xid = branch.xid},
                           std::chrono::minutes{1})
                      .code,
                  XaCode::ok);
        FakeLink::branch_of(*branch.connection()).write(row);
    }
    void open_two() {
        open(users_link_, "users:1", "ada");
        open(points_link_, "points:2", "ada:100");
    }
    [[nodiscard]] bool is_live() const { return table_.snapshot().live.contains(kGtrid); }
    [[nodiscard]] bool is_handed_over() const {
        return table_.snapshot().decisions.contains(kGtrid);
    }

    ScriptedLog* scripted_ = new ScriptedLog;  // owned by log_
    DecisionLog log_{std::unique_ptr<recovery_log::RecoveryLog>{scripted_}};
    TransactionTable table_;
    std::vector<std::string> woken_;
    xa_tm::Coordinator coordinator_{
        log_, table_, std::chrono::minutes{1},
        [this](std::string_view resource) { woken_.emplace_back(resource); }};
    FakeResourceManager users_{"users"};
    FakeResourceManager points_{"points"};
    FakeLink users_link_{"users", users_};
    FakeLink points_link_{"points", points_};
    std::vector<EnlistedBranch> branches_;
};

TEST_F(Coordinator, ForgetsADecisionOnceEveryBranchHasCommitted) {
    open_two();
    const auto report = coordinator_.commit(kGtrid, branches_);
    EXPECT_EQ(report.outcome(), Outcome::committed);
    EXPECT_THAT(scripted_->entries, ElementsAre(IsDecision(kGtrid, std::array{"users", "points"})));
    EXPECT_THAT(scripted_->forgotten, ElementsAre(1));
    EXPECT_EQ(scripted_->reserved, 0U);
    EXPECT_FALSE(is_live() || is_handed_over());
    EXPECT_THAT(woken_, IsEmpty());
}

TEST_F(Coordinator, KeepsADecisionUntilEveryBranchHasCommitted) {
    open_two();
    points_.fail_next(Verb::commit, Fault::lose_request);
    EXPECT_EQ(coordinator_.commit(kGtrid, branches_).outcome(), Outcome::committed);
    EXPECT_THAT(scripted_->forgotten, IsEmpty());
    EXPECT_FALSE(is_live());
    EXPECT_TRUE(is_handed_over());
    EXPECT_THAT(table_.waiting_for("points"), SizeIs(1));
    EXPECT_THAT(table_.waiting_for("users"), IsEmpty());
    EXPECT_THAT(woken_, ElementsAre("points"));
}

TEST_F(Coordinator, PreparesNothingWithoutSpaceForTheDecision) {
    open_two();
    scripted_->health = recovery_log::Health::full;
    const auto report = coordinator_.commit(kGtrid, branches_);
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(report.reason(), HasSubstr("nothing was prepared: the disk said no"));
    EXPECT_EQ(verbs(users_, kGtrid), "start rollback");
    EXPECT_EQ(verbs(points_, kGtrid), "start rollback");
    EXPECT_FALSE(is_live());
}

TEST_F(Coordinator, NeedsNoSpaceForASingleBranch) {
    open(users_link_, "users:1", "ada");
    scripted_->health = recovery_log::Health::full;
    EXPECT_EQ(coordinator_.commit(kGtrid, branches_).outcome(), Outcome::committed);
}

TEST_F(Coordinator, RollsBackWhenTheDecisionIsCertainlyNotOnDisk) {
    open_two();
    scripted_->result = ForceResult::refused;
    const auto report = coordinator_.commit(kGtrid, branches_);
    EXPECT_EQ(report.outcome(), Outcome::rolled_back);
    EXPECT_TRUE(report.is_settled());
    EXPECT_THAT(report.reason(), HasSubstr("the disk said no"));
    EXPECT_EQ(verbs(users_, kGtrid), "start prepare rollback");
    EXPECT_EQ(verbs(points_, kGtrid), "start prepare rollback");
    EXPECT_EQ(scripted_->reserved, 0U);
    EXPECT_FALSE(is_live());
}

TEST_F(Coordinator, TouchesNothingMoreWhenNobodyKnowsWhetherTheDecisionIsOnDisk) {
    open_two();
    std::size_t closed = 0;
    for (auto* link : {&users_link_, &points_link_}) {
        link->watch(
            [&](FakeLink::Event event, Verb) { closed += event == FakeLink::Event::closed; });
    }
    scripted_->result = ForceResult::unknown;
    const auto report = coordinator_.commit(kGtrid, branches_);
    EXPECT_EQ(report.outcome(), Outcome::unknown);
    EXPECT_FALSE(report.is_settled());
    EXPECT_THAT(report.reason(), HasSubstr("the disk said no"));
    EXPECT_THAT(report.branches()[0].next, HasSubstr("stays prepared"));
    EXPECT_EQ(verbs(users_, kGtrid), "start prepare");
    EXPECT_EQ(verbs(points_, kGtrid), "start prepare");
    EXPECT_EQ(users_.prepared().size() + points_.prepared().size(), 2U);
    // For this incarnation it stays live, so that recovery does not judge it; and the sessions end,
    // so that the next incarnation can.
    EXPECT_TRUE(is_live());
    EXPECT_EQ(closed, 2U);
}

TEST_F(Coordinator, NotesThatAHeuristicCouldNotBeMadeDurable) {
    open_two();
    points_link_.watch([this](FakeLink::Event event, Verb verb) {
        if (event == FakeLink::Event::sending && verb == Verb::commit) {
            scripted_->health = recovery_log::Health::full;
        }
    });
    points_.answer_next(Verb::commit, XaCode::heurrb);
    EXPECT_EQ(coordinator_.commit(kGtrid, branches_).outcome(), Outcome::heuristic_mixed);
    EXPECT_THAT(scripted_->entries, ElementsAre(IsDecision(kGtrid, std::array{"users", "points"})));
    EXPECT_THAT(scripted_->forgotten, IsEmpty());
    EXPECT_TRUE(is_handed_over());
}

/// A sink of the host whose disk is full, say.
class ThrowingBackend
    : public boost::log::sinks::basic_sink_backend<
          boost::log::sinks::combine_requirements<boost::log::sinks::synchronized_feeding>::type> {
public:
    void consume(const boost::log::record_view&) { throw std::runtime_error{"no space left"}; }
};

TEST_F(Coordinator, GoesOnWhenALogSinkOfTheHostThrows) {
    const auto core = boost::log::core::get();
    const auto sink = boost::make_shared<boost::log::sinks::synchronous_sink<ThrowingBackend>>();
    core->add_sink(sink);
    core->set_logging_enabled(true);
    open_two();
    points_.fail_next(Verb::commit, Fault::lose_request);
    EXPECT_EQ(coordinator_.commit(kGtrid, branches_).outcome(), Outcome::committed);
    core->set_logging_enabled(false);
    core->remove_sink(sink);
    EXPECT_TRUE(users_.has_row("ada"));
}

}  // namespace
}  // namespace xa_tm::test
