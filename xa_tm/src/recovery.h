#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "decision_log.h"
#include "finishing_crew.h"
#include "interrupt.h"
#include "recovery_plan.h"
#include "transaction_table.h"
#include "xa_tm/datasource.h"
#include "xa_tm/recovery_report.h"

namespace xa_tm {

class PassKeeper;

/// What is known besides the servers' lists, read between the two of them.
struct KnownTransactions {
    LogView view;
    RecoveryLogSummary log;
    /// See PlanInput::sequences_issued.
    std::uint64_t sequences_issued = 0;
    TransactionTable::Snapshot transactions;
};

/// What one look at one resource found, and what was done about it.
struct ResourcePass {
    RecoveryResource resource;
    /// Empty when the resource could not be listed completely: no information, not absence.
    std::vector<PlannedBranch> planned;
    /// One per planned branch.
    std::vector<RecoveredState> states;
    /// Why the log is an old copy of itself, as far as this pass knows.
    std::string log_doubt = {};

    /// True when the resource was listed and nothing is left for recovery to do there.
    [[nodiscard]] bool is_done() const noexcept;
};

/// What a pass may do, and whom it tells.
struct PassLimits {
    /// Whether an action may be taken; empty: whatever the plan says.
    std::function<bool(const PlannedBranch&)> approve = {};
    /// Called after each branch that was finished.
    std::function<void()> on_finished = {};
};

/// Recovery of one resource: as the log's owner ends the sessions that this process and those
/// before it have lost, so that the server's list is the truth; lists, judges, keeps what that
/// tells of the server and the log, and acts. Each resource has one of its own, so that one which
/// is down delays no other.
///
/// Ownership: keeps its connections between passes; borrows the datasource.
/// Thread safety: one thread at a time.
class ResourceRecovery {
public:
    using Known = std::function<KnownTransactions()>;
    ResourceRecovery(Datasource& datasource, std::set<std::string, std::less<>> resources,
                     SessionMark mark, std::chrono::milliseconds answer_timeout)
        : datasource_{datasource},
          resources_{std::move(resources)},
          mark_{std::move(mark)},
          answer_timeout_{answer_timeout} {}

    /// List, read what is known, list again, judge. Touches nothing.
    [[nodiscard]] ResourcePass look(const Known& known);
    /// The decisions of this log that lie here as rows, if this is a last resource. Throws Error.
    [[nodiscard]] std::vector<Decision> read_rows(const recovery_log::LogId& log);
    /// look() as the log's owner, before anything is done anywhere: what the list tells of the
    /// server and of the log is kept, in the table and durably, so that every later plan knows.
    [[nodiscard]] ResourcePass survey(const Known& known, TransactionTable& table,
                                      DecisionLog& log);
    /// Everything that the survey found to be done, with the outcome noted in the table and the
    /// log. What was true then still is: a decision stays, and what could not be decided any more
    /// never will.
    [[nodiscard]] ResourcePass carry_out(ResourcePass survey, TransactionTable& table,
                                         DecisionLog& log, const PassLimits& limits = {});
    /// survey(), then carry_out().
    [[nodiscard]] ResourcePass recover(const Known& known, TransactionTable& table,
                                       DecisionLog& log, const PassLimits& limits = {});

    /// Once the interrupt is raised, nothing more is asked and no answer waited for. It outlives
    /// this.
    void stop_at(const Interrupt& interrupt) noexcept { interrupt_ = &interrupt; }

    [[nodiscard]] Datasource& datasource() const noexcept { return datasource_; }

private:
    [[nodiscard]] ResourcePass look(const Known& known, std::string unended_session,
                                    PassKeeper* keeper, const std::vector<std::string>& waited_for);
    void learn(PlanInput& input, const ServerPosition& position, PassKeeper* keeper);
    [[nodiscard]] std::string end_sessions();
    [[nodiscard]] std::string end_lost_sessions();
    [[nodiscard]] std::string end_ended_sessions();
    [[nodiscard]] Answer ask(Request request);
    [[nodiscard]] Answer list();
    void connect();
    void check_is_same_life() const;
    void act(ResourcePass& pass, PassKeeper& keeper, const PassLimits& limits);
    void forget_needless_rows(TransactionTable& table);
    void forget_needless_witnesses(TransactionTable& table, const DecisionLog& log);
    [[nodiscard]] bool forget(Request request);
    [[nodiscard]] Request request_for(const PlannedBranch& planned) const;
    void take(ResourcePass& pass, std::size_t index, const Answer& answer,
              PassKeeper& keeper) const;

    Datasource& datasource_;
    std::set<std::string, std::less<>> resources_;
    SessionMark mark_;
    std::chrono::milliseconds answer_timeout_;
    const Interrupt* interrupt_ = nullptr;
    std::unique_ptr<Connection> connection_;
    /// The server that this pass looks at, once it has answered; no other may take its place.
    std::optional<std::string> server_ = std::nullopt;
    /// Whether connection_ is the one over which that server has answered.
    bool server_is_seen_over_connection_ = false;
    /// Whether the sessions of ended incarnations were seen to have ended, over connection_: they
    /// don't come back.
    bool have_ended_sessions_ended_ = false;
    /// Whether the witness rows were asked for that earlier incarnations have left.
    bool are_left_witnesses_known_ = false;
    std::optional<std::chrono::steady_clock::time_point> sighting_kept_at_ = std::nullopt;
};

/// Lets what each pass shows of the log, and proves of transactions, count in all of them. Gives
/// why the log is an old copy of itself, or nothing.
std::string agree(std::span<ResourcePass> passes);

/// Puts the passes over all resources and what is known together into one report.
[[nodiscard]] RecoveryReport make_report(const KnownTransactions& known,
                                         std::span<const ResourcePass> passes);

/// The names of these datasources.
[[nodiscard]] std::set<std::string, std::less<>> names_of(std::span<Datasource* const> resources);

}  // namespace xa_tm
