// Invariants:
// - workers_ is fixed after construction; each worker's recovery is used by its own thread only;
// - the flags of a worker, and is_stopping_, are read and written under mutex_.

#include "recovery_service.h"

#include <algorithm>

#include "logging.h"
#include "xa_tm/error.h"

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
                                   [](const auto& worker) { return worker->passes_ended > 0; });
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

std::vector<ResourceStatus> RecoveryService::status() const {
    const std::scoped_lock lock{mutex_};
    std::vector<ResourceStatus> status;
    for (const auto& worker : workers_) {
        status.push_back(worker->watch.status(std::chrono::steady_clock::now()));
    }
    return status;
}

bool RecoveryService::has_work_left() const {
    const std::scoped_lock lock{mutex_};
    return !are_all_idle();
}

bool RecoveryService::wait_until_idle(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock{mutex_};
    // A pass that is under way may have looked too early.
    std::vector<std::uint64_t> passes_wanted;
    for (auto& worker : workers_) {
        worker->is_woken = true;
        passes_wanted.push_back(worker->passes_begun + 1);
    }
    changed_.notify_all();
    return changed_.wait_until(lock, deadline, [&] {
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (workers_[i]->passes_ended < passes_wanted[i]) {
                return false;
            }
        }
        return are_all_idle();
    });
}

bool RecoveryService::are_all_idle() const {
    return std::ranges::all_of(workers_,
                               [](const auto& worker) { return worker->watch.is_idle(); });
}

void RecoveryService::run(Worker& worker) {
    auto retry = kFirstRetry;
    std::unique_lock lock{mutex_};
    while (!is_stopping_) {
        worker.is_woken = false;
        ++worker.passes_begun;
        auto watch = worker.watch;
        lock.unlock();
        const auto pass =
            worker.recovery.recover(parameters_.known, parameters_.table, parameters_.log);
        keep_pool(worker.recovery.datasource().pool(), pass.resource.is_reachable);
        const auto waiting = parameters_.table.waiting_for(pass.resource.name);
        if (!interrupt_.is_raised()) {  // else what was given up says nothing of the resource
            watch.note(pass, waiting, std::chrono::steady_clock::now());
        }
        lock.lock();
        worker.watch = std::move(watch);
        ++worker.passes_ended;
        changed_.notify_all();
        // What waits is tried again soon, then less and less often; without traffic, and for ever.
        const bool is_idle = worker.watch.is_idle();
        retry = is_idle ? kFirstRetry : std::min(retry * 2, parameters_.interval);
        const auto pause = is_idle ? parameters_.interval : retry;
        changed_.wait_for(lock, pause, [&] { return is_stopping_ || worker.is_woken; });
    }
}

/// Closes what the pool should not keep any more and opens what it should have; a server that is
/// down is left for the next time.
void RecoveryService::keep_pool(ConnectionPool& pool, bool is_reachable) {
    pool.close_outdated();
    try {
        while (is_reachable && !interrupt_.is_raised() && pool.open_one_more(parameters_.mark)) {
        }
    } catch (const Error& error) {
        log_message(LogChannel::recovery, LogLevel::warning,
                    "The pool could not be filled to pool_size_min; it is tried again with the "
                    "next pass.",
                    {.resource = error.resource(), .detail = error.what()});
    }
}

}  // namespace xa_tm
