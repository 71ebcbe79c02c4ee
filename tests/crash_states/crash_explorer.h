#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "promises.h"
#include "simulated_file_system.h"

namespace xa_tm::test {

/// How much of what a crash can leave is tried.
struct Thoroughness {
    std::size_t all_subsets_of;  ///< at most so many pending things
    /// Of more than that: none, all, and for so many of them, drawn unless they are all, what is
    /// pending up to it, from it on, it alone, and all but it.
    std::size_t positions;
    std::size_t random_subsets;  ///< besides these
    std::size_t once_in;         ///< a moment is tried with this probability
};

/// Cuts the power at every call that a log makes, with all that the crash can leave, opens the log
/// again, and cuts the power during that as well. It holds every log that it opens against what was
/// promised:
/// - I1, I2: what is owed is there, byte for byte, and nothing else than what was offered;
/// - I3: no crash stops the opening;
/// - I4, I8: what an opening has handed out is durable, so that a crash right behind it changes
///   nothing;
/// - the incarnation rises durably, and the log keeps its identity;
/// - at times also: a reader that owns nothing sees the same, and the log can be used again.
///
/// Ownership: the promises outlive it, and it the file systems that it watches.
/// Thread safety: one thread at a time.
class CrashExplorer {
public:
    CrashExplorer(recovery_log::Options options, unsigned seed, const Promises& promises,
                  Thoroughness first_crash, Thoroughness second_crash);

    /// From now on the power is cut at every call of `file_system`.
    void watch(SimulatedFileSystem& file_system);
    /// Cuts it once more now, behind the last call.
    void finish(const SimulatedFileSystem& file_system);

    /// Opens the log on a disk that a test has made, and cuts the power during that.
    void check(SimulatedFileSystem& file_system);

    /// How many different states of the disk a log was opened with.
    [[nodiscard]] std::uint64_t states() const noexcept { return states_; }
    /// The first one that broke a promise, and how to come there.
    [[nodiscard]] const std::optional<std::string>& broken() const noexcept { return broken_; }

private:
    void watch(SimulatedFileSystem& file_system, std::size_t depth);
    void crash(const SimulatedFileSystem& file_system, std::size_t depth);
    void check_crash(const SimulatedFileSystem& file_system, const std::vector<Fate>& fates,
                     std::size_t depth);
    void check_kill(const SimulatedFileSystem& file_system);
    void check_opening(SimulatedFileSystem& disk, std::size_t depth);
    void check_again(const SimulatedFileSystem& disk, const recovery_log::RecoveryLog& log);
    void check_use(const SimulatedFileSystem& disk, recovery_log::RecoveryLog& log);
    [[nodiscard]] bool is_new(const SimulatedFileSystem& disk);
    void report(const std::string& what);

    recovery_log::Options options_;
    std::mt19937 random_;
    const Promises& promises_;
    Thoroughness thoroughness_[2];
    std::uint64_t states_ = 0;
    std::unordered_set<std::uint64_t> known_;
    std::vector<std::string> trail_;
    std::optional<std::string> broken_;
};

}  // namespace xa_tm::test
