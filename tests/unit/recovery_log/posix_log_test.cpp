#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temporary_directory.h"
#include "test_bytes.h"
#include "xa_tm/recovery_log/recovery_log.h"

// What only the real file system, real processes and real threads can show.
namespace xa_tm::recovery_log {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

/// Runs `work` in a forked child; its answer becomes the exit status.
int in_child(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(work());
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class PosixLog : public testing::Test {
protected:
    [[nodiscard]] std::unique_ptr<RecoveryLog> open() const { return RecoveryLog::open(options); }

    /// The message of the in_use error that an opening meets; empty when it meets none.
    [[nodiscard]] std::string in_use_message() const {
        try {
            open().reset();
        } catch (const LogError& error) {
            return error.code() == LogErrorCode::in_use ? error.what() : "";
        }
        return "";
    }

    test::TemporaryDirectory directory;
    Options options{.directory = directory.path(),
                    .node = "shop-1",
                    .segment_size_bytes = 64 * 1024,
                    .allow_volatile_file_system = true};
};

TEST_F(PosixLog, KeepsItsEntriesAcrossReopens) {
    auto log = open();
    auto reservation = log->reserve(10'000);
    ASSERT_TRUE(reservation);
    const auto body = text_of_length(10'000, 1);
    ASSERT_EQ(log->force(std::move(*reservation), bytes_of(body)).result, ForceResult::durable);
    log.reset();
    log = open();
    ASSERT_THAT(log->live_entries(), SizeIs(1));
    EXPECT_EQ(text_of(log->live_entries()[0].body), body);
    EXPECT_EQ(log->incarnation(), 2U);
}

TEST_F(PosixLog, RefusesAMissingDirectory) {
    options.directory = directory.path() / "missing";
    EXPECT_THROW(open().reset(), LogError);
}

TEST_F(PosixLog, RefusesTmpfs) {
    options.directory = "/dev/shm";
    options.allow_volatile_file_system = false;
    try {
        open().reset();
        ADD_FAILURE() << "the log was opened";
    } catch (const LogError& error) {
        EXPECT_EQ(error.code(), LogErrorCode::unsupported);
        EXPECT_THAT(error.what(), HasSubstr("tmpfs"));
    }
}

TEST_F(PosixLog, RefusesASecondOwnerInThisProcessUnderAnotherPath) {
    const auto log = open();
    options.directory = directory.path() / ".." / directory.path().filename();
    EXPECT_THAT(in_use_message(), HasSubstr("that is this process"));
}

TEST_F(PosixLog, RefusesASecondOwnerInAnotherProcessNamingTheFirst) {
    const auto log = open();
    std::array<char, 256> host{};
    ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
    const auto expected =
        "in use by process " + std::to_string(::getpid()) + " on host " + host.data();
    EXPECT_EQ(in_child([&] { return in_use_message().find(expected) == std::string::npos; }), 0);
}

TEST_F(PosixLog, IsFreeAgainWhenItsOwnerCloses) {
    open().reset();
    EXPECT_EQ(in_child([&] { return in_use_message().empty() ? 0 : 1; }), 0);
    EXPECT_EQ(open()->incarnation(), 3U);
}

TEST_F(PosixLog, IsOfNoUseToAForkedChild) {
    auto log = open();
    auto reservation = log->reserve(10);
    ASSERT_TRUE(reservation);
    EXPECT_EQ(in_child([&] {
                  const bool is_reserved = log->reserve(10).has_value();
                  const auto forced = log->force(std::move(*reservation), bytes_of("child"));
                  const auto status = log->status();
                  log.reset();  // must not write the page of a clean close
                  return !is_reserved && forced.result == ForceResult::refused &&
                                 forced.reason.find("forked child") != std::string::npos &&
                                 status.health == Health::poisoned
                             ? 0
                             : 1;
              }),
              0);
    // Whatever the child did, the log still belongs to its parent.
    EXPECT_EQ(log->force(std::move(*reservation), bytes_of("parent")).result, ForceResult::durable);
    EXPECT_THAT(in_use_message(), HasSubstr("that is this process"));
    log.reset();
    EXPECT_THAT(open()->live_entries(), SizeIs(1));
}

TEST_F(PosixLog, IsFreeWhenItsOwnerIsKilledAlthoughAForkedChildLives) {
    std::array<int, 2> ready{};
    std::array<int, 2> release{};
    ASSERT_EQ(::pipe(ready.data()), 0);
    ASSERT_EQ(::pipe(release.data()), 0);
    const pid_t owner = ::fork();
    if (owner == 0) {
        const auto log = open();
        if (::fork() == 0) {
            char byte = 'x';
            ::close(release[1]);
            static_cast<void>(::write(ready[1], &byte, 1));
            static_cast<void>(::read(release[0], &byte, 1));  // until the test lets it go
            ::_exit(0);
        }
        ::pause();
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_THAT(in_use_message(), HasSubstr("process " + std::to_string(owner)));
    ASSERT_EQ(::kill(owner, SIGKILL), 0);
    const auto killed_at = std::chrono::steady_clock::now();
    ASSERT_EQ(::waitpid(owner, nullptr, 0), owner);
    EXPECT_EQ(open()->incarnation(), 2U);
    EXPECT_LT(std::chrono::steady_clock::now() - killed_at, std::chrono::milliseconds{500});
    for (const int fd : {ready[0], ready[1], release[0], release[1]}) {
        ::close(fd);
    }
}

TEST_F(PosixLog, TellsAReaderInAnotherProcessWhoOwnsIt) {
    auto log = open();
    const auto owner_seen_by_child = [&] {
        return in_child([&] {
            const auto image = read_log(directory.path());
            return image.owner && image.owner->pid == ::getppid() ? 1 : 0;
        });
    };
    EXPECT_EQ(owner_seen_by_child(), 1);
    log.reset();
    EXPECT_EQ(owner_seen_by_child(), 0);
}

TEST_F(PosixLog, IsReadBesideItsWriter) {
    // Each entry names the one before it, which is forgotten once the new one is durable: a reader
    // that sees a whole state sees one entry, or two that follow each other.
    const auto log = open();
    std::atomic<bool> is_done{false};
    std::atomic<std::uint64_t> forced_last{0};
    std::thread writer{[&] {
        std::optional<EntryId> before;
        for (std::uint64_t i = 1; i <= 200; ++i) {
            const auto body = text_of_length(i % 7 == 0 ? 9'000 : 100, i);
            const auto forced = log->force(*log->reserve(body.size()), bytes_of(body));
            EXPECT_EQ(forced.result, ForceResult::durable) << forced.reason;
            if (before) {
                log->forget(*before);
            }
            before = forced.id;
            forced_last = i;
        }
        is_done = true;
    }};
    std::size_t reads = 0;
    while (!is_done) {
        const auto at_least = forced_last.load();
        const auto image = read_log(directory.path());
        ++reads;
        std::uint64_t newest = 0;
        for (const auto& entry : image.entries) {
            const auto text = text_of(entry.body);
            const auto seed = std::stoull(text);
            EXPECT_EQ(text, text_of_length(text.size(), seed));
            newest = std::max<std::uint64_t>(newest, seed);
        }
        EXPECT_LE(image.entries.size(), 3U);
        EXPECT_GE(newest, at_least) << "an entry that was durable before was not seen";
    }
    writer.join();
    EXPECT_GT(reads, 0U);
}

TEST_F(PosixLog, IsSharedByThreads) {
    constexpr std::size_t kThreads = 4;
    constexpr std::size_t kEntries = 15;
    std::set<EntryId> kept;
    {
        const auto log = open();
        std::mutex mutex;
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (std::size_t i = 0; i < kEntries; ++i) {
                    const auto body = text_of_length(200, t * kEntries + i);
                    const auto forced = log->force(*log->reserve(body.size()), bytes_of(body));
                    EXPECT_EQ(forced.result, ForceResult::durable) << forced.reason;
                    EXPECT_EQ(log->status().health, Health::healthy);
                    if (i % 2 == 0) {
                        log->forget(forced.id);
                        continue;
                    }
                    const std::lock_guard guard{mutex};
                    kept.insert(forced.id);
                }
            });
        }
        for (auto& thread : threads) {
            thread.join();
        }
        log->maintain();  // a spare, for a close that needs it
    }
    std::set<EntryId> found;
    const auto log = open();
    for (const auto& entry : log->live_entries()) {
        found.insert(entry.id);
    }
    EXPECT_EQ(found, kept);
}

}  // namespace
}  // namespace xa_tm::recovery_log
