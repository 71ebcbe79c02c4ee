#include "log_inspection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "open_log.h"
#include "page_codec.h"
#include "segment_file.h"
#include "simulated_file_system.h"
#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

using test::Call;
using test::Operation;
using test::SimulatedFileSystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::size_t kSegmentPages = 128;

MATCHER_P2(IsPage, index, condition, "") {
    return arg.index == index && arg.condition == condition;
}

MATCHER_P2(IsRecord, type, text, "") {
    return record_type_name(arg.type) == type &&
           testing::ExplainMatchResult(text, arg.text, result_listener);
}

class LogInspectionTest : public testing::Test {
protected:
    [[nodiscard]] std::unique_ptr<RecoveryLog> open() { return open_log(disk, options); }
    [[nodiscard]] LogInspection inspect() { return inspect_log(disk, "/log"); }

    static EntryId force(RecoveryLog& log, std::string_view body) {
        auto reservation = log.reserve(body.size());
        EXPECT_TRUE(reservation);
        return log.force(std::move(*reservation), bytes_of(body)).id;
    }

    /// Opens the log, forces the entries one by one, and dies without a clean close.
    void die_with(const std::vector<std::string>& entries) {
        auto log = open();
        for (const auto& entry : entries) {
            force(*log, entry);
        }
        const auto left_behind = disk.read(first);
        log.reset();
        disk.edit(first, [&](auto& bytes) { bytes = left_behind; });
    }

    [[nodiscard]] std::vector<InspectedPage> pages_of(const std::string& file) {
        std::vector<InspectedPage> pages;
        inspect_pages(disk, "/log", file,
                      [&](const InspectedPage& page) { pages.push_back(page); });
        return pages;
    }

    void zero_sector(const std::string& file, std::size_t page, std::size_t sector) {
        disk.edit(file, [&](auto& bytes) {
            std::fill_n(bytes.begin() +
                            static_cast<std::ptrdiff_t>(page * kPageBytes + sector * kSectorBytes),
                        kSectorBytes, std::byte{0});
        });
    }

    void flip_bit(const std::string& file, std::size_t page) {
        disk.edit(file, [&](auto& bytes) {
            bytes[page * kPageBytes + kPageHeaderBytes] ^= std::byte{1};
        });
    }

    void write_file(const std::string& file, const std::vector<std::byte>& content) {
        std::unique_ptr<File> created;
        ASSERT_EQ(disk.open(disk.directory() / file, OpenMode::create_or_truncate, created), 0);
        ASSERT_EQ(created->pwrite(content, 0), static_cast<SysResult>(content.size()));
    }

    SimulatedFileSystem disk{"/log"};
    Options options{.directory = "/log",
                    .node = "shop-1",
                    .segment_size_bytes = kSegmentPages * kPageBytes,
                    .copies = 1};
    const std::string first = file_name({.epoch = 1, .segment_no = 1});
    const std::string second = file_name({.epoch = 2, .segment_no = 1});
};

TEST_F(LogInspectionTest, DescribesASoundLogAfterItsOwner) {
    auto log = open();
    const auto kept = force(*log, "kept");
    log->forget(force(*log, "passing"));
    const auto id = log->id();
    log.reset();

    const auto found = inspect();

    EXPECT_EQ(found.id, id);
    EXPECT_EQ(found.node, "shop-1");
    EXPECT_FALSE(found.owner);
    EXPECT_FALSE(found.error);
    ASSERT_TRUE(found.image);
    ASSERT_THAT(found.image->entries, SizeIs(1));
    EXPECT_EQ(found.image->entries[0].id, kept);
    const auto* segment = found.in_use();
    ASSERT_NE(segment, nullptr);
    EXPECT_EQ(segment->file, first);
    EXPECT_EQ(segment->size_bytes, kSegmentPages * kPageBytes);
    EXPECT_EQ(segment->copies, 1U);
    EXPECT_EQ(segment->pages, kSegmentPages);
    EXPECT_EQ(segment->pages_used, 4U);
    EXPECT_EQ(segment->flushes, 4U);
    EXPECT_EQ(segment->first_page_no, 1U);
    EXPECT_EQ(segment->last_page_no, 4U);
    EXPECT_TRUE(segment->is_closed_cleanly);
    EXPECT_EQ(segment->node, "shop-1");
    EXPECT_EQ(segment->predecessor, "");
    EXPECT_THAT(segment->bad_pages, IsEmpty());
}

