#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ledger.h"
#include "resources.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {

/// How a transfer's statements reach its branches.
enum class Style {
    session,         ///< through the branches' SOCI sessions
    statements,      ///< Branch::execute(), so that connections may be handed on with a commit
    last_statement,  ///< the same, and execute_last(): prepared with the second statement
};

/// How the application means a transfer to end.
enum class Intent {
    commit,
    refuse,     ///< commits, together with a further branch that votes no
    roll_back,  ///< rolls back by itself; after the branches' prepare, if the style is that
};

/// One transfer with what its application was told.
struct EndedTransfer {
    Transfer transfer;
    Style style = Style::session;
    Intent intent = Intent::commit;
    std::string gtrid = {};
    Outcome outcome = Outcome::unknown;
    /// Every branch has answered that it has reached the outcome.
    bool is_settled = false;
    /// Of the report, or of the statement that failed; empty when all went as it was meant.
    std::string reason = {};
    bool is_statement_failed = false;
};

/// Threads that make transfers between two servers as fast as they can, come what may.
///
/// Ownership: borrows the manager and the ledgers.
/// Thread safety: one thread at a time; the threads within are this class's own business.
class TransferTraffic {
public:
    static constexpr std::size_t kThreads = 8;
    /// Fewer than the threads, so that connections are waited for.
    static constexpr std::size_t kPoolSize = 6;

    /// Adds its resources to the manager, one a ledger and one that can refuse a prepare. The first
    /// ledger is at a PostgreSQL, which does so on demand.
    TransferTraffic(TransactionManager& manager, std::array<const Ledger*, 2> ledgers);
    TransferTraffic(const TransferTraffic&) = delete;
    TransferTraffic& operator=(const TransferTraffic&) = delete;
    ~TransferTraffic();

    void start(std::uint64_t seed);
    /// Lets each thread end the transfer that it is at, and gives all since start().
    [[nodiscard]] std::vector<EndedTransfer> stop();

    /// The id that the next transfer will have.
    [[nodiscard]] std::int64_t next_id() const noexcept { return next_id_; }
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
    /// Transfers since start() of which a statement failed.
    [[nodiscard]] std::size_t failed() const noexcept { return failed_; }
    /// Transfers that each thread has committed since start().
    [[nodiscard]] std::array<std::size_t, kThreads> committed() const;

private:
    struct Worker {
        std::mt19937_64 random;
        std::vector<EndedTransfer> ended = {};
        std::atomic<std::size_t> committed = 0;
        std::thread thread = {};
    };

    void work(Worker& worker);
    [[nodiscard]] EndedTransfer draw(std::mt19937_64& random);
    [[nodiscard]] EndedTransfer carry_out(EndedTransfer drawn);
    void write(const EndedTransfer& transfer, Transaction& transaction);
    void write_refusal(Transaction& transaction);

    TransactionManager& manager_;
    std::array<const Ledger*, 2> ledgers_;
    std::array<std::unique_ptr<Resource>, 2> resources_;
    std::unique_ptr<Resource> refuser_;
    std::atomic<std::int64_t> next_id_ = 1;
    std::atomic<std::size_t> in_flight_ = 0;
    std::atomic<std::size_t> failed_ = 0;
    std::atomic<bool> is_stopping_ = false;
    std::array<std::unique_ptr<Worker>, kThreads> workers_;
};

}  // namespace xa_tm::test
