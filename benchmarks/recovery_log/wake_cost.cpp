#include "wake_cost.h"

#include <atomic>
#include <climits>
#include <cstdint>
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

namespace xa_tm::bench {
namespace {

using Word = std::atomic<std::uint32_t>;

void wait_while(Word& word, std::uint32_t value) {
    while (word.load() == value) {
        ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
    }
}

void wake(Word& word, int threads) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

}  // namespace

double measure_wake_cost_us(unsigned threads, std::chrono::milliseconds duration) {
    Word round{0};
    Word completed{0};
    std::atomic<unsigned> arrived{0};
    std::atomic<bool> is_over{false};
    std::vector<std::jthread> waiters;
    for (unsigned i = 0; i < threads; ++i) {
        waiters.emplace_back([&] {
            for (std::uint32_t seen = 0; !is_over.load(); ++seen) {
                if (arrived.fetch_add(1) + 1 == threads) {
                    arrived.store(0);
                    completed.fetch_add(1);
                    wake(completed, 1);
                }
                wait_while(round, seen);
            }
        });
    }
    wait_while(completed, 0);
    std::uint32_t rounds = 0;
    std::vector<double> round_us;
    for (const auto end = Clock::now() + duration; rounds == 0 || Clock::now() < end;) {
        const auto begin = Clock::now();
        ++rounds;
        round.store(rounds);
        wake(round, INT_MAX);
        wait_while(completed, rounds);
        round_us.push_back((Clock::now() - begin) / std::chrono::duration<double, std::micro>{1});
    }
    is_over.store(true);
    round.store(rounds + 1);
    wake(round, INT_MAX);
    return spread_of(std::move(round_us)).median / threads;
}

}  // namespace xa_tm::bench
