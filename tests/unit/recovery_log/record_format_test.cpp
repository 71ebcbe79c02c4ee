#include "record_format.h"

#include <gtest/gtest.h>

#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

constexpr std::uint64_t kPageNo = 17;

std::vector<std::byte> encoded(std::string_view body) {
    std::vector<std::byte> out(record_bytes(body.size()));
    encode_record(out,
                  {.type = static_cast<std::uint8_t>(RecordType::entry),
                   .fragment = Fragment::full,
                   .seq = 0x1122334455667788U,
                   .body = bytes_of(body)},
                  kPageNo);
    return out;
}

TEST(RecordFormat, ReadsBackWhatItWrote) {
    const auto bytes = encoded("a decision");
    const auto record = decode_record(bytes, kPageNo);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->type, static_cast<std::uint8_t>(RecordType::entry));
    EXPECT_EQ(record->fragment, Fragment::full);
    EXPECT_EQ(record->seq, 0x1122334455667788U);
    EXPECT_EQ(text_of(record->body), "a decision");
}

TEST(RecordFormat, TakesABodyWithoutBytes) {
    EXPECT_TRUE(decode_record(encoded(""), kPageNo));
}

TEST(RecordFormat, RefusesARecordOfAnotherPage) {
    EXPECT_FALSE(decode_record(encoded("a decision"), kPageNo + 1));
}

TEST(RecordFormat, RefusesEverySingleFlippedBit) {
    const std::string body = "a decision";
    auto bytes = encoded(body);
    for (std::size_t bit = 0; bit < (kRecordHeaderBytes + body.size()) * 8; ++bit) {
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        EXPECT_FALSE(decode_record(bytes, kPageNo)) << "bit " << bit;
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST(RecordFormat, RefusesARecordThatIsCutOff) {
    const auto bytes = encoded("a decision");
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_FALSE(decode_record(std::span{bytes}.first(length), kPageNo)) << length;
    }
}

TEST(RecordFormat, ReadsBackASegmentHead) {
    const SegmentHead head{.segment_pages = 16,
                           .predecessor = {.epoch = 2, .segment_no = 3},
                           .predecessor_last_page = 99,
                           .predecessor_last_crc = 0xABCDEF01U,
                           .torn_pages = 1,
                           .first_needed = {.epoch = 3, .segment_no = 1},
                           .node = "shop-1",
                           .writer = "0.1.0"};
    const auto body = encode_body(head);
    EXPECT_EQ(decode_segment_head(body), head);
    for (std::size_t length = 0; length < body.size(); ++length) {
        EXPECT_EQ(decode_segment_head(std::span{body}.first(length)), std::nullopt);
    }
}

TEST(RecordFormat, ReadsBackACheckpointEndAndAForget) {
    const CheckpointEnd end{.count = 5, .set_crc = 0x12345678U};
    EXPECT_EQ(decode_checkpoint_end(encode_body(end)), end);
    EXPECT_EQ(decode_forgotten(encode_forgotten(77)), 77U);
}

TEST(RecordFormat, ReadsBackAQuarantineAndAnOperatorsNote) {
    const OperatorNote note{
        .at = std::chrono::sys_time{std::chrono::microseconds{1'700'000'000'123'456}},
        .text = "the loss of page 7 was accepted"};
    EXPECT_EQ(decode_operator_note(encode_body(note)), note);
    EXPECT_EQ(decode_quarantine(encode_quarantine(7)), 7U);
    EXPECT_EQ(decode_operator_note(bytes_of("7 bytes")), std::nullopt);
    EXPECT_EQ(decode_quarantine(bytes_of("abc")), std::nullopt);
}

TEST(RecordFormat, LetsOlderReadersSkipANoteAndNotAQuarantine) {
    EXPECT_NE(static_cast<std::uint8_t>(RecordType::operator_note) & kIgnorableType, 0);
    EXPECT_EQ(static_cast<std::uint8_t>(RecordType::quarantine) & kIgnorableType, 0);
}

TEST(RecordFormat, TellsSetsOfEntriesApartThatDifferOnlyInTheirBorders) {
    const auto crc_of = [](std::string_view a, std::string_view b) {
        return extend_set_crc(extend_set_crc(0, 1, bytes_of(a)), 2, bytes_of(b));
    };
    EXPECT_NE(crc_of("ab", "c"), crc_of("a", "bc"));
    // An entry whose body looks like the id of the next one.
    const std::string_view two{"\x02\0\0\0\0\0\0\0", 8};
    EXPECT_NE(crc_of("", two), crc_of(two, ""));
}

}  // namespace
}  // namespace xa_tm::recovery_log
