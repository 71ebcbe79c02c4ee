#include "xa_tm/recovery_log/recovery_log.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ident_file.h"
#include "open_log.h"
#include "page_codec.h"
#include "simulated_file_system.h"
#include "test_bytes.h"

// What the log promises, on a simulated file system. Crashes and failing calls in all places stand
// in tests/crash_states, the real file system in posix_log_test.cpp.
namespace xa_tm::recovery_log {
namespace {

using test::Call;
using test::Operation;
using test::SimulatedFileSystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kSegmentBytes = 64 * 1024;
constexpr std::size_t kSegmentPages = kSegmentBytes / kPageBytes;
constexpr std::chrono::nanoseconds kAtOnce{0};

MATCHER_P2(IsEntry, id, body, "") {
    return arg.id == id && text_of(arg.body) == body;
}

class RecoveryLogTest : public testing::Test {
protected:
    [[nodiscard]] std::unique_ptr<RecoveryLog> open() { return open_log(disk, options); }

    /// The code and message of an opening that must fail.
    [[nodiscard]] LogError refusal() {
        try {
            static_cast<void>(open());
        } catch (const LogError& error) {
            return error;
        }
        ADD_FAILURE() << "the log was opened";
        return {LogErrorCode::io, ""};
    }

    static EntryId force(RecoveryLog& log, std::string_view body) {
        auto reservation = log.reserve(body.size());
        if (!reservation) {
            ADD_FAILURE() << log.status().reason;
            return 0;
        }
        const auto forced = log.force(std::move(*reservation), bytes_of(body));
        EXPECT_EQ(forced.result, ForceResult::durable) << forced.reason;
        return forced.id;
    }

    /// The one segment there is.
    [[nodiscard]] std::string segment() const {
        const auto files = disk.files();
        const auto is_segment = [](const std::string& file) { return file.ends_with(".xlog"); };
        EXPECT_EQ(std::ranges::count_if(files, is_segment), 1);
        return *std::ranges::find_if(files, is_segment);
    }

    void flip_bit(std::size_t byte) {
        disk.edit(segment(), [byte](auto& bytes) { bytes[byte] ^= std::byte{1}; });
    }

    void zero_page(std::size_t index) {
        disk.edit(segment(), [index](auto& bytes) {
            std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(index * kPageBytes), kPageBytes,
                        std::byte{0});
        });
    }

    SimulatedFileSystem disk{"/log"};
    Options options{
        .directory = "/log", .node = "shop-1", .segment_size_bytes = kSegmentBytes, .copies = 1};
};

TEST_F(RecoveryLogTest, StartsEmptyWithTheFirstIncarnation) {
    const auto log = open();
    EXPECT_EQ(log->incarnation(), 1U);
    EXPECT_EQ(log->node(), "shop-1");
    EXPECT_NE(log->id(), LogId{});
    EXPECT_THAT(log->live_entries(), IsEmpty());
    EXPECT_EQ(log->status().health, Health::healthy);
}

TEST_F(RecoveryLogTest, KeepsItsEntriesAcrossReopensUnderTheSameIds) {
    auto log = open();
    const auto id = log->id();
    const auto first = force(*log, "first");
    const auto second = force(*log, text_of_length(kEntryBytesMax, 2));
    for (std::uint32_t incarnation = 2; incarnation < 5; ++incarnation) {
        log.reset();
        log = open();
        EXPECT_EQ(log->incarnation(), incarnation);
        EXPECT_EQ(log->id(), id);
        EXPECT_THAT(log->live_entries(),
                    ElementsAre(IsEntry(first, "first"),
                                IsEntry(second, text_of_length(kEntryBytesMax, 2))));
    }
}

TEST_F(RecoveryLogTest, TakesAnEntryWithoutBytes) {
    const auto id = force(*open(), "");
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(id, "")));
}

TEST_F(RecoveryLogTest, DropsAForgottenEntryAtACleanClose) {
    auto log = open();
    const auto first = force(*log, "first");
    const auto second = force(*log, "second");
    log->forget(first);
    log->forget(12345);  // never an entry of this log
    EXPECT_EQ(log->status().live_entries, 1U);
    log.reset();
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(second, "second")));
}

