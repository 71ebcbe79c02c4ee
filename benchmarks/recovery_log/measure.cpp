#include "measure.h"

#include <algorithm>
#include <fstream>
#include <future>
#include <limits>
#include <numeric>
#include <string>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

double to_seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

/// CPU time that all processes together have used since boot (proc(5), /proc/stat).
double machine_cpu_s() {
    std::ifstream stat{"/proc/stat"};
    std::string label;
    double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    stat >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
    return (user + nice + system + irq + softirq + steal) /
           static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// What a sample is a difference of.
struct Snapshot {
    Clock::time_point time;
    Counters counters;
    double process_cpu_s;
};

Snapshot take_snapshot(const std::function<Counters()>& counters) {
    return {Clock::now(), counters(), process_cpu_s()};
}

double percentile_us(const std::vector<std::uint32_t>& sorted_ns, double fraction) {
    const auto last = static_cast<double>(sorted_ns.size() - 1);
    return sorted_ns[static_cast<std::size_t>(fraction * last)] * 1e-3;
}

Sample to_sample(const Load& load, const Snapshot& begin, const Snapshot& end, const Tally& tally) {
    const double seconds = std::chrono::duration<double>(end.time - begin.time).count();
    const double cpu_s = end.process_cpu_s - begin.process_cpu_s;
    const auto forces = static_cast<double>(end.counters.forces - begin.counters.forces);
    const auto decisions = static_cast<double>(tally.decisions());
    Sample sample{.threads = load.threads,
                  .decisions = tally.decisions(),
                  .decisions_per_s = decisions / seconds,
                  .syncs = end.counters.syncs - begin.counters.syncs};
    if (tally.decisions() == 0) {
        return sample;
    }
    auto latencies = tally.latencies_ns();
    std::ranges::sort(latencies);
    sample.mean_us = std::accumulate(latencies.begin(), latencies.end(), 0.0) * 1e-3 /
                     static_cast<double>(latencies.size());
    sample.p50_us = percentile_us(latencies, 0.5);
    sample.p99_us = percentile_us(latencies, 0.99);
    sample.max_us = percentile_us(latencies, 1);
    sample.forces_per_sync = sample.syncs == 0 ? 0 : forces / static_cast<double>(sample.syncs);
    sample.cpu_us_per_decision = cpu_s * 1e6 / decisions;
    return sample;
}

}  // namespace

void Tally::add(const Window& window, Clock::time_point begin, unsigned decisions) {
    if (!window.is_measured()) {
        return;
    }
    const auto ns = (Clock::now() - begin) / std::chrono::nanoseconds{1};
    constexpr auto kLongest = std::numeric_limits<std::uint32_t>::max();
    latencies_ns_.push_back(ns < kLongest ? static_cast<std::uint32_t>(ns) : kLongest);
    decisions_ += decisions;
}

void Tally::merge(const Tally& other) {
    latencies_ns_.insert(latencies_ns_.end(), other.latencies_ns_.begin(),
                         other.latencies_ns_.end());
    decisions_ += other.decisions_;
}

Sample measure(const Load& load, const std::function<Counters()>& counters, const Work& work) {
    Window window;
    std::vector<std::future<Tally>> threads;
    for (unsigned thread = 0; thread < load.threads; ++thread) {
        threads.push_back(std::async(std::launch::async, work, thread, std::cref(window)));
    }
    std::this_thread::sleep_for(load.warm_up);
    const OthersCpu others;
    const auto begin = take_snapshot(counters);
    window.enter(Window::Phase::measured);
    std::this_thread::sleep_for(load.duration);
    const auto end = take_snapshot(counters);
    const double others_share = others.share();
    window.enter(Window::Phase::over);
    Tally all;
    for (auto& thread : threads) {
        all.merge(thread.get());
    }
    auto sample = to_sample(load, begin, end, all);
    sample.others_cpu_share = others_share;
    return sample;
}

double process_cpu_s() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
}

OthersCpu::OthersCpu() : begin_{Clock::now()}, others_s_{machine_cpu_s() - process_cpu_s()} {}

double OthersCpu::share() const {
    const double others_s = machine_cpu_s() - process_cpu_s() - others_s_;
    const std::chrono::duration<double> elapsed = Clock::now() - begin_;
    const auto cpus = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
    return std::max(0.0, others_s / elapsed.count() / cpus);
}

Spread spread_of(std::vector<double> values) {
    std::ranges::sort(values);
    const auto middle = values.size() / 2;
    const double median =
        values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {.median = median, .low = values.front(), .high = values.back()};
}

}  // namespace xa_tm::bench
