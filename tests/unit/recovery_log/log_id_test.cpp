#include "xa_tm/recovery_log/log_id.h"

#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

TEST(LogId, ReadsBackWhatItWrote) {
    const LogId id{0x0123456789ABCDEFU};
    EXPECT_EQ(id.to_string(), "0123456789abcdef");
    EXPECT_EQ(LogId::parse(id.to_string()), id);
}

TEST(LogId, IsReadFromNothingButItsOwnText) {
    for (const char* text : {"", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF",
                             "0x23456789abcdef", " 123456789abcdef"}) {
        EXPECT_EQ(LogId::parse(text), std::nullopt) << text;
    }
}

TEST(LogId, IsNeverZeroAndNeverTheSame) {
    EXPECT_NE(LogId::generate(), LogId{});
    EXPECT_NE(LogId::generate(), LogId::generate());
}

}  // namespace
}  // namespace xa_tm::recovery_log
