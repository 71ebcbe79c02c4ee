#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "connection_pool.h"
#include "interrupt.h"
#include "recovery.h"
#include "resource_watch.h"

namespace xa_tm {

/// Recovery in the background: one thread a resource, each passing over its own at its own pace,
/// and keeping its pool between two passes.
///
/// Ownership: owns its threads; borrows the table, the log and the datasources, which outlive it.
/// Thread safety: all members may be called from several threads at once.
class RecoveryService {
public:
    struct Parameters {
        ResourceRecovery::Known known;
        TransactionTable& table;
        DecisionLog& log;
        std::chrono::milliseconds interval;
        const SessionMark& mark;
    };

    /// Starts one thread for each resource. Throws std::system_error when the system has no thread
    /// or descriptor left; none runs then.
    RecoveryService(std::vector<ResourceRecovery> resources, Parameters parameters);
    RecoveryService(const RecoveryService&) = delete;
    RecoveryService& operator=(const RecoveryService&) = delete;
    /// Ends every pass under way without waiting for the server's answer: at most the time that one
    /// attempt to connect may take. What was not finished is the next incarnation's.
    ~RecoveryService();

    /// Waits until every resource has been passed over once, reachable or not.
    void wait_for_first_passes();
    /// There is something to do at this resource: pass over it soon.
    void wake(std::string_view resource);

    [[nodiscard]] std::vector<ResourceStatus> status() const;
    /// False when the last pass over every resource has left nothing to do.
    [[nodiscard]] bool has_work_left() const;
    /// Passes over every resource that has work left, until none has; false at the deadline.
    [[nodiscard]] bool wait_until_idle(std::chrono::steady_clock::time_point deadline);

private:
    struct Worker {
        explicit Worker(ResourceRecovery resource) : recovery{std::move(resource)} {}
        ResourceRecovery recovery;
        std::uint64_t passes_begun = 0;
        std::uint64_t passes_ended = 0;
        bool is_woken = false;
        ResourceWatch watch = {};
        std::thread thread = {};
    };

    void stop() noexcept;
    void run(Worker& worker);
    void keep_pool(ConnectionPool& pool, bool is_reachable);
    [[nodiscard]] bool are_all_idle() const;

    Parameters parameters_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool is_stopping_ = false;
    Interrupt interrupt_;  ///< raised with is_stopping_, for who waits for a server
    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace xa_tm
