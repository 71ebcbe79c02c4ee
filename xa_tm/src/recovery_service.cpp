// Invariants:
// - workers_ is fixed after construction; each worker's recovery is used by its own thread only;
// - the flags of a worker, and is_stopping_, are read and written under mutex_.

#include "recovery_service.h"

#include <algorithm>

#include "logging.h"

namespace xa_tm {
namespace {

constexpr std::chrono::milliseconds kFirstRetry{100};

}  // namespace

RecoveryService::RecoveryService(std::vector<ResourceRecovery> resources, Parameters parameters)
    : parameters_{std::move(parameters)} {
    for (auto& resource : resources) {
        workers_.push_back(std::make_unique<Worker>(std::move(resource)));
        workers_.back()->recovery.stop_at(interrupt_);
    }
    try {
        for (auto& worker : workers_) {
            worker->thread = std::thread{[this, &worker = *worker] { run(worker); }};
        }
    } catch (...) {
        stop();
        throw;
    }
}

RecoveryService::~RecoveryService() {
    stop();
}

void RecoveryService::stop() noexcept {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    interrupt_.raise();
    changed_.notify_all();
    for (auto& worker : workers_) {
        if (worker->thread.joinable()) {
            worker->thread.join();
        }
    }
}

void RecoveryService::wait_for_first_passes() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] {
        return std::ranges::all_of(workers_,
                                   [](const auto& worker) { return worker->is_first_pass_done; });
    });
}

void RecoveryService::wake(std::string_view resource) {
    {
        const std::scoped_lock lock{mutex_};
        for (auto& worker : workers_) {
            if (worker->recovery.datasource().name() == resource) {
                worker->is_woken = true;
            }
        }
    }
    changed_.notify_all();
}

void RecoveryService::run(Worker& worker) {
    auto retry = kFirstRetry;
    std::unique_lock lock{mutex_};
    while (!is_stopping_) {
        worker.is_woken = false;
        lock.unlock();
        const auto pass =
            worker.recovery.recover(parameters_.known, parameters_.table, parameters_.log);
        note(worker, pass);
        const bool is_done =
            pass.is_done() && !parameters_.table.is_waiting_for(pass.resource.name);
        lock.lock();
        worker.is_first_pass_done = true;
        changed_.notify_all();
        // What waits is tried again soon, then less and less often; without traffic, and for ever.
        retry = is_done ? kFirstRetry : std::min(retry * 2, parameters_.interval);
        const auto pause = is_done ? parameters_.interval : retry;
        changed_.wait_for(lock, pause, [&] { return is_stopping_ || worker.is_woken; });
    }
}

/// One message per change of state, not per pass.
void RecoveryService::note(Worker& worker, const ResourcePass& pass) const {
    const bool was_reachable = std::exchange(worker.is_reachable, pass.resource.is_reachable);
    if (was_reachable == pass.resource.is_reachable || interrupt_.is_raised()) {
        return;
    }
    if (pass.resource.is_reachable) {
        log_message(LogChannel::recovery, LogLevel::info,
                    "Resource can be reached again; recovery goes on there.",
                    {.resource = pass.resource.name});
    } else {
        log_message(LogChannel::recovery, LogLevel::warning,
                    "Resource can't be listed; recovery keeps trying.",
                    {.resource = pass.resource.name, .detail = pass.resource.error});
    }
}

}  // namespace xa_tm
