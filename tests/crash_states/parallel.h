#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace xa_tm::test {

/// Calls `work(number)` for each number below `count`, on as many threads as there are processors.
template <typename Work>
void in_parallel(std::size_t count, const Work& work) {
    std::atomic<std::size_t> next{0};
    const auto do_some = [&] {
        for (std::size_t number = next++; number < count; number = next++) {
            work(number);
        }
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
        threads.emplace_back(do_some);
    }
}

}  // namespace xa_tm::test
