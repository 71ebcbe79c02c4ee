#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

/// Runs threads for a while and counts what they did.
namespace xa_tm::bench {

using Clock = std::chrono::steady_clock;

/// A contender did not keep what it had acknowledged, so its times mean nothing.
class VerificationFailed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Load {
    unsigned threads = 1;
    std::chrono::milliseconds warm_up{};
    std::chrono::milliseconds duration{};
};

/// Tells the threads of a run what to do.
///
/// Ownership: outlives the threads that look at it.
/// Thread safety: all members may be called from several threads at once.
class Window {
public:
    enum class Phase { warm_up, measured, over };

    [[nodiscard]] bool is_over() const noexcept { return phase() == Phase::over; }
    [[nodiscard]] bool is_measured() const noexcept { return phase() == Phase::measured; }
    void enter(Phase phase) noexcept { phase_.store(phase, std::memory_order_relaxed); }

private:
    [[nodiscard]] Phase phase() const noexcept { return phase_.load(std::memory_order_relaxed); }

    std::atomic<Phase> phase_{Phase::warm_up};
};

/// What one thread did.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class Tally {
public:
    /// Counts a call that began at `begin` and ends now; outside the measured phase it is ignored.
    void add(const Window& window, Clock::time_point begin, unsigned decisions = 1);
    void merge(const Tally& other);

    [[nodiscard]] const std::vector<std::uint32_t>& latencies_ns() const noexcept {
        return latencies_ns_;
    }
    [[nodiscard]] std::uint64_t decisions() const noexcept { return decisions_; }

private:
    std::vector<std::uint32_t> latencies_ns_;
    std::uint64_t decisions_ = 0;
};

/// Totals since the beginning of a contender's life.
struct Counters {
    std::uint64_t forces = 0;
    std::uint64_t syncs = 0;
};

/// One contender, one number of threads, one round.
struct Sample {
    unsigned threads = 0;
    std::uint64_t decisions = 0;
    double decisions_per_s = 0;
    /// Of one call, which may carry several decisions.
    double mean_us = 0, p50_us = 0, p99_us = 0, max_us = 0;
    std::uint64_t syncs = 0;
    double forces_per_sync = 0;
    /// Of the whole process, user and system.
    double cpu_us_per_decision = 0;
    /// The share of all CPUs that other processes and the kernel's own threads took meanwhile.
    double others_cpu_share = 0;
};

/// What one thread does until the window is over.
using Work = std::function<Tally(unsigned thread, const Window& window)>;

/// Rethrows what a thread has thrown.
[[nodiscard]] Sample measure(const Load& load, const std::function<Counters()>& counters,
                             const Work& work);

/// CPU time that this process has used so far.
[[nodiscard]] double process_cpu_s();

/// Watches what CPU time other processes and the kernel's own threads use.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
class OthersCpu {
public:
    OthersCpu();
    /// The share of all CPUs that they have had since this object was made.
    [[nodiscard]] double share() const;

private:
    Clock::time_point begin_;
    double others_s_;
};

/// Median over rounds, and the extremes.
struct Spread {
    double median = 0;
    double low = 0;
    double high = 0;
};

/// `values` must not be empty.
[[nodiscard]] Spread spread_of(std::vector<double> values);

}  // namespace xa_tm::bench
