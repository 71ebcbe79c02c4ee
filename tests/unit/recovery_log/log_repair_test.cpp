#include "log_repair.h"

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log_inspection.h"
#include "open_log.h"
#include "page_codec.h"
#include "simulated_file_system.h"
#include "temporary_directory.h"
#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

using test::Call;
using test::SimulatedFileSystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::size_t kPages = 8;

MATCHER_P(HasBody, body, "") {
    return text_of(arg.body) == body;
}

class LogRepairTest : public testing::Test {
protected:
    [[nodiscard]] std::unique_ptr<RecoveryLog> open() { return open_log(*disk, options); }
    [[nodiscard]] RepairPlan plan() { return plan_repair(*disk, repair); }

    static EntryId force(RecoveryLog& log, std::string_view body) {
        auto reservation = log.reserve(body.size());
        EXPECT_TRUE(reservation);
        return log.force(std::move(*reservation), bytes_of(body)).id;
    }

    /// A log with three entries, each in a page of its own from index 1 on.
    void make_log() {
        auto log = open();
        for (const auto* body : {"one", "two", "three"}) {
            ids.push_back(force(*log, body));
        }
        id = log->id();
    }

    /// In both copies.
    void damage_page(std::size_t page) {
        disk->edit(kSegment, [&](auto& bytes) {
            bytes[page * kPageBytes + kPageHeaderBytes] ^= std::byte{1};
            bytes[(kPages + page) * kPageBytes + kPageHeaderBytes] ^= std::byte{1};
        });
    }

    [[nodiscard]] std::string why_it_does_not_open(SimulatedFileSystem& file_system) const {
        try {
            open_log(file_system, options).reset();
        } catch (const LogError& error) {
            return error.what();
        }
        return "";
    }

    [[nodiscard]] LogError refusal_of_repair() {
        try {
            static_cast<void>(repair_log(*disk, repair));
        } catch (const LogError& error) {
            return error;
        }
        ADD_FAILURE() << "the log was repaired";
        return {LogErrorCode::io, ""};
    }

    static constexpr auto kSegment = "decision-0000000001-0000000001.xlog";

    std::unique_ptr<SimulatedFileSystem> disk = std::make_unique<SimulatedFileSystem>("/log");
    Options options{.directory = "/log",
                    .node = "shop-1",
                    .segment_size_bytes = 2 * kPages * kPageBytes,
                    .copies = 2};
    RepairOptions repair{
        .directory = "/log", .mirror = std::nullopt, .accept_loss = false, .operator_name = "ada"};
    std::vector<EntryId> ids;
    LogId id;
};

TEST_F(LogRepairTest, LeavesASoundLogAlone) {
    make_log();
    const auto before = disk->read(kSegment);

    repair.accept_loss = true;
    EXPECT_FALSE(plan().error);
    EXPECT_FALSE(repair_log(*disk, repair).error);

    EXPECT_EQ(disk->read(kSegment), before);
    EXPECT_EQ(open()->incarnation(), 2U);
}

TEST_F(LogRepairTest, TellsWhatItWouldDoAndLoseAndDoesNothing) {
    make_log();
    damage_page(2);
    const auto before = disk->read(kSegment);

    const auto planned = plan();

    ASSERT_TRUE(planned.error);
    EXPECT_THAT(planned.error->what(), HasSubstr("page 2 "));
    EXPECT_THAT(planned.loss, HasSubstr("page 2 "));
    ASSERT_THAT(planned.lost_pages, SizeIs(1));
    EXPECT_EQ(planned.lost_pages[0].index, 2U);
    EXPECT_THAT(planned.lost_pages[0].problem, StartsWith("sector 0 is not as it was written"));
    EXPECT_THAT(planned.entries, ElementsAre(HasBody("one"), HasBody("three")));
    EXPECT_EQ(planned.quarantined_through, 1U);
    EXPECT_THAT(planned.set_aside, ElementsAre(kSegment));
    EXPECT_EQ(disk->read(kSegment), before);
    EXPECT_THAT(disk->files(), Not(Contains(HasSubstr(".broken"))));
}

