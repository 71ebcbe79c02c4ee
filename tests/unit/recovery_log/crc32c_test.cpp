#include "crc32c.h"

#include <array>
#include <numeric>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span{text});
}

TEST(Crc32c, AgreesWithThePublishedValues) {
    EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283U);
    // RFC 3720, B.4
    const std::array<std::byte, 32> zeros{};
    EXPECT_EQ(crc32c(zeros), 0x8A9136AAU);
}

TEST(Crc32c, IsTheSameByTableAndByInstruction) {
    std::vector<unsigned char> bytes(1000);
    std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(0));
    for (std::size_t length = 0; length < bytes.size(); length += 7) {
        const auto part = std::as_bytes(std::span{bytes}.first(length));
        EXPECT_EQ(crc32c(part, 42), crc32c_by_table(part, 42)) << length;
    }
}

TEST(Crc32c, ContinuesFromItsSeed) {
    EXPECT_EQ(crc32c(bytes_of("456789"), crc32c(bytes_of("123"))), crc32c(bytes_of("123456789")));
}

}  // namespace
}  // namespace xa_tm::recovery_log
