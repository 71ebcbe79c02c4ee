#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace xa_tm::test {

[[nodiscard]] inline unsigned processors() {
    return std::max(1U, std::thread::hardware_concurrency());
}

/// Calls `work(number)` for each number below `count`, on several threads.
template <typename Work>
void in_parallel(std::size_t count, const Work& work, unsigned threads = processors()) {
    std::atomic<std::size_t> next{0};
    const auto do_some = [&] {
        for (std::size_t number = next++; number < count; number = next++) {
            work(number);
        }
    };
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i) {
        workers.emplace_back(do_some);
    }
}

}  // namespace xa_tm::test
