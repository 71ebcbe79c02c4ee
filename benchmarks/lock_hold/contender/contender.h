#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "statements.h"
#include "workload.h"

namespace xa_tm::bench {

/// One thread's way to run transactions, one after the other.
///
/// Ownership: borrows its contender, which outlives it.
/// Thread safety: one thread at a time.
class Session {
public:
    Session() = default;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    virtual ~Session() = default;

    virtual void begin() = 0;
    /// One statement in one branch, its last one; its answer has arrived when this returns, unless
    /// the statements of a transaction are sent together by commit().
    virtual void run(std::size_t branch, const RowStatement& statement) = 0;
    /// Throws unless the transaction is committed.
    virtual void commit() = 0;
    /// At the end of a turn: when what it has committed is complete in every branch. Throws when
    /// something is not.
    virtual void finish() {}
    /// After begin(), run() or commit() has thrown: ready to begin again. Throws when a server is
    /// gone.
    virtual void abandon() = 0;
};

/// One way to change all branches together.
///
/// Ownership: owns what its sessions share.
/// Thread safety: one thread at a time; its sessions run in threads of their own.
class Contender {
public:
    Contender() = default;
    Contender(const Contender&) = delete;
    Contender& operator=(const Contender&) = delete;
    virtual ~Contender() = default;

    /// Versions and settings that matter, as one line.
    [[nodiscard]] virtual std::string settings() const = 0;
    /// With every connection open that it will use. Throws when a server can't be reached.
    [[nodiscard]] virtual std::unique_ptr<Session> open_session() = 0;
};

/// The one that the workload names, opened. Throws std::runtime_error with one line.
[[nodiscard]] std::unique_ptr<Contender> make_contender(const Workload& workload);

// One a file.

/// How the transaction manager is used.
enum class OursWay {
    plain,          ///< each statement by Branch::execute()
    last_told,      ///< each statement by Branch::execute_last()
    last_resource,  ///< plain, and the last branch is a last resource, with the decision in its row
    early,          ///< plain, and commit() returns when the decision is durable
};
[[nodiscard]] std::unique_ptr<Contender> make_ours(const Workload& workload, OursWay way);
/// How it is given all statements of a transaction at once.
enum class OneShotWay {
    gate,           ///< the first branch before the others
    conflict_keys,  ///< with one key a row
    combined,       ///< the same, and those that wait are carried by the one in front
};
[[nodiscard]] std::unique_ptr<Contender> make_one_shot(const Workload& workload, OneShotWay way);
/// The transaction manager over resources that do nothing.
[[nodiscard]] std::unique_ptr<Contender> make_alone(const Workload& workload);
/// The verbs by the C clients, one branch after the other, each in a trip of its own: no decision
/// is logged, and nothing recovers what a crash leaves.
[[nodiscard]] std::unique_ptr<Contender> make_by_hand(const Workload& workload);
/// The same verbs sent to all branches before the first answer is waited for, in as few trips as
/// the servers take, and one forced write between votes and commits: the least that two-phase
/// commit can cost.
[[nodiscard]] std::unique_ptr<Contender> make_scatter(const Workload& workload);
/// A local transaction a branch, committed one after the other, or all at once; not atomic.
[[nodiscard]] std::unique_ptr<Contender> make_local(const Workload& workload, bool is_scattered);

}  // namespace xa_tm::bench
