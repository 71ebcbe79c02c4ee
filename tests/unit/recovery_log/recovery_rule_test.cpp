#include "recovery_rule.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flush_encoder.h"
#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr SegmentName kName{.epoch = 2, .segment_no = 1};
constexpr LogId kLogId{77};
constexpr std::uint64_t kFirstPageNo = 100;
constexpr std::size_t kPages = 16;
constexpr std::size_t kTwoPages = 5000;

/// A segment put together flush by flush, as an owner would write it.
class SegmentBytes {
public:
    SegmentBytes() : bytes_(kPages * kPageBytes) {
        auto flush = begin_flush();
        flush.add(RecordType::segment_head, 10,
                  encode_body(SegmentHead{.segment_pages = kPages,
                                          .predecessor = {.epoch = 1, .segment_no = 1},
                                          .node = "shop-1",
                                          .writer = "test"}));
        flush.add(RecordType::entry, 3, bytes_of("three"));
        const CheckpointEnd end{.count = 1, .set_crc = extend_set_crc(0, 3, bytes_of("three"))};
        flush.add(RecordType::checkpoint_end, 11, encode_body(end));
        write(flush);
    }

    void add_entry(EntryId id, std::string_view body) {
        add(RecordType::entry, id, bytes_of(body));
    }
    void add_forgotten(EntryId seq, EntryId id) {
        add(RecordType::forgotten, seq, encode_forgotten(id));
    }
    void add(RecordType type, EntryId seq, std::span<const std::byte> body) {
        auto flush = begin_flush();
        flush.add(type, seq, body);
        write(flush);
    }

    void write(FlushEncoder& flush) {
        std::ranges::copy(flush.finish(0),
                          bytes_.begin() + static_cast<std::ptrdiff_t>(used_pages_ * kPageBytes));
        used_pages_ += flush.pages();
        last_crc_ = flush.last_crc();
    }

    [[nodiscard]] FlushEncoder begin_flush() const {
        FlushEncoder encoder;
        encoder.begin({.log_id = kLogId,
                       .segment = kName,
                       .first_page_no = kFirstPageNo + used_pages_,
                       .prev_crc = last_crc_},
                      Packing::whole);
        return encoder;
    }

    [[nodiscard]] std::size_t used_pages() const { return used_pages_; }
    [[nodiscard]] std::span<std::byte> page(std::size_t index) {
        return std::span{bytes_}.subspan(index * kPageBytes, kPageBytes);
    }
    void zero(std::size_t page_index, std::size_t sector) {
        std::ranges::fill(page(page_index).subspan(sector * kSectorBytes, kSectorBytes),
                          std::byte{0});
    }
    void zero_page(std::size_t index) { std::ranges::fill(page(index), std::byte{0}); }
    void cut_to(std::size_t pages) { bytes_.resize(pages * kPageBytes); }

    [[nodiscard]] SegmentVerdict judge(std::optional<LogId> log_id = kLogId,
                                       SegmentName name = kName) const {
        SegmentScan scan{"segment", name, log_id};
        for (std::size_t at = 0; at < bytes_.size(); at += kPageBytes) {
            const PageCopy page{std::span{bytes_}.subspan(at).first<kPageBytes>()};
            scan.add_page({&page, 1});
        }
        return scan.finish(bytes_.size() / kPageBytes);
    }

private:
    std::vector<std::byte> bytes_;
    std::size_t used_pages_ = 0;
    std::uint32_t last_crc_ = 0;
};

SegmentContent content_of(const SegmentVerdict& verdict) {
    if (const auto* damage = std::get_if<Damage>(&verdict)) {
        ADD_FAILURE() << damage->text;
        return {};
    }
    return std::get<SegmentContent>(verdict);
}

std::map<EntryId, std::string> live_of(const SegmentVerdict& verdict) {
    std::map<EntryId, std::string> live;
    for (const auto& [id, body] : content_of(verdict).live) {
        live.emplace(id, text_of(body));
    }
    return live;
}

