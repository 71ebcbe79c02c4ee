#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include "eventually.h"
#include "open_log.h"
#include "simulated_file_system.h"
#include "test_bytes.h"

// What callers that share a log do to each other: nothing. On the simulated file system, which only
// the thread that writes for all of them touches: space is reserved beforehand.
namespace xa_tm::recovery_log {
namespace {

using test::Call;
using test::Operation;
using test::SimulatedFileSystem;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// A thread that says when it sleeps.
class Caller {
public:
    explicit Caller(std::function<void()> work)
        : thread_{[this, work = std::move(work)] {
              id_ = ::gettid();
              work();
          }} {}
    ~Caller() { join(); }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    void join() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    /// It waits for somebody else.
    [[nodiscard]] bool sleeps() const {
        std::ifstream file{"/proc/self/task/" + std::to_string(id_) + "/stat"};
        std::string text;
        std::getline(file, text);
        const auto end_of_name = text.rfind(')');
        return end_of_name != std::string::npos && text.substr(end_of_name + 2, 1) == "S";
    }

private:
    std::atomic<pid_t> id_{0};
    std::thread thread_;
};

class SharedLog : public testing::Test {
protected:
    [[nodiscard]] Reservation reserve() const {
        auto reservation = log->reserve(kBodyBytes);
        EXPECT_TRUE(reservation) << log->status().reason;
        return std::move(*reservation);
    }

    static constexpr std::size_t kBodyBytes = 100;
    SimulatedFileSystem disk{"/log"};
    Options options{.directory = "/log", .node = "shop-1", .segment_size_bytes = 64 * 1024};
    std::unique_ptr<RecoveryLog> log = open_log(disk, options);
};

TEST_F(SharedLog, Trap24GivesAllThatShareAFailedSyncTheSameAnswer) {
    constexpr std::size_t kFollowers = 6;
    std::vector<Reservation> reservations;
    while (reservations.size() < kFollowers + 4) {
        reservations.push_back(reserve());
    }
    const auto take = [&] {
        auto reservation = std::move(reservations.back());
        reservations.pop_back();
        return reservation;
    };
    std::atomic<bool> is_first_held_up{false};
    std::atomic<bool> may_first_go_on{false};
    std::atomic<std::size_t> syncs{0};
    std::atomic<std::size_t> calls_after_failure{0};
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        calls_after_failure += syncs >= 2 ? 1 : 0;
        if (call.operation != Operation::datasync) {
            return std::nullopt;
        }
        if (++syncs == 1) {
            is_first_held_up = true;
            EXPECT_TRUE(test::eventually([&] { return may_first_go_on.load(); }));
            return std::nullopt;
        }
        return -EIO;
    };

    Forced first{};
    Caller leader{[&, reservation = std::make_shared<Reservation>(take())] {
        first = log->force(std::move(*reservation), bytes_of("first"));
    }};
    ASSERT_TRUE(test::eventually([&] { return is_first_held_up.load(); }));
    std::vector<Forced> answers(kFollowers + 3);
    std::vector<std::unique_ptr<Caller>> followers;
    for (std::size_t i = 0; i < kFollowers; ++i) {
        followers.push_back(
            std::make_unique<Caller>([&, i, reservation = std::make_shared<Reservation>(take())] {
                answers[i] = log->force(std::move(*reservation), bytes_of("follower"));
            }));
    }
    followers.push_back(std::make_unique<Caller>([&, one = std::make_shared<Reservation>(take()),
                                                  other = std::make_shared<Reservation>(take())] {
        std::vector<ForceRequest> requests;
        requests.push_back({std::move(*one), bytes_of("one of two")});
        requests.push_back({std::move(*other), bytes_of("other of two")});
        const auto both = log->force_many(std::move(requests));
        std::ranges::copy(both, answers.begin() + kFollowers);
    }));
    for (const auto& follower : followers) {
        ASSERT_TRUE(test::eventually([&] { return follower->sleeps(); }));
    }
    std::atomic<bool> is_told{false};
    log->force_async(take(), {}, [&](const Forced& forced) {
        answers.back() = forced;
        is_told = true;
    });
    may_first_go_on = true;
    leader.join();
    followers.clear();
    ASSERT_TRUE(test::eventually([&] { return is_told.load(); }));

