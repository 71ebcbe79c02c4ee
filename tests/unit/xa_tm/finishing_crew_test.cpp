#include "finishing_crew.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_resource_manager.h"
#include "xa_tm/error.h"

namespace xa_tm::test {
namespace {

using testing::IsEmpty;

class Crew : public testing::Test {
protected:
    void prepare(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            users_.add_prepared({.xid = xid(i), .name = {}});
        }
    }
    [[nodiscard]] static Xid xid(std::size_t i) {
        return {kFormatId, "g" + std::to_string(i), "users:1"};
    }
    std::optional<Answer> run(std::size_t count,
                              std::chrono::milliseconds timeout = std::chrono::minutes{1},
                              const Interrupt* interrupt = nullptr) {
        FinishingCrew crew{*first_, [this] { return users_.connect({}); }, timeout, interrupt};
        std::size_t next = 0;
        return crew.run(
            count,
            [&]() -> std::optional<FinishingCrew::Job> {
                if (next == count) {
                    return std::nullopt;
                }
                const auto key = next++;
                begun_ = next;
                return FinishingCrew::Job{key, {.verb = Verb::commit, .xid = xid(key)}};
            },
            [&](std::size_t key, const Answer& answer) {
                EXPECT_TRUE(taken_.insert(key).second);
                codes_.insert(answer.code);
            });
    }

    FakeResourceManager users_{"users"};
    std::unique_ptr<Connection> first_{users_.connect({})};
    std::set<std::size_t> taken_;
    std::set<XaCode> codes_;
    std::size_t begun_ = 0;
};

TEST_F(Crew, CarriesOutEveryJobOnceOverAFewConnections) {
    prepare(100);
    EXPECT_FALSE(run(100).has_value());
    EXPECT_EQ(taken_.size(), 100U);
    EXPECT_THAT(codes_, testing::ElementsAre(XaCode::ok));
    EXPECT_THAT(users_.prepared(), IsEmpty());
    EXPECT_EQ(users_.connects(), FinishingCrew::kConnectionsMax);
}

TEST_F(Crew, OpensNoConnectionForAFewJobs) {
    prepare(FinishingCrew::kRequestsPerConnection);
    EXPECT_FALSE(run(FinishingCrew::kRequestsPerConnection).has_value());
    EXPECT_EQ(users_.connects(), 1U);
}

TEST_F(Crew, GoesOnWithFewerWhereTheServerTakesNoMore) {
    prepare(100);
    FinishingCrew crew{*first_,
                       []() -> std::unique_ptr<Connection> {
                           throw Error({.code = ErrorCode::resource_unreachable}, "too many");
                       },
                       std::chrono::minutes{1}, nullptr};
    std::size_t next = 0;
    const auto lost = crew.run(
        100,
        [&]() -> std::optional<FinishingCrew::Job> {
            return next == 100 ? std::nullopt
                               : std::optional{FinishingCrew::Job{
                                     next, {.verb = Verb::commit, .xid = xid(next++)}}};
        },
        [](std::size_t, const Answer&) {});
    EXPECT_FALSE(lost.has_value());
    EXPECT_THAT(users_.prepared(), IsEmpty());
}

TEST_F(Crew, BeginsNothingMoreOnceAConnectionIsLostAndWaitsForTheRest) {
    prepare(100);
    users_.fail_next(Verb::commit, Fault::lose_answer, 10);
    const auto lost = run(100);
    ASSERT_TRUE(lost.has_value());
    EXPECT_EQ(lost->code, XaCode::rmfail);
    EXPECT_LT(begun_, 20U);
    EXPECT_EQ(taken_.size() + 1, begun_);
}

TEST_F(Crew, TakesAnAnswerThatDoesNotComeForALostConnection) {
    prepare(1);
    users_.fail_next(Verb::commit, Fault::stall_answer);
    EXPECT_EQ(run(1, std::chrono::milliseconds{5})->code, XaCode::rmfail);
    EXPECT_THAT(taken_, IsEmpty());
}

TEST_F(Crew, BeginsNothingMoreOnceItIsInterrupted) {
    prepare(100);
    Interrupt interrupt;
    interrupt.raise();
    static_cast<void>(run(100, std::chrono::minutes{1}, &interrupt));
    EXPECT_EQ(begun_, FinishingCrew::kConnectionsMax);
}

}  // namespace
}  // namespace xa_tm::test