TEST_F(RecoveryLogTest, DropsAForgottenEntryAtACleanCloseOfAFullSegment) {
    for (const bool has_spare : {true, false}) {
        auto log = open();
        std::vector<EntryId> ids;
        for (std::size_t i = 0; i < kSegmentPages - 1; ++i) {
            ids.push_back(force(*log, "entry"));
        }
        if (has_spare) {
            log->maintain();
        }
        for (const auto id : ids) {
            log->forget(id);
        }
        log.reset();
        EXPECT_THAT(open()->live_entries(), IsEmpty()) << "has a spare: " << has_spare;
    }
}

TEST_F(RecoveryLogTest, KeepsWhatIsForgottenWhenThereIsNoSpaceToCloseAFullSegment) {
    auto log = open();
    std::vector<EntryId> ids;
    for (std::size_t i = 0; i < kSegmentPages - 1; ++i) {
        ids.push_back(force(*log, "entry"));
    }
    for (const auto id : ids) {
        log->forget(id);
    }
    disk.capacity_bytes = 0;
    log.reset();
    disk.capacity_bytes = std::numeric_limits<std::size_t>::max();
    EXPECT_THAT(open()->live_entries(), SizeIs(ids.size()));
}

TEST_F(RecoveryLogTest, CarriesAForgetWithTheNextForce) {
    const auto log = open();
    const auto first = force(*log, "first");
    log->forget(first);
    const auto syncs = log->status().syncs;
    const auto second = force(*log, "second");
    EXPECT_EQ(log->status().syncs, syncs + 1);
    const auto crashed = disk.after_crash([](std::size_t) { return false; });
    EXPECT_THAT(open_log(*crashed, options)->live_entries(),
                ElementsAre(IsEntry(second, "second")));
}

TEST_F(RecoveryLogTest, WritesForgetsWithoutAForceWhenItIsIdle) {
    const auto log = open_log(disk, options, kAtOnce);
    constexpr std::size_t kEntries = 400;
    std::vector<EntryId> ids;
    for (std::size_t i = 0; i < kEntries; ++i) {
        ids.push_back(force(*log, "entry"));
    }
    for (const auto id : ids) {
        log->forget(id);
    }
    log->maintain();
    const auto crashed = disk.after_crash([](std::size_t) { return false; });
    EXPECT_THAT(open_log(*crashed, options)->live_entries(), IsEmpty());
}

TEST_F(RecoveryLogTest, SealsItsLastEntriesOnceWhenItIsIdle) {
    const auto log = open_log(disk, options, kAtOnce);
    force(*log, "entry");
    const auto syncs = log->status().syncs;
    log->maintain();
    EXPECT_EQ(log->status().syncs, syncs + 1);
    log->maintain();
    EXPECT_EQ(log->status().syncs, syncs + 1) << "sealed already";
    const auto crashed = disk.after_crash([](std::size_t) { return false; });
    crashed->edit("decision-0000000001-0000000001.xlog", [](auto& bytes) {
        std::fill_n(bytes.begin() + kPageBytes, kPageBytes, std::byte{0});
    });
    EXPECT_THROW(static_cast<void>(open_log(*crashed, options)), LogError)
        << "the seal shows that the page had been there";
}

TEST_F(RecoveryLogTest, SealsNothingWhileItIsBusy) {
    const auto log = open_log(disk, options, std::chrono::hours{1});
    force(*log, "entry");
    const auto syncs = log->status().syncs;
    log->maintain();
    EXPECT_EQ(log->status().syncs, syncs);
}

TEST_F(RecoveryLogTest, NeverGivesAnIdTwice) {
    EntryId last = 0;
    for (int incarnation = 0; incarnation < 3; ++incarnation) {
        const auto log = open();
        for (int i = 0; i < 40; ++i) {
            const auto id = force(*log, "entry");
            EXPECT_GT(id, last);
            last = id;
            log->forget(id);
        }
    }
}

TEST_F(RecoveryLogTest, NumbersItsPagesUpwardsOverAllIncarnations) {
    std::uint64_t last = 0;
    for (int incarnation = 0; incarnation < 3; ++incarnation) {
        force(*open(), "entry");
        const auto bytes = disk.read(segment());
        const auto first_page = classify_page(std::span{bytes}.first<kPageBytes>());
        ASSERT_TRUE(first_page.header);
        EXPECT_EQ(first_page.header->page_no, last + 1);
        constexpr std::uint64_t kCheckpointEntryAndClose = 3;
        last += kCheckpointEntryAndClose;
    }
}