    EXPECT_EQ(first.result, ForceResult::durable);
    EXPECT_THAT(answers,
                Each(AllOf(Field(&Forced::result, ForceResult::unknown), Field(&Forced::id, 0U),
                           Field(&Forced::reason, answers[0].reason))));
    EXPECT_THAT(answers[0].reason, HasSubstr("Input/output error (errno 5)"));
    EXPECT_EQ(calls_after_failure, 0U);
    EXPECT_THAT(log->live_entries(), SizeIs(1));
}

TEST_F(SharedLog, Trap20StaysUsableWhenAThreadIsCancelledWhileItWrites) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "AddressSanitizer takes the stack of a cancelled thread for one in use";
#endif
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        if (call.operation == Operation::datasync) {
            ::pthread_cancel(::pthread_self());
            ::pthread_testcancel();  // as fdatasync is
        }
        return std::nullopt;
    };
    struct Shared {
        RecoveryLog& log;
        Reservation reservation;
        Forced forced{};
    } shared{*log, reserve()};
    pthread_t thread{};
    const auto work = [](void* argument) -> void* {
        auto& mine = *static_cast<Shared*>(argument);
        mine.forced =
            mine.log.force(std::move(mine.reservation), bytes_of("of a cancelled thread"));
        ::pthread_testcancel();
        return nullptr;
    };
    ASSERT_EQ(::pthread_create(&thread, nullptr, work, &shared), 0);
    void* result = nullptr;
    ASSERT_EQ(::pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED) << "cancelled, but not before force() had returned";
    EXPECT_EQ(shared.forced.result, ForceResult::durable);

    disk.on_call = nullptr;
    EXPECT_EQ(log->force(reserve(), bytes_of("next")).result, ForceResult::durable);
    log.reset();
    EXPECT_THAT(open_log(disk, options)->live_entries(), SizeIs(2));
}

TEST_F(SharedLog, Trap20GivesBackWhatACallerThatThrowsHadReserved) {
    for (int i = 0; i < 1'000; ++i) {
        EXPECT_THROW(
            {
                const auto reservation = reserve();
                throw std::runtime_error{"the caller has changed its mind"};
            },
            std::runtime_error);
    }
    EXPECT_THAT(disk.files(), SizeIs(3)) << "a second segment was needed";
    EXPECT_EQ(log->force(reserve(), bytes_of("next")).result, ForceResult::durable);
}

TEST_F(SharedLog, DecidesTenThousandReservationsOnAFullDiskAndResumesByItself) {
    constexpr std::size_t kReservations = 10'000;
    std::vector<Reservation> reservations;
    while (reservations.size() < kReservations) {
        reservations.push_back(reserve());
    }
    disk.capacity_bytes = 0;
    while (auto more = log->reserve(kBodyBytes)) {
        reservations.push_back(std::move(*more));
    }
    EXPECT_EQ(log->status().health, Health::full);

    std::size_t durable = 0;
    for (auto& reservation : reservations) {
        durable +=
            log->force(std::move(reservation), bytes_of("promised")).result == ForceResult::durable
                ? 1
                : 0;
    }
    EXPECT_EQ(durable, reservations.size());
    while (auto rest = log->reserve(kBodyBytes)) {
        ASSERT_EQ(log->force(std::move(*rest), bytes_of("rest")).result, ForceResult::durable);
    }
    EXPECT_EQ(log->status().health, Health::full);
    EXPECT_THAT(log->status().reason, HasSubstr("No space left on device"));

    disk.capacity_bytes = std::numeric_limits<std::size_t>::max();
    EXPECT_EQ(log->force(reserve(), bytes_of("after")).result, ForceResult::durable);
    EXPECT_EQ(log->status().health, Health::healthy);
}

}  // namespace
}  // namespace xa_tm::recovery_log
