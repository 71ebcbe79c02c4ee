#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "xa_tm/xa_code.h"

/// What the entries of a recovery log mean to the transaction manager that wrote them.
namespace xa_tm {

/// One branch that has to be committed.
struct DecidedBranch {
    std::string resource;
    std::string bqual;
    /// Which server prepared it: Connection::server_identity(); may be empty.
    std::string server;
    /// What the resource manager gave with its vote to prove the branch's fate later; may be empty.
    std::string evidence;

    friend bool operator==(const DecidedBranch&, const DecidedBranch&) = default;
};

/// The decision to commit a global transaction: what the log is for.
struct Decision {
    std::string gtrid;
    /// For display only: no decision is ever taken by a clock.
    std::chrono::sys_time<std::chrono::microseconds> decided_at;
    /// Every branch that voted yes; those that wrote nothing are finished already.
    std::vector<DecidedBranch> branches;

    friend bool operator==(const Decision&, const Decision&) = default;
};

/// A branch that its resource manager finished by itself, against or without the decision.
struct Heuristic {
    std::string gtrid;
    std::string bqual;
    XaCode code;

    friend bool operator==(const Heuristic&, const Heuristic&) = default;
};

using LogRecord = std::variant<Decision, Heuristic>;

/// Reads the body of an entry. Nothing when the bytes are no record of a version that we know; the
/// log itself is intact then.
[[nodiscard]] std::optional<LogRecord> decode(std::span<const std::byte> bytes);

}  // namespace xa_tm
