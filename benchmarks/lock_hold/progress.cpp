#include "progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace xa_tm::bench {

Progress::Progress(double planned_seconds)
    : is_terminal_{::isatty(STDOUT_FILENO) != 0},
      start_{std::chrono::steady_clock::now()},
      planned_{planned_seconds} {}

void Progress::begin(const std::string& what, double planned_seconds) {
    done_ += current_;
    current_ = planned_seconds;
    say(fmt::format("{} ({} left)", what, time_left()));
}

void Progress::step(const std::string& what) const {
    if (is_terminal_) {
        fmt::print("\r\x1b[K    {}", what);
        std::fflush(stdout);
    }
}

void Progress::say(const std::string& what) const {
    fmt::print("{}{}\n", is_terminal_ ? "\r\x1b[K" : "", what);
    std::fflush(stdout);
}

/// By the plan, corrected by how well it has foretold what is done.
std::string Progress::time_left() const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    const double pace = done_ > 0 ? taken.count() / done_ : 1;
    const double left = std::max(0.0, (planned_ - done_) * pace);
    return left < 90 ? fmt::format("{:.0f} s", left) : fmt::format("{:.0f} min", left / 60);
}

}  // namespace xa_tm::bench
