#pragma once

#include <cstddef>
#include <future>
#include <span>
#include <vector>

namespace xa_tm::bench {

/// Calls `work(i)` for each i in a thread of its own; what one of them throws is thrown again.
template <class Work>
void in_threads(std::size_t threads, const Work& work) {
    std::vector<std::future<void>> running;
    for (std::size_t i = 0; i < threads; ++i) {
        running.push_back(std::async(std::launch::async, [&work, i] { work(i); }));
    }
    for (auto& one : running) {
        one.get();
    }
}

/// The i-th of so many shares, which differ by one element at most.
template <class T>
[[nodiscard]] std::span<T> share_of(std::span<T> all, std::size_t i, std::size_t shares) {
    const auto first = all.size() * i / shares;
    return all.subspan(first, all.size() * (i + 1) / shares - first);
}

}  // namespace xa_tm::bench
