#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include <poll.h>

#include "commit_completion.h"
#include "commit_run.h"
#include "interrupt.h"

namespace xa_tm {

/// Finishes phase two of the commits that were answered early: one thread that waits for the
/// answers of all of them with one poll.
///
/// Ownership: owns its thread, and the runs that it was given until they have finished.
/// Thread safety: all members may be called from several threads at once.
class CompletionService {
public:
    /// Throws std::system_error when the system has no thread or descriptor left.
    CompletionService();
    CompletionService(const CompletionService&) = delete;
    CompletionService& operator=(const CompletionService&) = delete;
    /// Abandons the runs that have not finished: what they leave is the next incarnation's.
    ~CompletionService();

    /// Takes a decided run over and gives the early report. `owner`, which keeps what the run has
    /// borrowed, is let go once it has finished, and then the report's completion() is ready.
    [[nodiscard]] CommitReport finish(std::unique_ptr<CommitRun> run,
                                      std::shared_ptr<const void> owner);

private:
    struct Job {
        std::shared_ptr<const void> owner;
        std::unique_ptr<CommitRun> run;
        std::shared_ptr<Completion> completion;
    };

    void work();
    [[nodiscard]] bool take_new();
    void wait();
    void advance_ready();
    static void conclude(Job job);

    std::mutex mutex_;
    std::vector<Job> new_jobs_;
    bool is_stopping_ = false;
    Interrupt woken_;  ///< raised and lowered under mutex_

    // Of the thread alone.
    std::vector<Job> jobs_;
    std::vector<pollfd> polled_;              ///< woken_, then what the jobs wait for
    std::vector<std::size_t> polled_by_job_;  ///< how many of those, for each job
    std::vector<CommitOperation::Wait> waits_;

    std::thread thread_;
};

}  // namespace xa_tm
