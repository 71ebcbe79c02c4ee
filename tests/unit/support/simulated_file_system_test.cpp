#include "simulated_file_system.h"

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// The disk that other tests rely on: what it keeps, what it loses, and how it fails.
namespace xa_tm::test {
namespace {

using recovery_log::File;
using recovery_log::OpenMode;
using recovery_log::SysResult;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kSector = SimulatedFileSystem::kSectorBytes;
constexpr std::size_t kBlock = FileContent::kBlockBytes;

constexpr bool none(std::size_t) {
    return false;
}
constexpr bool all(std::size_t) {
    return true;
}

std::vector<std::byte> sectors(std::string_view letters) {
    std::vector<std::byte> bytes;
    for (const char letter : letters) {
        bytes.insert(bytes.end(), kSector, static_cast<std::byte>(letter));
    }
    return bytes;
}

class SimulatedFileSystemTest : public testing::Test {
protected:
    std::unique_ptr<File> open(const char* name, OpenMode mode = OpenMode::create_or_open) {
        std::unique_ptr<File> file;
        EXPECT_EQ(disk.open(disk.directory() / name, mode, file), 0);
        return file;
    }
    /// A durable file, of which each letter stands for a sector.
    std::unique_ptr<File> make(const char* name, std::string_view letters) {
        auto file = open(name);
        write(*file, letters, 0);
        EXPECT_EQ(file->sync(), 0);
        EXPECT_EQ(disk.sync_directory(disk.directory()), 0);
        return file;
    }
    static void write(File& file, std::string_view letters, std::size_t sector) {
        const auto bytes = sectors(letters);
        EXPECT_EQ(file.pwrite(bytes, sector * kSector), static_cast<SysResult>(bytes.size()));
    }
    static std::vector<std::byte> read(File& file) {
        alignas(kBlock) std::array<std::byte, kBlock> bytes{};
        const auto count = file.pread(bytes, 0);
        EXPECT_GE(count, 0);
        return {bytes.begin(), bytes.begin() + count};
    }

