#include "usage.h"

#include <fstream>
#include <stdexcept>
#include <string>

#include <sys/resource.h>

namespace xa_tm::bench {
namespace {

std::size_t bytes_of(const std::string& field) {
    std::ifstream file{"/proc/self/status"};
    for (std::string word; file >> word;) {
        if (std::size_t kib = 0; word == field && file >> kib) {
            return kib * 1024;
        }
    }
    throw std::runtime_error("/proc/self/status does not tell " + field);
}

std::chrono::duration<double> duration_of(const timeval& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
}

}  // namespace

std::chrono::duration<double> cpu_time() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
}

PeakMemory::PeakMemory() {
    std::ofstream{"/proc/self/clear_refs"} << "5";  // proc(5): resets the peak
    at_start_ = bytes_of("VmRSS:");
}

std::size_t PeakMemory::growth_bytes() const {
    const auto peak = bytes_of("VmHWM:");
    return peak > at_start_ ? peak - at_start_ : 0;
}

}  // namespace xa_tm::bench
