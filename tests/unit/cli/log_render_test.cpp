#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "render_log.h"

namespace xa_tm::cli {
namespace {

using recovery_log::InspectedSegment;
using recovery_log::LogError;
using recovery_log::LogErrorCode;
using recovery_log::LogInspection;
using recovery_log::PageCondition;
using recovery_log::SegmentRole;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

/// One segment in use, and no entry.
LogInspection sound_log() {
    LogInspection log{};
    log.directory = "/var/lib/shop/xa";
    log.id = recovery_log::LogId{0x91b52e0c7a14d3f8};
    log.node = "shop-1";
    InspectedSegment segment{};
    segment.file = "segment";
    segment.epoch = 7;
    segment.role = SegmentRole::in_use;
    segment.copies = 2;
    segment.pages_used = 3;
    segment.flushes = 2;
    log.segments.push_back(segment);
    log.image = recovery_log::LogImage{.id = *log.id,
                                       .node = "shop-1",
                                       .incarnation = 7,
                                       .entries = {},
                                       .first_unconfirmed = 5,
                                       .quarantined_through = 0,
                                       .owner = std::nullopt};
    return log;
}

TEST(LogRender, SaysThatALogIsSound) {
    EXPECT_EQ(render_log_verify(sound_log(), {}),
              "log /var/lib/shop/xa\n"
              "  node shop-1, id 91b52e0c7a14d3f8, incarnation 7, owned by no process\n"
              "\n"
              "Read 1 segment: 3 pages in 2 flushes, both copies of each.\n"
              "No entry is live.\n"
              "The log is sound.\n");
}

TEST(LogRender, WarnsOfWhatIsNoDamage) {
    auto log = sound_log();
    log.segments[0].torn_pages = 2;
    log.quarantined_through = 5;
    recovery_log::InspectedPage page{};
    page.condition = PageCondition::intact;
    page.problem = "in the first copy: sector 3";
    log.segments[0].bad_pages.push_back(page);
    log.segments[0].single_copy_pages = 1;

    EXPECT_TRUE(is_sound(log));
    EXPECT_THAT(
        render_log_verify(log, {}),
        AllOf(HasSubstr("page 0: in the first copy: sector 3"), HasSubstr("2 pages not as written"),
              HasSubstr("incarnations up to 5"), EndsWith("The log is sound.\n")));
}

TEST(LogRender, JudgesNoSegmentThatWasReplaced) {
    auto log = sound_log();
    log.segments.push_back(log.segments.front());
    log.segments[0].role = SegmentRole::replaced;
    log.segments[0].torn_pages = 1;

    EXPECT_THAT(render_log_verify(log, {}), Not(HasSubstr("warning")));
}

TEST(LogRender, TellsEachDamageOnce) {
    auto log = sound_log();
    log.image = std::nullopt;
    log.error = LogError{LogErrorCode::damaged, "page 3 is gone; nothing was changed"};
    log.segments[0].damage = "page 3 is gone";
    const auto text = render_log_verify(log, {});

    EXPECT_FALSE(is_sound(log));
    EXPECT_THAT(text, AllOf(HasSubstr("The log does not open:\n  page 3 is gone; nothing was"),
                            HasSubstr("xa-recover log repair")));
    EXPECT_EQ(text.find("page 3"), text.rfind("page 3"));
}

TEST(LogRender, MarksEntriesOfALaterVersionAndOfTheLastFlush) {
    recovery_log::LogImage image = *sound_log().image;
    image.entries = {{.id = 4, .body = {std::byte{9}}}, {.id = 5, .body = {std::byte{9}}}};
    image.owner = recovery_log::LogOwner{.pid = 12, .host = "vm"};
    const auto text = render_log_list("/var/lib/shop/xa", image, {});

    EXPECT_THAT(text, AllOf(HasSubstr("owned by pid 12 on vm"),
                            HasSubstr("of a version that this program does not know\n"),
                            HasSubstr("does not know  not yet known durable\n"),
                            HasSubstr("The log holds 0 decisions and 2 other entries.")));

    image.owner.reset();
    EXPECT_THAT(render_log_list("/var/lib/shop/xa", image, {}),
                HasSubstr("does not know  not yet known durable\n"));
}

TEST(LogRender, ShowsNoControlCharacters) {
    const recovery_log::LoggedRecord record{.type = 136,
                                            .id = 3,
                                            .body = {},
                                            .file = "segment",
                                            .page = 0,
                                            .page_no = 1,
                                            .offset = 96,
                                            .is_repeated = false,
                                            .entry = std::nullopt,
                                            .text = "\x1b[2J"};

    EXPECT_THAT(render_log_record(record, {}),
                AllOf(HasSubstr("OPERATOR_NOTE"), EndsWith("  \\x1b[2J\n")));
}

}  // namespace
}  // namespace xa_tm::cli
