#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator.h"
#include "decision_log.h"
#include "enlistments.h"
#include "oracle.h"
#include "recovery.h"
#include "simulated_log.h"
#include "simulated_network.h"
#include "transaction_manager_state.h"
#include "transaction_table.h"

namespace xa_tm::simulation {

/// What a simulation breaks on purpose, to show that it would notice. Each is a fault of the
/// surroundings that the product is driven in, so that the product itself stays as it is.
enum class Breakage {
    none,
    commits_before_durable,     ///< law 2: the log says "durable" before it is
    rolls_back_after_decision,  ///< law 1: one commit in a hundred is sent as a rollback
    ignores_live_set,           ///< law 5: recovery is told of no live transaction
    uses_old_snapshot,          ///< law 5: recovery judges by what was known a pass ago
    forgets_too_early,          ///< law 6: a decision is forgotten with the first lost answer
    takes_nota_for_finished,    ///< law 7: unknown xid, in answer to a commit, counts as committed
    commits_over_held_session,  ///< law 7: so does a branch that a session still holds
    ends_no_session,            ///< law 7: sessions of the dead are left alone
    forgets_log,                ///< law 3: a restart presumes abort without reading the log
    takes_others_branches,      ///< law 4: recovery takes another log's branches for its own
    notes_no_last_resource,     ///< law 3: the log is not told where decisions may lie as rows
    takes_rows_for_read,        ///< law 3: a restart presumes abort before it has read the rows
    reads_rows_too_early,       ///< law 7: the rows are read before the sessions have ended
    keeps_failed_members,       ///< law 11: what a failed member has done is not undone
    loses_rows,                 ///< law 6: a server comes back without its rows, and keeps quiet
};

[[nodiscard]] std::span<const Breakage> breakages() noexcept;
[[nodiscard]] std::string_view to_string(Breakage breakage) noexcept;

/// One incarnation of an application with its transaction manager: the product's own coordinator,
/// enlistments, pools, recovery, table and decision records, over simulated connections and a
/// simulated log. What TransactionManager and RecoveryService do with threads is done here with
/// fibers.
///
/// Ownership: borrows everything in its environment. Is destroyed when all its flows have ended.
/// Thread safety: one thread.
class SimulatedProcess {
public:
    struct Environment {
        SimulatedNetwork& network;
        std::span<const std::unique_ptr<SimulatedServer>> servers;
        /// By their names.
        const std::set<std::string, std::less<>>& last_resources;
        /// A last resource that this incarnation is not told of.
        std::optional<std::string> left_out;
        SimulatedDisk& disk;
        const LogFaults& log_faults;
        Oracle& oracle;
        TrafficListener* listener;
        /// See WorldReport.
        std::uint64_t& waits_for_rows;
        Breakage breakage;
        /// How often, in parts of 100000 of the points that it passes, the process dies.
        const std::uint32_t& deaths;
        std::function<void(std::string_view where)> on_death;
        /// Whether the application begins another transaction.
        std::function<bool()> begins_another;
    };

    SimulatedProcess(Environment environment, std::size_t workers);
    SimulatedProcess(const SimulatedProcess&) = delete;
    SimulatedProcess& operator=(const SimulatedProcess&) = delete;

    /// Kills it at this moment.
    void die(std::string_view where);
    [[nodiscard]] bool is_dead() const noexcept { return life_->is_over; }
    /// Whether the running flow has to stop at once: it is dead, and the flow is not in code that
    /// nothing may be thrown through, which comes to its end by itself.
    [[nodiscard]] bool ends_running_flow() const;
    /// No flow of it runs or will run any more.
    [[nodiscard]] bool has_ended() const noexcept { return flows_ == 0; }
    /// The application begins nothing any more, and everything that it had begun has an end.
    [[nodiscard]] bool is_at_rest() const noexcept { return is_started_ && workers_ == 0; }
    /// As far as is known here, recovery has nothing left to do.
    [[nodiscard]] bool is_settled() const;
    /// What is_settled() waits for, as a sentence.
    [[nodiscard]] std::string unsettled() const;
    [[nodiscard]] std::size_t open_decisions() const { return table_.counts().open_decisions; }
    [[nodiscard]] bool needs_restart() const;
    /// Lets the application begin transactions again.
    void work(std::size_t workers);

    /// A point at which it may die or be held up; see reach().
    void reach(std::string_view point) noexcept;

private:
    /// A transaction with what its commit has borrowed.
    struct OpenTransaction {
        std::string gtrid;
        TransactionNumber number;
        Enlistments enlistments;
        std::unique_ptr<CommitRun> run = nullptr;
    };
    struct RecoveryWorker {
        explicit RecoveryWorker(ResourceRecovery worker) : recovery{std::move(worker)} {}
        ResourceRecovery recovery;
        Fiber* fiber = nullptr;
        bool is_woken = false;
        bool is_idle = false;
        bool is_pausing = false;
        std::uint64_t passes = 0;
        std::optional<KnownTransactions> known_before = std::nullopt;
    };

    Fiber& run(std::function<void()> flow);
    void start(std::size_t workers);
    void keep_last_resources();
    void recover(RecoveryWorker& worker);
    void application();
    void transact();
    void run_one_shot();
    void keep_deadlines();
    [[nodiscard]] std::vector<SimulatedDatasource*> hot_datasources(std::size_t key) const;
    [[nodiscard]] std::vector<Statement> draw_statements(
        const std::vector<SimulatedDatasource*>& datasources, TransactionNumber number);
    [[nodiscard]] RunOptions draw_run_options(std::size_t key);
    void commit(std::shared_ptr<OpenTransaction> transaction);
    void drive(CommitRun& run, Return until);
    void complete(OpenTransaction& transaction);
    void tell(const OpenTransaction& transaction, Outcome outcome, bool is_early);
    [[nodiscard]] std::vector<SimulatedDatasource*> draw_datasources();
    void work_in(Enlistments& enlistments, TransactionNumber number);
    void sleep(VirtualMachine::Duration duration);
    void wake_recovery(std::string_view resource);
    [[nodiscard]] KnownTransactions known(RecoveryWorker& worker);
    [[nodiscard]] DriverFault driver_fault() const noexcept;

    Environment environment_;
    std::shared_ptr<ProcessLife> life_ = std::make_shared<ProcessLife>();
    SimulatedLog* simulated_log_ = nullptr;  ///< state_'s
    TransactionManagerState state_;
    DecisionLog& log_;
    TransactionTable& table_;
    std::vector<SimulatedDatasource*> datasources_;  ///< state_'s
    Coordinator coordinator_;
    std::vector<std::unique_ptr<RecoveryWorker>> recoveries_;
    std::vector<Fiber*> fibers_;
    std::set<const Fiber*> enduring_fibers_;  ///< see ends_running_flow()
    std::size_t flows_ = 0;
    std::size_t workers_ = 0;
    bool is_started_ = false;
};

/// The log identity that foreign branches of the same node carry.
inline constexpr recovery_log::LogId kOtherLog{0xF0F0F0F0F0F0F0F0U};

}  // namespace xa_tm::simulation