TEST_F(RecoveryLogTest, RollsThroughManySegmentsAndKeepsThree) {
    auto log = open();
    const auto kept = force(*log, "kept");
    for (std::size_t i = 0; i < 20 * kSegmentPages; ++i) {
        log->forget(force(*log, "passing"));
        // The one in use, the one before it, and a spare.
        EXPECT_LE(disk.files().size(), 3U + 2U);
    }
    log.reset();
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(kept, "kept")));
}

TEST_F(RecoveryLogTest, TakesNoNewSpaceOnceItHasTwoSegments) {
    const auto log = open();
    log->maintain();
    disk.capacity_bytes = 0;
    for (std::size_t i = 0; i < 20 * kSegmentPages; ++i) {
        log->forget(force(*log, "passing"));
    }
    EXPECT_EQ(log->status().health, Health::healthy);
}

TEST_F(RecoveryLogTest, GoesOnInTheSpareThatItsPredecessorLeft) {
    auto log = open();
    log->maintain();
    log.reset();
    disk.capacity_bytes = 0;
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        EXPECT_NE(call.operation, Operation::allocate);
        return std::nullopt;
    };
    force(*open(), "entry");
}

TEST_F(RecoveryLogTest, UsesASegmentOnlyWhenItsZerosAndItsNameAreDurable) {
    std::map<std::string, std::vector<std::string>> steps;
    std::string making;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (call.file.ends_with(".xlog")) {
            making = call.file;
            steps[call.file].emplace_back(name_of(call.operation));
        } else if (call.operation == Operation::sync_directory) {
            steps[making].emplace_back(name_of(call.operation));
        }
        return std::nullopt;
    };
    const auto log = open();
    for (std::size_t i = 0; i < 3 * kSegmentPages; ++i) {
        log->forget(force(*log, "passing"));
    }
    using Steps = std::vector<std::string>;
    const Steps made{"open", "allocate", "pwrite", "sync", "sync_directory", "pwrite", "datasync"};
    const Steps zeroed_again{"open", "pwrite", "sync"};
    const Steps made_of_the_first{"rename", "sync_directory", "open", "pwrite", "datasync"};
    const auto& first = steps["decision-0000000001-0000000001.xlog"];
    const auto& second = steps["decision-0000000001-0000000002.xlog"];
    const auto& third = steps["decision-0000000001-0000000003.xlog"];
    ASSERT_GE(first.size(), made.size() + zeroed_again.size());
    ASSERT_GE(second.size(), made.size());
    ASSERT_GE(third.size(), made_of_the_first.size());
    EXPECT_EQ(Steps(first.begin(), first.begin() + 7), made);
    EXPECT_EQ(Steps(first.end() - 3, first.end()), zeroed_again);
    EXPECT_EQ(Steps(second.begin(), second.begin() + 7), made);
    EXPECT_EQ(Steps(third.begin(), third.begin() + 5), made_of_the_first);
}

TEST_F(RecoveryLogTest, SyncsWhatAKilledOwnerLeftBeforeItReads) {
    open().reset();
    std::vector<std::string> steps;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (call.file.ends_with(".xlog") || call.operation == Operation::sync_directory) {
            steps.emplace_back(name_of(call.operation));
        }
        return std::nullopt;
    };
    open().reset();
    const std::vector<std::string> expected{"open", "sync", "sync_directory", "open", "size"};
    EXPECT_EQ(std::vector(steps.begin(), steps.begin() + 5), expected);
}

