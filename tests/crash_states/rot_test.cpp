#include <atomic>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "effort.h"
#include "open_log.h"
#include "page_codec.h"
#include "parallel.h"
#include "promises.h"
#include "record_format.h"
#include "scripted_life.h"
#include "simulated_file_system.h"

// A disk that changes, loses or misplaces what it had: with two copies of each page the log is
// recovered exactly; with one copy it stops, or is recovered exactly, but never loses an entry in
// silence. What no log of one copy can tell from a torn tail is a zeroed sector of its very last
// flush, when nothing stands behind that.
namespace xa_tm::test {
namespace {

using recovery_log::Entry;
using recovery_log::EntryId;
using recovery_log::kPageBytes;
using recovery_log::kPageHeaderBytes;
using recovery_log::LogError;
using recovery_log::LogErrorCode;
using recovery_log::Options;
using recovery_log::RecoveryLog;
using recovery_log::SysResult;

constexpr std::size_t kPages = 16;
constexpr std::size_t kSectorBytes = SimulatedFileSystem::kSectorBytes;

enum class Outcome { exact, stopped, lost };

/// What the last owner did before the disk changed.
enum class Ending { clean_close, crash };

struct Place {
    std::string file;
    std::size_t byte;
};

/// A log of 16 pages in one segment, every one of which says something.
class SixteenPages {
public:
    SixteenPages(unsigned copies, Ending ending) : options_{log_options(copies)} {
        options_.segment_size_bytes = kPages * kPageBytes * copies;
        auto log = open_log(working_, options_);
        // Besides these a page for the checkpoint, and one for the clean close.
        for (std::size_t i = 0; i < kPages - 2; ++i) {
            force(*log, 40 + 240 * i);
            if (i % 4 == 3) {
                log->forget(log->live_entries().front().id);
            }
        }
        live_ = log->live_entries();
        if (ending == Ending::clean_close) {
            log.reset();
        }
        disk_ = working_.after_crash([](std::size_t) { return false; });
        if (ending == Ending::crash) {
            last_flush_ = live_.back().id;
        }
        for (const auto& file : disk_->files()) {
            if (file.ends_with(".xlog")) {
                segments_.emplace_back(file, disk_->read(file).size());
            }
        }
    }

    /// The place of a byte when all segments are put behind each other; nothing behind the last.
    [[nodiscard]] std::optional<Place> place_of(std::size_t byte) const {
        for (const auto& [file, size_bytes] : segments_) {
            if (byte < size_bytes) {
                return Place{file, byte};
            }
            byte -= size_bytes;
        }
        return std::nullopt;
    }

    /// Opens the log after `change` has been done to its disk.
    [[nodiscard]] Outcome open_after(const std::function<void(SimulatedFileSystem&)>& change,
                                     std::string& why) const {
        const auto disk = disk_->after_crash([](std::size_t) { return false; });
        change(*disk);
        try {
            const auto difference_found =
                difference(live_, open_log(*disk, options_)->live_entries());
            why = difference_found.value_or("");
            return difference_found ? Outcome::lost : Outcome::exact;
        } catch (const LogError& error) {
            why = error.what();
            EXPECT_TRUE(error.code() == LogErrorCode::damaged || error.code() == LogErrorCode::io)
                << why;
            return Outcome::stopped;
        }
    }

    /// The one loss that may be silent with one copy: of the last entry, when nothing stands
    /// behind it.
    [[nodiscard]] bool is_without_the_last_flush(
        const std::function<void(SimulatedFileSystem&)>& change) const {
        const auto disk = disk_->after_crash([](std::size_t) { return false; });
        change(*disk);
        auto expected = live_;
        std::erase_if(expected, [this](const Entry& entry) { return entry.id >= last_flush_; });
        return last_flush_ != 0 && !difference(expected, open_log(*disk, options_)->live_entries());
    }

private:
    void force(RecoveryLog& log, std::size_t size_bytes) {
        const auto& body = promises_.body(promises_.make_entry(size_bytes));
        const auto answer = log.force(*log.reserve(size_bytes), std::as_bytes(std::span{body}));
        EXPECT_EQ(answer.result, recovery_log::ForceResult::durable) << answer.reason;
    }

