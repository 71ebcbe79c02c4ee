#include "interruption.h"

#include <cerrno>
#include <csignal>
#include <system_error>

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

namespace xa_tm::bench {
namespace {

int descriptor = -1;

sigset_t interruptions() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&set, signal);
    }
    return set;
}

}  // namespace

void hold_interruptions() {
    const auto set = interruptions();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a contender that has died is told by its end of the pipe
    descriptor = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor < 0) {
        throw std::system_error(errno, std::generic_category(), "signalfd");
    }
}

int interruption_descriptor() noexcept {
    return descriptor;
}

bool is_interrupted() noexcept {
    pollfd waiting{descriptor, POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

void release_interruptions() noexcept {
    std::signal(SIGPIPE, SIG_DFL);
    const auto set = interruptions();
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace xa_tm::bench
