#include "flush_encoder.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t kLongestOnOnePage = kPageRoomBytes - kRecordHeaderBytes;

FlushPosition some_position() {
    return {.log_id = LogId{1},
            .segment = {.epoch = 2, .segment_no = 3},
            .first_page_no = 40,
            .prev_crc = 99};
}

FlushEncoder begin_flush(const FlushPosition& position = some_position(),
                         Packing packing = Packing::whole) {
    FlushEncoder flush;
    flush.begin(position, packing);
    return flush;
}

PageVerdict verdict_of(std::span<const std::byte> flush, std::size_t page) {
    return classify_page(flush.subspan(page * kPageBytes).first<kPageBytes>());
}

TEST(FlushEncoder, PutsSmallRecordsOnOnePage) {
    auto flush = begin_flush();
    flush.add(RecordType::entry, 7, bytes_of("one"));
    flush.add(RecordType::forgotten, 8, encode_forgotten(5));
    const auto bytes = flush.finish(0);
    ASSERT_EQ(bytes.size(), kPageBytes);
    const auto header = verdict_of(bytes, 0).header;
    ASSERT_TRUE(header);
    EXPECT_EQ(header->record_count, 2);
    EXPECT_EQ(header->used_bytes, record_bytes(3) + record_bytes(8));
    EXPECT_EQ(header->prev_crc, 99U);
}

TEST(FlushEncoder, ChainsItsPages) {
    auto flush = begin_flush();
    flush.add(RecordType::entry, 7, bytes_of(text_of_length(2 * kLongestOnOnePage, 1)));
    const auto bytes = flush.finish(page_flags::kCleanShutdown);
    ASSERT_EQ(bytes.size(), 2 * kPageBytes);
    const auto second = verdict_of(bytes, 1).header;
    ASSERT_TRUE(second);
    EXPECT_EQ(second->page_no, 41U);
    EXPECT_EQ(second->flush_first, 40U);
    EXPECT_EQ(second->flush_pages, 2);
    EXPECT_EQ(second->flags, page_flags::kCleanShutdown);
    EXPECT_EQ(second->prev_crc, page_crc(bytes.first<kPageBytes>()));
    EXPECT_EQ(flush.last_crc(), page_crc(bytes.subspan(kPageBytes).first<kPageBytes>()));
}

TEST(FlushEncoder, KeepsARecordInOnePieceWhenAPageCanHoldIt) {
    auto flush = begin_flush();
    flush.add(RecordType::entry, 7, bytes_of("short"));
    flush.add(RecordType::entry, 8, bytes_of(text_of_length(kLongestOnOnePage, 1)));
    const auto bytes = flush.finish(0);
    ASSERT_EQ(bytes.size(), 2 * kPageBytes);
    const auto record = decode_record(bytes.subspan(kPageBytes + kPageHeaderBytes), 41);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->fragment, Fragment::full);
}

TEST(FlushEncoder, TakesAsManyPagesAsPromised) {
    for (const std::size_t length :
         {std::size_t{0}, std::size_t{1}, kLongestOnOnePage, kLongestOnOnePage + 1,
          2 * kLongestOnOnePage, 2 * kLongestOnOnePage + 1, kEntryBytesMax}) {
        auto flush = begin_flush();
        flush.add(RecordType::entry, 7, bytes_of(text_of_length(length, 1)));
        EXPECT_EQ(flush.pages(), pages_for(length)) << length;
    }
}

TEST(FlushEncoder, FillsItsPagesWhenPackedDensely) {
    auto flush = begin_flush(some_position(), Packing::dense);
    constexpr std::size_t kRecords = 500;
    for (std::size_t i = 0; i < kRecords; ++i) {
        flush.add(RecordType::entry, i, bytes_of(text_of_length(1'700 + i, 1)));
    }
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < kRecords; ++i) {
        bytes += record_bytes(1'700 + i);
    }
    EXPECT_LE(flush.pages(), dense_pages_max(bytes));
    EXPECT_GE(flush.pages(), bytes / kPageRoomBytes);
}

TEST(FlushEncoder, TellsBeforehandHowManyPagesItWillHave) {
    auto flush = begin_flush();
    for (const std::size_t length : {3'000U, 500U, 900U, 200U, 9'000U, 0U, 4'000U, 3'984U, 70U}) {
        const auto pages = flush.pages_with(length);
        flush.add(RecordType::entry, 7, bytes_of(text_of_length(length, 1)));
        EXPECT_EQ(flush.pages(), pages) << length;
    }
}

TEST(FlushEncoder, StartsAnewInTheSameMemory) {
    auto flush = begin_flush();
    flush.add(RecordType::entry, 7, bytes_of(text_of_length(9'000, 1)));
    flush.begin(some_position(), Packing::whole);
    EXPECT_TRUE(flush.is_empty());
    flush.add(RecordType::entry, 7, bytes_of("one"));
    auto fresh = begin_flush();
    fresh.add(RecordType::entry, 7, bytes_of("one"));
    EXPECT_TRUE(std::ranges::equal(flush.finish(0), fresh.finish(0)));
}

// The worked example of docs/recovery_log_format.md: change neither without a new format number.
TEST(FlushEncoder, WritesThePageOfTheFormatsDocument) {
    auto flush = begin_flush({.log_id = LogId{0x0123456789ABCDEFU},
                              .segment = {.epoch = 2, .segment_no = 1},
                              .first_page_no = 7,
                              .prev_crc = 0xCAFE0001U});
    flush.add(RecordType::entry, 12, bytes_of("commit order-42"));
    flush.add(RecordType::forgotten, 13, encode_forgotten(9));
    std::string hex;
    const auto page = flush.finish(0);
    for (const std::byte byte : page.first(160)) {
        hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    }
    EXPECT_EQ(hex,
              "58444c5001000000efcdab8967452301"
              "00000000000000000200000001000000"
              "07000000000000000700000000000000"
              "01000200380000000100feca00000000"
              "ba73c45e386c938dc198cf4f3919a0f2"
              "c2079ace3a86f573c372a9b13bf3c60c"
              "ea1e6d710f0001000c00000000000000"
              "636f6d6d6974206f726465722d343200"
              "2e805eb7080002000d00000000000000"
              "09000000000000000000000000000000");
    EXPECT_TRUE(
        std::ranges::all_of(page.subspan(160), [](std::byte b) { return b == std::byte{0}; }));
}

}  // namespace
}  // namespace xa_tm::recovery_log