TEST_F(LogInspectionTest, NamesALiveOwner) {
    const auto log = open();

    const auto found = inspect();

    ASSERT_TRUE(found.owner);
    EXPECT_EQ(found.owner->pid, ::getpid());
    EXPECT_FALSE(found.error);
    EXPECT_FALSE(found.in_use()->is_closed_cleanly);
}

TEST_F(LogInspectionTest, OnlyReads) {
    const auto log = open();
    force(*log, "entry");
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        EXPECT_THAT(call.operation, AnyOf(Operation::type, Operation::open, Operation::pread,
                                          Operation::list, Operation::size, Operation::is_locked));
        return std::nullopt;
    };
    EXPECT_FALSE(inspect().error);
    EXPECT_THAT(pages_of(first), SizeIs(2));
    disk.on_call = nullptr;
}

TEST_F(LogInspectionTest, ShowsThePagesWithTheirRecords) {
    auto log = open();
    const auto id = force(*log, "entry");
    log->forget(id);
    log.reset();

    const auto pages = pages_of(first);

    ASSERT_THAT(pages, SizeIs(3));
    EXPECT_THAT(pages[0].records,
                ElementsAre(IsRecord("SEGMENT_HEAD", AllOf(StartsWith("node shop-1, "),
                                                           HasSubstr("without a predecessor"))),
                            IsRecord("CHECKPOINT_END", "0 live entries")));
    EXPECT_THAT(pages[1].records, ElementsAre(IsRecord("ENTRY", "")));
    EXPECT_EQ(text_of(pages[1].records[0].body), "entry");
    EXPECT_EQ(pages[1].records[0].id, id);
    EXPECT_EQ(pages[1].records[0].offset, kPageBytes + kPageHeaderBytes);
    EXPECT_THAT(pages[2].records, ElementsAre(IsRecord("FORGOTTEN", fmt::format("entry {}", id))));
    EXPECT_TRUE(pages[2].is_clean_shutdown);
}

TEST_F(LogInspectionTest, ShowsThePartsOfALongRecord) {
    force(*open(), text_of_length(2 * kPageBytes, 1));

    const auto pages = pages_of(first);

    ASSERT_THAT(pages, SizeIs(5));
    EXPECT_EQ(pages[1].records[0].part, RecordPart::first);
    EXPECT_EQ(pages[2].records[0].part, RecordPart::middle);
    EXPECT_EQ(pages[3].records[0].part, RecordPart::last);
    EXPECT_EQ(pages[3].flush_first, pages[1].page_no);
    EXPECT_EQ(pages[3].flush_pages, 3U);
}