TEST_F(LogRepairTest, LosesNothingThatNobodyAccepted) {
    make_log();
    damage_page(2);
    const auto before = disk->read(kSegment);

    EXPECT_EQ(refusal_of_repair().code(), LogErrorCode::damaged);

    EXPECT_EQ(disk->read(kSegment), before);
    EXPECT_THAT(why_it_does_not_open(*disk), HasSubstr("page 2 "));
}

TEST_F(LogRepairTest, GoesOnWithWhatIsLeftUnderAQuarantine) {
    make_log();
    damage_page(2);
    const auto damaged = disk->read(kSegment);

    repair.accept_loss = true;
    static_cast<void>(repair_log(*disk, repair));

    EXPECT_EQ(disk->read(std::string{kSegment} + ".broken"), damaged);
    const auto log = open();
    EXPECT_EQ(log->id(), id);
    EXPECT_EQ(log->incarnation(), 3U) << "the repair was an incarnation, too";
    EXPECT_EQ(log->quarantined_through(), 1U);
    EXPECT_THAT(log->live_entries(), ElementsAre(HasBody("one"), HasBody("three")));
    EXPECT_GT(force(*log, "four"), ids.back());
}

TEST_F(LogRepairTest, LeavesANoteThatStays) {
    make_log();
    damage_page(2);
    repair.accept_loss = true;
    static_cast<void>(repair_log(*disk, repair));
    for (int i = 0; i < 3; ++i) {
        open().reset();
    }

    const auto found = inspect_log(*disk, "/log");

    EXPECT_EQ(found.quarantined_through, 1U);
    ASSERT_THAT(found.notes, SizeIs(1));
    EXPECT_EQ(
        found.notes[0].text,
        "repaired by ada; pages taken from a copy: 0; entries that go on: 2; pages whose loss was "
        "accepted: 1; in quarantine: incarnations up to 1");
}

TEST_F(LogRepairTest, RestoresALostIdentityFromThePages) {
    make_log();
    static_cast<void>(disk->remove("/log/ident"));

    const auto planned = plan();
    EXPECT_TRUE(planned.restores_identity);
    EXPECT_EQ(planned.loss, "");
    static_cast<void>(repair_log(*disk, repair));

    const auto log = open();
    EXPECT_EQ(log->id(), id);
    EXPECT_EQ(log->quarantined_through(), 0U);
    EXPECT_THAT(log->live_entries(), SizeIs(3));
}

TEST_F(LogRepairTest, KeepsADamagedIdentityAside) {
    make_log();
    disk->edit("ident", [](auto& bytes) { bytes[30] ^= std::byte{1}; });

    static_cast<void>(repair_log(*disk, repair));

    EXPECT_EQ(open()->id(), id);
    EXPECT_THAT(disk->files(), Contains("ident.broken"));
}

TEST_F(LogRepairTest, SalvagesTheEntriesBehindADamagedHead) {
    make_log();
    damage_page(0);

    repair.accept_loss = true;
    static_cast<void>(repair_log(*disk, repair));

    EXPECT_THAT(open()->live_entries(), SizeIs(3));
}

TEST_F(LogRepairTest, RaisesNoForgottenEntry) {
    {
        const auto log = open();
        log->forget(force(*log, "passing"));
        force(*log, "kept");
        force(*log, "lost");
    }
    damage_page(3);

    repair.accept_loss = true;
    static_cast<void>(repair_log(*disk, repair));

    EXPECT_THAT(open()->live_entries(), ElementsAre(HasBody("kept")));
}

TEST_F(LogRepairTest, KeepsAnEarlierQuarantineAndItsNote) {
    make_log();
    damage_page(2);
    repair.accept_loss = true;
    static_cast<void>(repair_log(*disk, repair));
    force(*open(), "later");
    const auto file = inspect_log(*disk, "/log").in_use()->file;
    disk->edit(file, [&](auto& bytes) {
        bytes[kPageBytes + kPageHeaderBytes] ^= std::byte{1};
        bytes[bytes.size() / 2 + kPageBytes + kPageHeaderBytes] ^= std::byte{1};
    });

    static_cast<void>(repair_log(*disk, repair));

    const auto found = inspect_log(*disk, "/log");
    EXPECT_FALSE(found.error);
    EXPECT_EQ(found.quarantined_through, 3U);
    EXPECT_THAT(found.notes, SizeIs(2));
}

