#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "xa_tm/datasource.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/recovery_log.h"
#include "xa_tm/recovery_report.h"
#include "xa_tm/recovery_status.h"
#include "xa_tm/transaction.h"

namespace xa_tm {

struct Config {
    /// Names this transaction manager in every xid: 1 to 20 of [A-Za-z0-9._-], its own among all
    /// that share a database, and never changed while its log lives.
    std::string node;
    /// Where the recovery log lives; must exist, on a file system that survives the machine's
    /// crash.
    std::filesystem::path log_directory;
    /// How long the answer to one verb may take before the connection counts as lost; to 24 h.
    std::chrono::milliseconds answer_timeout{30000};
    /// How long a transaction may take from begin() until its outcome is asked for; then it is
    /// rolled back and its sessions are ended at their servers, so that no lock is held for longer.
    /// To 24 h; 0: no limit. TransactionOptions::timeout goes before it.
    std::chrono::milliseconds transaction_timeout{60000};
    /// How often recovery looks at a resource when nothing waits for it there; to 24 h.
    std::chrono::milliseconds recovery_interval{10000};
    /// False: a directory without a log is an error instead of the birth of one.
    bool create_log = true;
    /// The log takes up to three segments of this size on disk.
    std::size_t log_segment_size_bytes = std::size_t{64} << 20;
    /// How often each page of the log is written, 1 or 2. With 2 no single sector that rots or
    /// can't be read any more costs a decision; a force then takes about a sixth longer.
    unsigned log_copies = 2;
    /// True: accept a log that is lost with the machine, and with it the atomicity of what was in
    /// doubt then.
    bool allow_volatile_log = false;
    /// True: accept a log on a network file system or FUSE, trusting its server to keep what was
    /// synced and to honour locks; where it does not, decisions are lost, or made by two owners.
    bool allow_network_log = false;
    /// True: start although servers hold branches that this node prepared with another log, which
    /// only that log can decide. They stay as they are, and a person finishes them.
    bool allow_lost_log = false;
};

/// How recover() goes about it.
struct RecoverOptions {
    /// How long it keeps trying what can't be finished at once.
    std::chrono::milliseconds timeout;
    /// Whether this may be done with this branch; empty: whatever the laws allow.
    std::function<bool(std::string_view resource, const Xid& xid, RecoveryAction action)> approve =
        {};
    /// Told now and then how many branches are finished, of how many; by one thread at a time.
    std::function<void(std::size_t finished, std::size_t known)> on_progress = {};
};

/// Runs global transactions over the datasources that were added, and recovers those in doubt.
///
/// Ownership: owns its log (no other process can open it meanwhile) and its datasources.
/// Thread safety: add(), start() and recover() are called from one thread, before all others; every
/// other member may be called from several threads at once.
class TransactionManager {
public:
    /// Opens the log, or makes one in an empty directory. Throws Error with a line that says what
    /// to change.
    explicit TransactionManager(Config config);
    /// For whoever sees the internal headers: over a log of another kind.
    explicit TransactionManager(std::unique_ptr<TransactionManagerState> state) noexcept;
    TransactionManager(const TransactionManager&) = delete;
    TransactionManager& operator=(const TransactionManager&) = delete;
    /// Ends background recovery. All its transactions have ended their scope by now.
    ~TransactionManager();

    /// Adds a datasource under a name that stays the same for as long as the log lives; before
    /// start(). Does not connect. Throws Error (invalid_configuration) for a name in use or an
    /// unfit argument.
    template <class D, class... Arguments>
    D& add(std::string name, Arguments&&... arguments) {
        auto datasource =
            std::make_unique<D>(std::move(name), std::forward<Arguments>(arguments)...);
        auto& added = *datasource;
        adopt(std::move(datasource));
        return added;
    }

    /// Recovers now, and keeps recovering in the background, each resource by itself. Returns after
    /// one look at every resource; one that can't be reached is tried again later and fails
    /// nothing. Throws Error: invalid_state when started already; log_outdated when a server holds
    /// a branch that is later than all that this log knows; log_lost when one holds branches of
    /// this node with another log, unless Config::allow_lost_log. Throws std::system_error when the
    /// system has no thread left; it may be tried again then.
    void start();

    /// Begins a transaction. Throws Error: before start() (invalid_state), or when the log is full
    /// or poisoned (log_refuses_decisions), so that nothing is begun that could not be decided;
    /// invalid_configuration for an unfit option.
    [[nodiscard]] Transaction begin(const TransactionOptions& options = {});

    /// Runs a transaction whose statements are all known, and commits it everywhere or nowhere.
    /// With conflict keys, once its turn has come, all branches go at once, each opened, worked in
    /// and prepared in one round trip. Without, the first branch, in the order in which the
    /// datasources were added, goes first, and behind its answer all others at once, together with
    /// its prepare.
    ///
    /// Never throws once it has begun: whatever happens is in the report. A statement that fails,
    /// or has other rows than expected, rolls everything back. Throws Error: what begin() and
    /// enlist() throw; invalid_configuration for an unfit option or no statements.
    ///
    /// Statements that may be combined (RunOptions::combine) begin with SELECT, INSERT, UPDATE,
    /// DELETE, REPLACE, MERGE, VALUES or WITH, where there are savepoints, and change nothing but
    /// rows: no session state, by a function such as set_config() or by SELECT INTO. A transaction
    /// with others runs alone. A combined one sees what those before it in its batch have done, as
    /// if they had committed one after another.
    RunReport run(std::vector<Statement> statements, const RunOptions& options = {});

    /// Recovers in the foreground, instead of start(), until nothing is left to do or the time is
    /// up, and reports what was found and done.
    [[nodiscard]] RecoveryReport recover(const RecoverOptions& options);

    /// Begins nothing any more and waits until every transaction has ended and recovery has
    /// finished what it can, heuristics apart; at most for `timeout`. What is left then is the next
    /// incarnation's. May be repeated.
    [[nodiscard]] DrainReport drain(std::chrono::milliseconds timeout);
    /// False when no transaction is live and recovery has nothing left to finish that it knows of;
    /// what waits for a person does not count. A resource that can't be listed may hide something,
    /// so that it counts as work.
    [[nodiscard]] bool has_work_left() const;
    [[nodiscard]] RecoveryStatus recovery_status() const;

    [[nodiscard]] RecoveryLogSummary log_summary() const;
    [[nodiscard]] recovery_log::LogStatus log_status() const;

private:
    friend class OperatorDesk;
    void adopt(std::unique_ptr<Datasource> datasource);

    std::unique_ptr<TransactionManagerState> state_;
};

}  // namespace xa_tm
