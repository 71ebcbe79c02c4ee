#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "child_process.h"
#include "eventually.h"
#include "log_oracle.h"
#include "log_report.h"
#include "loop_disk.h"
#include "temporary_directory.h"
#include "xa_tm/recovery_log/recovery_log.h"

// The log on the real file system under a writer with many threads, which dies, or whose disk loses
// its power, at any moment. The moment is drawn from a seed; what the threads do until then is not.
namespace xa_tm::recovery_log {
namespace {

using std::chrono::milliseconds;
using Random = std::mt19937_64;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t draw_seed() {
    const auto seed = number_from("XA_TM_LOG_KILL_SEED", std::random_device{}());
    fmt::print("seed {}; XA_TM_LOG_KILL_SEED repeats it\n", seed);
    return seed;
}

template <typename T>
T one_of(std::initializer_list<T> choices, Random& random) {
    return *(choices.begin() + random() % choices.size());
}

/// Checks the log in a directory over and over, from another thread.
class ReaderBeside {
public:
    explicit ReaderBeside(const std::filesystem::path& directory)
        : directory_{directory}, thread_{[this] { read(); }} {}
    ReaderBeside(const ReaderBeside&) = delete;
    ReaderBeside& operator=(const ReaderBeside&) = delete;
    ~ReaderBeside() {
        is_done_ = true;
        thread_.join();
    }

    /// Until then there may be no log.
    void set_born() { is_born_ = true; }
    void publish(const LogOracle& oracle) {
        const std::lock_guard guard{mutex_};
        oracle_ = std::make_shared<const LogOracle>(oracle);
    }
    [[nodiscard]] std::uint64_t reads() const noexcept { return reads_; }

private:
    void read() {
        while (!is_done_) {
            std::unique_lock lock{mutex_};
            const auto oracle = oracle_;
            lock.unlock();
            const bool was_born = is_born_;
            try {
                oracle->check_while_written(read_log(directory_).entries);
                ++reads_;
            } catch (const LogError& error) {
                EXPECT_TRUE(!was_born && error.code() == LogErrorCode::not_found) << error.what();
            }
        }
    }

    const std::filesystem::path directory_;
    std::atomic<bool> is_done_{false};
    std::atomic<bool> is_born_{false};
    std::atomic<std::uint64_t> reads_{0};
    std::mutex mutex_;
    std::shared_ptr<const LogOracle> oracle_ = std::make_shared<const LogOracle>();
    std::thread thread_;  // last: it uses the others
};

class LogDeath : public testing::Test {
protected:
    struct Ended {
        test::Completed completed;
        std::vector<Report> reports;
    };

    [[nodiscard]] Options options(Random& random) const {
        return {.directory = log_directory,
                .node = "shop-1",
                .segment_size_bytes = one_of<std::size_t>({64, 128, 1024}, random) * 1024,
                .copies = one_of({1U, 2U}, random)};
    }

    [[nodiscard]] std::unique_ptr<test::ChildProcess> start_writer(std::uint32_t run,
                                                                   std::uint64_t operations,
                                                                   Random& random) const {
        std::filesystem::remove(reports_file);
        const auto drawn = options(random);
        return std::make_unique<test::ChildProcess>(
            std::vector<std::string>{LOG_WRITER, "--directory", log_directory, "--reports",
                                     reports_file, "--run", fmt::format("{}", run), "--threads",
                                     fmt::format("{}", 8 + random() % 57), "--copies",
                                     fmt::format("{}", drawn.copies), "--segment-bytes",
                                     fmt::format("{}", drawn.segment_size_bytes), "--seed",
                                     fmt::format("{}", random() % 1'000'000), "--pause-us",
                                     fmt::format("{}", one_of({0, 0, 3'000, 20'000}, random)),
                                     "--operations", fmt::format("{}", operations)},
            test::ChildProcess::Environment{});
    }

    /// Kills the writer and checks that it had no other reason to end.
    void kill(test::ChildProcess& writer) const {
        ::kill(writer.pid(), SIGKILL);
        const auto completed = writer.wait();
        EXPECT_TRUE(completed.signal == SIGKILL || completed.exit_code == 0) << completed;
        EXPECT_EQ(completed.err, "");
    }

