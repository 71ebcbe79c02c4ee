#include "conflict_queue.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eventually.h"

namespace xa_tm::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Keys = std::vector<std::string>;
using Passenger = xa_tm::ConflictQueue::Passenger;
using Turn = xa_tm::ConflictQueue::Turn;

constexpr auto kEver = xa_tm::ConflictQueue::Clock::time_point::max();

/// Those who wait, each in a thread of its own. The test holds the turns of the first ones.
class ConflictQueue : public testing::Test {
protected:
    ~ConflictQueue() override { threads_.clear(); }

    [[nodiscard]] Turn turn(const Keys& keys, Passenger* passenger = nullptr) {
        return std::get<Turn>(queue_.enter(keys, passenger, kEver, {}));
    }
    /// One that joins behind all who are there, says so when it has its turn, was taken along or
    /// has left, and holds its turn until it is released.
    void add(const std::string& name, const Keys& keys, Passenger* passenger = nullptr,
             std::chrono::milliseconds patience = 1h) {
        const auto before = queue_.size();
        auto& cancel = cancels_.emplace_back();
        threads_.emplace_back([=, this, &cancel] {
            const auto deadline = xa_tm::ConflictQueue::Clock::now() + patience;
            auto entered = queue_.enter(keys, passenger, deadline, cancel.get_token());
            const bool has_left = std::holds_alternative<xa_tm::ConflictQueue::Left>(entered);
            const bool was_taken = std::holds_alternative<xa_tm::ConflictQueue::WasTaken>(entered);
            note(name + (has_left ? " left" : was_taken ? " taken" : ""));
            if (std::holds_alternative<Turn>(entered)) {
                EXPECT_TRUE(eventually([&] { return is_released(name); }));
            }
        });
        ASSERT_TRUE(patience < 1h || eventually([&] { return queue_.size() == before + 1; }));
    }
    void cancel_last() { cancels_.back().request_stop(); }

    static void report_to(Passenger& passenger) {
        passenger.report.emplace(CommitReport{"batch", Outcome::committed, "", {}},
                                 std::vector<StatementResult>{});
        std::ignore = passenger.report->outcome();
    }

    void note(const std::string& event) {
        const std::lock_guard lock{mutex_};
        events_.push_back(event);
    }
    /// Lets it end its turn, now or once it has one.
    void release(const std::string& name) {
        const std::lock_guard lock{mutex_};
        released_.push_back(name);
    }
    [[nodiscard]] bool is_released(const std::string& name) const {
        const std::lock_guard lock{mutex_};
        return std::ranges::find(released_, name) != released_.end();
    }
    [[nodiscard]] std::vector<std::string> events() const {
        const std::lock_guard lock{mutex_};
        return events_;
    }
    [[nodiscard]] bool has_come(const std::string& event) const {
        return eventually([&] { return std::ranges::count(events(), event) == 1; });
    }

    mutable std::mutex mutex_;
    std::vector<std::string> events_;
    std::vector<std::string> released_;
    xa_tm::ConflictQueue queue_;
    std::list<std::stop_source> cancels_;
    std::vector<std::jthread> threads_;
};

TEST_F(ConflictQueue, GivesTheTurnAtOnceToWhoWaitsForNobody) {
    const auto first = turn({"a"});
    const auto second = turn({"b"});
    EXPECT_EQ(queue_.size(), 2U);
}

