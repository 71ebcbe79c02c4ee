#include "xa_tm/recovery_log/record_reader.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_directory.h"
#include "test_bytes.h"
#include "xa_tm/recovery_log/log_inspection.h"

namespace xa_tm::recovery_log {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RecordReaderTest : public testing::Test {
protected:
    [[nodiscard]] std::unique_ptr<RecoveryLog> open() const { return RecoveryLog::open(options); }

    static EntryId force(RecoveryLog& log, std::string_view body) {
        auto reservation = log.reserve(body.size());
        EXPECT_TRUE(reservation);
        return log.force(std::move(*reservation), bytes_of(body)).id;
    }

    /// The records that are new to the reader, as "TYPE" or "ENTRY body".
    static std::vector<std::string> read(RecordReader& reader) {
        std::vector<std::string> lines;
        reader.read_new([&](const LoggedRecord& record) {
            auto line = std::string{record_type_name(record.type)};
            if (record.entry == record.id) {
                line += (record.is_repeated ? " again " : " ") + text_of(record.body);
            }
            lines.push_back(line);
        });
        return lines;
    }

    test::TemporaryDirectory directory;
    Options options{.directory = directory.path(),
                    .node = "shop-1",
                    .segment_size_bytes = 256 * 1024,
                    .copies = 1,
                    .allow_volatile_file_system = true};
};

TEST_F(RecordReaderTest, ReadsWhatIsThereAndThenWhatComes) {
    const auto log = open();
    force(*log, "first");
    RecordReader reader{directory.path()};

    EXPECT_THAT(read(reader), ElementsAre("SEGMENT_HEAD", "CHECKPOINT_END", "ENTRY first"));
    EXPECT_THAT(read(reader), IsEmpty());
    log->forget(force(*log, "second"));
    force(*log, "third");
    EXPECT_THAT(read(reader), ElementsAre("ENTRY second", "ENTRY third", "FORGOTTEN"));
}

TEST_F(RecordReaderTest, JoinsTheFragmentsOfALongEntry) {
    const auto body = text_of_length(kEntryBytesMax / 2, 1);
    const auto log = open();
    force(*log, body);
    RecordReader reader{directory.path()};

    EXPECT_THAT(read(reader), ElementsAre("SEGMENT_HEAD", "CHECKPOINT_END", "ENTRY " + body));
}

TEST_F(RecordReaderTest, TellsWhereARecordStands) {
    const auto id = force(*open(), "entry");
    std::vector<LoggedRecord> records;

    RecordReader{directory.path()}.read_new(
        [&](const LoggedRecord& record) { records.push_back(record); });

    ASSERT_THAT(records, SizeIs(3));
    EXPECT_EQ(records[2].id, id);
    EXPECT_EQ(records[2].file, "decision-0000000001-0000000001.xlog");
    EXPECT_EQ(records[2].page, 1U);
    EXPECT_EQ(records[2].page_no, 2U);
    EXPECT_EQ(records[2].offset, 4096U + 96U);
}

TEST_F(RecordReaderTest, FollowsTheLogIntoItsNextSegments) {
    const auto log = open();
    force(*log, "kept");
    RecordReader reader{directory.path()};
    static_cast<void>(read(reader));

    const auto passing = text_of_length(10'000, 1);
    std::vector<std::string> lines;
    for (int i = 0; i < 60; ++i) {
        log->forget(force(*log, passing));
        const auto more = read(reader);
        lines.insert(lines.end(), more.begin(), more.end());
    }

    EXPECT_EQ(std::ranges::count(lines, "ENTRY " + passing), 60);
    EXPECT_GE(std::ranges::count(lines, "SEGMENT_HEAD"), 2);
    EXPECT_EQ(std::ranges::count(lines, "ENTRY again kept"),
              std::ranges::count(lines, "SEGMENT_HEAD"));
}

TEST_F(RecordReaderTest, GoesOnWithTheNextOwner) {
    force(*open(), "kept");
    RecordReader reader{directory.path()};
    static_cast<void>(read(reader));

    force(*open(), "new");

    EXPECT_THAT(read(reader),
                ElementsAre("SEGMENT_HEAD", "ENTRY again kept", "CHECKPOINT_END", "ENTRY new"));
}

TEST_F(RecordReaderTest, FindsNoLogWhereThereIsNone) {
    EXPECT_THROW(RecordReader{directory.path()}, LogError);
    EXPECT_THROW(RecordReader{directory.path() / "missing"}, LogError);
}

}  // namespace
}  // namespace xa_tm::recovery_log
