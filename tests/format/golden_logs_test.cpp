#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "crc32c.h"
#include "temporary_directory.h"
#include "xa_tm/recovery_log/recovery_log.h"

// Logs that every version must read for ever, with what an independent decoder found in them.
namespace xa_tm::recovery_log {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

/// Folders under GOLDEN_LOGS.
std::vector<std::string> golden_logs() {
    std::vector<std::string> folders;
    for (const auto& version : std::filesystem::directory_iterator{GOLDEN_LOGS}) {
        for (const auto& log : std::filesystem::directory_iterator{version}) {
            folders.push_back(std::filesystem::relative(log.path(), GOLDEN_LOGS));
        }
    }
    std::ranges::sort(folders);
    return folders;
}

class GoldenLog : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        std::ifstream stream{folder / "expected.json"};
        expected = json::parse(stream);
    }

    /// As the decoder describes them, without what it shows for people.
    static json described(const std::vector<Entry>& entries) {
        auto result = json::array();
        for (const auto& entry : entries) {
            result.push_back({{"id", entry.id},
                              {"bytes", entry.body.size()},
                              {"crc", fmt::format("{:08x}", crc32c(entry.body))}});
        }
        return result;
    }
    [[nodiscard]] json expected_entries() const {
        auto result = expected["entries"];
        for (auto& entry : result) {
            entry.erase("text");
        }
        return result;
    }

    static void expect_stop(const json& expected, const LogError& error) {
        EXPECT_EQ(expected["verdict"], "stop") << error.what();
        const std::string reason = expected.value("reason", "");
        if (reason.find("is of format 2.0") != std::string::npos) {
            EXPECT_EQ(error.code(), LogErrorCode::newer_format);
            EXPECT_THAT(error.what(), HasSubstr("format 2.0"));
        } else {
            EXPECT_EQ(error.code(), LogErrorCode::damaged);
        }
    }

    const std::filesystem::path folder = std::filesystem::path{GOLDEN_LOGS} / GetParam();
    json expected;
};

TEST_P(GoldenLog, IsReadAsTheDecoderReadsIt) {
    try {
        const auto image = read_log(folder);
        EXPECT_EQ(expected["verdict"], "ok");
        EXPECT_EQ(image.id.to_string(), expected["ident"]["log_id"]);
        EXPECT_EQ(image.node, expected["ident"]["node"]);
        EXPECT_EQ(image.quarantined_through, expected["quarantined_through"]);
        EXPECT_EQ(described(image.entries), expected_entries());
    } catch (const LogError& error) {
        expect_stop(expected, error);
    }
}

TEST_P(GoldenLog, IsOpenedWithItsEntriesAndUsed) {
    const test::TemporaryDirectory directory;
    std::filesystem::copy(folder, directory.path(), std::filesystem::copy_options::recursive);
    try {
        const auto log = RecoveryLog::open(
            {.directory = directory.path(), .node = "shop-1", .segment_size_bytes = 64 * 1024});
        EXPECT_EQ(expected["verdict"], "ok");
        EXPECT_EQ(described(log->live_entries()), expected_entries());
        EXPECT_EQ(log->quarantined_through(), expected["quarantined_through"]);
        EXPECT_EQ(log->force(log->reserve(0).value(), {}).result, ForceResult::durable);
    } catch (const LogError& error) {
        expect_stop(expected, error);
    }
}

INSTANTIATE_TEST_SUITE_P(Format, GoldenLog, testing::ValuesIn(golden_logs()), [](const auto& test) {
    return std::filesystem::path{test.param}.filename().string();
});

}  // namespace
}  // namespace xa_tm::recovery_log