    SimulatedFileSystem disk{"/disk"};
};

TEST_F(SimulatedFileSystemTest, KeepsWhatWasSyncedAndLosesTheRest) {
    const auto file = make("f", "ab");
    write(*file, "cd", 1);
    EXPECT_EQ(disk.read("f"), sectors("acd"));
    EXPECT_EQ(disk.after_crash(none)->read("f"), sectors("ab"));
    EXPECT_EQ(disk.after_crash(all)->read("f"), sectors("acd"));
}

TEST_F(SimulatedFileSystemTest, KeepsEachSectorByItself) {
    const auto file = make("f", "abc");
    write(*file, "xyz", 0);
    ASSERT_THAT(disk.pending_things(), SizeIs(3));
    const auto middle = [](std::size_t thing) { return thing == 1; };
    EXPECT_EQ(disk.after_crash(middle)->read("f"), sectors("ayc"));
}

TEST_F(SimulatedFileSystemTest, HoldsNothingForPendingThatMakesNoDifference) {
    const auto file = make("f", "abc");
    write(*file, "abx", 0);
    ASSERT_THAT(disk.pending_things(), SizeIs(1));
    EXPECT_EQ(disk.pending_things().front().sector, 2U);
}

TEST_F(SimulatedFileSystemTest, KeepsANameOnlyWhenTheDirectoryWasSynced) {
    const auto file = open("f");
    write(*file, "a", 0);
    EXPECT_EQ(file->sync(), 0);
    EXPECT_THAT(disk.after_crash(none)->files(), IsEmpty());
    EXPECT_EQ(disk.sync_directory(disk.directory()), 0);
    EXPECT_THAT(disk.after_crash(none)->files(), ElementsAre("f"));
    EXPECT_EQ(disk.remove(disk.directory() / "f"), 0);
    EXPECT_THAT(disk.files(), IsEmpty());
    EXPECT_EQ(disk.after_crash(none)->read("f"), sectors("a"));
}

TEST_F(SimulatedFileSystemTest, ShowsNoChangeOfACopyInTheOriginal) {
    make("f", "abc");
    const auto copy = disk.after_crash(none);
    copy->flip_bit("f", 0, 0);
    copy->zero_sector("f", 1);
    EXPECT_EQ(disk.read("f"), sectors("abc"));
    EXPECT_NE(copy->fingerprint(""), disk.fingerprint(""));
    copy->flip_bit("f", 0, 0);
    copy->edit("f", [](auto& bytes) { bytes = sectors("abc"); });
    EXPECT_EQ(copy->fingerprint(""), disk.fingerprint(""));
}

TEST_F(SimulatedFileSystemTest, RemembersAfterTheDeathOfAProcessWhatIsPending) {
    const auto file = make("f", "a");
    write(*file, "b", 0);
    const auto next = disk.after_kill();
    EXPECT_EQ(next->read("f"), sectors("b"));
    EXPECT_EQ(next->after_crash(none)->read("f"), sectors("a"));
    EXPECT_EQ(disk.pending(), 1U);
}

TEST_F(SimulatedFileSystemTest, ForgetsWhatAFailedSyncShouldHaveWritten) {
    const auto file = make("f", "abc");
    write(*file, "xyz", 0);
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        return call.operation == Operation::sync ? std::optional<SysResult>{-EIO} : std::nullopt;
    };
    disk.failed_sync_writes = [](std::size_t ordinal) { return ordinal == 1; };
    EXPECT_EQ(file->sync(), -EIO);
    disk.on_call = nullptr;
    EXPECT_EQ(file->sync(), 0) << "as Linux does, to the harm of who believes it";
    EXPECT_EQ(read(*file), sectors("xyz"));
    EXPECT_EQ(read(*open("f", OpenMode::read_direct)), sectors("ayc"));
    EXPECT_EQ(disk.after_crash(all)->read("f"), sectors("ayc"));
}

TEST_F(SimulatedFileSystemTest, ShowsTheOldContentAfterAFailedSyncOnBtrfs) {
    const auto file = make("f", "abc");
    write(*file, "xyz", 0);
    disk.failed_sync_reverts = true;
    disk.on_call = [](const Call& call) -> std::optional<SysResult> {
        return call.operation == Operation::sync ? std::optional<SysResult>{-EIO} : std::nullopt;
    };
    EXPECT_EQ(file->sync(), -EIO);
    EXPECT_EQ(read(*file), sectors("abc"));
}

TEST_F(SimulatedFileSystemTest, ReadsWhatIsPendingDirectlyAsWell) {
    const auto file = make("f", "abc");
    write(*file, "y", 1);
    EXPECT_EQ(read(*open("f", OpenMode::read_direct)), sectors("ayc"));
}

TEST_F(SimulatedFileSystemTest, RefusesADirectReadThatIsNotAligned) {
    make("f", "abc");
    const auto file = open("f", OpenMode::read_direct);
    alignas(kBlock) std::array<std::byte, 2 * kBlock> bytes{};
    const std::span whole{bytes};
    EXPECT_EQ(file->pread(whole.first(kBlock), kSector), -EINVAL);
    EXPECT_EQ(file->pread(whole.first(kSector), 0), -EINVAL);
    EXPECT_EQ(file->pread(whole.subspan(kSector, kBlock), 0), -EINVAL);
    EXPECT_EQ(file->pread(whole, 0), 3 * kSector);
}

TEST_F(SimulatedFileSystemTest, AnswersAnErrorToEveryReadThatTouchesABrokenSector) {
    const auto file = make("f", std::string(20, 'a'));
    disk.break_sector("f", 9);
    std::vector<std::byte> bytes(20 * kSector);
    EXPECT_EQ(file->pread(bytes, 0), -EIO);
    EXPECT_EQ(file->pread(std::span{bytes}.first(kBlock), 0), static_cast<SysResult>(kBlock));
    EXPECT_EQ(file->pread(std::span{bytes}.first(1), 8 * kSector), -EIO)
        << "the system reads whole blocks";
    EXPECT_EQ(disk.after_crash(none)->read("f").size(), bytes.size());
    write(*file, "b", 9);
    EXPECT_EQ(file->pread(bytes, 0), static_cast<SysResult>(bytes.size()));
}

TEST_F(SimulatedFileSystemTest, LosesOrMisdirectsAWriteBehindTheBackOfEverybody) {
    for (const auto fault : {SilentFault::lost_write, SilentFault::misdirected_write}) {
        const auto file = make("f", "abc");
        disk.misdirection_bytes = 2 * kSector;
        disk.on_success = [&](const Call&) { return fault; };
        write(*file, "x", 0);
        disk.on_success = nullptr;
        EXPECT_EQ(file->sync(), 0);
        EXPECT_EQ(read(*file), sectors("xbc"));
        EXPECT_EQ(disk.after_crash(all)->read("f"),
                  sectors(fault == SilentFault::lost_write ? "abc" : "abx"));
        EXPECT_EQ(disk.remove(disk.directory() / "f"), 0);
    }
}

TEST_F(SimulatedFileSystemTest, MakesNothingDurableInALyingSync) {
    const auto file = make("f", "a");
    write(*file, "b", 0);
    disk.on_success = [](const Call&) { return SilentFault::lying_sync; };
    EXPECT_EQ(file->datasync(), 0);
    EXPECT_EQ(disk.after_crash(none)->read("f"), sectors("a"));
    EXPECT_EQ(disk.after_crash(all)->read("f"), sectors("b"));
}

TEST_F(SimulatedFileSystemTest, GarblesAPendingSectorWhenAsked) {
    const auto file = make("f", "a");
    write(*file, "b", 0);
    const auto garbled = disk.after_crash([](std::size_t) { return Fate::garbled; })->read("f");
    EXPECT_THAT(garbled, SizeIs(kSector));
    EXPECT_NE(garbled, sectors("a"));
    EXPECT_NE(garbled, sectors("b"));
}

TEST_F(SimulatedFileSystemTest, LeavesHalfOfAFailedWriteAndLessOfAShortOne) {
    const auto file = make("f", "abcd");
    SysResult answer = -EIO;
    disk.on_call = [&](const Call&) -> std::optional<SysResult> { return answer; };
    EXPECT_EQ(file->pwrite(sectors("wxyz"), 0), -EIO);
    answer = kSector;
    EXPECT_EQ(file->pwrite(sectors("vvvv"), 0), static_cast<SysResult>(kSector));
    answer = -EINTR;
    EXPECT_EQ(file->pwrite(sectors("uuuu"), 0), -EINTR);
    EXPECT_EQ(disk.read("f"), sectors("vxcd"));
}

TEST_F(SimulatedFileSystemTest, IsFullWhenItsSpaceOrItsAllocationsAreUsedUp) {
    const auto file = make("f", "ab");
    disk.capacity_bytes = 3 * kSector;
    EXPECT_EQ(file->allocate(4 * kSector), -ENOSPC);
    EXPECT_EQ(file->allocate(3 * kSector), 0);
    disk.capacity_bytes = 100 * kSector;
    disk.allocations_left = 1;
    EXPECT_EQ(file->allocate(4 * kSector), 0);
    EXPECT_EQ(file->pwrite(sectors("x"), 4 * kSector), -ENOSPC);
    EXPECT_EQ(file->pwrite(sectors("x"), 3 * kSector), static_cast<SysResult>(kSector));
}

}  // namespace
}  // namespace xa_tm::test
