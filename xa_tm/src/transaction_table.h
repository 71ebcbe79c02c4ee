#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "decision_log.h"

namespace xa_tm {

/// What the row of a transaction tells whose last resource did not answer.
///
/// Ownership: shared by the table and whoever waits.
/// Thread safety: all members may be called from several threads at once.
class RowVerdict {
public:
    /// Nothing as long as the row could not be asked.
    [[nodiscard]] std::optional<bool> is_committed() const noexcept {
        const auto told = told_.load();
        return told == Told::nothing ? std::nullopt : std::optional{told == Told::committed};
    }
    void tell(bool is_committed) noexcept {
        told_ = is_committed ? Told::committed : Told::rolled_back;
    }

private:
    enum class Told : std::uint8_t { nothing, committed, rolled_back };
    std::atomic<Told> told_{Told::nothing};
};

/// Which transactions of this process are live, which decisions are left to recovery, and what is
/// known that makes a judgement unsafe: facts that must be read together, or a transaction between
/// them would be judged an orphan (trap 2).
///
/// Ownership: a value inside the manager.
/// Thread safety: all members may be called from several threads at once.
class TransactionTable {
public:
    /// The gtrid and the bqual of one of our branches.
    using BranchKey = std::pair<std::string, std::string>;

    using GtridSet = std::set<std::string, std::less<>>;

    struct Snapshot {
        std::set<std::string, std::less<>> live;
        std::map<std::string, PendingDecision, std::less<>> decisions;
        std::map<BranchKey, Kept<Heuristic>> heuristics;
        /// How far each resource's servers had come when they were last seen.
        std::vector<Kept<ServerSighting>> sightings;
        std::vector<Kept<ServerDoubt>> server_doubts;
        /// Why the log is an old copy of itself; empty when nothing speaks for that.
        std::string log_doubt;
        bool is_log_doubt_in_log = false;
        /// Transactions that were never decided, for certain: a branch of theirs was prepared, at a
        /// server without a doubt, when they could no longer be decided; had they been, it would
        /// have been committed before the decision was forgotten.
        std::shared_ptr<const GtridSet> never_decided = std::make_shared<GtridSet>();
        /// The resources at which decisions may lie as rows. True: what incarnations before this
        /// one had left there is among the decisions.
        std::map<std::string, bool, std::less<>> last_resources;
        /// Transactions of this process whose last resource was told to commit and did not answer,
        /// with that resource: its row will tell.
        std::map<std::string, std::string, std::less<>> waiting_for_row;
    };

    /// What the log held when it was opened. Gives the entries that later ones have replaced: their
    /// forgetting had not reached the disk.
    std::vector<recovery_log::EntryId> load(LoggedState state);

    /// The transaction begins: until it leaves, recovery touches none of its branches.
    void enter(const std::string& gtrid);
    /// It has ended without a decision that is left to do: branches that still show up are aborted
    /// ones.
    void leave(const std::string& gtrid);
    /// It has ended with a decision that every branch has carried out: its rows are needless.
    void leave(const PendingDecision& finished);
    /// It has ended with a decision that recovery has to carry through.
    void hand_over(PendingDecision pending);
    /// It has ended without an answer from its last resource, whose session was closed before this
    /// is called: settle_by_rows() tells how it was decided.
    std::shared_ptr<const RowVerdict> wait_for_row(const std::string& gtrid,
                                                   const std::string& last_resource);
    /// Waits until that has happened, or the deadline.
    void await(const RowVerdict& verdict, std::chrono::steady_clock::time_point deadline);
    /// Waits until no transaction is live; false when one is at the deadline.
    [[nodiscard]] bool wait_until_none_is_live(std::chrono::steady_clock::time_point deadline);

    [[nodiscard]] Snapshot snapshot() const;

    struct Counts {
        std::size_t live;
        std::size_t open_decisions;
        std::size_t heuristics;
        std::size_t waiting_for_row;
    };
    [[nodiscard]] Counts counts() const;

