// Invariants:
// - every completion becomes ready, whatever becomes of the run;
// - a job's connections are used by this thread alone from when it is taken until it is concluded.

#include "completion_service.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

CompletionService::CompletionService() : thread_{[this] { work(); }} {}

CompletionService::~CompletionService() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
        woken_.raise();
    }
    thread_.join();
}

CommitReport CompletionService::finish(std::unique_ptr<CommitRun> run,
                                       std::shared_ptr<const void> owner) {
    auto completion = std::make_shared<Completion>();
    auto report = run->report().with(completion);
    const std::scoped_lock lock{mutex_};
    new_jobs_.push_back({std::move(owner), std::move(run), std::move(completion)});
    woken_.raise();
    return report;
}

void CompletionService::work() {
    while (take_new()) {
        wait();
        advance_ready();
    }
    for (auto& job : jobs_) {
        job.run->abandon();
        conclude(std::move(job));
    }
}

/// False when it is time to end.
bool CompletionService::take_new() {
    const std::scoped_lock lock{mutex_};
    woken_.lower();
    std::ranges::move(new_jobs_, std::back_inserter(jobs_));
    new_jobs_.clear();
    return !is_stopping_;
}

void CompletionService::wait() {
    polled_.assign(1, {woken_.descriptor(), POLLIN, 0});
    polled_by_job_.clear();
    std::optional<Deadline> first;
    for (const auto& job : jobs_) {
        waits_.clear();
        job.run->append_waits(waits_);
        for (const auto& wait : waits_) {
            polled_.push_back(to_pollfd(wait.readiness));
        }
        polled_by_job_.push_back(waits_.size());
        const auto deadline = job.run->deadline().value();
        first = std::min(first.value_or(deadline), deadline);
    }
    const int ready =
        ::poll(polled_.data(), polled_.size(), first ? milliseconds_until(*first) : -1);
    XA_TM_CHECK(ready >= 0 || errno == EINTR || errno == EAGAIN || errno == ENOMEM,
                "poll is given valid memory and fewer descriptors than the process may open");
}

void CompletionService::advance_ready() {
    const auto now = std::chrono::steady_clock::now();
    auto polled = std::span{std::as_const(polled_)}.subspan(1);
    for (std::size_t i = 0; i < polled_by_job_.size(); ++i) {
        auto& run = *jobs_[i].run;
        const auto own = polled.first(polled_by_job_[i]);
        polled = polled.subspan(own.size());
        if (std::ranges::any_of(own, [](const pollfd& one) { return one.revents != 0; }) ||
            now >= run.deadline()) {
            run.advance();
            if (run.is_finished()) {
                conclude(std::move(jobs_[i]));
            }
        }
    }
    std::erase_if(jobs_, [](const Job& job) { return job.run == nullptr; });
}

/// Whoever waits for the completion finds the connections back in their pools.
void CompletionService::conclude(Job job) {
    const auto report = job.run->report();
    job.run.reset();
    job.owner.reset();
    job.completion->complete(report);
}

}  // namespace xa_tm
