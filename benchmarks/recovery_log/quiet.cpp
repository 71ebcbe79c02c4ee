#include "quiet.h"

#include <thread>

namespace xa_tm::bench {
namespace {

constexpr double kQuietShare = 0.1;
constexpr std::chrono::milliseconds kLook{100};

}  // namespace

void wait_for_quiet(const Patience& patience) {
    for (const auto end = Clock::now() + patience.wait_max; Clock::now() < end;) {
        const OthersCpu others;
        std::this_thread::sleep_for(kLook);
        if (others.share() <= kQuietShare) {
            return;
        }
    }
}

Sample run_in_quiet(const Patience& patience, const std::function<Sample()>& run) {
    wait_for_quiet(patience);
    auto quietest = run();
    for (unsigned runs = 1; runs < patience.runs_max; ++runs) {
        if (quietest.others_cpu_share <= kQuietShare) {
            break;
        }
        wait_for_quiet(patience);
        const auto sample = run();
        if (sample.others_cpu_share < quietest.others_cpu_share) {
            quietest = sample;
        }
    }
    return quietest;
}

}  // namespace xa_tm::bench
