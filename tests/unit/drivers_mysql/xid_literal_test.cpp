#include "xid_literal.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "xa_tm/mysql/branch_name.h"

namespace xa_tm::mysql {
namespace {

using namespace std::string_literals;

TEST(XidLiteral, IsTheNameThatTheCommandLineToolWrites) {
    const Xid xid{kFormatId, "shop", "users:1"};
    EXPECT_EQ(branch_name(xid), xid_literal(xid));
}

TEST(XidLiteral, IsHexadecimalWhateverTheBytes) {
    EXPECT_EQ(xid_literal({kFormatId, "shop", "u.1"}), "x'73686f70',x'752e31',1480676429");
    EXPECT_EQ(xid_literal({0, "\x00'\\\xFF"s, ""}), "x'00275cff',x'',0");
}

TEST(XidLiteral, IsReadBackFromXaRecoverForArbitraryBytes) {
    std::mt19937_64 random{20240229};
    for (int round = 0; round < 20000; ++round) {
        const auto bytes = [&random](std::size_t size) {
            std::string text(size, '\0');
            std::ranges::generate(text, [&random] { return static_cast<char>(random()); });
            return text;
        };
        const Xid xid{static_cast<std::int64_t>(random()), bytes(random() % 65),
                      bytes(random() % 65)};
        const auto branch =
            listed_branch(std::to_string(xid.format_id), std::to_string(xid.gtrid.size()),
                          std::to_string(xid.bqual.size()), xid.gtrid + xid.bqual);
        ASSERT_EQ(branch.xid, xid);
        ASSERT_EQ(branch.name, xid_literal(xid));
    }
}

TEST(ListedBranch, SplitsByLengthAndNotByContent) {
    EXPECT_EQ(listed_branch("1", "2", "3", "ab'\0c"s).xid, (Xid{1, "ab", "'\0c"s}));
    EXPECT_EQ(listed_branch("-1", "0", "1", "b").xid, (Xid{-1, "", "b"}));
}

TEST(ListedBranch, HasNoXidWhenTheRowIsNotOne) {
    for (const auto& branch :
         {listed_branch("1", "2", "2", "abc"), listed_branch("1", "65", "0", std::string(65, 'g')),
          listed_branch("1", "0", "65", std::string(65, 'b')), listed_branch("", "1", "1", "gb"),
          listed_branch("1", "x", "1", "gb"), listed_branch("1", "-1", "3", "gb"),
          listed_branch("9223372036854775808", "1", "1", "gb"),
          listed_branch("1", "18446744073709551615", "3", "gb")}) {
        EXPECT_EQ(branch.xid, std::nullopt);
        EXPECT_FALSE(branch.name.empty());
    }
}

}  // namespace
}  // namespace xa_tm::mysql
