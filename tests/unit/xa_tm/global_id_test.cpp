#include "global_id.h"

#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace xa_tm {
namespace {

const recovery_log::LogId kLog{0x9f2c4e0d11a0b3c7};

TEST(GlobalId, IsWrittenSoThatAPersonCanReadIt) {
    EXPECT_EQ(to_gtrid({"shop-1", kLog, 3, 41}), "shop-1:9f2c4e0d11a0b3c7:3:41");
    EXPECT_EQ(to_bqual({"users", 1}), "users:1");
}

TEST(GlobalId, RoundTrips) {
    for (const auto& id :
         {GlobalId{"a", kLog, 1, 1}, GlobalId{"shop.eu_1-x", kLog, 4294967295, 0},
          GlobalId{std::string(kMaxNodeLength, 'n'), kLog, 0, 999'999'999'999'999}}) {
        EXPECT_EQ(parse_gtrid(to_gtrid(id)), id);
    }
    for (const bool has_last_resource : {false, true}) {
        const BranchId branch{"bank.1_x-2", 4294967295, has_last_resource};
        EXPECT_EQ(parse_bqual(to_bqual(branch)), branch);
    }
}

TEST(GlobalId, FitsAnXidAtItsLongest) {
    const GlobalId longest{std::string(kMaxNodeLength, 'n'), kLog,
                           std::numeric_limits<std::uint32_t>::max(), 999'999'999'999'999};
    EXPECT_LE(to_gtrid(longest).size(), kMaxGtridBytes);
    EXPECT_LE(
        to_bqual({std::string(48, 'r'), std::numeric_limits<std::uint32_t>::max(), true}).size(),
        kMaxBqualBytes);
}

TEST(GlobalId, IsNotReadFromAnythingThatWeDoNotWrite) {
    for (const auto* text :
         {"", ":", ":::", "shop", "shop-1:9f2c4e0d11a0b3c7:3", "shop-1:9F2C4E0D11A0B3C7:3:41",
          "shop-1:9f2c4e0d11a0b3c:3:41", "shop-1:9f2c4e0d11a0b3c7:03:41",
          "shop-1:9f2c4e0d11a0b3c7:3:041", "shop-1:9f2c4e0d11a0b3c7:3:+41",
          "shop-1:9f2c4e0d11a0b3c7:3:41 ", " shop-1:9f2c4e0d11a0b3c7:3:41",
          "shop 1:9f2c4e0d11a0b3c7:3:41", ":9f2c4e0d11a0b3c7:3:41", "a:b:9f2c4e0d11a0b3c7:3:41",
          "shop-1:9f2c4e0d11a0b3c7:4294967296:41", "shop-1:9f2c4e0d11a0b3c7:3:1000000000000000",
          "shop-1:9f2c4e0d11a0b3c7:-1:41"}) {
        EXPECT_EQ(parse_gtrid(text), std::nullopt) << text;
    }
    for (const auto* text : {"", "users", "users:", "users:01", "users:-1", "users:4294967296",
                             "users:last", "users:1:", "users:1:first", "users:1:last:last"}) {
        EXPECT_EQ(parse_bqual(text), std::nullopt) << text;
    }
}

TEST(GlobalId, IsReadFromRandomBytesOnlyIfTheyAreWhatWeWrite) {
    std::mt19937 random{20261123};
    std::uniform_int_distribution<int> byte{0, 255};
    const auto valid = to_gtrid({"shop-1", kLog, 3, 41});
    std::uniform_int_distribution<std::size_t> position{0, valid.size() - 1};
    for (int i = 0; i < 20000; ++i) {
        auto changed = valid;
        changed[position(random)] = static_cast<char>(byte(random));
        const auto id = parse_gtrid(changed);
        EXPECT_TRUE(!id || to_gtrid(*id) == changed) << changed;
    }
}

TEST(ValidName, IsShortAndOfSafeCharacters) {
    EXPECT_TRUE(is_valid_name("shop.eu-1_a", 20));
    for (const auto* name : {"", "a b", "a:b", "a/b", "a'b", "\xc3\xa4", "123456789012345678901"}) {
        EXPECT_FALSE(is_valid_name(name, 20)) << name;
    }
}

}  // namespace
}  // namespace xa_tm
