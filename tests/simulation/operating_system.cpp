// The calls by which the product asks the system for time and for what has arrived. Defined here,
// they go before those of the system's libraries in every program that has this file, so that the
// product runs unchanged on the virtual machine; without one they are the system's.

#include <chrono>
#include <ctime>
#include <span>

#include <poll.h>
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

namespace xa_tm {

std::span<const std::string_view> crash_point_names() noexcept {
    return {};
}

void reach_crash_point(std::string_view name) noexcept {
    simulation::reach(name);
}

}  // namespace xa_tm
