#include "prepared_gid.h"

#include <algorithm>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "xa_tm/postgres/branch_name.h"

namespace xa_tm::postgres {
namespace {

using namespace std::string_literals;

TEST(PreparedGid, IsTheNameThatTheCommandLineToolWrites) {
    const Xid xid{kFormatId, "shop", "users:1"};
    EXPECT_EQ(branch_name(xid), encode_gid(xid));
}

TEST(PreparedGid, WritesOurXidsReadably) {
    EXPECT_EQ(encode_gid({kFormatId, "shop-1.0af3.7.12", "users.1"}),
              "xa_tm:shop-1.0af3.7.12/users.1");
    EXPECT_EQ(encode_gid({kFormatId, "a:b", ""}), "xa_tm:a:b/");
}

TEST(PreparedGid, WritesForeignXidsAsTheJdbcDriverDoes) {
    EXPECT_EQ(encode_gid({131077, "\xFF\x00\x10"s, "bq"}), "131077_/wAQ_YnE=");
    EXPECT_EQ(encode_gid({-1, "g", ""}), "-1_Zw==_");
    EXPECT_EQ(encode_gid({1, "shop-1", "users.1"}), "1_c2hvcC0x_dXNlcnMuMQ==");
}

TEST(PreparedGid, WritesOurXidsAsForeignWhenTheyAreNotReadable) {
    EXPECT_EQ(encode_gid({kFormatId, "a/b", "c"}), "1480676429_YS9i_Yw==");
    EXPECT_EQ(encode_gid({kFormatId, "", "c"}), "1480676429__Yw==");
}

TEST(PreparedGid, ReadsWhatItWritesForArbitraryBytes) {
    std::mt19937_64 random{20240229};
    for (int round = 0; round < 20000; ++round) {
        const auto bytes = [&random] {
            std::string text(random() % 65, '\0');
            const bool is_text = random() % 2 == 0;
            std::ranges::generate(text, [&] {
                return is_text ? "azAZ09._:-"[random() % 10] : static_cast<char>(random());
            });
            return text;
        };
        const std::int64_t formats[] = {kFormatId,
                                        0,
                                        1,
                                        -1,
                                        static_cast<std::int64_t>(random()),
                                        std::numeric_limits<std::int64_t>::min()};
        const Xid xid{formats[random() % std::size(formats)], bytes(), bytes()};
        const auto gid = encode_gid(xid);
        ASSERT_LE(gid.size(), kMaxGidBytes);
        ASSERT_EQ(decode_gid(gid), xid) << gid;
        ASSERT_EQ(gid.find_first_of("'\\\n "), std::string::npos) << gid;
    }
}

TEST(PreparedGid, FitsForTheLongestXid) {
    const Xid xid{std::numeric_limits<std::int64_t>::min(), std::string(64, '\xFF'),
                  std::string(64, '\0')};
    EXPECT_LE(encode_gid(xid).size(), kMaxGidBytes);
    EXPECT_EQ(decode_gid(encode_gid(xid)), xid);
}

class NoXid : public testing::TestWithParam<std::string> {};

TEST_P(NoXid, IsReadFromAnotherProgramsName) {
    EXPECT_EQ(decode_gid(GetParam()), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(
    PreparedGid, NoXid,
    testing::Values("", "made by hand", "citus_0_1234_5_6", "xa_tm:", "xa_tm:no-slash",
                    "xa_tm:/no-gtrid", "xa_tm:a/b/c", "xa_tm:a b/c", "xa_tm:\xC3\xA4/c",
                    "1_Zw==", "01_Zw==_Zw==_",
                    "+1_Zw==_Zw==", "01_Zw==_Zw==", "1_Zw=_Zw==", "1_Zx==_Zw==", "1_Z_Zw==",
                    "1_Zw==_Z*==", "x_Zw==_Zw==", "_Zw==_Zw==", "9223372036854775808_Zw==_Zw==",
                    // Ours, but not as we write it.
                    "1480676429_c2hvcC0x_dXNlcnMuMQ==",
                    // One byte too long.
                    "xa_tm:" + std::string(65, 'g') + "/b", "xa_tm:g/" + std::string(65, 'b')));

}  // namespace
}  // namespace xa_tm::postgres