TEST_F(RecoveryLogTest, MakesLargerSegmentsForALiveSetThatNeedsThem) {
    auto log = open();
    constexpr std::size_t kEntries = 100;
    for (std::size_t i = 0; i < kEntries; ++i) {
        force(*log, text_of_length(3'000, i));
    }
    EXPECT_EQ(log->status().live_entries, kEntries);
    log.reset();
    EXPECT_THAT(open()->live_entries(), SizeIs(kEntries));
}

TEST_F(RecoveryLogTest, SyncsOnceForEachForce) {
    const auto log = open();
    const auto before = log->status();
    force(*log, "one");
    force(*log, text_of_length(20'000, 2));
    const auto after = log->status();
    EXPECT_EQ(after.forces, before.forces + 2);
    EXPECT_EQ(after.syncs, before.syncs + 2);
}

TEST_F(RecoveryLogTest, RefusesAnEntryLongerThanItsReservation) {
    const auto log = open();
    const auto forced = log->force(*log->reserve(3), bytes_of("four"));
    EXPECT_EQ(forced.result, ForceResult::refused);
    EXPECT_THAT(forced.reason, HasSubstr("4 bytes, and 3 were reserved"));
    EXPECT_EQ(log->status().health, Health::healthy);
    force(*log, "four");
}

TEST_F(RecoveryLogTest, RefusesAReservationThatNoLogCanKeep) {
    const auto log = open();
    EXPECT_TRUE(log->reserve(kEntryBytesMax));
    EXPECT_THROW(static_cast<void>(log->reserve(kEntryBytesMax + 1)), std::length_error);
}

TEST_F(RecoveryLogTest, KeepsEveryReservationOnAFullDisk) {
    const auto log = open();
    std::vector<Reservation> reservations;
    for (std::size_t i = 0; i < 3 * kSegmentPages; ++i) {
        auto reservation = log->reserve(1000);
        ASSERT_TRUE(reservation);
        reservations.push_back(std::move(*reservation));
    }
    disk.capacity_bytes = 0;
    while (auto reservation = log->reserve(1000)) {
        reservations.push_back(std::move(*reservation));
    }
    EXPECT_EQ(log->status().health, Health::full);
    for (auto& reservation : reservations) {
        const auto forced = log->force(std::move(reservation), bytes_of("promised"));
        ASSERT_EQ(forced.result, ForceResult::durable) << forced.reason;
    }
}

TEST_F(RecoveryLogTest, RefusesReservationsOnAFullDiskAndResumesWhenSpaceReturns) {
    const auto log = open();
    disk.capacity_bytes = 0;
    std::size_t forced = 0;
    while (auto reservation = log->reserve(10)) {
        ASSERT_EQ(log->force(std::move(*reservation), bytes_of("entry")).result,
                  ForceResult::durable);
        ++forced;
    }
    EXPECT_EQ(forced, kSegmentPages - 1);  // the first page is the checkpoint
    const auto status = log->status();
    EXPECT_EQ(status.health, Health::full);
    EXPECT_THAT(status.reason,
                AllOf(HasSubstr("decision-0000000001-0000000002.xlog"),
                      HasSubstr("No space left on device (errno 28)"), HasSubstr("make room")));
    EXPECT_THAT(disk.files(), SizeIs(3)) << "the attempt left a file behind";

    disk.capacity_bytes = 1 << 20;
    force(*log, "again");
    EXPECT_EQ(log->status().health, Health::healthy);
    EXPECT_EQ(log->status().reason, "");
}

TEST_F(RecoveryLogTest, GivesUnusedReservationsBack) {
    const auto log = open();
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(log->reserve(1000));
    }
    EXPECT_EQ(segment(), "decision-0000000001-0000000001.xlog");
}

TEST_F(RecoveryLogTest, IsPoisonedByAFailedSyncAndNeverSyncsAgain) {
    auto log = open();
    const auto first = force(*log, "first");
    std::size_t calls_after_failure = 0;
    bool has_failed = false;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        calls_after_failure += has_failed ? 1 : 0;
        if (call.operation == Operation::datasync && !has_failed) {
            has_failed = true;
            return -EIO;
        }
        return std::nullopt;
    };
    auto spare = log->reserve(10);
    const auto unknown = log->force(*log->reserve(10), bytes_of("second"));
    EXPECT_EQ(unknown.result, ForceResult::unknown);
    EXPECT_EQ(unknown.id, 0U);
    EXPECT_THAT(unknown.reason, AllOf(HasSubstr("/log/decision-0000000001-0000000001.xlog"),
                                      HasSubstr("Input/output error (errno 5)")));

    const auto refused = log->force(std::move(*spare), bytes_of("third"));
    EXPECT_EQ(refused.result, ForceResult::refused);
    EXPECT_EQ(refused.reason, unknown.reason);
    EXPECT_FALSE(log->reserve(10));
    EXPECT_EQ(log->status().health, Health::poisoned);
    log->forget(first);
    log.reset();
    EXPECT_EQ(calls_after_failure, 0U);

    // The next open finds out. Memory still has the entry, but the failed sync wrote nothing, and
    // it is the disk that is read.
    disk.on_call = nullptr;
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(first, "first")));
}

