#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

namespace xa_tm::bench {

/// Exact, in microseconds; zeros when there are no samples.
struct Quantiles {
    double p50 = 0;
    double p99 = 0;
    double max = 0;
};

[[nodiscard]] Quantiles quantiles_of(std::vector<float> samples_us);

[[nodiscard]] inline float to_us(std::chrono::steady_clock::duration duration) {
    return std::chrono::duration<float, std::micro>(duration).count();
}

/// The first distinct errors of a turn.
///
/// Ownership: a value.
/// Thread safety: all members may be called from several threads at once.
class FirstErrors {
public:
    void note(const std::string& error);
    [[nodiscard]] std::vector<std::string> all() const;

private:
    mutable std::mutex mutex_;
    std::vector<std::string> errors_;
};

}  // namespace xa_tm::bench
