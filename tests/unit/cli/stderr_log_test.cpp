#include "stderr_log.h"

#include <gtest/gtest.h>

namespace xa_tm::cli {
namespace {

LogLine line_of(std::string_view level, std::string_view message) {
    return {.time = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours{2},
            .level = level,
            .channel = "xa_tm.recovery",
            .message = message};
}

TEST(StderrLog, WritesALineWithTimeLevelAndChannel) {
    EXPECT_EQ(rendered(line_of("warning", "Resource can't be listed. [points]"), LogFormat::text),
              "2026-03-01T02:00:00Z warning xa_tm.recovery: Resource can't be listed. [points]\n");
}

TEST(StderrLog, LeavesTheTimeToTheJournalAndGivesItTheLevel) {
    const std::pair<const char*, const char*> levels[] = {
        {"info", "<6>"}, {"warning", "<4>"}, {"error", "<3>"}, {"fatal", "<2>"}};
    for (const auto& [level, prefix] : levels) {
        EXPECT_EQ(rendered(line_of(level, "Gone."), LogFormat::journal),
                  std::string{prefix} + "xa_tm.recovery: Gone.\n");
    }
}

TEST(StderrLog, WritesAnObjectForPrograms) {
    EXPECT_EQ(
        rendered(line_of("info", "Said \"no\"."), LogFormat::json),
        R"({"schema":"xa-recover/1","time":"2026-03-01T02:00:00Z","level":"info","channel":"xa_tm.recovery",)"
        R"("message":"Said \"no\"."})"
        "\n");
}

TEST(StderrLog, LetsNoServerDriveTheTerminal) {
    EXPECT_EQ(rendered(line_of("info", "one\ntwo\x1b[31m"), LogFormat::journal),
              "<6>xa_tm.recovery: one\\x0atwo\\x1b[31m\n");
}

}  // namespace
}  // namespace xa_tm::cli