TEST_F(LogRepairTest, RefusesALogOfANewerFormat) {
    make_log();
    disk->edit(kSegment, [](auto& bytes) {
        PageHeader header;
        header.format_major = 2;
        header.flush_pages = 1;
        seal_page(std::span{bytes}.template first<kPageBytes>(), header);
    });
    repair.accept_loss = true;

    EXPECT_EQ(refusal_of_repair().code(), LogErrorCode::newer_format);
}

TEST_F(LogRepairTest, RefusesALogThatIsInUse) {
    const auto log = open();
    EXPECT_EQ(refusal_of_repair().code(), LogErrorCode::in_use);
}

TEST_F(LogRepairTest, RefusesWhenNothingIsLeft) {
    make_log();
    static_cast<void>(disk->remove(std::string{"/log/"} + kSegment));
    repair.accept_loss = true;

    EXPECT_EQ(refusal_of_repair().code(), LogErrorCode::damaged);
}

/// What the power cut left is either the damaged log, unchanged, or the repaired one.
TEST_F(LogRepairTest, MayBeCutOffAtAnyMoment) {
    make_log();
    damage_page(2);
    const auto error = why_it_does_not_open(*disk);
    repair.accept_loss = true;
    const auto damaged = disk->after_crash([](std::size_t) { return true; });
    bool is_finished = false;
    std::size_t repaired = 0;
    for (std::size_t number = 0; !is_finished; ++number) {
        for (const bool keeps : {false, true}) {
            const auto attempt = damaged->after_crash([](std::size_t) { return true; });
            const auto first_call = attempt->calls();
            std::unique_ptr<SimulatedFileSystem> left;
            attempt->on_call = [&](const Call& call) -> std::optional<SysResult> {
                if (!left && call.number == first_call + number) {
                    left = attempt->after_crash([&](std::size_t) { return keeps; });
                }
                return std::nullopt;
            };
            static_cast<void>(repair_log(*attempt, repair));
            is_finished = !left;
            if (is_finished) {
                break;
            }
            const auto found = why_it_does_not_open(*left);
            if (found.empty()) {
                ++repaired;
            } else {
                EXPECT_EQ(found, error) << "call " << number;
                static_cast<void>(repair_log(*left, repair));
            }
            const auto log = open_log(*left, options);
            EXPECT_THAT(log->live_entries(), ElementsAre(HasBody("one"), HasBody("three")));
            EXPECT_GE(log->quarantined_through(), 1U);
        }
    }
    EXPECT_GT(repaired, 2U);
}

TEST_F(LogRepairTest, LeavesTheLogAsItWasWhenACallFails) {
    make_log();
    damage_page(2);
    const auto error = why_it_does_not_open(*disk);
    repair.accept_loss = true;
    const auto damaged = disk->after_crash([](std::size_t) { return true; });
    for (std::size_t number = 0;; ++number) {
        const auto attempt = damaged->after_crash([](std::size_t) { return true; });
        const auto first_call = attempt->calls();
        bool has_failed = false;
        attempt->on_call = [&](const Call& call) -> std::optional<SysResult> {
            if (call.number != first_call + number) {
                return std::nullopt;
            }
            has_failed = true;
            return -ENOSPC;
        };
        try {
            static_cast<void>(repair_log(*attempt, repair));
        } catch (const LogError&) {
            // told; what counts is what it leaves behind
        }
        attempt->on_call = nullptr;
        const auto found = why_it_does_not_open(*attempt);
        EXPECT_TRUE(found.empty() || found == error) << "call " << number << ": " << found;
        if (!has_failed) {
            break;
        }
    }
}

/// The same from a copy of the directory, which takes two directories and so the real file system.
class LogRepairFromMirror : public testing::Test {
protected:
    LogRepairFromMirror() { std::filesystem::create_directory(options.directory); }

    [[nodiscard]] std::unique_ptr<RecoveryLog> open() const { return RecoveryLog::open(options); }

    static EntryId force(RecoveryLog& log, std::string_view body) {
        auto reservation = log.reserve(body.size());
        EXPECT_TRUE(reservation);
        return log.force(std::move(*reservation), bytes_of(body)).id;
    }

