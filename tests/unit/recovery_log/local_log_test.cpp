#include "local_log.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "directory_lock.h"
#include "flush_encoder.h"
#include "log_content.h"
#include "open_log.h"
#include "segment_file.h"
#include "simulated_file_system.h"
#include "test_bytes.h"

// What only a log with a chosen past can show.
namespace xa_tm::recovery_log {
namespace {

using test::SimulatedFileSystem;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr std::size_t kSegmentBytes = 64 * 1024;
const Options kOptions{
    .directory = "/log", .node = "shop-1", .segment_size_bytes = kSegmentBytes, .copies = 1};

EntryId force(RecoveryLog& log, std::string_view body) {
    const auto forced = log.force(log.reserve(body.size()).value(), bytes_of(body));
    EXPECT_EQ(forced.result, ForceResult::durable) << forced.reason;
    return forced.id;
}

/// Forces and forgets until the log goes on in another segment.
void fill_segment(RecoveryLog& log) {
    for (std::size_t page = 0; page < kSegmentBytes / kPageBytes; ++page) {
        log.forget(force(log, text_of_length(100, page)));
    }
}

SegmentContent content_of(SimulatedFileSystem& disk) {
    const auto segments = list_segments(disk, disk.directory());
    return load_content(disk, disk.directory(), read_ident(disk, disk.directory())->id, segments)
        .content;
}

TEST(LocalLog, RepeatsAQuarantineAndNotesInEveryCheckpoint) {
    SimulatedFileSystem disk{"/log"};
    LogStart start;
    start.is_birth = true;
    start.ident = {.id = LogId{42}, .node = "shop-1"};
    start.epoch = 4;
    start.quarantined_through = 3;
    start.notes = {{.at = std::chrono::sys_days{std::chrono::days{19'000}}, .text = "page 7"}};
    auto chosen = std::make_unique<LocalLog>(disk, disk.directory(),
                                             LogLayout{.segment_pages = kSegmentBytes / kPageBytes,
                                                       .copies = 1,
                                                       .idle_before_seal = std::chrono::hours{1}},
                                             DirectoryLock::acquire(disk, disk.directory()),
                                             std::move(start));
    chosen->start();
    const auto is_the_note = Field(&OperatorNote::text, "page 7");
    fill_segment(*chosen);
    EXPECT_EQ(content_of(disk).quarantined_through, 3U) << "lost by the checkpoint of a rotation";
    EXPECT_THAT(content_of(disk).notes, ElementsAre(is_the_note));
    chosen.reset();
    for (int opening = 0; opening < 2; ++opening) {
        EXPECT_EQ(open_log(disk, kOptions)->quarantined_through(), 3U);
        EXPECT_THAT(content_of(disk).notes, ElementsAre(is_the_note));
    }
}

TEST(LocalLog, LetsNoForgetTakeThePagesThatAreReserved) {
    SimulatedFileSystem disk{"/log"};
    const auto log = open_log(disk, kOptions);
    disk.capacity_bytes = 0;
    std::vector<ForceRequest> requests;
    while (requests.size() < 10) {
        requests.push_back({log->reserve(1).value(), bytes_of("x")});
    }
    std::vector<EntryId> ids;
    for (const auto& forced : log->force_many(std::move(requests))) {
        ids.push_back(forced.id);
    }
    std::vector<Reservation> reservations;
    while (auto reservation = log->reserve(kPageRoomBytes - kRecordHeaderBytes)) {
        reservations.push_back(std::move(*reservation));
    }
    EXPECT_THAT(reservations, testing::SizeIs(kSegmentBytes / kPageBytes - 2));
    const auto body = text_of_length(kPageRoomBytes - kRecordHeaderBytes, 1);
    std::ranges::for_each(ids, [&](EntryId id) { log->forget(id); });
    for (auto& reservation : reservations) {
        EXPECT_EQ(log->force(std::move(reservation), bytes_of(body)).result, ForceResult::durable);
    }
}

/// Behind a failed sync the memory of the machine still shows what the disk has not.
TEST(LocalLog, IsReadFromTheDiskAndNotFromMemory) {
    SimulatedFileSystem disk{"/log"};
    auto log = open_log(disk, kOptions);
    force(*log, "on the disk");
    disk.on_call = [](const test::Call& call) -> std::optional<SysResult> {
        return call.operation == test::Operation::datasync ? std::optional<SysResult>{-EIO}
                                                           : std::nullopt;
    };
    EXPECT_EQ(log->force(log->reserve(9).value(), bytes_of("in memory")).result,
              ForceResult::unknown);
    log.reset();
    disk.on_call = nullptr;
    EXPECT_THAT(read_log(disk, disk.directory()).entries, testing::SizeIs(1));
    EXPECT_THAT(open_log(disk, kOptions)->live_entries(), testing::SizeIs(1));
}

TEST(LocalLog, StopsWhenThePredecessorOfAHalfTakenOverLogIsGone) {
    SimulatedFileSystem disk{"/log"};
    constexpr const char* kStale = "decision-0000000001-0000000001.xlog";
    constexpr const char* kGone = "decision-0000000001-0000000002.xlog";
    constexpr const char* kHalf = "decision-0000000002-0000000001.xlog";
    auto log = open_log(disk, kOptions);
    const auto stale = disk.read(kStale);
    fill_segment(*log);
    force(*log, text_of_length(9'000, 1));
    log.reset();
    open_log(disk, kOptions).reset();
    for (const auto& file : disk.files()) {
        if (file.ends_with(".xlog") && file != kHalf) {
            ASSERT_GE(disk.remove(disk.directory() / file), 0);
        }
    }
    disk.edit(kHalf, [](auto& bytes) {
        std::fill(bytes.begin() + 2 * kPageBytes, bytes.end(), std::byte{0});
    });
    {
        std::unique_ptr<File> file;
        ASSERT_GE(disk.open(disk.directory() / kStale, OpenMode::create_new, file), 0);
        ASSERT_EQ(file->pwrite(stale, 0), static_cast<SysResult>(stale.size()));
    }
    try {
        static_cast<void>(open_log(disk, kOptions));
        ADD_FAILURE() << "a stale segment was taken for the log";
    } catch (const LogError& error) {
        EXPECT_EQ(error.code(), LogErrorCode::damaged);
        EXPECT_THAT(error.what(), HasSubstr(kGone));
    }
}

}  // namespace
}  // namespace xa_tm::recovery_log