    const test::TemporaryDirectory directory;
    std::filesystem::path log_directory = directory.path() / "log";
    const std::filesystem::path reports_file = directory.path() / "reports";
};

TEST_F(LogDeath, LosesAndInventsNothingWhenItsWriterIsKilled) {
    const auto cycles = number_from("XA_TM_LOG_KILL_CYCLES", 80);
    constexpr std::uint64_t kCyclesOfALog = 25;
    Random random{draw_seed()};
    std::uint64_t acknowledged = 0;
    std::uint64_t forgotten = 0;
    std::uint64_t reads = 0;
    for (std::uint64_t cycle = 0; cycle < cycles && !HasFailure();) {
        std::filesystem::remove_all(log_directory);
        std::filesystem::create_directory(log_directory);
        LogOracle oracle;
        ReaderBeside reader{log_directory};
        bool is_born = false;
        for (std::uint64_t i = 0; i < kCyclesOfALog && cycle < cycles && !HasFailure(); ++i) {
            SCOPED_TRACE(testing::Message() << "cycle " << cycle++);
            // Some end by themselves, and some die while they open the log.
            const std::uint64_t operations = random() % 10 == 0 ? 20 : 0;
            const auto writer = start_writer(oracle.runs() + 1, operations, random);
            if (random() % 4 != 0) {
                ASSERT_TRUE(test::eventually([&] { return !read_reports(reports_file).empty(); }));
            }
            std::this_thread::sleep_for(milliseconds{random() % 60});
            kill(*writer);
            oracle.take_run(read_reports(reports_file));
            is_born = is_born || std::filesystem::exists(log_directory / "ident");
            if (!is_born) {
                continue;
            }
            reader.set_born();
            // Every other opening is the next writer's.
            const auto image = read_log(log_directory);
            EXPECT_FALSE(image.owner.has_value());
            oracle.check(image.entries);
            if (random() % 2 == 0) {
                oracle.check(RecoveryLog::open(options(random))->live_entries());
            }
            reader.publish(oracle);
        }
        acknowledged += oracle.acknowledged();
        forgotten += oracle.forgotten();
        reads += reader.reads();
    }
    fmt::print("{} kills, {} entries acknowledged, {} forgotten, {} reads beside\n", cycles,
               acknowledged, forgotten, reads);
    EXPECT_GT(acknowledged, cycles);
    EXPECT_GT(reads, 0U);
}

/// 'T' for each thread of a process that a signal has stopped.
bool is_stopped(pid_t process) {
    const auto tasks = std::filesystem::path{"/proc"} / std::to_string(process) / "task";
    for (const auto& task : std::filesystem::directory_iterator{tasks}) {
        std::ifstream file{task.path() / "stat"};
        std::string text;
        std::getline(file, text);
        const auto end_of_name = text.rfind(')');
        if (end_of_name == std::string::npos || text.substr(end_of_name + 2, 1) != "T") {
            return false;
        }
    }
    return true;
}

TEST_F(LogDeath, LosesAndInventsNothingWhenItsDiskLosesItsPower) {
    if (const auto obstacle = test::LoopDisk::obstacle()) {
        GTEST_SKIP() << "no disk to cut the power of: " << *obstacle;
    }
    const auto cuts = number_from("XA_TM_LOG_POWER_CUTS", 15);
    constexpr std::uint64_t kCutsOfARun = 5;
    Random random{draw_seed()};
    const auto mount_point = directory.path() / "disk";
    const test::LoopDisk disk{directory.path() / "disk.img", mount_point};
    log_directory = mount_point / "log";
    std::filesystem::create_directory(log_directory);
    RecoveryLog::open(options(random)).reset();

    LogOracle oracle;
    for (std::uint64_t cut = 0; cut < cuts && !HasFailure();) {
        const auto writer = start_writer(oracle.runs() + 1, 0, random);
        for (std::uint64_t i = 0; i < kCutsOfARun && cut < cuts && !HasFailure(); ++i) {
            SCOPED_TRACE(testing::Message() << "cut " << cut++);
            std::this_thread::sleep_for(milliseconds{random() % 60});
            // Nothing is forced while the image is copied, or later writes would be in it without
            // earlier ones, as on no disk.
            ::kill(writer->pid(), SIGSTOP);
            ASSERT_TRUE(test::eventually([&] { return is_stopped(writer->pid()); }));
            const auto copied_image = directory.path() / "copy.img";
            disk.copy_image(copied_image);
            LogOracle at_the_cut{oracle};
            at_the_cut.take_run(read_reports(reports_file));
            ::kill(writer->pid(), SIGCONT);

            const test::LoopDisk copy{copied_image, directory.path() / "copy"};
            auto copied_options = options(random);
            copied_options.directory = copy.path() / "log";
            at_the_cut.check(read_log(copied_options.directory).entries);
            at_the_cut.check(RecoveryLog::open(copied_options)->live_entries());
        }
        kill(*writer);
        oracle.take_run(read_reports(reports_file));
        // An opening makes durable what it finds; a look alone would not.
        oracle.check(RecoveryLog::open(options(random))->live_entries());
    }
    fmt::print("{} power cuts, {} entries acknowledged, {} forgotten\n", cuts,
               oracle.acknowledged(), oracle.forgotten());
    EXPECT_GT(oracle.acknowledged(), cuts);
}

}  // namespace
}  // namespace xa_tm::recovery_log