TEST_F(RecoveryLogTest, SaysWhereAWriteFailed) {
    const auto log = open();
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        return call.operation == Operation::pwrite ? std::optional<SysResult>{-EROFS}
                                                   : std::nullopt;
    };
    const auto unknown = log->force(*log->reserve(10), bytes_of("entry"));
    EXPECT_EQ(unknown.result, ForceResult::unknown);
    EXPECT_THAT(log->status().reason,
                AllOf(HasSubstr("at byte 4096: Read-only file system (errno 30)"),
                      HasSubstr("open the log again")));
}

TEST_F(RecoveryLogTest, RepeatsAWriteThatASignalInterrupted) {
    const auto log = open();
    int interruptions = 3;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (call.operation == Operation::pwrite && interruptions > 0) {
            --interruptions;
            return -EINTR;
        }
        return std::nullopt;
    };
    force(*log, "entry");
    EXPECT_EQ(interruptions, 0);
}

TEST_F(RecoveryLogTest, RefusesASecondOwnerNamingTheFirst) {
    const auto log = open();
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::in_use);
    EXPECT_THAT(error.what(), HasSubstr("in use by process " + std::to_string(::getpid())));
}

TEST_F(RecoveryLogTest, RefusesTheLogOfAnotherNodeNamingBoth) {
    open().reset();
    options.node = "shop-2";
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::foreign_node);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("'shop-1'"), HasSubstr("'shop-2'")));
}

TEST_F(RecoveryLogTest, RefusesANodeNameThatCannotBeStored) {
    for (const std::size_t length : {0U, 256U}) {
        options.node = std::string(length, 'x');
        EXPECT_EQ(refusal().code(), LogErrorCode::unsupported);
    }
    options.node = std::string(255, 'x');
    EXPECT_EQ(open()->node(), options.node);
}

TEST_F(RecoveryLogTest, SaysHowToMakeAMissingDirectory) {
    options.directory = "/missing";
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::not_found);
    EXPECT_THAT(error.what(), HasSubstr("mkdir -p /missing"));
}

TEST_F(RecoveryLogTest, StartsNoLogWhereOneIsExpected) {
    options.create = false;
    EXPECT_EQ(refusal().code(), LogErrorCode::not_found);
    EXPECT_THAT(disk.files(), IsEmpty());
}

TEST_F(RecoveryLogTest, RefusesFileSystemsThatKeepNoPromises) {
    constexpr SysResult kTmpfs = 0x01021994;
    constexpr SysResult kNfs = 0x6969;
    disk.file_system_type = kNfs;
    EXPECT_EQ(refusal().code(), LogErrorCode::unsupported);
    options.allow_volatile_file_system = true;
    EXPECT_THAT(refusal().what(), HasSubstr("/log is on NFS"));
    disk.file_system_type = kTmpfs;
    EXPECT_EQ(open()->incarnation(), 1U);
    options.allow_volatile_file_system = false;
    EXPECT_THAT(refusal().what(), HasSubstr("/log is on tmpfs, which loses its content"));
}

TEST_F(RecoveryLogTest, SaysWhatToDoWithoutPermission) {
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        return call.operation == Operation::open ? std::optional<SysResult>{-EACCES} : std::nullopt;
    };
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::io);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("Permission denied (errno 13)"),
                                    HasSubstr("let the user of this process write")));
}

TEST_F(RecoveryLogTest, OpensWithATornTail) {
    const auto log = open();
    const auto first = force(*log, "first");
    force(*log, text_of_length(2'000, 1));
    // As if the power had failed before this last flush was on disk: nothing stands behind it.
    const auto crashed = disk.after_crash([](std::size_t) { return false; });
    crashed->edit(segment(), [](auto& bytes) {
        std::fill_n(bytes.begin() + 2 * kPageBytes + kSectorBytes, kSectorBytes, std::byte{0});
    });
    const auto opened = open_log(*crashed, options);
    EXPECT_THAT(opened->live_entries(), ElementsAre(IsEntry(first, "first")));
    EXPECT_EQ(opened->status().torn_pages_at_open, 1U);
    EXPECT_EQ(opened->status().degraded_pages_at_open, 0U);
}

TEST_F(RecoveryLogTest, StopsAtDamageAndChangesNothing) {
    auto log = open();
    force(*log, "first");
    force(*log, "second");
    log.reset();
    constexpr std::size_t kBodyOfTheFirst = kPageBytes + kPageHeaderBytes + 16;
    flip_bit(kBodyOfTheFirst);
    const auto before = disk.read(segment());

    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::damaged);
    EXPECT_THAT(
        error.what(),
        AllOf(HasSubstr("/log/decision-0000000001-0000000001.xlog: page 1 (byte offset 4096)"),
              HasSubstr("sector 0: CRC32C "), HasSubstr("This is not a torn tail: "),
              HasSubstr("may be missing"), HasSubstr("xa-recover log repair")));
    EXPECT_THAT(disk.files(), ElementsAre("LOCK", segment(), "ident"));
    EXPECT_EQ(disk.read(segment()), before);

    flip_bit(kBodyOfTheFirst);
    EXPECT_THAT(open()->live_entries(), SizeIs(2));
}

TEST_F(RecoveryLogTest, StopsWhenAnAcknowledgedPageIsGone) {
    auto log = open();
    force(*log, "first");
    log.reset();
    zero_page(1);  // the page of the clean close stands behind it
    EXPECT_THAT(refusal().what(), HasSubstr("page 1 (byte offset 4096): the page is all zeros"));
}

TEST_F(RecoveryLogTest, StopsWhenItsSegmentsAreGone) {
    open().reset();
    static_cast<void>(disk.remove(disk.directory() / segment()));
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::damaged);
    EXPECT_THAT(error.what(), HasSubstr("the log has an identity and no segments"));
}

