#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/xa_code.h"

/// What the entries of a recovery log mean to the transaction manager that wrote them.
namespace xa_tm {

/// For display only: nothing is ever decided by a clock.
using LogTime = std::chrono::sys_time<std::chrono::microseconds>;

/// One branch that has to be committed.
struct DecidedBranch {
    std::string resource;
    std::string bqual;
    /// Which server prepared it: Connection::server_identity(); may be empty.
    std::string server;
    /// What the resource manager gave with its vote to prove the branch's fate later; may be empty.
    std::string evidence;
    /// It is known to have committed, while the decision stays for another branch's sake.
    bool is_finished = false;

    friend bool operator==(const DecidedBranch&, const DecidedBranch&) = default;
};

/// The decision to commit a global transaction: what the log is for.
struct Decision {
    std::string gtrid;
    LogTime decided_at;
    /// Every branch that voted yes; those that wrote nothing are finished already.
    std::vector<DecidedBranch> branches;

    friend bool operator==(const Decision&, const Decision&) = default;
};

/// A branch that did not end as it was to: its resource manager, or a person, finished it the other
/// way (heuristic rollback, commit, mixed), or nobody can know how it ended (heuristic hazard).
/// Stays until a person forgets it.
struct Heuristic {
    std::string gtrid;
    std::string bqual;
    XaCode code;
    std::string resource = {};
    LogTime noticed_at = {};
    /// What it was concluded from, as a sentence or in the server's words.
    std::string words = {};
    /// Connection::server_identity() of the server whose answer, or silence, that was.
    std::string server = {};

    friend bool operator==(const Heuristic&, const Heuristic&) = default;
};

enum class OrderVerb : std::uint8_t { commit = 1, rollback = 2, forget = 3 };

[[nodiscard]] std::string_view to_string(OrderVerb verb) noexcept;

/// What a person ordered, written before it is done.
struct OperatorAct {
    LogTime ordered_at;
    /// Who, as USER@HOST.
    std::string who;
    OrderVerb verb;
    /// A transaction that is not ours may have any bytes.
    std::int64_t format_id;
    std::string gtrid;
    /// The resource of the one branch that it was about; empty for all branches.
    std::string resource;
    std::string reason;
    /// Which rule spoke against it, and was overridden; empty where none did.
    std::string overridden;

    friend bool operator==(const OperatorAct&, const OperatorAct&) = default;
};

/// How far a resource's server had come when recovery last noted it.
struct ServerSighting {
    std::string resource;
    /// Connection::server_identity().
    std::string server;
    ServerPosition position;

    friend bool operator==(const ServerSighting&, const ServerSighting&) = default;
};

/// A server that answers for a resource is not, or no longer, the one that knew all of our
/// branches: it was put back to an old copy, or it is a former replica. Its silence about a branch
/// proves nothing, and what it holds prepared may have been committed long ago.
struct ServerDoubt {
    std::string resource;
    std::string server;
    /// Transactions up to this one of this incarnation are concerned; what began later, began at
    /// the server as it is now.
    std::uint32_t through_incarnation;
    std::uint64_t through_sequence;
    /// What was seen, as a sentence.
    std::string words;

    friend bool operator==(const ServerDoubt&, const ServerDoubt&) = default;
};

/// The log is an old copy of itself: a server holds a branch that is later than anything this log
/// knows, so that decisions are missing.
struct LogDoubt {
    /// What was seen, as a sentence.
    std::string words;

    friend bool operator==(const LogDoubt&, const LogDoubt&) = default;
};

/// Decisions of this log may lie, as rows, at this resource: it is, or was, a last resource.
struct LastResource {
    std::string resource;

    friend bool operator==(const LastResource&, const LastResource&) = default;
};

using LogRecord = std::variant<Decision, Heuristic, OperatorAct, ServerSighting, ServerDoubt,
                               LogDoubt, LastResource>;

/// Reads the body of an entry. Nothing when the bytes are no record of a version that we know; the
/// log itself is intact then.
[[nodiscard]] std::optional<LogRecord> decode(std::span<const std::byte> bytes);

}  // namespace xa_tm
