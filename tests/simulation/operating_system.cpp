// The calls by which the product asks the system for time and for what has arrived, and by which it
// waits. Defined here, they go before those of the system's libraries in every program that has
// this file, so that the product runs unchanged on the virtual machine; without one they are the
// system's.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <span>

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crash_points.h"
#include "virtual_machine.h"
#include "xa_tm/recovery_log/crash_point.h"

namespace {

using xa_tm::simulation::VirtualMachine;

/// Where every simulated life begins: any moment will do.
constexpr std::chrono::hours kWallClockAtBeginning{24 * 365 * 50};

std::chrono::nanoseconds real_clock(clockid_t clock) noexcept {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

}  // namespace

namespace std::chrono::_V2 {

steady_clock::time_point steady_clock::now() noexcept {
    const auto* machine = VirtualMachine::current();
    return time_point{machine != nullptr ? machine->now() : real_clock(CLOCK_MONOTONIC)};
}

system_clock::time_point system_clock::now() noexcept {
    const auto* machine = VirtualMachine::current();
    return time_point{machine != nullptr
                          ? kWallClockAtBeginning + machine->now() + machine->wall_clock_offset()
                          : real_clock(CLOCK_REALTIME)};
}

}  // namespace std::chrono::_V2

extern "C" int poll(pollfd* descriptors, nfds_t count, int timeout_ms) {
    auto* machine = VirtualMachine::current();
    if (machine != nullptr && count > 0 && VirtualMachine::owns(descriptors[0].fd)) {
        xa_tm::simulation::end_flow_of_dead_process();
        const int ready = machine->poll({descriptors, count}, timeout_ms);
        xa_tm::simulation::end_flow_of_dead_process();
        return ready;
    }
    return static_cast<int>(::syscall(SYS_poll, descriptors, count, timeout_ms));
}

extern "C" int nanosleep(const timespec* duration, timespec* left) {
    auto* machine = VirtualMachine::current();
    if (machine != nullptr) {
        machine->sleep(std::chrono::seconds{duration->tv_sec} +
                       std::chrono::nanoseconds{duration->tv_nsec});
        return 0;
    }
    return static_cast<int>(::syscall(SYS_nanosleep, duration, left));
}

/// A wait for a condition, which another fiber may make true: it is looked at again and again.
extern "C" int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                      clockid_t clock, const timespec* until) {
    using namespace std::chrono_literals;
    auto* machine = VirtualMachine::current();
    if (machine == nullptr) {
        static const auto real = reinterpret_cast<decltype(&pthread_cond_clockwait)>(
            ::dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
        return real(condition, mutex, clock, until);
    }
    const auto left = std::chrono::seconds{until->tv_sec} +
                      std::chrono::nanoseconds{until->tv_nsec} - machine->now();
    if (left <= 0ns) {
        return ETIMEDOUT;
    }
    ::pthread_mutex_unlock(mutex);
    machine->sleep(std::min<std::chrono::nanoseconds>(left, 1ms));
    ::pthread_mutex_lock(mutex);
    xa_tm::simulation::end_flow_of_dead_process();
    return 0;
}

extern "C" int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
    using namespace std::chrono_literals;
    auto* machine = VirtualMachine::current();
    if (machine == nullptr) {
        static const auto real =
            reinterpret_cast<decltype(&pthread_cond_wait)>(::dlsym(RTLD_NEXT, "pthread_cond_wait"));
        return real(condition, mutex);
    }
    ::pthread_mutex_unlock(mutex);
    machine->sleep(1ms);
    ::pthread_mutex_lock(mutex);
    xa_tm::simulation::end_flow_of_dead_process();
    return 0;
}

namespace xa_tm {

std::span<const std::string_view> crash_point_names() noexcept {
    return {};
}

void reach_crash_point(std::string_view name) noexcept {
    simulation::reach(name);
}

}  // namespace xa_tm