TEST_F(RecoveryLogTest, StopsWhenItsCheckpointIsGone) {
    open().reset();
    zero_page(0);
    zero_page(1);
    EXPECT_THAT(refusal().what(), HasSubstr("does not start with a whole list of entries"));
}

TEST_F(RecoveryLogTest, StopsWhenItsIdentityIsGone) {
    open().reset();
    static_cast<void>(disk.remove(disk.directory() / "ident"));
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::damaged);
    EXPECT_THAT(error.what(), HasSubstr("restore the file ident"));
}

TEST_F(RecoveryLogTest, StopsWhenASegmentIsCutShort) {
    open().reset();
    disk.edit(segment(), [](auto& bytes) { bytes.resize(8 * kPageBytes); });
    EXPECT_THAT(refusal().what(), HasSubstr("has 8 pages and was made with 16"));
}

TEST_F(RecoveryLogTest, RefusesASegmentOfAnotherLog) {
    open().reset();
    const auto other = encode_ident({.id = LogId{1}, .node = "shop-1"});
    disk.edit("ident",
              [&](auto& bytes) { bytes.assign(bytes_of(other).begin(), bytes_of(other).end()); });
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::damaged);
    EXPECT_THAT(error.what(), HasSubstr("the page belongs to another log"));
}

TEST_F(RecoveryLogTest, RefusesANewerFormatNamingIt) {
    open().reset();
    disk.edit(segment(), [](auto& bytes) {
        PageHeader header;
        header.format_major = 2;
        header.flush_pages = 1;
        seal_page(std::span{bytes}.template first<kPageBytes>(), header);
    });
    const auto error = refusal();
    EXPECT_EQ(error.code(), LogErrorCode::newer_format);
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("format 2.0"), HasSubstr("use the version that wrote it")));
}

/// The same promises with two copies of each page.
class TwoCopies : public RecoveryLogTest {
protected:
    TwoCopies() { options.copies = 2; }

    static constexpr std::size_t kCopyBytes = kSegmentBytes / 2;
};

TEST_F(TwoCopies, StandAtTheSamePlaceOfEachHalf) {
    force(*open(), "entry");
    const auto bytes = disk.read(segment());
    ASSERT_EQ(bytes.size(), kSegmentBytes);
    EXPECT_TRUE(
        std::ranges::equal(std::span{bytes}.first(kCopyBytes), std::span{bytes}.last(kCopyBytes)));
    EXPECT_EQ(classify_page(std::span{bytes}.first<kPageBytes>()).state, PageState::valid);
}

TEST_F(TwoCopies, AreSyncedOnce) {
    const auto log = open();
    const auto syncs = log->status().syncs;
    force(*log, "entry");
    EXPECT_EQ(log->status().syncs, syncs + 1);
}

TEST_F(TwoCopies, SurviveTheLossOfOne) {
    for (const std::size_t lost : {std::size_t{0}, kCopyBytes}) {
        const auto id = force(*open(), "entry");
        disk.edit(segment(), [lost](auto& bytes) {
            std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(lost), kCopyBytes,
                        std::byte{0xAA});
        });
        const auto log = open();
        EXPECT_THAT(log->live_entries(), testing::Contains(IsEntry(id, "entry")));
        constexpr unsigned kCheckpointAndEntry = 2;  // what stands behind them may be torn
        EXPECT_EQ(log->status().degraded_pages_at_open, kCheckpointAndEntry);
    }
}

