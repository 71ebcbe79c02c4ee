#include "result.h"

#include <fstream>

#include <gtest/gtest.h>

#include "temporary_directory.h"

namespace xa_tm::bench {
namespace {

TEST(Result, GoesOnWhereARunWasBrokenOff) {
    const test::TemporaryDirectory directory;
    const auto file = directory.path() / "result.json";
    const Cell cell{.servers = {"a", "b"}, .rtt_ms = 0.4};
    {
        Result result{file};
        result.add("cells", to_json(cell));
        result.save();
    }
    auto resumed = Result::resume(file);
    EXPECT_TRUE(resumed.has("cells", to_json(cell)));
    EXPECT_FALSE(resumed.has("cells", to_json(Cell{.servers = {"a", "b"}, .rtt_ms = 1})));
    EXPECT_EQ(cell_from(resumed.json().at("cells").at(0)), cell);
}

TEST(Result, RefusesAFileOfAnotherKind) {
    const test::TemporaryDirectory directory;
    const auto file = directory.path() / "other.json";
    std::ofstream{file} << R"({"schema": "another/1"})";
    EXPECT_THROW(static_cast<void>(Result::resume(file)), std::runtime_error);
    std::ofstream{file} << "no JSON";
    EXPECT_THROW(static_cast<void>(Result::resume(file)), std::runtime_error);
}

TEST(Result, NamesWhatWasNotMeasuredOnce) {
    Result result{""};
    const auto before = result.json().at("not_measured").size();
    result.note_not_measured("narayana_best", "no Java");
    result.note_not_measured("narayana_best", "no Java");
    EXPECT_EQ(result.json().at("not_measured").size(), before + 1);
}

}  // namespace
}  // namespace xa_tm::bench
