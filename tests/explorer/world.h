#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "batch.h"
#include "combined_work.h"
#include "commit_protocol.h"
#include "recovery_plan.h"
#include "xa_tm/outcome.h"

namespace xa_tm::explorer {

inline constexpr std::size_t kBranchesMax = 3;

/// One global transaction, and whose rules it is explored by.
struct Setup {
    std::size_t branches = 2;
    /// Crashes of the transaction manager and of resource managers, in sum.
    int crashes = 2;
    /// The resource managers from this one on keep a prepared branch attached to its session, as
    /// MariaDB does (servers.md): others can't finish it before that has ended.
    std::size_t first_attaching = kBranchesMax;

    /// The last branch is the last resource: it decides by its own commit, with a row.
    bool has_last_resource = false;
    [[nodiscard]] bool is_last_resource(std::size_t branch) const noexcept {
        return has_last_resource && branch + 1 == branches;
    }

    /// So many one-shot transactions are combined in this one; 0: none.
    std::size_t members = 0;

    /// Recovery may be at every resource at once, each at another step; else at one after another.
    bool recovers_side_by_side = true;

    /// Guards that a test takes away, to see that the explorer notices.
    bool waits_for_force = true;            ///< law 2
    bool judges_by_both_lists = true;       ///< traps 2 and 3
    bool reads_live_set = true;             ///< law 5
    bool reads_decisions = true;            ///< law 3
    bool forgets_last = true;               ///< law 6
    bool takes_silence_for_unknown = true;  ///< law 7
    bool stops_after_failed_force = true;   ///< law 8
    bool waits_for_rows = true;             ///< law 3, where decisions are rows
    bool ends_sessions_before_rows = true;  ///< law 7, likewise
    bool keeps_rows_to_the_end = true;      ///< law 6, likewise
    bool undoes_in_every_branch = true;     ///< law 11
};

/// What a resource manager holds of its branch.
enum class Data : std::uint8_t { none, open, prepared, committed, rolled_back, read_only };

/// An answer on its way.
enum class Reply : std::uint8_t { none, ok, read_only, rolled_back, refused };

enum class Log : std::uint8_t {
    empty,
    forced,        ///< the decision is durable
    maybe_forced,  ///< the force has failed: a crash shows whether the decision is there
};

/// The decision at the last resource.
enum class Row : std::uint8_t { none, there, removed };

enum class PassPhase : std::uint8_t { idle, sessions_ended, listed, known, rows_read, acting };

/// One look of recovery at one resource, and what follows from it.
struct Pass {
    PassPhase phase = PassPhase::idle;
    bool is_session_left = false;
    bool is_listed_before = false;
    // What was known between the lists.
    bool is_live = false;
    bool is_decided = false;
    bool is_begun = false;
    PendingDecision::Progress progress = PendingDecision::Progress::open;
    bool is_named = false;
    bool is_waiting_for_row = false;
    bool are_rows_read = false;
    RecoveryAction action = RecoveryAction::none;
    // At the last resource.
    bool is_row_waited_for = false;
    bool is_row_seen = false;
};

/// One branch, with the session that the transaction manager works on it over.
struct Branch {
    Data data = Data::none;
    bool has_session = false;                    ///< at the server
    bool is_connected = false;                   ///< at the transaction manager
    std::optional<Verb> request = std::nullopt;  ///< on its way to the server
    Reply reply = Reply::none;                   ///< on its way back
    bool is_named = false;                       ///< in the decision
    PendingDecision::Progress progress = PendingDecision::Progress::open;
    Pass pass = {};
    BranchWork work = {};        ///< of the members
    bool has_made_trip = false;  ///< of the members' trip in progress
};

/// All that there is, at one moment. A value.
struct World {
    std::array<Branch, kBranchesMax> branches;
    /// Of the process that began the transaction, as long as that runs.
    std::optional<CommitProtocol> protocol;
    /// What became of the members, also when the process that combined them has ended.
    std::optional<CombinedWork> batch;
    /// Of the trip in progress: bits of those that failed in any branch, and whether one is broken.
    std::uint8_t failed_members = 0;
    bool is_branch_broken = false;
    bool is_begun = false;
    bool is_outcome_asked_for = false;
    bool is_forcing = false;
    std::optional<Outcome> told;
    Log log = Log::empty;
    bool is_forgotten = false;  ///< the log was told so; a crash may come before it is durable
    // The transaction table.
    bool is_live = false;
    bool is_decided = false;
    bool has_entry = false;
    bool has_row = false;  ///< the decision is known to be a row
    bool is_waiting_for_row = false;
    bool are_rows_read = false;
    bool is_row_needless = false;
    Row row = Row::none;
    std::uint8_t incarnation = 1;
    std::uint8_t crashes = 0;
};

enum class EventKind : std::uint8_t {
    begin,
    do_members,
    lose_members,
    vote_early,
    lose_early_vote,
    refuse_early,
    ask_commit,
    ask_rollback,
    serve,
    refuse_to_serve,
    vote_no,
    vote_read_only,
    deliver,
    lose,
    notice_closed_session,
    force,
    fail_force,
    refuse_force,
    crash_manager,
    crash_manager_with_record,
    crash_manager_forgotten,
    crash_server,
    end_sessions,
    fail_to_end_sessions,
    list,
    know,
    list_again,
    settle_by_rows,
    remove_row,
    act,
    act_unheard,
    give_up_acting,
};

struct Event {
    EventKind kind;
    std::uint8_t branch = 0;
    Course course = {};  ///< of do_members

    friend bool operator==(const Event&, const Event&) = default;
};

/// The event as a sentence.
[[nodiscard]] std::string to_string(const Event& event);
/// All that a person wants to see of it, in one line.
[[nodiscard]] std::string to_string(const World& world, const Setup& setup);

/// Equal for worlds that differ in nothing but the order of branches of the same kind.
using Key = std::array<std::uint64_t, 4>;
[[nodiscard]] Key key_of(const World& world, const Setup& setup);

/// What follows from one event. The second is the law that it has broken, or empty.
using Visit = std::function<void(const Event&, World&&, std::string&&)>;

/// Every event that can come next, with the world behind it: the product's own CommitProtocol,
/// CombinedWork, TransactionTable and plan_recovery() decide, the rest of the world does what it
/// likes.
void for_each_next(const World& world, const Setup& setup, const Visit& visit);

/// Nothing is on its way, prepared, or waits to be forgotten.
[[nodiscard]] bool is_settled(const World& world, const Setup& setup);

}  // namespace xa_tm::explorer
