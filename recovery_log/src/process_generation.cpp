#include "process_generation.h"

#include <atomic>

#include <pthread.h>

namespace xa_tm::recovery_log {
namespace {

std::atomic<unsigned> generation{0};

}  // namespace

unsigned process_generation() noexcept {
    [[maybe_unused]] static const int registered =
        ::pthread_atfork(nullptr, nullptr, [] { ++generation; });
    return generation.load(std::memory_order_relaxed);
}

}  // namespace xa_tm::recovery_log