    /// Notes that a decided branch is finished; gives the log entries that have become needless: a
    /// hazard that proved to be none, and the decision behind its last branch.
    [[nodiscard]] std::vector<recovery_log::EntryId> finish(std::string_view gtrid,
                                                            std::string_view bqual);
    /// Notes that a branch did not end as it was to, or that nobody knows how; its decision, if
    /// there is one, stays. Gives the log's entry of what was noted of the branch before and is
    /// needless now.
    std::optional<recovery_log::EntryId> add(Kept<Heuristic> heuristic);
    /// The decision with what is known of its branches, when heuristics alone keep it in the log
    /// and that does not say which of its branches are finished; else nothing.
    [[nodiscard]] std::optional<Decision> unwritten_progress(std::string_view gtrid) const;
    /// That has been written; gives the log's entry that it replaces.
    std::optional<recovery_log::EntryId> note_written(const Decision& decision,
                                                      recovery_log::EntryId entry);
    /// A person has dealt with the heuristics of this transaction: gives the log entries that have
    /// become needless. Nothing, and nothing changes, while one of its branches is open.
    [[nodiscard]] std::optional<std::vector<recovery_log::EntryId>> forget(std::string_view gtrid);

    /// Replaces the sighting of the same server, and is the last one; gives the log entry of that.
    std::optional<recovery_log::EntryId> note(Kept<ServerSighting> sighting);
    /// False when it was known, and only had no entry in the log yet.
    bool add(Kept<ServerDoubt> doubt);
    /// Nothing depends any more on the doubts about this server up to this incarnation; gives their
    /// entries.
    [[nodiscard]] std::vector<recovery_log::EntryId> drop_doubts(std::string_view resource,
                                                                 std::string_view server,
                                                                 std::uint32_t through_incarnation);
    /// False when it was known.
    bool add(const LogDoubt& doubt, bool is_in_log);
    [[nodiscard]] bool has_log_doubt() const noexcept { return has_log_doubt_; }
    /// See Snapshot::log_doubt.
    [[nodiscard]] std::string log_doubt() const;
    void add_never_decided(const GtridSet& gtrids);

    /// Decisions may lie at this resource. False when that was known.
    bool add_last_resource(const std::string& resource);
    /// Transactions that wait for their row there; asked for before the sessions are ended whose
    /// silence would prove nothing.
    [[nodiscard]] std::vector<std::string> waiting_for_rows_of(std::string_view resource) const;
    /// All decisions that lie at this resource, read after those sessions had ended: what earlier
    /// incarnations have left and what was waited for joins the decisions; what was waited for and
    /// is not there was never decided.
    void settle_by_rows(const std::string& resource, std::vector<Decision> rows,
                        const std::vector<std::string>& waited_for, std::uint32_t incarnation);
    /// The row of this transaction at this last resource is needless.
    void add_needless_row(const std::string& resource, std::string gtrid);
    /// True while a decision that lies in a row is unfinished, or a row, also a witness, is
    /// needless.
    [[nodiscard]] bool has_rows_left() const;
    /// Gives up to `count_max` needless rows of this resource; add_needless_row() gives one back.
    [[nodiscard]] std::vector<std::string> take_needless_rows(std::string_view resource,
                                                              std::size_t count_max);

    /// The branches there leave witness rows: only then the two below have something to gather.
    void add_witness_resource(const std::string& resource);
    /// Of the rows at this resource, those that earlier incarnations have left there and that no
    /// decision waits for.
    void add_left_witnesses(const std::string& resource, const std::vector<WitnessRow>& rows,
                            std::uint32_t incarnation);
    void add_needless_witness(const std::string& resource, std::string evidence);
    /// Gives up to `count_max` of this resource, as their evidence; none while a decision waits for
    /// a branch there, whose row might prove by its absence that somebody has rolled it back.
    [[nodiscard]] std::vector<std::string> take_needless_witnesses(std::string_view resource,
                                                                   std::size_t count_max);

    /// The branches at this resource that a decision waits for.
    [[nodiscard]] std::vector<BranchKey> waiting_for(std::string_view resource) const;

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    void drop_rows_of(const PendingDecision& pending);
    [[nodiscard]] bool is_waited_for_at(std::string_view resource) const;

    Snapshot state_;
    // By resource.
    std::map<std::string, std::vector<std::string>, std::less<>> needless_rows_;
    std::map<std::string, std::vector<std::string>, std::less<>> needless_witnesses_;
    /// One for each of state_.waiting_for_row.
    std::map<std::string, std::shared_ptr<RowVerdict>, std::less<>> row_verdicts_;
    std::atomic<bool> has_log_doubt_{false};
};

/// Writes down which branches of a decision are finished, once heuristics alone keep it in the log:
/// no later incarnation need ask a server about them, which may have been put back by then.
void keep_progress(std::string_view gtrid, TransactionTable& table, DecisionLog& log);

}  // namespace xa_tm
