#include <algorithm>
#include <functional>
#include <random>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "open_log.h"
#include "simulated_file_system.h"
#include "test_bytes.h"

// The log under every crash and every failing call of a scripted life: it is born, fills several
// segments, is closed, opened again and used again.
namespace xa_tm::recovery_log {
namespace {

using test::Call;
using test::Operation;
using test::SimulatedFileSystem;

constexpr const char* kDirectory = "/log";
constexpr std::size_t kTwoPages = 5'000;
constexpr unsigned kSeed = 20'240'607;

Options options() {
    Options options;
    options.directory = kDirectory;
    options.node = "shop-1";
    options.segment_size_bytes = std::size_t{64} * 1024;
    return options;
}

/// What the log has promised so far, kept outside of it.
struct Oracle {
    std::map<EntryId, std::string> owed;  ///< acknowledged, and not forgotten
    std::set<std::string> possible;       ///< handed to force() and not refused
    std::optional<LogId> id;              ///< once an opening has succeeded
    std::uint32_t last_incarnation = 0;

    void opened(const RecoveryLog& log) {
        EXPECT_GT(log.incarnation(), last_incarnation);
        EXPECT_TRUE(!id || *id == log.id()) << "the log has lost its identity";
        last_incarnation = log.incarnation();
        id = log.id();
        check(log.live_entries());
    }

    void check(const std::vector<Entry>& entries) const {
        std::map<EntryId, std::string> found;
        std::set<std::string> bodies;
        for (const auto& entry : entries) {
            const auto body = text_of(entry.body);
            EXPECT_TRUE(possible.contains(body)) << "invented: entry " << entry.id;
            EXPECT_TRUE(bodies.insert(body).second) << "doubled: entry " << entry.id;
            found.emplace(entry.id, body);
        }
        for (const auto& [entry_id, body] : owed) {
            EXPECT_TRUE(found.contains(entry_id)) << "lost: entry " << entry_id;
            EXPECT_EQ(found[entry_id], body) << "changed: entry " << entry_id;
        }
    }
};

/// The scripted life. It goes on as far as the file system lets it.
class Life {
public:
    explicit Life(Oracle& oracle) : oracle_{oracle} {}

    void live(FileSystem& file_system) {
        try {
            {
                const auto log = open_log(file_system, options());
                oracle_.opened(*log);
                force_some(*log, 24);
            }
            const auto log = open_log(file_system, options());
            oracle_.opened(*log);
            force_some(*log, 4);
        } catch (const LogError& error) {
            last_error = error;
        }
    }

    std::optional<LogError> last_error;

private:
    void force_some(RecoveryLog& log, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const auto body = text_of_length(i % 5 == 4 ? kTwoPages : 50 + 40 * i, ++bodies_);
            auto reservation = log.reserve(body.size());
            if (!reservation) {
                EXPECT_NE(log.status().health, Health::healthy);
                continue;
            }
            oracle_.possible.insert(body);
            const auto forced = log.force(std::move(*reservation), bytes_of(body));
            switch (forced.result) {
                case ForceResult::durable:
                    EXPECT_EQ(forced.reason, "");
                    oracle_.owed.emplace(forced.id, body);
                    break;
                case ForceResult::refused: oracle_.possible.erase(body); [[fallthrough]];
                case ForceResult::unknown:
                    EXPECT_EQ(log.status().health, Health::poisoned);
                    EXPECT_NE(forced.reason, "");
                    break;
            }
            if (i % 3 == 2 && !oracle_.owed.empty()) {
                const EntryId id = oracle_.owed.begin()->first;
                oracle_.owed.erase(id);
                log.forget(id);
            }
        }
    }