TEST_F(TwoCopies, SurviveAFileThatIsCutToOne) {
    const auto id = force(*open(), "entry");
    disk.edit(segment(), [](auto& bytes) { bytes.resize(kCopyBytes); });
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(id, "entry")));
}

TEST_F(TwoCopies, SurviveAWriteThatWentAstray) {
    auto log = open();
    const auto first = force(*log, "first");
    const auto second = force(*log, "second");
    log.reset();
    disk.edit(segment(), [](auto& bytes) {
        // The page of the second entry also stands where the first one belongs.
        std::copy_n(bytes.begin() + 2 * kPageBytes, kPageBytes, bytes.begin() + kPageBytes);
    });
    EXPECT_THAT(open()->live_entries(),
                ElementsAre(IsEntry(first, "first"), IsEntry(second, "second")));
}

TEST_F(TwoCopies, SurviveRotInASpare) {
    const auto log = open();
    const auto id = force(*log, "entry");
    log->maintain();
    const auto crashed = disk.after_crash([](std::size_t) { return true; });
    crashed->edit("decision-0000000001-0000000002.xlog",
                  [](auto& bytes) { bytes[5'000] = std::byte{1}; });
    EXPECT_THAT(open_log(*crashed, options)->live_entries(), ElementsAre(IsEntry(id, "entry")));
}

TEST_F(TwoCopies, StopTheOpeningWhenBothAreDamagedInTheSamePlace) {
    force(*open(), "entry");
    flip_bit(kPageBytes + kPageHeaderBytes + 16);
    flip_bit(kCopyBytes + kPageBytes + kPageHeaderBytes + 16);
    EXPECT_THAT(refusal().what(), AllOf(HasSubstr("page 1 (byte offset 4096)"),
                                        HasSubstr("This is not a torn tail")));
}

TEST_F(TwoCopies, AreMadeForALogThatHadOne) {
    options.copies = 1;
    const auto id = force(*open(), "entry");
    options.copies = 2;
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(id, "entry")));
    options.copies = 1;
    EXPECT_THAT(open()->live_entries(), ElementsAre(IsEntry(id, "entry")));
}

TEST_F(RecoveryLogTest, RefusesOtherNumbersOfCopies) {
    for (const unsigned copies : {0U, 3U}) {
        options.copies = copies;
        EXPECT_THAT(refusal().what(), HasSubstr("choose 1 or 2"));
    }
}

TEST_F(RecoveryLogTest, ForcesManyEntriesByOneSync) {
    const auto log = open();
    const auto syncs = log->status().syncs;
    std::vector<ForceRequest> requests;
    for (const std::string_view body : {"one", "two", "three"}) {
        requests.push_back({log->reserve(body.size()).value(), bytes_of(body)});
    }
    requests.push_back({log->reserve(2).value(), bytes_of("too long")});
    const auto answers = log->force_many(std::move(requests));
    ASSERT_THAT(answers, SizeIs(4));
    EXPECT_EQ(log->status().syncs, syncs + 1);
    EXPECT_EQ(answers[3].result, ForceResult::refused);
    EXPECT_THAT(answers[3].reason, HasSubstr("2 were reserved"));
    const auto crashed = disk.after_crash([](std::size_t) { return false; });
    EXPECT_THAT(open_log(*crashed, options)->live_entries(),
                ElementsAre(IsEntry(answers[0].id, "one"), IsEntry(answers[1].id, "two"),
                            IsEntry(answers[2].id, "three")));
}

TEST_F(RecoveryLogTest, CutsABatchThatIsLargerThanASegment) {
    const auto log = open();
    std::vector<std::string> bodies;
    std::vector<ForceRequest> requests;
    for (std::size_t i = 0; i < 10 * kSegmentPages; ++i) {
        bodies.push_back(text_of_length(3'000, i));
    }
    for (const auto& body : bodies) {
        requests.push_back({log->reserve(body.size()).value(), bytes_of(body)});
    }
    for (const auto& answer : log->force_many(std::move(requests))) {
        EXPECT_EQ(answer.result, ForceResult::durable);
    }
    const auto crashed = disk.after_crash([](std::size_t) { return false; });
    EXPECT_THAT(open_log(*crashed, options)->live_entries(), SizeIs(bodies.size()));
}

TEST_F(RecoveryLogTest, TellsTheCompletionOfAnAsynchronousForce) {
    const auto log = open();
    std::vector<Forced> answers;
    const auto note = [&](const Forced& forced) { answers.push_back(forced); };
    const auto body = bytes_of("entry");
    log->force_async(log->reserve(5).value(), {body.begin(), body.end()}, note);
    log->force_async(log->reserve(2).value(), {body.begin(), body.end()}, note);
    ASSERT_THAT(answers, SizeIs(2));
    EXPECT_EQ(answers[0].result, ForceResult::durable);
    EXPECT_THAT(log->live_entries(), ElementsAre(IsEntry(answers[0].id, "entry")));
    EXPECT_EQ(answers[1].result, ForceResult::refused);
}

TEST_F(RecoveryLogTest, TakesNothingMoreOnceALaterIncarnationHasMadeASegment) {
    const auto log = open();
    // As if the lock were none: somebody else has opened the log on shared storage.
    std::unique_ptr<File> file;
    ASSERT_GE(disk.open("/log/decision-0000000002-0000000001.xlog", OpenMode::create_new, file), 0);
    log->maintain();
    EXPECT_EQ(log->status().health, Health::fenced);
    EXPECT_THAT(log->status().reason, HasSubstr("incarnation 2 has taken over"));
    EXPECT_FALSE(log->reserve(1).has_value());
}

TEST_F(RecoveryLogTest, IsReadWithoutBeingOwnedOrChanged) {
    auto log = open();
    const auto id = force(*log, "entry");
    const auto beside = read_log(disk, "/log");
    EXPECT_EQ(beside.id, log->id());
    EXPECT_EQ(beside.node, "shop-1");
    EXPECT_EQ(beside.incarnation, 1U);
    EXPECT_THAT(beside.entries, ElementsAre(IsEntry(id, "entry")));
    ASSERT_TRUE(beside.owner);
    EXPECT_EQ(beside.owner->pid, ::getpid());
    EXPECT_NE(beside.owner->host, "");

    log.reset();
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        EXPECT_THAT(call.operation,
                    testing::AnyOf(Operation::type, Operation::open, Operation::pread,
                                   Operation::list, Operation::size, Operation::is_locked));
        return std::nullopt;
    };
    const auto after = read_log(disk, "/log");
    EXPECT_THAT(after.entries, ElementsAre(IsEntry(id, "entry")));
    EXPECT_FALSE(after.owner);
}

TEST_F(RecoveryLogTest, IsListedAnewByAReaderWhenASegmentIsReplacedMeanwhile) {
    const auto log = open();
    const auto kept = force(*log, "kept");
    bool has_rolled = false;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (!has_rolled && call.operation == Operation::open && call.file.ends_with(".xlog")) {
            has_rolled = true;
            for (std::size_t i = 0; i < kSegmentPages; ++i) {
                log->forget(force(*log, "passing"));
            }
        }
        return std::nullopt;
    };
    EXPECT_THAT(read_log(disk, "/log").entries, testing::Contains(IsEntry(kept, "kept")));
    EXPECT_TRUE(has_rolled);
}

TEST_F(RecoveryLogTest, IsReadAgainWhenAPageIsCaughtHalfWritten) {
    const auto log = open();
    const auto id = force(*log, "entry");
    int attempts = 0;
    flip_bit(kPageBytes + kPageHeaderBytes);
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (call.operation == Operation::list && ++attempts == 2) {
            flip_bit(kPageBytes + kPageHeaderBytes);  // the owner has gone on
        }
        return std::nullopt;
    };
    EXPECT_THAT(read_log(disk, "/log").entries, ElementsAre(IsEntry(id, "entry")));
    EXPECT_EQ(attempts, 2);
}

TEST_F(RecoveryLogTest, IsNotFoundByAReaderWhereThereIsNone) {
    for (const char* directory : {"/log", "/missing"}) {
        try {
            static_cast<void>(read_log(disk, directory));
            ADD_FAILURE() << directory << " was read";
        } catch (const LogError& error) {
            EXPECT_EQ(error.code(), LogErrorCode::not_found);
        }
    }
    EXPECT_THAT(disk.files(), IsEmpty());
}

}  // namespace
}  // namespace xa_tm::recovery_log
