#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "simulated_server.h"
#include "xa_tm/logged_decision.h"
#include "xa_tm/outcome.h"

namespace xa_tm::simulation {

using TransactionNumber = std::uint64_t;

/// What must never be, and was.
struct Violation {
    std::string law;
    std::string words;
    /// Nothing when no single transaction is concerned.
    std::optional<TransactionNumber> transaction;
};

/// Judges from outside of the system: by what the servers have committed, and what the application
/// was told. It knows nothing of protocol states; what it knows of the log, and of the rows at last
/// resources, is which decisions stand there and which were forgotten.
///
/// Ownership: borrows the servers.
/// Thread safety: one thread.
class Oracle final : public ServerWatcher {
public:
    // What the application does and is told.
    [[nodiscard]] TransactionNumber begin(const std::string& gtrid);
    /// One that is run by whatever transactions the product sees fit, and writes at these servers.
    [[nodiscard]] TransactionNumber begin_one_shot(const std::vector<std::string>& servers);
    /// A statement with the row of such a one leaves in this transaction.
    void sends(const std::string& gtrid, TransactionNumber number);
    /// `gtrid`: what it was committed with, if it was.
    void told_one_shot(TransactionNumber number, const std::string& gtrid, Outcome outcome);
    /// A statement was carried out that writes the transaction's row.
    void wrote(TransactionNumber transaction, std::string_view server);
    /// Early: before everything is carried through, of which completed() tells.
    void told(TransactionNumber transaction, Outcome outcome, bool is_early);
    /// What an early answer has left to be done has come to its end.
    void completed(TransactionNumber transaction, Outcome outcome);

    void committed(std::string_view server, const Xid& xid,
                   const std::vector<std::string>& rows) override;
    void rolled_back(std::string_view server, const Xid& xid, const std::vector<std::string>& rows,
                     bool was_prepared) override;
    void came_back(std::string_view server, const Xid& xid,
                   const std::vector<std::string>& rows) override;
    void wrote_decision(std::string_view server, const std::string& gtrid) override;
    void removed_decision(std::string_view server, const std::string& gtrid) override;
    /// The log holds a decision, durably, or forgets it.
    void keeps(const Decision& decision);
    void forgot(const Decision& decision);

    /// Everything was given the time to settle: all or nothing, as told, and nothing is left. The
    /// transactions are forgotten then.
    void check_settled(const std::vector<std::unique_ptr<SimulatedServer>>& servers,
                       std::size_t open_decisions, const std::string& log);

    void report(Violation violation);
    [[nodiscard]] const std::optional<Violation>& violation() const noexcept { return violation_; }
    [[nodiscard]] std::optional<TransactionNumber> number_of(const std::string& gtrid) const;
    /// Whether something of the transaction was sent with this gtrid.
    [[nodiscard]] bool is_part(TransactionNumber transaction, const std::string& gtrid) const;

    struct Counts {
        std::uint64_t transactions = 0;
        std::uint64_t committed = 0;
        std::uint64_t rolled_back = 0;
        std::uint64_t unknown = 0;
        std::uint64_t never_told = 0;
        /// Decided by a row at a last resource.
        std::uint64_t decided_by_row = 0;
        /// Told early that they are committed.
        std::uint64_t told_early = 0;
        /// Of those, carried through by the process that had told.
        std::uint64_t completed = 0;
        std::uint64_t one_shots = 0;
        /// Of those, told committed, by one commit that others were told of, too.
        std::uint64_t combined = 0;
        /// Told rolled back although others were committed by what had sent it, too.
        std::uint64_t failed_members = 0;
    };
    [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

private:
    using ServerSet = std::uint32_t;
    struct Transaction {
        /// Which it has, or was committed with.
        std::string gtrid = {};
        ServerSet wrote = 0;
        ServerSet committed = 0;
        std::optional<Outcome> told = std::nullopt;
    };
    /// What goes by one gtrid: one transaction, or several that are combined.
    struct Attempt {
        std::vector<TransactionNumber> transactions = {};
        ServerSet committed = 0;
        /// Where a prepared branch was rolled back.
        ServerSet undone = 0;
        /// The decision to commit stands, or stood, in the log or as a row.
        bool is_decided = false;
        std::uint64_t told_committed = 0;
    };

    [[nodiscard]] Transaction* find(const std::string& row, TransactionNumber& number);
    /// Nothing where none of the rows is of a transaction that is known.
    [[nodiscard]] Attempt* find_attempt(const std::string& gtrid,
                                        const std::vector<std::string>& rows);
    void note_outcome(Outcome outcome, TransactionNumber number);
    void commit_row(std::string_view server, const std::string& gtrid, TransactionNumber number,
                    Transaction& transaction);
    void check_now(const Attempt& attempt);
    void check_now(TransactionNumber number, const Transaction& transaction);
    void check_outcome(TransactionNumber number, const Transaction& transaction);
    void check_left_at(const SimulatedServer& server, const std::string& log);
    void check_forgotten(const std::string& gtrid, std::string_view who);
    void note_decision(const std::string& gtrid);
    [[nodiscard]] static ServerSet bit_of(std::string_view server);

    std::unordered_map<TransactionNumber, Transaction> transactions_;
    std::unordered_map<std::string, Attempt> attempts_;
    TransactionNumber last_ = 0;
    std::optional<Violation> violation_;
    Counts counts_;
};

/// Servers are named so that their place can be read from the name.
[[nodiscard]] std::string server_name(ServerKind kind, std::size_t index);
/// The row of a branch that another transaction manager prepared.
inline constexpr std::string_view kForeignRow = "foreign";

}  // namespace xa_tm::simulation