    Oracle& oracle_;
    std::size_t bodies_ = 0;
};

using Keeps = std::function<bool(std::size_t)>;

/// How often the power fails once more while a log is opened.
enum class SecondCrash { never, at_some_calls, at_every_call };

/// Opens what a crash, or a process that died, has left.
void expect_recovery(SimulatedFileSystem& disk, Oracle oracle, std::mt19937& random,
                     SecondCrash second_crash) {
    if (second_crash != SecondCrash::never) {
        disk.on_call = [&](const Call&) -> std::optional<SysResult> {
            if (second_crash == SecondCrash::at_every_call || random() % 8 == 0) {
                const auto again = disk.after_crash([&](std::size_t) { return random() % 2 == 0; });
                expect_recovery(*again, oracle, random, SecondCrash::never);
            }
            return std::nullopt;
        };
    }
    try {
        const auto log = open_log(disk, options());
        disk.on_call = nullptr;
        oracle.opened(*log);
        if (second_crash != SecondCrash::never) {
            // What was handed out must be as durable as what was acknowledged before.
            for (const auto& entry : log->live_entries()) {
                oracle.owed.emplace(entry.id, text_of(entry.body));
            }
            expect_recovery(*disk.after_crash([](std::size_t) { return false; }), oracle, random,
                            SecondCrash::never);
        }
    } catch (const LogError& error) {
        ADD_FAILURE() << "a crash stopped the opening: " << error.what();
    }
}

/// The subsets of what is pending that a crash is tried with.
std::vector<Keeps> subsets(std::size_t pending, std::mt19937& random) {
    std::vector<Keeps> result{[](std::size_t) { return false; }};
    if (pending == 0) {
        return result;
    }
    result.emplace_back([](std::size_t) { return true; });
    constexpr std::size_t kSinglesMax = 24;
    if (pending <= kSinglesMax) {
        for (std::size_t single = 0; single < pending; ++single) {
            result.emplace_back([single](std::size_t thing) { return thing == single; });
            result.emplace_back([single](std::size_t thing) { return thing != single; });
        }
    }
    for (int i = 0; i < 4; ++i) {
        std::vector<bool> kept(pending);
        std::generate(kept.begin(), kept.end(), [&] { return random() % 2 == 0; });
        result.emplace_back([kept](std::size_t thing) { return kept[thing]; });
    }
    return result;
}

TEST(CrashSimulation, LosesAndInventsNothingWhereverThePowerFails) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed);
    std::mt19937 random{kSeed};
    SimulatedFileSystem file_system{kDirectory};
    Oracle oracle;
    std::size_t crashes = 0;
    file_system.on_call = [&](const Call& call) -> std::optional<SysResult> {
        SCOPED_TRACE(testing::Message() << "before call " << call.number << ", "
                                        << name_of(call.operation) << ' ' << call.file);
        bool is_first = true;
        for (const auto& keeps : subsets(file_system.pending(), random)) {
            const auto disk = file_system.after_crash(keeps);
            expect_recovery(*disk, oracle, random,
                            is_first ? SecondCrash::at_every_call : SecondCrash::never);
            is_first = false;
            ++crashes;
        }
        return std::nullopt;
    };
    Life{oracle}.live(file_system);
    RecordProperty("crashes", static_cast<int>(crashes));
    EXPECT_GT(crashes, 1'000U);
    EXPECT_GT(oracle.owed.size(), 10U);
}

/// How a call can fail.
struct Failure {
    const char* name;
    std::function<std::optional<SysResult>(const Call&)> answer;
};

void PrintTo(const Failure& failure, std::ostream* out) {
    *out << failure.name;
}

class FailingCall : public testing::TestWithParam<Failure> {};

std::size_t calls_of_an_undisturbed_life() {
    SimulatedFileSystem file_system{kDirectory};
    Oracle oracle;
    Life{oracle}.live(file_system);
    EXPECT_GT(oracle.owed.size(), 10U);
    return file_system.calls();
}

TEST_P(FailingCall, IsNeverTakenForSuccess) {
    std::mt19937 random{kSeed};
    const std::size_t calls = calls_of_an_undisturbed_life();
    for (std::size_t failing = 0; failing < calls; ++failing) {
        SimulatedFileSystem file_system{kDirectory};
        Oracle oracle;
        std::string failed;
        file_system.on_call = [&](const Call& call) -> std::optional<SysResult> {
            if (call.number != failing) {
                return std::nullopt;
            }
            failed = std::string{name_of(call.operation)} + ' ' + call.file;
            return GetParam().answer(call);
        };
        Life{oracle}.live(file_system);
        SCOPED_TRACE(testing::Message() << "call " << failing << " failed: " << failed);

        file_system.on_call = nullptr;
        const auto crashed =
            file_system.after_crash([&](std::size_t) { return random() % 2 == 0; });
        expect_recovery(*crashed, oracle, random, SecondCrash::never);
        // Without a crash the page cache still shows what a failed sync did not write.
        expect_recovery(file_system, oracle, random, SecondCrash::at_some_calls);
        if (HasFailure()) {
            return;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Simulation, FailingCall,
    testing::Values(Failure{"InputOutputError", [](const Call&) { return SysResult{-EIO}; }},
                    Failure{"NoSpace", [](const Call&) { return SysResult{-ENOSPC}; }},
                    Failure{"Interrupted",
                            [](const Call& call) {
                                const bool may_be_interrupted =
                                    call.operation == Operation::open ||
                                    call.operation == Operation::pread ||
                                    call.operation == Operation::pwrite ||
                                    call.operation == Operation::datasync;
                                return may_be_interrupted ? std::optional<SysResult>{-EINTR}
                                                          : std::nullopt;
                            }},
                    Failure{"ShortWrite",
                            [](const Call& call) {
                                return call.operation == Operation::pwrite
                                           ? std::optional<SysResult>{1'024}
                                           : std::nullopt;
                            }}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace xa_tm::recovery_log
