#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "loop_disk.h"
#include "temporary_directory.h"
#include "xa_tm/recovery_log/recovery_log.h"

// The log on a real disk that fills up.
namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t kDiskBytes = std::size_t{512} << 20;
constexpr std::size_t kReservations = 10'000;
constexpr std::size_t kThreads = 16;
constexpr std::size_t kBodyBytes = 200;

TEST(FullDisk, KeepsEveryReservationAndServiceResumesByItself) {
    if (const auto obstacle = test::LoopDisk::obstacle()) {
        GTEST_SKIP() << "no disk to fill: " << *obstacle;
    }
    const test::TemporaryDirectory directory;
    const test::LoopDisk disk{directory.path() / "disk.img", directory.path() / "disk", kDiskBytes};
    const auto log_directory = disk.path() / "log";
    std::filesystem::create_directory(log_directory);
    const Options options{
        .directory = log_directory, .node = "shop-1", .segment_size_bytes = 64 * 1024, .copies = 1};
    auto log = RecoveryLog::open(options);
    std::vector<std::vector<Reservation>> reservations(kThreads);
    for (std::size_t i = 0; i < kReservations; ++i) {
        auto reservation = log->reserve(kBodyBytes);
        ASSERT_TRUE(reservation) << log->status().reason;
        reservations[i % kThreads].push_back(std::move(*reservation));
    }
    disk.fill_up();
    std::size_t reserved_on_full_disk = 0;
    while (auto more = log->reserve(kBodyBytes)) {
        reservations[reserved_on_full_disk++ % kThreads].push_back(std::move(*more));
    }
    EXPECT_EQ(log->status().health, Health::full);

    const std::string body(kBodyBytes, 'd');
    std::atomic<std::size_t> durable{0};
    std::vector<std::thread> threads;
    for (auto& own : reservations) {
        threads.emplace_back([&] {
            for (auto& reservation : own) {
                const auto forced =
                    log->force(std::move(reservation), std::as_bytes(std::span{body}));
                EXPECT_EQ(forced.result, ForceResult::durable) << forced.reason;
                durable += forced.result == ForceResult::durable ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(durable, kReservations + reserved_on_full_disk);

    // Forces that shared pages have left room; it is used up before the next is refused.
    std::size_t forced_afterwards = 0;
    for (;;) {
        std::vector<ForceRequest> rest;
        while (auto reservation = log->reserve(kBodyBytes)) {
            rest.push_back({std::move(*reservation), std::as_bytes(std::span{body})});
        }
        if (rest.empty()) {
            break;
        }
        forced_afterwards += rest.size();
        for (const auto& forced : log->force_many(std::move(rest))) {
            ASSERT_EQ(forced.result, ForceResult::durable) << forced.reason;
        }
    }
    EXPECT_EQ(log->status().health, Health::full);
    disk.free_up();
    EXPECT_TRUE(log->reserve(kBodyBytes)) << log->status().reason;
    EXPECT_EQ(log->status().health, Health::healthy);

    log.reset();
    EXPECT_EQ(RecoveryLog::open(options)->live_entries().size(), durable + forced_afterwards);
}

}  // namespace
}  // namespace xa_tm::recovery_log