TEST_F(LogInspectionTest, TakesATornTailForWhatItIs) {
    die_with({"first", text_of_length(3'000, 1)});
    zero_sector(first, 2, 5);

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_THAT(found.image->entries, SizeIs(1));
    EXPECT_EQ(found.in_use()->torn_pages, 1U);
    EXPECT_EQ(found.in_use()->damaged_pages, 0U);
    EXPECT_THAT(found.in_use()->bad_pages, ElementsAre(IsPage(2U, PageCondition::torn)));
}

TEST_F(LogInspectionTest, CountsThePagesThatACutOffFlushLacks) {
    die_with({"first", text_of_length(2 * kPageBytes, 1)});
    for (std::size_t sector = 0; sector < kSectorsPerPage; ++sector) {
        zero_sector(first, 3, sector);
        zero_sector(first, 4, sector);
    }

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_EQ(found.in_use()->pages_used, 3U);
    EXPECT_EQ(found.in_use()->torn_pages, 2U);
}

TEST_F(LogInspectionTest, ReportsADamagedPageWithTheWordsOfAnOpening) {
    die_with({"first", "second"});
    flip_bit(first, 1);

    const auto found = inspect();

    EXPECT_FALSE(found.image);
    ASSERT_TRUE(found.error);
    try {
        open().reset();
        ADD_FAILURE() << "the log was opened";
    } catch (const LogError& error) {
        EXPECT_EQ(found.error->code(), error.code());
        EXPECT_STREQ(found.error->what(), error.what());
    }
    const auto* segment = found.in_use();
    ASSERT_NE(segment, nullptr);
    EXPECT_EQ(segment->damaged_pages, 1U);
    EXPECT_THAT(segment->damage, HasSubstr("page 1 (byte offset 4096"));
    EXPECT_THAT(segment->bad_pages, ElementsAre(IsPage(1U, PageCondition::damaged)));
    EXPECT_THAT(segment->bad_pages[0].problem, StartsWith("sector 0 is not as it was written"));
}

TEST_F(LogInspectionTest, ShowsTheIntactRecordsOfADamagedPage) {
    const auto long_text = text_of_length(1'000, 1);
    {
        const auto log = open();
        force(*log, long_text);
        log->forget(force(*log, "passing"));
    }
    disk.edit(first, [](auto& bytes) { bytes[kPageBytes + 2'000] ^= std::byte{1}; });

    const auto pages = pages_of(first);

    EXPECT_EQ(pages[1].condition, PageCondition::damaged);
    ASSERT_THAT(pages[1].records, SizeIs(1));
    EXPECT_EQ(text_of(pages[1].records[0].body), long_text);
}

TEST_F(LogInspectionTest, CountsAnAcknowledgedPageThatIsGone) {
    die_with({"first", "second"});
    for (std::size_t sector = 0; sector < kSectorsPerPage; ++sector) {
        zero_sector(first, 1, sector);
    }

    const auto found = inspect();

    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.in_use()->damaged_pages, 1U);
    EXPECT_THAT(found.in_use()->bad_pages, ElementsAre(IsPage(1U, PageCondition::zero)));
}

TEST_F(LogInspectionTest, ReportsAPageOfAnotherPlace) {
    die_with({"first", "second"});
    disk.edit(first, [](auto& bytes) {
        std::copy_n(bytes.begin() + kPageBytes, kPageBytes, bytes.begin() + 2 * kPageBytes);
    });

    const auto found = inspect();

    ASSERT_TRUE(found.error);
    ASSERT_THAT(found.in_use()->bad_pages, ElementsAre(IsPage(2U, PageCondition::damaged)));
    EXPECT_EQ(found.in_use()->bad_pages[0].problem, "belongs to another place in the file");
}

TEST_F(LogInspectionTest, ReportsANewerFormat) {
    open().reset();
    disk.edit(first, [](auto& bytes) {
        PageHeader header;
        header.format_major = 2;
        header.flush_pages = 1;
        seal_page(std::span{bytes}.template first<kPageBytes>(), header);
    });

    const auto found = inspect();

    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.error->code(), LogErrorCode::newer_format);
    EXPECT_EQ(pages_of(first)[0].condition, PageCondition::newer_format);
}

TEST_F(LogInspectionTest, TellsASpareFromTheSegmentInUse) {
    open().reset();
    static_cast<void>(create_segment(disk, "/log", {.epoch = 1, .segment_no = 9}, kSegmentPages));

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_EQ(found.in_use()->file, first);
    EXPECT_EQ(found.segments.back().role, SegmentRole::spare);
    EXPECT_EQ(found.segments.back().pages_used, 0U);
}

TEST_F(LogInspectionTest, TellsAReplacedSegmentAndJudgesItNoMore) {
    open().reset();
    auto old = disk.read(first);
    open().reset();
    old[kPageHeaderBytes] ^= std::byte{1};
    write_file(first, old);

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_EQ(found.segments.front().role, SegmentRole::replaced);
    EXPECT_EQ(found.segments.front().damage, "");
    EXPECT_EQ(found.in_use()->file, second);
    EXPECT_EQ(found.in_use()->predecessor, first);
}

TEST_F(LogInspectionTest, TellsASegmentWhoseOwnerDiedWhileTakingOver) {
    const auto entry = text_of_length(2 * kPageBytes, 1);
    force(*open(), entry);
    const auto old = disk.read(first);
    open().reset();
    disk.edit(second, [](auto& bytes) {
        std::fill(bytes.begin() + 2 * kPageBytes, bytes.end(), std::byte{0});
    });
    write_file(first, old);

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_THAT(found.image->entries, SizeIs(1));
    EXPECT_EQ(found.in_use()->file, first);
    EXPECT_EQ(found.segments.back().role, SegmentRole::incomplete);
}

TEST_F(LogInspectionTest, ReportsAMissingIdentity) {
    open().reset();
    static_cast<void>(disk.remove(disk.directory() / "ident"));

    const auto found = inspect();

    EXPECT_FALSE(found.id);
    EXPECT_EQ(found.node, "shop-1") << "the segments still say it";
    ASSERT_TRUE(found.error);
    EXPECT_THAT(found.error->what(), HasSubstr("restore the file ident"));
}

TEST_F(LogInspectionTest, ReportsADamagedIdentity) {
    open().reset();
    disk.edit("ident", [](auto& bytes) { bytes[30] ^= std::byte{1}; });

    const auto found = inspect();

    EXPECT_FALSE(found.id);
    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.error->code(), LogErrorCode::damaged);
    EXPECT_NE(found.in_use(), nullptr);
}

TEST_F(LogInspectionTest, ReadsAPageAgainThatALiveOwnerIsWriting) {
    const auto log = open();
    force(*log, text_of_length(3'000, 1));
    const auto whole = disk.read(first);
    zero_sector(first, 1, 3);
    std::size_t reads = 0;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (call.operation == Operation::pread && call.file == first && ++reads == 20) {
            disk.edit(first, [&](auto& bytes) { bytes = whole; });
        }
        return std::nullopt;
    };

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_EQ(found.in_use()->torn_pages, 0U);
    EXPECT_GE(reads, 20U);
}

TEST_F(LogInspectionTest, StartsAnewWhenALiveOwnerReplacesASegmentMeanwhile) {
    const auto log = open();
    bool has_rolled = false;
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        if (!has_rolled && call.operation == Operation::open && call.file == first) {
            has_rolled = true;
            for (std::size_t i = 0; i < 3 * kSegmentPages; ++i) {
                log->forget(force(*log, "passing"));
            }
        }
        return std::nullopt;
    };

    const auto found = inspect();

    EXPECT_TRUE(has_rolled);
    EXPECT_FALSE(found.error);
    EXPECT_NE(found.in_use(), nullptr);
}

TEST_F(LogInspectionTest, KnowsWhichEntriesAreDurableForCertain) {
    const auto log = open_log(disk, options, std::chrono::nanoseconds{0});
    const auto confirmed = force(*log, "first");
    const auto in_the_last_flush = force(*log, "second");

    EXPECT_GT(inspect().image->first_unconfirmed, confirmed);
    EXPECT_EQ(inspect().image->first_unconfirmed, in_the_last_flush);
    log->maintain();
    EXPECT_TRUE(inspect().in_use()->is_sealed);
    EXPECT_GT(inspect().image->first_unconfirmed, in_the_last_flush);
}

TEST_F(LogInspectionTest, KnowsThatTheEntriesWhichASegmentStartsWithAreDurable) {
    const auto kept = force(*open(), "kept");

    const auto log = open();

    EXPECT_GT(inspect().image->first_unconfirmed, kept);
}

TEST_F(LogInspectionTest, ReportsPagesThatCannotBeRead) {
    open().reset();
    disk.on_call = [&](const Call& call) -> std::optional<SysResult> {
        return call.operation == Operation::pread && call.file == first
                   ? std::optional<SysResult>{-EIO}
                   : std::nullopt;
    };

    const auto found = inspect();

    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.error->code(), LogErrorCode::damaged);
    EXPECT_EQ(found.in_use()->damaged_pages, kSegmentPages);
    EXPECT_THAT(found.in_use()->bad_pages[0].problem, StartsWith("can't be read: "));
}

class LogInspectionOfTwoCopies : public LogInspectionTest {
protected:
    LogInspectionOfTwoCopies() { options.copies = 2; }

    static constexpr std::size_t kSecond = kSegmentPages / 2;
};

TEST_F(LogInspectionOfTwoCopies, CountsEachPageOnce) {
    die_with({"first", "second"});

    const auto found = inspect();

    EXPECT_EQ(found.in_use()->copies, 2U);
    EXPECT_EQ(found.in_use()->size_bytes, kSegmentPages * kPageBytes);
    EXPECT_EQ(found.in_use()->pages, kSecond);
    EXPECT_EQ(found.in_use()->pages_used, 3U);
    EXPECT_THAT(found.in_use()->bad_pages, IsEmpty());
}

TEST_F(LogInspectionOfTwoCopies, CountsABadCopyOfAGoodPage) {
    die_with({"first", "second"});
    flip_bit(first, 1);
    flip_bit(first, kSecond);

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_THAT(found.image->entries, SizeIs(2));
    EXPECT_EQ(found.in_use()->single_copy_pages, 2U);
    EXPECT_EQ(found.in_use()->torn_pages, 0U);
    ASSERT_THAT(found.in_use()->bad_pages,
                ElementsAre(IsPage(0U, PageCondition::intact), IsPage(1U, PageCondition::intact)));
    EXPECT_EQ(found.in_use()->bad_pages[0].second_copy, PageCondition::damaged);
    EXPECT_THAT(found.in_use()->bad_pages[0].problem, StartsWith("in the second copy: sector 0"));
    EXPECT_EQ(found.in_use()->bad_pages[1].first_copy, PageCondition::damaged);
}

TEST_F(LogInspectionOfTwoCopies, TakesACopyThatACrashCutOffForATornTail) {
    die_with({"first", text_of_length(3'000, 1)});
    zero_sector(first, kSecond + 2, 3);

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_THAT(found.image->entries, SizeIs(2));
    EXPECT_EQ(found.in_use()->torn_pages, 1U);
    EXPECT_EQ(found.in_use()->single_copy_pages, 0U);
}

TEST_F(LogInspectionOfTwoCopies, ReportsAPageThatIsBadInBoth) {
    die_with({"first", "second"});
    flip_bit(first, 1);
    flip_bit(first, kSecond + 1);

    const auto found = inspect();

    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.in_use()->damaged_pages, 1U);
    EXPECT_THAT(pages_of(first)[1].problem, StartsWith("sector 0 is not as it was written"));
}

TEST_F(LogInspectionOfTwoCopies, FindsAPageThatWasWrittenToTheWrongPlace) {
    die_with({"first", "second"});
    disk.edit(first, [](auto& bytes) {
        std::copy_n(bytes.begin() + kPageBytes, kPageBytes, bytes.begin() + 2 * kPageBytes);
    });

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_THAT(found.image->entries, SizeIs(2));
    ASSERT_THAT(found.in_use()->bad_pages, ElementsAre(IsPage(2U, PageCondition::intact)));
    EXPECT_EQ(found.in_use()->bad_pages[0].problem,
              "in the first copy: belongs to another place in the file");
}

TEST_F(LogInspectionOfTwoCopies, FindsRotWhereNothingWasEverWritten) {
    die_with({"first"});
    flip_bit(first, kSecond + 20);

    const auto found = inspect();

    EXPECT_FALSE(found.error);
    EXPECT_EQ(found.in_use()->pages_used, 2U);
    EXPECT_EQ(found.in_use()->single_copy_pages, 1U);
}

TEST_F(LogInspectionOfTwoCopies, FindsTheSecondCopiesInAFileThatWasCut) {
    die_with({"first"});
    disk.edit(first, [](auto& bytes) { bytes.resize((kSecond + 1) * kPageBytes); });

    const auto found = inspect();

    EXPECT_EQ(found.in_use()->copies, 2U);
    EXPECT_THAT(found.in_use()->bad_pages, ElementsAre(IsPage(1U, PageCondition::intact)));
}

TEST_F(LogInspectionTest, FindsNoLogWhereThereIsNone) {
    for (const auto* directory : {"/log", "/missing"}) {
        try {
            static_cast<void>(inspect_log(disk, directory));
            ADD_FAILURE() << directory << " was inspected";
        } catch (const LogError& error) {
            EXPECT_EQ(error.code(), LogErrorCode::not_found);
        }
    }
}

TEST_F(LogInspectionTest, FindsNoPagesOfASegmentThatIsNotThere) {
    open().reset();
    for (const auto& file : {second, std::string{"ident"}}) {
        EXPECT_THROW(static_cast<void>(pages_of(file)), LogError) << file;
    }
}

}  // namespace
}  // namespace xa_tm::recovery_log