Damage damage_of(const SegmentVerdict& verdict) {
    if (const auto* damage = std::get_if<Damage>(&verdict)) {
        return *damage;
    }
    ADD_FAILURE() << "the segment was accepted";
    return {};
}

TEST(RecoveryRule, ReadsTheCheckpointAndWhatFollowed) {
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.add_entry(13, text_of_length(kTwoPages, 13));
    segment.add_forgotten(14, 3);
    const auto verdict = segment.judge();
    EXPECT_THAT(live_of(verdict),
                UnorderedElementsAre(Pair(12, "twelve"), Pair(13, text_of_length(kTwoPages, 13))));
    const auto content = content_of(verdict);
    EXPECT_TRUE(content.is_complete);
    EXPECT_TRUE(content.is_used);
    EXPECT_EQ(content.head.node, "shop-1");
    EXPECT_EQ(content.next_seq, 15U);
    EXPECT_EQ(content.next_page_no, kFirstPageNo + segment.used_pages());
    EXPECT_EQ(content.torn_pages, 0U);
}

TEST(RecoveryRule, TakesAFreshSegmentForIncomplete) {
    SegmentBytes segment;
    segment.zero_page(0);
    const auto content = content_of(segment.judge());
    EXPECT_FALSE(content.is_complete);
    EXPECT_FALSE(content.is_used);
}

TEST(RecoveryRule, TakesATornCheckpointForIncomplete) {
    SegmentBytes segment;
    segment.zero(0, 0);
    EXPECT_FALSE(content_of(segment.judge()).is_complete);
}

