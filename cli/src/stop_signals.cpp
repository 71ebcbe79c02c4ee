#include "stop_signals.h"

namespace xa_tm::cli {

StopSignals::StopSignals() {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGTERM);
    ::sigaddset(&signals_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

bool StopSignals::wait_for(std::chrono::milliseconds limit) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
    const timespec time{.tv_sec = seconds.count(),
                        .tv_nsec = std::chrono::nanoseconds{limit - seconds}.count()};
    has_come_ = has_come_ || ::sigtimedwait(&signals_, nullptr, &time) > 0;
    return has_come_;
}

}  // namespace xa_tm::cli