TEST_F(ConflictQueue, GivesTurnsInTheOrderOfTheCalls) {
    {
        const auto first = turn({"a"});
        for (const auto* name : {"1", "2", "3", "4"}) {
            release(name);
            add(name, {"a"});
        }
        EXPECT_THAT(events(), IsEmpty());
    }
    threads_.clear();
    EXPECT_THAT(events(), ElementsAre("1", "2", "3", "4"));
    EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(ConflictQueue, OvertakesNobodyForTheSakeOfWhoNeedsFewerKeys) {
    auto a = turn({"a"});
    {
        const auto b = turn({"b"});
        add("both", {"a", "b"});
        add("later", {"b"});
    }
    // b is free, and belongs to who came first.
    add("other", {"c"});
    EXPECT_TRUE(has_come("other"));
    EXPECT_THAT(events(), ElementsAre("other"));
    release("both");
    release("later");
    release("other");
    a.end();
    threads_.clear();
    EXPECT_THAT(events(), ElementsAre("other", "both", "later"));
}

TEST_F(ConflictQueue, LetsThoseGoOnTogetherThatShareNothingWithEachOther) {
    {
        const auto both = turn({"a", "b"});
        add("a", {"a"});
        add("b", {"b"});
    }
    EXPECT_TRUE(has_come("a"));
    EXPECT_TRUE(has_come("b"));
    release("a");
    release("b");
}

TEST_F(ConflictQueue, NeverDeadlocksHoweverTheKeysOverlap) {
    const std::vector<Keys> all{{"a", "b"}, {"b", "c"}, {"a", "c"}, {"a", "b", "c"}, {"b"}};
    std::map<std::string, std::atomic<int>> holders;
    for (const auto* key : {"a", "b", "c"}) {
        holders[key] = 0;
    }
    for (std::size_t i = 0; i < 8; ++i) {
        threads_.emplace_back([&, i] {
            for (std::size_t round = 0; round < 200; ++round) {
                const auto& keys = all[(i + round) % all.size()];
                const auto own = turn(keys);
                for (const auto& key : keys) {
                    EXPECT_EQ(++holders.at(key), 1) << "two have their turn for " << key;
                }
                for (const auto& key : keys) {
                    --holders.at(key);
                }
            }
        });
    }
    threads_.clear();
    EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(ConflictQueue, KeepsTheOthersInOrderWhenOneInTheMiddleRunsOutOfTime) {
    {
        const auto first = turn({"a", "b"});
        add("1", {"a"});
        add("2", {"a", "b"}, nullptr, 5ms);
        EXPECT_TRUE(has_come("2 left"));
        add("3", {"b"});
        add("4", {"a", "b"});
        EXPECT_EQ(queue_.size(), 4U);
        for (const auto* name : {"1", "3", "4"}) {
            release(name);
        }
    }
    threads_.clear();
    EXPECT_THAT(events(), SizeIs(4));
    EXPECT_EQ(events().back(), "4");
    EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(ConflictQueue, PassesTheTurnOnThatACancelledOneWasHoldingUp) {
    const auto b = turn({"b"});
    add("both", {"a", "b"});
    auto& both = cancels_.back();
    add("a", {"a"});
    EXPECT_THAT(events(), IsEmpty());
    both.request_stop();
    EXPECT_TRUE(has_come("a"));
    EXPECT_THAT(events(), testing::UnorderedElementsAre("both left", "a"));
    release("a");
}

TEST_F(ConflictQueue, GivesTheTurnToWhoNeedNotWaitAlthoughItsTimeIsOver) {
    std::stop_source cancel;
    cancel.request_stop();
    const auto entered = queue_.enter({"a"}, nullptr, {}, cancel.get_token());
    EXPECT_TRUE(std::holds_alternative<Turn>(entered));
}

TEST_F(ConflictQueue, LetsTheNextOneGoWhenATurnIsEndedBeforeItsScope) {
    auto first = turn({"a"});
    add("next", {"a"});
    first.end();
    EXPECT_TRUE(has_come("next"));
    first.end();
    release("next");
}

TEST_F(ConflictQueue, TakesAlongThoseDirectlyBehindThatAreAlike) {
    std::vector<Passenger> passengers(4, Passenger{"users points ", {}});
    {
        auto first = turn({"a", "b"}, &passengers[0]);
        add("1", {"a", "b"}, &passengers[1]);
        add("2", {"a", "b"}, &passengers[2]);
        add("3", {"a", "b"}, &passengers[3]);
        EXPECT_THAT(first.take_along(2), ElementsAre(&passengers[1], &passengers[2]));
        // Those that were taken wait for what becomes of them, and nobody waits for them.
        first.end();
        EXPECT_TRUE(has_come("3"));
        EXPECT_THAT(events(), ElementsAre("3"));
        EXPECT_EQ(queue_.size(), 1U);
        report_to(passengers[1]);
        report_to(passengers[2]);
    }
    EXPECT_TRUE(has_come("1 taken"));
    EXPECT_TRUE(has_come("2 taken"));
    release("3");
}

TEST_F(ConflictQueue, HasThoseThatWereTakenAlongStayWhateverTheirTime) {
    Passenger first_passenger{"users ", {}};
    Passenger passenger{"users ", {}};
    {
        auto first = turn({"a"}, &first_passenger);
        add("taken", {"a"}, &passenger);
        EXPECT_THAT(first.take_along(9), ElementsAre(&passenger));
        cancel_last();
        EXPECT_EQ(queue_.size(), 2U);
        EXPECT_THAT(events(), IsEmpty());
        report_to(passenger);
    }
    EXPECT_TRUE(has_come("taken taken"));
    EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(ConflictQueue, SendsThoseWithoutAReportBackToTheirPlaces) {
    std::vector<Passenger> passengers(3, Passenger{"users ", {}});
    {
        auto first = turn({"a"}, &passengers[0]);
        add("1", {"a"}, &passengers[1]);
        add("2", {"a"}, &passengers[2]);
        EXPECT_THAT(first.take_along(9), SizeIs(2));
        add("late", {"a"});
        report_to(passengers[1]);
    }
    EXPECT_TRUE(has_come("1 taken"));
    EXPECT_TRUE(has_come("2"));
    EXPECT_EQ(queue_.size(), 2U) << "the late one still waits";
    release("2");
    EXPECT_TRUE(has_come("late"));
    release("late");
}

TEST_F(ConflictQueue, HasWhoIsDismissedAfterTheTurnWaitBehindAllOthers) {
    Passenger own{"users ", {}};
    Passenger passenger{"users ", {}};
    auto first = turn({"a"}, &own);
    add("taken", {"a"}, &passenger);
    EXPECT_THAT(first.take_along(9), SizeIs(1));
    add("late", {"a"});
    first.end();
    EXPECT_TRUE(has_come("late"));
    first.dismiss();
    EXPECT_EQ(queue_.size(), 2U);
    release("late");
    EXPECT_TRUE(has_come("taken"));
    release("taken");
}

TEST_F(ConflictQueue, HasWhoIsDismissedLeaveInTime) {
    Passenger own{"users ", {}};
    Passenger passenger{"users ", {}};
    auto first = turn({"a"}, &own);
    add("taken", {"a"}, &passenger);
    EXPECT_THAT(first.take_along(9), SizeIs(1));
    cancel_last();
    first.dismiss();
    EXPECT_TRUE(has_come("taken left"));
    EXPECT_EQ(queue_.size(), 1U);
}

TEST_F(ConflictQueue, TakesNobodyAlongBehindOneThatIsNotAlike) {
    struct Case {
        Keys keys;
        std::optional<Passenger> passenger;
    };
    const std::vector<Case> others{{{"a"}, Passenger{"points ", {}}},
                                   {{"a"}, std::nullopt},
                                   {{"a", "b"}, Passenger{"users ", {}}}};
    for (auto other : others) {
        Passenger own{"users ", {}};
        Passenger alike{"users ", {}};
        auto first = turn({"a"}, &own);
        add("other", other.keys, other.passenger ? &*other.passenger : nullptr);
        add("alike", {"a"}, &alike);
        EXPECT_THAT(first.take_along(9), IsEmpty());
        release("other");
        release("alike");
        first.end();
        threads_.clear();
        EXPECT_THAT(events(), ElementsAre("other", "alike"));
        events_.clear();
    }
}

TEST_F(ConflictQueue, TakesNobodyAlongPastAnotherInOneOfTheQueues) {
    Passenger own{"users ", {}};
    Passenger alike{"users ", {}};
    auto first = turn({"a", "b"}, &own);
    add("between", {"b"});
    add("alike", {"a", "b"}, &alike);
    EXPECT_THAT(first.take_along(9), IsEmpty());
    release("between");
    release("alike");
}

TEST_F(ConflictQueue, TakesNobodyAlongForWhoIsNoPassengerItself) {
    Passenger alike{"users ", {}};
    auto first = turn({"a"});
    add("alike", {"a"}, &alike);
    EXPECT_THAT(first.take_along(9), IsEmpty());
    release("alike");
}

}  // namespace
}  // namespace xa_tm::test