    void copy_to_mirror() const {
        std::filesystem::remove_all(*repair.mirror);
        std::filesystem::copy(options.directory, *repair.mirror);
    }

    /// In both copies of the only segment.
    void damage_page(const std::filesystem::path& directory, std::size_t page) const {
        std::fstream file{directory / kSegment, std::ios::in | std::ios::out};
        for (const auto begin : {std::size_t{0}, kPages}) {
            file.seekp(static_cast<std::streamoff>((begin + page) * kPageBytes + 100));
            file << "flipped";
        }
    }

    static constexpr auto kSegment = "decision-0000000001-0000000001.xlog";

    test::TemporaryDirectory folder;
    Options options{.directory = folder.path() / "log",
                    .node = "shop-1",
                    .segment_size_bytes = 2 * kPages * kPageBytes,
                    .allow_volatile_file_system = true};
    RepairOptions repair{.directory = folder.path() / "log",
                         .mirror = folder.path() / "mirror",
                         .accept_loss = false,
                         .operator_name = "ada"};
};

TEST_F(LogRepairFromMirror, TakesTheBadPagesFromItAndLosesNothing) {
    {
        const auto log = open();
        force(*log, "one");
        force(*log, "two");
    }
    copy_to_mirror();
    damage_page(options.directory, 0);
    damage_page(options.directory, 2);
    damage_page(*repair.mirror, 1);

    const auto planned = plan_repair(repair);
    EXPECT_EQ(planned.pages_from_mirror, 2U);
    EXPECT_EQ(planned.loss, "");
    EXPECT_THAT(planned.lost_pages, IsEmpty());
    static_cast<void>(repair_log(repair));

    const auto log = open();
    EXPECT_EQ(log->quarantined_through(), 0U);
    EXPECT_THAT(log->live_entries(), ElementsAre(HasBody("one"), HasBody("two")));
}

TEST_F(LogRepairFromMirror, TakesWhatIsNewerFromTheLogItself) {
    {
        const auto log = open();
        force(*log, "one");
        copy_to_mirror();
        force(*log, "two");
    }
    damage_page(options.directory, 1);

    static_cast<void>(repair_log(repair));

    EXPECT_THAT(open()->live_entries(), ElementsAre(HasBody("one"), HasBody("two")));
}

TEST_F(LogRepairFromMirror, DoesNotTakeAPageForUnwrittenThatTheCopyDoesNotHaveYet) {
    {
        const auto log = open();
        force(*log, "one");
        copy_to_mirror();
        force(*log, "two");
    }
    damage_page(options.directory, 2);

    const auto planned = plan_repair(repair);

    EXPECT_THAT(planned.loss, HasSubstr("page 2 "));
    EXPECT_THAT(planned.entries, ElementsAre(HasBody("one")));
}

TEST_F(LogRepairFromMirror, TakesAWholeSegmentAndTheIdentityFromIt) {
    force(*open(), "one");
    copy_to_mirror();
    std::filesystem::remove(options.directory / kSegment);
    std::filesystem::remove(options.directory / "ident");
    // What is left is the directory of a log that lost everything but its lock.
    EXPECT_THROW(static_cast<void>(plan_repair(repair)), LogError) << "that is no log any more";

    std::filesystem::copy(*repair.mirror / "ident", options.directory / "ident");
    static_cast<void>(repair_log(repair));

    EXPECT_THAT(open()->live_entries(), ElementsAre(HasBody("one")));
}

TEST_F(LogRepairFromMirror, RefusesACopyOfAnotherLog) {
    force(*open(), "one");
    copy_to_mirror();
    std::filesystem::remove_all(options.directory);
    std::filesystem::create_directory(options.directory);
    force(*open(), "other");
    damage_page(options.directory, 1);

    try {
        static_cast<void>(repair_log(repair));
        ADD_FAILURE() << "it was taken";
    } catch (const LogError& error) {
        EXPECT_EQ(error.code(), LogErrorCode::foreign_node);
        EXPECT_THAT(error.what(), HasSubstr("choose a copy of this log"));
    }
}

}  // namespace
}  // namespace xa_tm::recovery_log
