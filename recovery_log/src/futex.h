#pragma once

#include <atomic>
#include <cstdint>

/// The kernel's wait on a word of memory (futex(2)), because it wakes any number of threads with
/// one call and without a lock that each of them would have to take after it.
namespace xa_tm::recovery_log {

using FutexWord = std::atomic<std::uint32_t>;

/// Sleeps while `word` holds `value`. May also return without a reason.
void futex_wait(const FutexWord& word, std::uint32_t value) noexcept;
/// Wakes up to `threads` of those that sleep on `word`.
void futex_wake(const FutexWord& word, int threads) noexcept;

}  // namespace xa_tm::recovery_log
