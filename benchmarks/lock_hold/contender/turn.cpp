#include "turn.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <exception>
#include <mutex>
#include <random>
#include <thread>

#include "statements.h"

namespace xa_tm::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Shared {
    const Workload& workload;
    const Turn& turn;
    std::barrier<> start;
    std::atomic<std::uint64_t> begun{0};
    FirstErrors errors = {};
    std::mutex mutex = {};
    std::exception_ptr fatal = {};  ///< guarded by mutex
};

/// One thread's transactions.
class Runner {
public:
    Runner(Shared& shared, Session& session, std::size_t thread)
        : shared_{shared},
          session_{session},
          statements_{statements_of(shared.workload, thread)},
          random_{static_cast<unsigned>(thread)} {}

    void run() {
        shared_.start.arrive_and_wait();
        began = Clock::now();
        const auto end = began + std::chrono::duration_cast<Clock::duration>(shared_.turn.time);
        for (now_ = began; now_ < end && takes_one();) {
            try {
                run_one();
            } catch (const std::exception& error) {
                ++failed;
                shared_.errors.note(error.what());
                session_.abandon();
                now_ = Clock::now();
            }
        }
        session_.finish();
        ended = Clock::now();
    }

    std::vector<float> transactions_us;
    std::vector<float> commits_us;
    std::uint64_t failed = 0;
    Clock::time_point began;
    Clock::time_point ended;

private:
    /// Without a limit the threads share nothing here.
    bool takes_one() {
        return !shared_.turn.transactions || shared_.begun++ < *shared_.turn.transactions;
    }

    void run_one() {
        const bool reads = shared_.workload.read_only_share > 0 &&
                           read_only_(random_) < shared_.workload.read_only_share;
        const auto begun = now_;
        session_.begin();
        for (std::size_t i = 0; i < statements_.size(); ++i) {
            const auto& choice = reads && i > 0 ? statements_[i].reads : statements_[i].updates;
            session_.run(i, choice[sequence_ % choice.size()]);
        }
        ++sequence_;
        const auto commits = Clock::now();
        session_.commit();
        now_ = Clock::now();
        transactions_us.push_back(to_us(now_ - begun));
        commits_us.push_back(to_us(now_ - commits));
    }

    Shared& shared_;
    Session& session_;
    std::vector<BranchStatements> statements_;
    std::minstd_rand random_;
    std::uniform_real_distribution<> read_only_;
    std::size_t sequence_ = 0;
    /// The end of one transaction is the beginning of the next.
    Clock::time_point now_;
};

Quantiles quantiles_over(std::span<const std::unique_ptr<Runner>> runners,
                         std::vector<float> Runner::*samples) {
    std::vector<float> all;
    for (const auto& runner : runners) {
        all.insert(all.end(), ((*runner).*samples).begin(), ((*runner).*samples).end());
    }
    return quantiles_of(std::move(all));
}

/// From the first thread's start to the last one's end, whenever this thread had the processor.
std::chrono::duration<double> time_of(std::span<const std::unique_ptr<Runner>> runners) {
    auto began = Clock::time_point::max();
    auto ended = Clock::time_point::min();
    for (const auto& runner : runners) {
        began = std::min(began, runner->began);
        ended = std::max(ended, runner->ended);
    }
    return ended - began;
}

}  // namespace

TurnResult run_turn(const Workload& workload, std::span<const std::unique_ptr<Session>> sessions,
                    const Turn& turn) {
    Shared shared{.workload = workload,
                  .turn = turn,
                  .start = std::barrier<>{static_cast<std::ptrdiff_t>(sessions.size())}};
    std::vector<std::unique_ptr<Runner>> runners;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        runners.push_back(std::make_unique<Runner>(shared, *sessions[i], i));
    }
    std::vector<std::jthread> threads;
    for (const auto& runner : runners) {
        threads.emplace_back([&shared, &runner] {
            try {
                runner->run();
            } catch (...) {
                const std::scoped_lock lock{shared.mutex};
                shared.fatal = std::current_exception();
            }
        });
    }
    threads.clear();
    if (shared.fatal) {
        std::rethrow_exception(shared.fatal);
    }
    TurnResult result{.seconds = time_of(runners).count(),
                      .transaction_us = quantiles_over(runners, &Runner::transactions_us),
                      .commit_us = quantiles_over(runners, &Runner::commits_us),
                      .errors = shared.errors.all()};
    for (const auto& runner : runners) {
        result.committed += runner->commits_us.size();
        result.failed += runner->failed;
    }
    return result;
}

}  // namespace xa_tm::bench
