#include "crash_explorer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "open_log.h"

// Invariants:
// - trail_ says how the state that is being checked came about, one line for each crash.
// - A state is opened once: known_ holds each together with the version of the promises.
// - What a crash makes of the file LOCK is drawn and not enumerated, because nobody reads that
// after
//   a crash.
namespace xa_tm::test {

using recovery_log::ForceResult;
using recovery_log::LogError;
using recovery_log::Options;
using recovery_log::RecoveryLog;
using recovery_log::SysResult;

namespace {

constexpr std::string_view kLockFile = "LOCK";
constexpr std::size_t kDepthMax = 2;
constexpr std::size_t kCloselyOnceIn = 32;

/// Calls `visit` with the subsets of `count` things that are to be tried, each as one flag a thing.
template <typename Visit>
void for_each_subset(std::size_t count, const Thoroughness& thoroughness, std::mt19937& random,
                     const Visit& visit) {
    std::vector<bool> kept(count);
    if (count <= thoroughness.all_subsets_of) {
        for (std::uint64_t mask = 0; mask < std::uint64_t{1} << count; ++mask) {
            for (std::size_t thing = 0; thing < count; ++thing) {
                kept[thing] = (mask >> thing & 1) != 0;
            }
            visit(kept);
        }
        return;
    }
    const auto try_with = [&](const auto& keeps) {
        for (std::size_t thing = 0; thing < count; ++thing) {
            kept[thing] = keeps(thing);
        }
        visit(kept);
    };
    try_with([](std::size_t) { return false; });
    try_with([](std::size_t) { return true; });
    for (std::size_t i = 0; i < std::min(count, thoroughness.positions); ++i) {
        const std::size_t chosen = count <= thoroughness.positions ? i : random() % count;
        try_with([&](std::size_t thing) { return thing < chosen; });
        try_with([&](std::size_t thing) { return thing >= chosen; });
        try_with([&](std::size_t thing) { return thing == chosen; });
        try_with([&](std::size_t thing) { return thing != chosen; });
    }
    for (std::size_t i = 0; i < thoroughness.random_subsets; ++i) {
        constexpr std::size_t kSteps = 8;
        const std::size_t kept_of_eight = 1 + random() % (kSteps - 1);
        try_with([&](std::size_t) { return random() % kSteps < kept_of_eight; });
    }
}

bool changes_nothing(Operation operation) noexcept {
    switch (operation) {
        case Operation::list:
        case Operation::type:
        case Operation::pread:
        case Operation::size:
        case Operation::identity:
        case Operation::try_lock:
        case Operation::is_locked: return true;
        case Operation::open:
        case Operation::rename:
        case Operation::remove:
        case Operation::sync_directory:
        case Operation::pwrite:
        case Operation::allocate:
        case Operation::sync:
        case Operation::datasync: return false;
    }
    return false;
}

std::string describe(const PendingThing& thing) {
    switch (thing.kind) {
        case PendingThing::Kind::size: return fmt::format("the size of {}", thing.file);
        case PendingThing::Kind::sector:
            return fmt::format("sector {} of {}", thing.sector, thing.file);
        case PendingThing::Kind::name: return fmt::format("the name {}", thing.file);
    }
    return {};
}

std::string describe(const std::vector<PendingThing>& things, const std::vector<Fate>& fates) {
    std::string kept;
    for (std::size_t i = 0; i < things.size(); ++i) {
        if (fates[i] == Fate::kept) {
            kept += (kept.empty() ? "" : ", ") + describe(things[i]);
        }
    }
    return fmt::format("kept of {} pending things: {}", things.size(),
                       kept.empty() ? "none" : kept);
}

}  // namespace

CrashExplorer::CrashExplorer(Options options, unsigned seed, const Promises& promises,
                             Thoroughness first_crash, Thoroughness second_crash)
    : options_{std::move(options)},
      random_{seed},
      promises_{promises},
      thoroughness_{first_crash, second_crash} {}

void CrashExplorer::report(const std::string& what) {
    if (!broken_) {
        broken_ = what;
        for (const auto& line : trail_) {
            *broken_ += "\n  " + line;
        }
    }
}

void CrashExplorer::watch(SimulatedFileSystem& file_system) {
    watch(file_system, 0);
}

void CrashExplorer::watch(SimulatedFileSystem& file_system, std::size_t depth) {
    file_system.on_call = [this, &file_system, depth, last = Operation::open](
                              const Call& call) mutable -> std::optional<SysResult> {
        // Before a call is behind the one before it. Inside a write or a sync is where any part of
        // what is pending has been written.
        const bool is_as_before = changes_nothing(std::exchange(last, call.operation));
        if (broken_ || (is_as_before && call.number != 0) ||
            random_() % thoroughness_[depth].once_in != 0) {
            return std::nullopt;
        }
        trail_.push_back(fmt::format("the power fails before call {}, {} {}", call.number,
                                     name_of(call.operation), call.file));
        crash(file_system, depth);
        trail_.pop_back();
        return std::nullopt;
    };
}

void CrashExplorer::finish(const SimulatedFileSystem& file_system) {
    trail_.emplace_back("the power fails after the last call");
    crash(file_system, 0);
    trail_.pop_back();
}

void CrashExplorer::check(SimulatedFileSystem& file_system) {
    ++states_;
    check_opening(file_system, 1);
}

void CrashExplorer::crash(const SimulatedFileSystem& file_system, std::size_t depth) {
    const auto things = file_system.pending_things();
    std::vector<std::size_t> enumerated;
    for (std::size_t thing = 0; thing < things.size(); ++thing) {
        if (things[thing].file != kLockFile) {
            enumerated.push_back(thing);
        }
    }
    std::vector<Fate> fates(things.size());
    const auto fate = [](bool is_kept) { return is_kept ? Fate::kept : Fate::lost; };
    const auto check_with = [&](const std::vector<bool>& kept) {
        if (broken_) {
            return;
        }
        std::ranges::generate(fates, [&] { return fate(random_() % 2 == 0); });
        for (std::size_t i = 0; i < enumerated.size(); ++i) {
            fates[enumerated[i]] = fate(kept[i]);
        }
        check_crash(file_system, fates, depth);
    };
    for_each_subset(enumerated.size(), thoroughness_[depth], random_, check_with);
    if (depth == 0 && !broken_) {
        check_kill(file_system);
    }
}

bool CrashExplorer::is_new(const SimulatedFileSystem& disk) {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
    return known_.insert(disk.fingerprint(kLockFile) + promises_.version() * kOdd).second;
}

void CrashExplorer::check_crash(const SimulatedFileSystem& file_system,
                                const std::vector<Fate>& fates, std::size_t depth) {
    const auto disk = file_system.after_crash([&](std::size_t thing) { return fates[thing]; });
    if (!is_new(*disk)) {
        return;
    }
    ++states_;
    check_opening(*disk, depth + 1);
    if (broken_) {
        *broken_ += "\n  " + describe(file_system.pending_things(), fates);
    }
}

void CrashExplorer::check_kill(const SimulatedFileSystem& file_system) {
    // The next owner finds in memory what is not on the disk, and must not hand it out like that.
    trail_.emplace_back("(the process dies there, and the power fails after the next opening)");
    check_opening(*file_system.after_kill(), kDepthMax);
    trail_.pop_back();
}

void CrashExplorer::check_opening(SimulatedFileSystem& disk, std::size_t depth) {
    const bool is_checked_closely = random_() % kCloselyOnceIn == 0;
    try {
        const auto read = is_checked_closely && promises_.is_born()
                              ? std::optional{read_log(disk, options_.directory)}
                              : std::nullopt;
        if (depth < kDepthMax) {
            watch(disk, depth);
        }
        const auto log = open_log(disk, options_);
        disk.on_call = nullptr;
        if (const auto what = promises_.broken_by(*log)) {
            report(*what);
            return;
        }
        if (read && difference(read->entries, log->live_entries())) {
            report("a reader sees other entries than the next owner");
        }
        check_again(disk, *log);
        if (is_checked_closely) {
            check_use(disk, *log);
        }
    } catch (const LogError& error) {
        report(fmt::format("a crash stops the opening: {}", error.what()));
    }
}

void CrashExplorer::check_use(const SimulatedFileSystem& disk, RecoveryLog& log) {
    auto expected = log.live_entries();
    if (!expected.empty()) {
        log.forget(expected.front().id);
        expected.erase(expected.begin());
    }
    const std::vector<std::byte> body(1'000, std::byte{'x'});
    auto reservation = log.reserve(body.size());
    if (!reservation) {
        report(fmt::format("the log refuses a reservation: {}", log.status().reason));
        return;
    }
    const auto answer = log.force(std::move(*reservation), body);
    if (answer.result != ForceResult::durable) {
        report(fmt::format("the log refuses an entry: {}", answer.reason));
        return;
    }
    expected.push_back({answer.id, body});
    const auto again = disk.after_crash([](std::size_t) { return Fate::lost; });
    auto found = open_log(*again, options_)->live_entries();
    // Forgotten lazily: it may still be there.
    if (found.size() > expected.size()) {
        found.erase(found.begin());
    }
    if (const auto what = difference(expected, found)) {
        report(fmt::format("after the log was used again: {}", *what));
    }
}

void CrashExplorer::check_again(const SimulatedFileSystem& disk, const RecoveryLog& log) {
    const auto again = disk.after_crash([](std::size_t) { return Fate::lost; });
    states_ += is_new(*again) ? 1 : 0;
    try {
        const auto reopened = open_log(*again, options_);
        if (const auto what = difference(log.live_entries(), reopened->live_entries())) {
            report(fmt::format("what was handed out is not durable: {}", *what));
        } else if (reopened->incarnation() <= log.incarnation() || reopened->id() != log.id()) {
            report("the opening is not durable");
        }
    } catch (const LogError& error) {
        report(fmt::format("a crash behind the opening stops the next one: {}", error.what()));
    }
}

}  // namespace xa_tm::test
