#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/datasource.h"
#include "xa_tm/recovery_log/recovery_log.h"
#include "xa_tm/xa_code.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// What recovery makes of a transaction that some server still knows, or the log still holds.
enum class TransactionState {
    commit_decided,  ///< the log holds the decision to commit
    presumed_abort,  ///< ours, without a decision, and it can no longer get one
    live,      ///< ours, without a decision, and still running in the process that owns the log
    lost_log,  ///< made by a node of our name with a log that is not this one, or not yet this old
    quarantined,       ///< ours, without a decision, but the log lost pages that may have held one
    at_last_resource,  ///< ours, without a decision in the log; one may lie at a last resource that
                       ///< could not be asked yet
    restored,   ///< ours, without a decision, at a server that was put back to an old copy or
                ///< replaced: it may have been committed and forgotten long ago
    heuristic,  ///< a branch did not end as it was to, and no decision is left to carry out
    foreign,    ///< another transaction manager's
};

[[nodiscard]] std::string_view to_string(TransactionState state) noexcept;

enum class RecoveryAction {
    none,
    commit,
    rollback,
    confirm,  ///< make sure that nothing is left of a decided branch which the server does not list
};

[[nodiscard]] std::string_view to_string(RecoveryAction action) noexcept;

/// How far a branch is, as recovery last saw it.
enum class RecoveredState {
    prepared,     ///< listed by its server
    absent,       ///< not listed by its server
    unreachable,  ///< its server could not be asked
    committed,    ///< by this recovery
    rolled_back,  ///< by this recovery
    finished,     ///< this recovery made sure that nothing is left of it
    heuristic,    ///< finished by its resource manager itself; waits for a person
};

[[nodiscard]] std::string_view to_string(RecoveredState state) noexcept;

struct RecoveryBranch {
    std::string resource;
    /// Nothing when what the server holds is no xid.
    std::optional<Xid> xid;
    /// The server's own name for it; empty when only the log knows it.
    std::string name;
    RecoveredState state;
    RecoveryAction action;
    /// Why this action, or why none; for a failed one what the server said.
    std::string reason;
    /// How it ended against, or without, the decision; with RecoveredState::heuristic.
    std::optional<XaCode> heuristic = std::nullopt;
    /// From the decision: which server prepared it, and what proves its fate; empty where the log
    /// has none.
    std::string server = {};
    std::string evidence = {};
};

struct RecoveryTransaction {
    /// Readable when ours; in hexadecimal or the server's own name otherwise.
    std::string gtrid;
    TransactionState state;
    /// Since the decision or, where the server tells, the prepare; for display only.
    std::optional<std::chrono::seconds> age;
    std::vector<RecoveryBranch> branches;

    /// What is done, or would be done, with the branches that are still prepared.
    [[nodiscard]] RecoveryAction action() const noexcept;
    /// The reason of the first branch that has something left to do, else of the first.
    [[nodiscard]] const std::string& reason() const noexcept;
    /// True when a branch of ours is prepared, or may be, and no live process is about to finish
    /// it.
    [[nodiscard]] bool is_in_doubt() const noexcept;
};

struct RecoveryResource {
    std::string name;
    std::string kind;
    bool is_reachable;
    /// One line for a person; empty when reachable.
    std::string error;
    /// Why a session that may still be at work on branches has not ended, with the grant that would
    /// help; empty when none is left.
    std::string unended_session = {};
    /// What it was put back from, or replaced by, as far as that is still a doubt; else empty.
    std::string doubt = {};
    /// Connection::server_identity() of the server that was listed; may be empty.
    std::string server = {};
};

struct RecoveryLogSummary {
    std::filesystem::path path;
    std::string node;
    recovery_log::LogId id;
    std::uint32_t incarnation;
    /// See RecoveryLog::quarantined_through().
    std::uint32_t quarantined_through = 0;
    /// The other process that owns the log now, if one does.
    std::optional<recovery_log::LogOwner> owner;
    /// Why this log is an old copy of itself; empty when nothing speaks for that.
    std::string doubt = {};
};

/// Everything in doubt that the log and the reachable resources know of.
struct RecoveryReport {
    RecoveryLogSummary log;
    std::vector<RecoveryResource> resources;
    std::vector<RecoveryTransaction> transactions;

    /// Every resource could be listed, and no old session may still prepare a branch behind that.
    [[nodiscard]] bool is_complete() const noexcept;
    [[nodiscard]] bool is_anything_in_doubt() const noexcept;
};

/// Looks without touching: takes no ownership, finishes no branch, also beside the log's live
/// owner. Resources are asked at the same time, each in a thread of its own. Throws Error when the
/// log can't be read.
[[nodiscard]] RecoveryReport inspect(const std::filesystem::path& log_directory,
                                     std::span<Datasource* const> resources,
                                     std::chrono::milliseconds answer_timeout);

}  // namespace xa_tm