    Options options_;
    SimulatedFileSystem working_{"/log"};
    Promises promises_;
    std::unique_ptr<SimulatedFileSystem> disk_;
    std::vector<Entry> live_;
    EntryId last_flush_ = 0;
    std::vector<std::pair<std::string, std::size_t>> segments_;
};

class Rot : public testing::TestWithParam<std::tuple<unsigned, Ending>> {
protected:
    static unsigned copies() { return std::get<0>(GetParam()); }

    struct Counts {
        std::atomic<std::size_t> exact{0};
        std::atomic<std::size_t> stopped{0};
        std::atomic<std::size_t> lost_in_the_last_flush{0};
    };

    using Change = std::function<void(SimulatedFileSystem&)>;

    /// Changes the log at `step(number)` for the numbers from 0 on, as long as there is such a
    /// byte.
    template <typename Step, typename ChangeAt>
    static void try_each(const Step& step, const ChangeAt& change_at) {
        constexpr std::size_t kShares = 64;
        Counts counts;
        in_parallel(kShares, [&](std::size_t share) {
            // Copies of a disk share memory, so each share has a log of its own.
            const SixteenPages log{copies(), std::get<1>(GetParam())};
            for (std::size_t number = share; !testing::Test::HasFailure(); number += kShares) {
                const auto place = log.place_of(step(number));
                if (!place) {
                    break;
                }
                judge(
                    log, [&](SimulatedFileSystem& disk) { change_at(disk, *place, number); },
                    *place, counts);
            }
        });
        std::cout << counts.exact << " exact, " << counts.stopped << " stopped, "
                  << counts.lost_in_the_last_flush << " lost in the last flush\n";
        EXPECT_GT(counts.exact + counts.stopped, 0U);
    }

private:
    static void judge(const SixteenPages& log, const Change& change, const Place& place,
                      Counts& counts) {
        std::string why;
        switch (log.open_after(change, why)) {
            case Outcome::exact: ++counts.exact; break;
            case Outcome::stopped:
                ++counts.stopped;
                EXPECT_EQ(copies(), 1U) << place.file << ", byte " << place.byte
                                        << ", stops a log with two copies: " << why;
                break;
            case Outcome::lost:
                ++counts.lost_in_the_last_flush;
                EXPECT_TRUE(copies() == 1 && log.is_without_the_last_flush(change))
                    << place.file << ", byte " << place.byte << ", is silent: " << why;
                break;
        }
    }
};

TEST_P(Rot, OfASingleBitIsNeverSilent) {
    // One bit of each byte, another one in each; with more effort all of them.
    const std::size_t bits = effort() >= 8 ? 8 : 1;
    try_each([&](std::size_t number) { return number / bits; },
             [&](SimulatedFileSystem& disk, const Place& place, std::size_t number) {
                 const auto bit = static_cast<unsigned>((number + number / bits * 5) % 8);
                 disk.flip_bit(place.file, place.byte, bit);
             });
}

TEST_P(Rot, OfEachBitOfAHeaderIsNeverSilent) {
    constexpr std::size_t kBits = 8 * (kPageHeaderBytes + recovery_log::kRecordHeaderBytes);
    try_each([](std::size_t number) { return number / kBits * kPageBytes + number % kBits / 8; },
             [](SimulatedFileSystem& disk, const Place& place, std::size_t number) {
                 disk.flip_bit(place.file, place.byte, number % 8);
             });
}

TEST_P(Rot, OfASectorToZerosIsNeverSilent) {
    try_each([](std::size_t sector) { return sector * kSectorBytes; },
             [](SimulatedFileSystem& disk, const Place& place, std::size_t) {
                 disk.zero_sector(place.file, place.byte / kSectorBytes);
             });
}

TEST_P(Rot, OfASectorThatCannotBeReadIsNeverSilent) {
    try_each([](std::size_t sector) { return sector * kSectorBytes; },
             [](SimulatedFileSystem& disk, const Place& place, std::size_t) {
                 disk.break_sector(place.file, place.byte / kSectorBytes);
             });
}

INSTANTIATE_TEST_SUITE_P(CrashStates, Rot,
                         testing::Combine(testing::Values(1U, 2U),
                                          testing::Values(Ending::clean_close, Ending::crash)),
                         [](const auto& test) {
                             return std::string{std::get<1>(test.param) == Ending::crash
                                                    ? "CrashedCopies"
                                                    : "ClosedCopies"} +
                                    std::to_string(std::get<0>(test.param));
                         });

class WrongWrite : public testing::TestWithParam<std::tuple<unsigned, SilentFault>> {};

TEST_P(WrongWrite, IsNeverSilentOnceTheLogIsClosed) {
    const auto [copies, fault] = GetParam();
    const auto options = log_options(copies);
    constexpr Script kScript{.steps_of_the_first = 12, .steps_of_the_second = 4};
    std::size_t stopped = 0;
    for (std::size_t wrong = 0;; ++wrong) {
        SimulatedFileSystem file_system{options.directory};
        std::size_t writes = 0;
        file_system.on_success = [&](const Call& call) {
            const bool writes_segment =
                call.operation == Operation::pwrite && call.file.ends_with(".xlog");
            return writes_segment && writes++ == wrong ? fault : SilentFault::none;
        };
        Promises promises;
        ScriptedLife life{options, kSeed, promises, kScript};
        life.live(file_system);
        EXPECT_FALSE(life.broken()) << "write " << wrong << ": " << *life.broken();
        const auto disk = file_system.after_crash([](std::size_t) { return true; });
        try {
            const auto log = open_log(*disk, options);
            const auto broken = promises.broken_by(*log);
            EXPECT_FALSE(broken) << "write " << wrong << ": " << *broken;
        } catch (const LogError& error) {
            ++stopped;
            EXPECT_EQ(copies, 1U) << "write " << wrong
                                  << " stops a log with two copies: " << error.what();
        }
        if (wrong >= writes) {
            break;
        }
    }
    std::cout << stopped << " stopped\n";
}

INSTANTIATE_TEST_SUITE_P(CrashStates, WrongWrite,
                         testing::Combine(testing::Values(1U, 2U),
                                          testing::Values(SilentFault::lost_write,
                                                          SilentFault::misdirected_write)),
                         [](const auto& test) {
                             return std::string{std::get<1>(test.param) == SilentFault::lost_write
                                                    ? "Lost"
                                                    : "Misdirected"} +
                                    "Copies" + std::to_string(std::get<0>(test.param));
                         });

class GarbledSector : public testing::TestWithParam<unsigned> {};

// A disk that breaks the rule that a sector is written whole or not at all.
TEST_P(GarbledSector, OfAnUnfinishedWriteIsNeverSilent) {
    const auto options = log_options(GetParam());
    SimulatedFileSystem file_system{options.directory};
    Promises promises;
    std::mt19937 random{kSeed};
    std::size_t opened = 0;
    std::size_t stopped = 0;
    file_system.on_call = [&](const Call&) -> std::optional<SysResult> {
        const auto things = file_system.pending_things();
        for (std::size_t garbled = 0; garbled < things.size(); ++garbled) {
            const auto disk = file_system.after_crash([&](std::size_t thing) {
                return thing == garbled    ? Fate::garbled
                       : random() % 2 == 0 ? Fate::kept
                                           : Fate::lost;
            });
            try {
                const auto broken = promises.broken_by(*open_log(*disk, options));
                EXPECT_FALSE(broken) << *broken;
                ++opened;
            } catch (const LogError&) {
                ++stopped;
            }
        }
        return std::nullopt;
    };
    ScriptedLife life{options, kSeed, promises};
    life.live(file_system);
    std::cout << opened << " opened, " << stopped << " stopped\n";
    EXPECT_GT(opened, 0U);
}

INSTANTIATE_TEST_SUITE_P(CrashStates, GarbledSector, testing::Values(1U, 2U),
                         [](const auto& test) { return "Copies" + std::to_string(test.param); });

}  // namespace
}  // namespace xa_tm::test
