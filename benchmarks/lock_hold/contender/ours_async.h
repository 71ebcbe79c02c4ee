#pragma once

#include <vector>

#include "our_manager.h"
#include "statements.h"
#include "turn.h"

namespace xa_tm::bench {

/// The transaction manager in the event loop of an application: a few threads, and many more
/// transactions that are open at once. It runs them in waves: all are opened and do their
/// statements, one after the other on each thread, since statements block; then all are committed
/// by async_commit().
///
/// Ownership: owns the manager.
/// Thread safety: one thread at a time.
class OursAsync {
public:
    explicit OursAsync(const Workload& workload);

    [[nodiscard]] std::string settings() const;
    /// Whole waves, until the time is over.
    [[nodiscard]] TurnResult run(const Turn& turn);

private:
    using Clock = std::chrono::steady_clock;
    struct Place {
        std::vector<BranchStatements> statements;
        std::size_t sequence = 0;
        /// While its transaction is open.
        std::optional<OurManager::Work> work = {};
        Clock::time_point begun = {};
        Clock::time_point commits = {};
        // Of its committed transactions in this turn.
        std::vector<float> transactions_us = {};
        std::vector<float> commits_us = {};
    };

    void run_wave(std::size_t size, FirstErrors& errors);
    void open(Place& place, FirstErrors& errors);
    [[nodiscard]] TurnResult take_result(std::uint64_t begun, Clock::duration time);

    const Workload& workload_;
    OurManager manager_;
    std::vector<Place> places_;
};

}  // namespace xa_tm::bench