TEST(RecoveryRule, TakesACheckpointThatMissesAnEntryForIncomplete) {
    const auto body = text_of_length(2'000, 3);
    FlushEncoder flush;
    flush.begin({.log_id = kLogId, .segment = kName, .first_page_no = 1, .prev_crc = 0},
                Packing::dense);
    flush.add(RecordType::segment_head, 10,
              encode_body(SegmentHead{.segment_pages = 1, .node = "shop-1", .writer = "test"}));
    flush.add(RecordType::entry, 3, bytes_of(body));
    const CheckpointEnd end{.count = 1, .set_crc = extend_set_crc(0, 3, bytes_of(body))};
    flush.add(RecordType::checkpoint_end, 11, encode_body(end));
    const auto written = flush.finish(0);
    std::vector<std::byte> bytes{written.begin(), written.end()};
    ASSERT_EQ(bytes.size(), kPageBytes);
    std::fill_n(bytes.begin() + 2 * kSectorBytes, kSectorBytes, std::byte{0});
    SegmentScan scan{"segment", kName, kLogId};
    const PageCopy page{std::span{bytes}.first<kPageBytes>()};
    scan.add_page({&page, 1});
    EXPECT_FALSE(content_of(scan.finish(1)).is_complete);
}

TEST(RecoveryRule, StopsAtAFlippedBitInAnySectorOfTheLastFlush) {
    for (std::size_t sector = 0; sector < kSectorsPerPage; ++sector) {
        SegmentBytes segment;
        segment.add_entry(12, text_of_length(3'900, 12));
        segment.page(1)[sector * kSectorBytes + 300] ^= std::byte{1};
        EXPECT_EQ(damage_of(segment.judge()).code, LogErrorCode::damaged) << sector;
    }
}

TEST(RecoveryRule, StopsAtABrokenChainBehindATornPage) {
    SegmentBytes segment;
    segment.add_entry(12, text_of_length(14'000, 12));
    segment.zero(1, 3);
    const auto last = segment.page(4).first<kPageBytes>();
    auto header = *classify_page(last).header;
    header.prev_crc ^= 1U;
    seal_page(last, header);
    EXPECT_EQ(damage_of(segment.judge()).code, LogErrorCode::damaged);
}

TEST(RecoveryRule, HonoursEveryIntactRecordOfATornTail) {
    SegmentBytes segment;
    auto flush = segment.begin_flush();
    flush.add(RecordType::entry, 12, bytes_of(text_of_length(300, 12)));
    flush.add(RecordType::entry, 13, bytes_of(text_of_length(300, 13)));  // crosses into sector 1
    flush.add(RecordType::entry, 14, bytes_of(text_of_length(300, 14)));
    segment.write(flush);
    segment.zero(1, 0);
    const auto verdict = segment.judge();
    EXPECT_THAT(live_of(verdict),
                UnorderedElementsAre(Pair(3, "three"), Pair(14, text_of_length(300, 14))));
    EXPECT_EQ(content_of(verdict).torn_pages, 1U);
}

TEST(RecoveryRule, DropsARecordOfATornTailThatMissesAFragment) {
    for (const std::size_t lost : {1U, 2U}) {
        SegmentBytes segment;
        segment.add_entry(12, text_of_length(kTwoPages, 12));
        segment.zero_page(lost);
        EXPECT_THAT(live_of(segment.judge()), UnorderedElementsAre(Pair(3, "three"))) << lost;
    }
}

TEST(RecoveryRule, StopsWhenAnAcknowledgedPageIsZero) {
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.add_entry(13, "thirteen");
    segment.zero_page(1);
    const auto damage = damage_of(segment.judge());
    EXPECT_EQ(damage.code, LogErrorCode::damaged);
    EXPECT_THAT(damage.text,
                HasSubstr("segment: page 1 (byte offset 4096): the page is all zeros"));
    EXPECT_THAT(damage.text, HasSubstr("a later flush stands behind it, in page 2"));
}

TEST(RecoveryRule, StopsWhenAnAcknowledgedPageIsTorn) {
    SegmentBytes segment;
    segment.add_entry(12, text_of_length(1000, 12));
    segment.add_entry(13, "thirteen");
    segment.zero(1, 1);
    const auto damage = damage_of(segment.judge());
    EXPECT_EQ(damage.code, LogErrorCode::damaged);
    EXPECT_THAT(damage.text,
                HasSubstr("page 1 (byte offset 4096, page number 101), sector 1: CRC32C "));
    EXPECT_THAT(damage.text, HasSubstr("Up to 1 records of it may be missing"));
}

TEST(RecoveryRule, StopsWhenOnlyTheRestOfALaterFlushShowsThatAPageWasAcknowledged) {
    SegmentBytes segment;
    segment.add_entry(12, text_of_length(1000, 12));
    segment.add_entry(13, text_of_length(1000, 13));
    segment.zero(2, 0);  // of the later flush, only sectors behind the header are left
    EXPECT_THAT(live_of(segment.judge()),
                UnorderedElementsAre(Pair(3, "three"), Pair(12, text_of_length(1000, 12))));
    segment.zero(1, 1);
    EXPECT_EQ(damage_of(segment.judge()).code, LogErrorCode::damaged);
}

TEST(RecoveryRule, StopsAtAFlippedBitAlsoInTheLastFlush) {
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.page(1)[kPageHeaderBytes + 20] ^= std::byte{1};
    const auto damage = damage_of(segment.judge());
    EXPECT_EQ(damage.code, LogErrorCode::damaged);
    EXPECT_THAT(damage.text, HasSubstr("page 1 (byte offset 4096), sector 0: CRC32C "));
    EXPECT_THAT(damage.text, HasSubstr("a write that a crash cuts off leaves each sector"));
}

TEST(RecoveryRule, NeverChangesItsAnswerForAFlippedBitExceptToStop) {
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.add_forgotten(13, 3);
    segment.add_entry(14, "fourteen");
    for (std::size_t index = 0; index < segment.used_pages(); ++index) {
        for (std::size_t bit = 0; bit < kPageBytes * 8; bit += 37) {
            auto& byte = segment.page(index)[bit / 8];
            byte ^= std::byte{1} << (bit % 8);
            ASSERT_TRUE(std::holds_alternative<Damage>(segment.judge()))
                << "page " << index << ", bit " << bit;
            byte ^= std::byte{1} << (bit % 8);
        }
    }
}

TEST(RecoveryRule, StopsAtAPageOfAnotherLog) {
    SegmentBytes segment;
    EXPECT_THAT(damage_of(segment.judge(LogId{78})).text, HasSubstr("belongs to another log"));
    EXPECT_TRUE(content_of(segment.judge(std::nullopt)).is_complete);
}

TEST(RecoveryRule, StopsAtAPageOfAnotherSegment) {
    SegmentBytes segment;
    EXPECT_THAT(damage_of(segment.judge(kLogId, {.epoch = 3, .segment_no = 1})).text,
                HasSubstr("belongs to segment decision-0000000002-0000000001.xlog"));
}

TEST(RecoveryRule, StopsAtAMisdirectedPage) {
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.add_entry(13, "thirteen");
    std::ranges::copy(segment.page(2), segment.page(1).begin());
    EXPECT_THAT(damage_of(segment.judge()).text,
                HasSubstr("page 1 (byte offset 4096, page number 102)"));
}

TEST(RecoveryRule, StopsAtABrokenChain) {
    SegmentBytes other;
    other.add_entry(12, "another");
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.add_entry(13, "thirteen");
    std::ranges::copy(other.page(1), segment.page(1).begin());
    EXPECT_THAT(damage_of(segment.judge()).text, HasSubstr("it follows a page with CRC32C"));
}

TEST(RecoveryRule, StopsAtAFileThatIsShorterThanItsHeadSays) {
    SegmentBytes segment;
    segment.add_entry(12, "twelve");
    segment.cut_to(1);
    EXPECT_THAT(damage_of(segment.judge()).text, HasSubstr("has 1 pages and was made with 16"));
}

TEST(RecoveryRule, RefusesARecordTypeOfANewerVersionUnlessItMayBeSkipped) {
    SegmentBytes skipped;
    skipped.add(static_cast<RecordType>(0x42 | kIgnorableType), 12, bytes_of("a note"));
    EXPECT_THAT(live_of(skipped.judge()), UnorderedElementsAre(Pair(3, "three")));

    SegmentBytes refused;
    refused.add(static_cast<RecordType>(0x42), 12, bytes_of("a note"));
    const auto damage = damage_of(refused.judge());
    EXPECT_EQ(damage.code, LogErrorCode::newer_format);
    EXPECT_THAT(damage.text, HasSubstr("record type 66 is unknown"));
}

TEST(RecoveryRule, RefusesANewerFormatByItsNumber) {
    SegmentBytes segment;
    PageHeader header;
    header.format_major = 9;
    header.flush_pages = 1;
    seal_page(segment.page(1).first<kPageBytes>(), header);
    const auto damage = damage_of(segment.judge());
    EXPECT_EQ(damage.code, LogErrorCode::newer_format);
    EXPECT_THAT(damage.text, HasSubstr("written in format 9.0; this version knows format 1.0"));
}

TEST(RecoveryRule, StopsWhenASegmentInUseDoesNotStartWithACheckpoint) {
    SegmentBytes later;  // its first flush is not a checkpoint
    later.zero_page(0);
    FlushEncoder flush;
    flush.begin({.log_id = kLogId, .segment = kName, .first_page_no = kFirstPageNo, .prev_crc = 0},
                Packing::whole);
    flush.add(RecordType::entry, 3, bytes_of("three"));
    std::ranges::copy(flush.finish(0), later.page(0).begin());
    FlushEncoder next;
    next.begin({.log_id = kLogId,
                .segment = kName,
                .first_page_no = kFirstPageNo + 1,
                .prev_crc = flush.last_crc()},
               Packing::whole);
    next.add(RecordType::entry, 4, bytes_of("four"));
    std::ranges::copy(next.finish(0), later.page(1).begin());
    EXPECT_THAT(damage_of(later.judge()).text, HasSubstr("has no end"));
}

}  // namespace
}  // namespace xa_tm::recovery_log
