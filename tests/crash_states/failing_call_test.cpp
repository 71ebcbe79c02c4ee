#include <algorithm>
#include <cerrno>
#include <functional>
#include <iostream>
#include <limits>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "crash_explorer.h"
#include "effort.h"
#include "parallel.h"
#include "promises.h"
#include "scripted_life.h"
#include "simulated_file_system.h"

// Each call in the life of a log fails once, in each way. Whatever the log answers then, the next
// opening keeps what it has promised, with a crash before it and without.
namespace xa_tm::test {
namespace {

using recovery_log::SysResult;

constexpr Thoroughness kOneCrash{
    .all_subsets_of = 2, .positions = 2, .random_subsets = 2, .once_in = 1};
constexpr Thoroughness kCrashAtTimes{
    .all_subsets_of = 1, .positions = 1, .random_subsets = 1, .once_in = 16};
/// How a call can fail, and what the disk makes of a sync that does.
struct Failure {
    const char* name;
    std::function<std::optional<SysResult>(const Call&)> answer;
    bool reverts = false;                          ///< as on Btrfs
    std::function<bool(std::size_t)> writes = {};  ///< sectors that are written all the same
    bool is_harmless = false;                      ///< the log has to cope
};

void PrintTo(const Failure& failure, std::ostream* out) {
    *out << failure.name;
}

std::optional<SysResult> input_output_error(const Call&) {
    return -EIO;
}

/// Sees to it that no file is written or synced after such a call has failed, until it is opened
/// again: Linux answers the second sync with a success that means nothing. The file LOCK promises
/// nothing.
class NoSecondSync {
public:
    void take(const Call& call, bool has_failed) {
        const bool writes = call.operation == Operation::pwrite;
        const bool syncs =
            call.operation == Operation::sync || call.operation == Operation::datasync;
        if (call.operation == Operation::open) {
            failed_.erase(call.file);
        } else if ((writes || syncs) && failed_.contains(call.file)) {
            broken_ = std::string{name_of(call.operation)} + ' ' + call.file + " after a failure";
        }
        if (has_failed && (writes || syncs) && call.file != "LOCK") {
            failed_.insert(call.file);
        }
    }
    [[nodiscard]] const std::optional<std::string>& broken() const noexcept { return broken_; }

private:
    std::set<std::string> failed_;
    std::optional<std::string> broken_;
};

class FailingCall : public testing::TestWithParam<std::tuple<unsigned, Failure>> {
protected:
    [[nodiscard]] static recovery_log::Options options() {
        return log_options(std::get<0>(GetParam()));
    }
    [[nodiscard]] static const Failure& failure() { return std::get<1>(GetParam()); }

    static std::size_t calls_of_an_undisturbed_life() {
        SimulatedFileSystem file_system{options().directory};
        Promises promises;
        ScriptedLife life{options(), kSeed, promises};
        life.live(file_system);
        EXPECT_FALSE(life.trouble()) << *life.trouble();
        return file_system.calls();
    }

    static void fail_one(std::size_t failing) {
        SimulatedFileSystem file_system{options().directory};
        file_system.failed_sync_reverts = failure().reverts;
        file_system.failed_sync_writes = failure().writes;
        Promises promises;
        NoSecondSync no_second_sync;
        std::string failed;
        file_system.on_call = [&](const Call& call) -> std::optional<SysResult> {
            const auto answer =
                call.number == failing ? failure().answer(call) : std::optional<SysResult>{};
            if (answer) {
                failed = std::string{name_of(call.operation)} + ' ' + call.file;
            }
            no_second_sync.take(call, answer && *answer != -EINTR);
            return answer;
        };
        ScriptedLife life{options(), kSeed, promises};
        life.live(file_system);
        file_system.on_call = nullptr;

        CrashExplorer explorer{options(), kSeed + static_cast<unsigned>(failing), promises,
                               kOneCrash, kCrashAtTimes};
        explorer.finish(file_system);
        explorer.check(file_system);  // the page cache may show what is not on the disk
        const auto broken = life.broken()                             ? life.broken()
                            : no_second_sync.broken()                 ? no_second_sync.broken()
                            : failure().is_harmless && life.trouble() ? life.trouble()
                                                                      : explorer.broken();
        EXPECT_FALSE(broken) << "call " << failing << " failed, " << failed << ": " << *broken;
    }
};

TEST_P(FailingCall, IsNeverTakenForSuccess) {
    in_parallel(calls_of_an_undisturbed_life(), fail_one);
}

INSTANTIATE_TEST_SUITE_P(
    CrashStates, FailingCall,
    testing::Combine(
        testing::Values(1U, 2U),
        testing::Values(
            Failure{.name = "InputOutputError", .answer = input_output_error},
            Failure{
                .name = "InputOutputErrorOnBtrfs", .answer = input_output_error, .reverts = true},
            Failure{.name = "InputOutputErrorAfterSomeSectors",
                    .answer = input_output_error,
                    .writes = [](std::size_t ordinal) { return ordinal % 3 != 1; }},
            Failure{.name = "NoSpace", .answer = [](const Call&) { return SysResult{-ENOSPC}; }},
            Failure{.name = "Interrupted",
                    .answer =
                        [](const Call& call) {
                            const bool may_be_interrupted = call.operation == Operation::open ||
                                                            call.operation == Operation::pread ||
                                                            call.operation == Operation::pwrite;
                            return may_be_interrupted ? std::optional<SysResult>{-EINTR}
                                                      : std::nullopt;
                        },
                    .is_harmless = true},
            Failure{.name = "ShortWrite",
                    .answer =
                        [](const Call& call) {
                            return call.operation == Operation::pwrite
                                       ? std::optional<SysResult>{1'024}
                                       : std::nullopt;
                        }})),
    [](const auto& test) {
        return std::string{std::get<1>(test.param).name} + "Copies" +
               std::to_string(std::get<0>(test.param));
    });

class FullDisk : public testing::TestWithParam<unsigned> {};

TEST_P(FullDisk, IsNeverMetByAnEntryWithAReservation) {
    const auto options = log_options(GetParam());
    constexpr std::size_t kAllocations = 60;
    in_parallel(kAllocations, [&](std::size_t allocations) {
        SimulatedFileSystem file_system{options.directory};
        file_system.allocations_left = allocations;
        Promises promises;
        ScriptedLife life{options, kSeed, promises};
        life.live(file_system);
        EXPECT_EQ(life.failed_forces(), 0U) << allocations << " allocations: " << *life.trouble();
        EXPECT_FALSE(life.broken()) << allocations << " allocations: " << *life.broken();

        file_system.allocations_left = std::numeric_limits<std::size_t>::max();
        CrashExplorer explorer{options, kSeed, promises, kOneCrash, kCrashAtTimes};
        explorer.finish(file_system);
        explorer.check(file_system);
        EXPECT_FALSE(explorer.broken()) << allocations << " allocations: " << *explorer.broken();
    });
}

INSTANTIATE_TEST_SUITE_P(CrashStates, FullDisk, testing::Values(1U, 2U),
                         [](const auto& test) { return "Copies" + std::to_string(test.param); });

}  // namespace
}  // namespace xa_tm::test
