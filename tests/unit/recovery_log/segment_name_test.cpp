#include "segment_name.h"

#include <gtest/gtest.h>

namespace xa_tm::recovery_log {
namespace {

TEST(SegmentName, ReadsBackWhatItWrote) {
    const SegmentName name{.epoch = 7, .segment_no = 4294967295U};
    EXPECT_EQ(file_name(name), "decision-0000000007-4294967295.xlog");
    EXPECT_EQ(parse_segment_name(file_name(name)), name);
}

TEST(SegmentName, IsNotReadFromOtherFiles) {
    for (const char* other :
         {"", "ident", "LOCK", "decision-7-1.xlog", "decision-0000000007-0000000001.xlog.broken",
          "decision-0000000007_0000000001.xlog", "decision-00000000x7-0000000001.xlog",
          "decision-9999999999-0000000001.xlog"}) {
        EXPECT_EQ(parse_segment_name(other), std::nullopt) << other;
    }
}

TEST(SegmentName, IsOrderedByAge) {
    EXPECT_LT((SegmentName{1, 9}), (SegmentName{2, 1}));
    EXPECT_LT((SegmentName{2, 1}), (SegmentName{2, 2}));
}

}  // namespace
}  // namespace xa_tm::recovery_log
