#include "log_checkup.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decision_record.h"

namespace xa_tm::cli {
namespace {

using recovery_log::FileSystemKind;
using recovery_log::LogError;
using recovery_log::LogErrorCode;
using recovery_log::LogInspection;
using recovery_log::LogPlace;
using recovery_log::SegmentRole;
using testing::HasSubstr;

constexpr std::uint64_t kMebibyte = 1 << 20;

/// A log and its place.
struct Looked {
    LogPlace place;
    LogInspection log;
    std::optional<std::string> node = "shop-1";

    [[nodiscard]] std::vector<ServerFact> facts() const { return judged_log(place, log, node); }
    [[nodiscard]] ServerFact fact(std::string_view name) const {
        const auto all = facts();
        const auto found = std::ranges::find(all, name, &ServerFact::name);
        return found == all.end() ? ServerFact{"none", ""} : *found;
    }
    void add(const LogRecord& record) {
        log.image->entries.push_back({log.image->entries.size() + 1, encode(record)});
    }
};

/// Two segments of 64 MiB without an entry, on a local disk.
Looked sound() {
    Looked looked{.place = {.directory = "/var/lib/shop/xa",
                            .kind = FileSystemKind::local,
                            .file_system = "ext4",
                            .free_bytes = 64 * kMebibyte,
                            .permissions = 0750,
                            .write_error = std::nullopt},
                  .log = {}};
    auto& log = looked.log;
    log.directory = "/var/lib/shop/xa";
    log.id = recovery_log::LogId{0x91b52e0c7a14d3f8};
    log.node = "shop-1";
    log.segments.resize(2);
    for (auto& segment : log.segments) {
        segment.size_bytes = 64 * kMebibyte;
        segment.role = SegmentRole::spare;
    }
    log.segments.front().role = SegmentRole::in_use;
    log.image = recovery_log::LogImage{.id = *log.id,
                                       .node = "shop-1",
                                       .incarnation = 7,
                                       .entries = {},
                                       .first_unconfirmed = 5,
                                       .quarantined_through = 0,
                                       .owner = std::nullopt};
    return looked;
}

TEST(LogCheckup, IsAllGoodForASoundLog) {
    for (const auto& fact : sound().facts()) {
        EXPECT_EQ(fact.severity, Severity::good) << fact.name;
        EXPECT_EQ(fact.remedy, "") << fact.name;
    }
}

TEST(LogCheckup, IsBadForAnotherNodesLog) {
    auto looked = sound();
    looked.node = "shop-2";
    EXPECT_EQ(looked.fact("node").severity, Severity::bad);
    looked.node.reset();
    EXPECT_EQ(looked.fact("node").severity, Severity::good);
}

TEST(LogCheckup, JudgesAFileSystemByWhatItKeeps) {
    auto looked = sound();
    const auto severity_of = [&looked](FileSystemKind kind) {
        looked.place.kind = kind;
        return looked.fact("file system").severity;
    };
    EXPECT_EQ(severity_of(FileSystemKind::local), Severity::good);
    EXPECT_EQ(severity_of(FileSystemKind::lost_with_container), Severity::notice);
    EXPECT_EQ(severity_of(FileSystemKind::lost_with_machine), Severity::bad);
    EXPECT_EQ(severity_of(FileSystemKind::network), Severity::bad);
}

TEST(LogCheckup, WantsRoomForAThirdSegment) {
    auto looked = sound();
    EXPECT_EQ(looked.fact("space").value, "64 MiB free, the log takes 128 MiB of at most 192 MiB");
    looked.place.free_bytes -= 1;
    EXPECT_EQ(looked.fact("space").severity, Severity::bad);
    EXPECT_EQ(looked.fact("space").remedy, "make room for 64 MiB more");
    looked.log.segments.push_back(looked.log.segments.back());
    EXPECT_EQ(looked.fact("space").severity, Severity::good) << "it has taken all already";
}

TEST(LogCheckup, IsBadWhereAnyUserMayReplaceTheLog) {
    auto looked = sound();
    looked.place.permissions = 0757;
    EXPECT_EQ(looked.fact("permissions").severity, Severity::bad);
    EXPECT_EQ(looked.fact("permissions").remedy, "chmod o-w /var/lib/shop/xa");
    looked.place.permissions = 01777;
    EXPECT_EQ(looked.fact("permissions").severity, Severity::notice) << "not its files";
}

TEST(LogCheckup, Trap58IsBadForAUserThatMayOnlyRead) {
    auto looked = sound();
    looked.place.write_error = LogError{LogErrorCode::io, "cannot write /var/lib/shop/xa"};
    EXPECT_EQ(looked.fact("writable").severity, Severity::bad);
    EXPECT_THAT(looked.fact("writable").meaning, HasSubstr("cannot write /var/lib/shop/xa"));
}

TEST(LogCheckup, SendsADamagedLogToItsRepair) {
    auto looked = sound();
    looked.log.image.reset();
    looked.log.error = LogError{LogErrorCode::damaged, "page 2 holds other bytes"};
    EXPECT_EQ(looked.fact("content").severity, Severity::bad);
    EXPECT_EQ(looked.fact("content").meaning, "page 2 holds other bytes");
    EXPECT_EQ(looked.fact("content").remedy, "xa-recover log repair /var/lib/shop/xa");
}

TEST(LogCheckup, WarnsOfABadCopyAndOfAQuarantine) {
    auto looked = sound();
    looked.log.segments.front().single_copy_pages = 1;
    looked.log.quarantined_through = 5;
    const auto facts = looked.facts();
    EXPECT_EQ(std::ranges::count(facts, Severity::notice, &ServerFact::severity), 2);
    EXPECT_EQ(looked.fact("quarantine").value, "incarnations up to 5");
}

TEST(LogCheckup, LeavesOpenDecisionsToALiveOwner) {
    auto looked = sound();
    looked.add(Decision{"shop-1:91b52e0c7a14d3f8:7:1", {}, {}});
    EXPECT_EQ(looked.fact("open decisions").value, "1");
    EXPECT_EQ(looked.fact("open decisions").severity, Severity::notice);
    EXPECT_THAT(looked.fact("open decisions").remedy, HasSubstr("xa-recover resolve"));
    looked.log.owner = recovery_log::LogOwner{.pid = 4711, .host = "vm"};
    EXPECT_EQ(looked.fact("open decisions").severity, Severity::good);
    EXPECT_EQ(looked.fact("owner").value, "pid 4711 on vm");
}

TEST(LogCheckup, ShowsHeuristicsUntilAPersonHasForgottenThem) {
    auto looked = sound();
    looked.add(Heuristic{"shop-1:91b52e0c7a14d3f8:7:1", "points:1", XaCode::heurrb, "points"});
    EXPECT_EQ(looked.fact("heuristics").severity, Severity::notice);
    EXPECT_EQ(looked.fact("open decisions").value, "0");
}

TEST(LogCheckup, ShowsEveryDoubtThatWasNoted) {
    auto looked = sound();
    looked.add(LogDoubt{"users holds a branch of incarnation 9"});
    looked.add(ServerDoubt{.resource = "points",
                           .server = "server",
                           .through_incarnation = 6,
                           .through_sequence = 1,
                           .words = "it has come less far than it had"});
    EXPECT_EQ(looked.fact("log's age").severity, Severity::bad);
    EXPECT_EQ(looked.fact("log's age").meaning, "users holds a branch of incarnation 9");
    EXPECT_EQ(looked.fact("server of points").severity, Severity::notice);
    EXPECT_EQ(looked.fact("server of points").meaning, "it has come less far than it had");
}

}  // namespace
}  // namespace xa_tm::cli
