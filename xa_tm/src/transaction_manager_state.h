#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "completion_service.h"
#include "conflict_queue.h"
#include "coordinator.h"
#include "deadline_keeper.h"
#include "decision_log.h"
#include "enlistments.h"
#include "log_keeper.h"
#include "recovery.h"
#include "recovery_service.h"
#include "transaction_table.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm {

/// What a TransactionManager and its transactions share.
///
/// Ownership: owned by the manager; outlives every transaction.
/// Thread safety: datasources change only before start(); everything else guards itself.
class TransactionManagerState {
public:
    explicit TransactionManagerState(Config config);
    /// Over a log that has been opened already, in place of the one that `config` tells of.
    TransactionManagerState(Config config, std::unique_ptr<recovery_log::RecoveryLog> log);
    TransactionManagerState(const TransactionManagerState&) = delete;
    TransactionManagerState& operator=(const TransactionManagerState&) = delete;
    ~TransactionManagerState();

    /// What a new transaction begins with, its gtrid included.
    [[nodiscard]] Enlistments::Environment enlistment_environment();
    [[nodiscard]] const SessionMark& session_mark() const noexcept { return session_mark_; }
    [[nodiscard]] KnownTransactions known() const;
    [[nodiscard]] std::vector<ResourceRecovery> resource_recoveries() const;
    /// Throws Error (invalid_configuration) for a datasource of another manager, or of none.
    void check_is_added(const Datasource& datasource) const { std::ignore = place_of(datasource); }
    /// How many datasources were added before this one. Throws as check_is_added().
    [[nodiscard]] std::size_t place_of(const Datasource& datasource) const;
    [[nodiscard]] std::vector<Datasource*> datasource_pointers() const;
    /// Throws Error as TransactionManager::begin().
    void check_may_begin(const TransactionOptions& options);

    Config config;
    DecisionLog log;
    TransactionTable table;
    std::vector<std::unique_ptr<Datasource>> datasources;
    std::unique_ptr<LogKeeper> log_keeper;
    std::unique_ptr<RecoveryService> recovery_service;
    std::unique_ptr<DeadlineKeeper> deadline_keeper;
    std::unique_ptr<CompletionService> completion_service;
    Coordinator coordinator;
    ConflictQueue conflict_queue;
    /// Set for good by drain(): nothing begins any more.
    std::atomic<bool> is_draining{false};

    void wake_recovery(std::string_view resource) const;

private:
    [[nodiscard]] std::string next_gtrid();

    SessionMark session_mark_;
    std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace xa_tm
