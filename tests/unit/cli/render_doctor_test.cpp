#include "render_doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace xa_tm::cli {
namespace {

using testing::HasSubstr;

Diagnosis diagnosis() {
    return {
        .resources = {{.name = "users",
                       .kind = "postgresql",
                       .product = "PostgreSQL 15.20",
                       .facts = {{"reachable", "yes"},
                                 {"pg_signal_backend", "not held", "it waits", Severity::notice,
                                  "grant pg_signal_backend to app"},
                                 {"fsync", "off", "a crash loses it", Severity::bad, "fsync = on"},
                                 {"timeline", "00000001"}}}},
        .log = Checked{.name = "/var/lib/shop/xa", .kind = "log", .facts = {{"content", "sound"}}}};
}

TEST(RenderDoctor, PutsTheWorstFirstWithWhatFollowsAndWhatMendsIt) {
    EXPECT_EQ(render_diagnosis(diagnosis(), false),
              "users (PostgreSQL 15.20)\n"
              "  red     fsync: off\n"
              "          A crash loses it.\n"
              "          mend: fsync = on\n"
              "  yellow  pg_signal_backend: not held\n"
              "          It waits.\n"
              "          mend: grant pg_signal_backend to app\n"
              "  green   reachable: yes\n"
              "  green   timeline: 00000001\n"
              "\n"
              "/var/lib/shop/xa (log)\n"
              "  green   content: sound\n"
              "\n"
              "1 red, 1 yellow, 3 green. Mend what is red before the next outage.\n");
}

TEST(RenderDoctor, PaintsTheMarksOnATerminal) {
    const auto text = render_diagnosis(diagnosis(), true);
    EXPECT_THAT(text, HasSubstr("  \x1b[31mred\x1b[0m     fsync: off\n"));
    EXPECT_THAT(text, HasSubstr("  \x1b[33myellow\x1b[0m  pg_signal"));
    EXPECT_THAT(text, HasSubstr("  \x1b[32mgreen\x1b[0m   reachable"));
}

TEST(RenderDoctor, SumsUpByTheWorst) {
    auto found = diagnosis();
    EXPECT_EQ(found.worst(), Severity::bad);
    found.resources[0].facts.erase(found.resources[0].facts.begin() + 2);
    EXPECT_EQ(found.worst(), Severity::notice);
    EXPECT_THAT(render_diagnosis(found, false), HasSubstr("0 red, 1 yellow, 3 green."));
    found.resources.clear();
    EXPECT_EQ(found.worst(), Severity::good);
    found.log->facts[0].severity = Severity::bad;
    EXPECT_EQ(found.worst(), Severity::bad) << "the log counts as well";
}

TEST(RenderDoctor, SaysThatNoLogWasLookedAt) {
    auto found = diagnosis();
    found.log.reset();
    EXPECT_THAT(render_diagnosis(found, false), HasSubstr("No log was looked at"));
    EXPECT_TRUE(nlohmann::json::parse(render_diagnosis_json(found))["log"].is_null());
}

TEST(RenderDoctor, LetsNoServerDriveTheTerminal) {
    auto found = diagnosis();
    found.resources[0].facts[0].value = "\x1b[2J";
    EXPECT_THAT(render_diagnosis(found, false), HasSubstr("reachable: \\x1b[2J\n"));
}

TEST(RenderDoctor, GivesTheSameAsJson) {
    const auto json = nlohmann::json::parse(render_diagnosis_json(diagnosis()));
    EXPECT_EQ(json["worst"], "bad");
    EXPECT_EQ(json["resources"][0]["name"], "users");
    EXPECT_EQ(json["resources"][0]["product"], "PostgreSQL 15.20");
    const auto& worst = json["resources"][0]["facts"][0];
    EXPECT_EQ(worst["name"], "fsync");
    EXPECT_EQ(worst["value"], "off");
    EXPECT_EQ(worst["severity"], "bad");
    EXPECT_EQ(worst["meaning"], "a crash loses it");
    EXPECT_EQ(worst["remedy"], "fsync = on");
    EXPECT_EQ(json["log"]["facts"][0]["severity"], "good");
}

}  // namespace
}  // namespace xa_tm::cli
