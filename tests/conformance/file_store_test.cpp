// What only the example's folder of files does: its steps on the disk, and whom it refuses.

#include "file_store.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "temporary_directory.h"

namespace {

/// What this thread has synced since it was cleared, by its name at that time.
thread_local std::vector<std::string> synced;

}  // namespace

/// Goes before the system's, which it calls.
extern "C" int fsync(int descriptor) {
    const auto link = "/proc/self/fd/" + std::to_string(descriptor);
    synced.push_back(std::filesystem::read_symlink(link).filename());
    return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace xa_tm::test {
namespace {

using examples::FileStore;
using testing::ElementsAre;
using testing::IsEmpty;

class FileStoreTest : public testing::Test {
protected:
    void reopen() {
        store_.reset();
        store_ = std::make_unique<FileStore>(folder_.path());
    }

    [[nodiscard]] std::unique_ptr<CustomWork> write(const Xid& xid,
                                                    std::initializer_list<const char*> names) {
        auto work = store_->start(xid);
        for (const auto* name : names) {
            dynamic_cast<FileStore::Work&>(*work).write(name, "bytes");
        }
        return work;
    }
    void prepare(const Xid& xid, std::initializer_list<const char*> names) {
        ASSERT_EQ(write(xid, names)->prepare(), Vote::prepared);
    }

    [[nodiscard]] bool has(const char* name) const {
        std::ifstream file{folder_.path() / name};
        std::string bytes;
        file >> bytes;
        return bytes == "bytes";
    }
    /// The folders of branches that have not ended.
    [[nodiscard]] std::vector<std::string> branches() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator{hidden_}) {
            if (entry.is_directory()) {
                names.push_back(entry.path().filename());
            }
        }
        return names;
    }

    const Xid xid_{.gtrid = "g", .bqual = "b"};
    const Xid other_{.gtrid = "other", .bqual = "b"};
    TemporaryDirectory folder_;
    std::filesystem::path hidden_ = folder_.path() / ".xa";
    std::unique_ptr<FileStore> store_ = std::make_unique<FileStore>(folder_.path());
};

TEST_F(FileStoreTest, HasTheFilesTheirFolderAndItsNameOnTheDiskWhenItVotes) {
    auto work = write(xid_, {"a", "b"});
    synced.clear();
    EXPECT_EQ(work->prepare(), Vote::prepared);
    EXPECT_THAT(synced, ElementsAre(".xid", "a", "b", "1.open", ".xa"));
}

TEST_F(FileStoreTest, HasTheCommitOnTheDiskBeforeItMovesAFileAndTheFilesBeforeItReturns) {
    prepare(xid_, {"a"});
    std::filesystem::create_directories(folder_.path() / "a" / "in the way");
    synced.clear();
    EXPECT_THROW(static_cast<void>(store_->commit(xid_)), std::system_error);
    EXPECT_THAT(synced, ElementsAre(".xa"));
    std::filesystem::remove_all(folder_.path() / "a");
    synced.clear();
    EXPECT_TRUE(store_->commit(xid_));
    EXPECT_THAT(synced, ElementsAre(".xa", folder_.path().filename()));
}

TEST_F(FileStoreTest, FinishesACommitInWhichItsProcessHasDied) {
    prepare(xid_, {"a", "b"});
    store_.reset();
    std::filesystem::rename(hidden_ / "1.prepared", hidden_ / "1.committed");
    std::filesystem::rename(hidden_ / "1.committed" / "a", folder_.path() / "a");
    reopen();
    EXPECT_TRUE(has("a"));
    EXPECT_TRUE(has("b"));
    EXPECT_THAT(branches(), IsEmpty());
    EXPECT_THAT(store_->recover(), IsEmpty());
    EXPECT_FALSE(store_->commit(xid_));
}

TEST_F(FileStoreTest, RemovesWhatItsProcessHadOnlyBegunWhenItDied) {
    std::filesystem::create_directory(hidden_ / "7.open");
    std::ofstream{hidden_ / "7.open" / "a"} << "byt";
    reopen();
    EXPECT_THAT(branches(), IsEmpty());
    EXPECT_FALSE(has("a"));
}

TEST_F(FileStoreTest, FinishesWithItsNextListWhatItCouldNotMoveWhenItCommitted) {
    prepare(xid_, {"a"});
    const auto obstacle = folder_.path() / "a" / "in the way";
    std::filesystem::create_directories(obstacle);
    EXPECT_THROW(static_cast<void>(store_->commit(xid_)), std::system_error);
    EXPECT_FALSE(store_->rollback(xid_)) << "it has committed";
    EXPECT_THROW(static_cast<void>(store_->recover()), std::system_error) << "no list without it";
    std::filesystem::remove_all(folder_.path() / "a");
    EXPECT_THAT(store_->recover(), IsEmpty());
    EXPECT_TRUE(has("a"));
    EXPECT_THAT(branches(), IsEmpty());
}

TEST_F(FileStoreTest, RefusesAFileThatAnotherBranchHasNotFinishedWith) {
    prepare(xid_, {"a"});
    EXPECT_THROW(static_cast<void>(write(other_, {"a"})), std::runtime_error);
    reopen();
    EXPECT_THROW(static_cast<void>(write(other_, {"a"})), std::runtime_error);
    const auto held = store_->holdings(xid_).locks;
    ASSERT_EQ(held.size(), 1U);
    EXPECT_EQ(held[0].object, "file a");
    EXPECT_TRUE(store_->rollback(xid_));
    static_cast<void>(write(other_, {"a"}));  // begun, and given up again
    static_cast<void>(write(xid_, {"a"}));
    EXPECT_THAT(branches(), IsEmpty());
}

TEST_F(FileStoreTest, NeverPreparesAFileThatWasNotWrittenToItsEnd) {
    auto work = write(xid_, {"a"});
    std::filesystem::create_directories(hidden_ / "1.open" / "b");
    auto& files = dynamic_cast<FileStore::Work&>(*work);
    EXPECT_THROW(files.write("b", "bytes"), std::system_error);
    EXPECT_THROW(static_cast<void>(work->prepare()), std::runtime_error);
    work.reset();
    EXPECT_THAT(branches(), IsEmpty());
}

TEST_F(FileStoreTest, IsOpenInOneProcessAtATime) {
    EXPECT_THROW(FileStore{folder_.path()}, std::runtime_error);
    store_.reset();
    EXPECT_NO_THROW(FileStore{folder_.path()});
}

TEST_F(FileStoreTest, WritesOnlyFilesOfItsFolder) {
    for (const auto* name : {"", ".", "..", ".xa", "a/b", "/etc/passwd"}) {
        EXPECT_THROW(static_cast<void>(write(xid_, {name})), std::runtime_error) << name;
    }
}

TEST_F(FileStoreTest, KeepsBranchesApartWhateverTheirXids) {
    const Xid long_bytes{1, std::string(64, '\0'), std::string(64, '/')};
    prepare(xid_, {"a"});
    prepare(long_bytes, {"b"});
    prepare({-1, "g", ""}, {"c"});
    reopen();
    EXPECT_THAT(store_->recover(),
                testing::UnorderedElementsAre(xid_, long_bytes, Xid{-1, "g", ""}));
    EXPECT_TRUE(store_->commit(long_bytes));
    EXPECT_FALSE(has("a"));
    EXPECT_TRUE(has("b"));
    EXPECT_THAT(branches(), testing::SizeIs(2));
}

TEST_F(FileStoreTest, ServesManyThreadsAtOnce) {
    constexpr int kThreads = 8;
    constexpr int kRounds = 10;
    const auto name_of = [](int thread, int round) {
        return std::to_string(thread) + "." + std::to_string(round);
    };
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([&, thread] {
                for (int round = 0; round < kRounds; ++round) {
                    const auto name = name_of(thread, round);
                    const Xid xid{.gtrid = name, .bqual = "b"};
                    EXPECT_EQ(write(xid, {name.c_str()})->prepare(), Vote::prepared);
                    EXPECT_THAT(store_->recover(), testing::Contains(xid));
                    EXPECT_TRUE(round % 2 == 0 ? store_->commit(xid) : store_->rollback(xid));
                }
            });
        }
    }
    for (int thread = 0; thread < kThreads; ++thread) {
        for (int round = 0; round < kRounds; ++round) {
            EXPECT_EQ(has(name_of(thread, round).c_str()), round % 2 == 0);
        }
    }
    EXPECT_THAT(store_->recover(), IsEmpty());
    EXPECT_THAT(branches(), IsEmpty());
}

}  // namespace
}  // namespace xa_tm::test
