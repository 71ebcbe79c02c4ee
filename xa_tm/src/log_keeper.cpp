#include "log_keeper.h"

#include <utility>

#include "logging.h"

namespace xa_tm {
namespace {

using recovery_log::Health;

/// As often as the log wants to be maintained.
constexpr std::chrono::milliseconds kInterval{50};

}  // namespace

LogKeeper::LogKeeper(recovery_log::RecoveryLog& log) : log_{log}, thread_{[this] { run(); }} {}

LogKeeper::~LogKeeper() {
    {
        const std::lock_guard guard{mutex_};
        is_stopping_ = true;
    }
    stopping_.notify_one();
    thread_.join();
}

void LogKeeper::run() {
    std::unique_lock lock{mutex_};
    while (!stopping_.wait_for(lock, kInterval, [this] { return is_stopping_; })) {
        lock.unlock();
        log_.maintain();
        note_health();
        lock.lock();
    }
}

void LogKeeper::note_health() {
    const auto status = log_.status();
    if (std::exchange(health_, status.health) == status.health) {
        return;
    }
    switch (status.health) {
        case Health::healthy:
            log_message(LogChannel::log, LogLevel::info,
                        "The recovery log has space again; transactions begin again.");
            break;
        case Health::full:
            log_message(LogChannel::log, LogLevel::error,
                        "The recovery log is full; no transaction begins until space returns.",
                        {.detail = status.reason});
            break;
        case Health::poisoned:
            log_message(LogChannel::log, LogLevel::fatal,
                        "The recovery log failed; no transaction begins until this process opens "
                        "the log anew.",
                        {.detail = status.reason});
            break;
        case Health::fenced:
            log_message(LogChannel::log, LogLevel::fatal,
                        "Another process has taken over the recovery log; no transaction begins "
                        "in this one.",
                        {.detail = status.reason});
            break;
    }
}

}  // namespace xa_tm
