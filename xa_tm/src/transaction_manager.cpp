#include "xa_tm/transaction_manager.h"

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "global_id.h"
#include "log_errors.h"
#include "logging.h"
#include "one_shot_run.h"
#include "transaction_manager_state.h"
#include "xa_tm/session_mark.h"

namespace xa_tm {
namespace {

constexpr std::chrono::milliseconds kPauseBetweenPasses{50};
/// Once all is done but that, because the resources are looked at at once: the first finishes
/// branches of what a last resource's row was found to have decided behind the look at theirs, the
/// second removes rows of what was finished behind the pass over the last resource.
constexpr int kPassesForRows = 2;
/// Longer waits are a mistake, and "for ever" would overflow the clock.
constexpr std::chrono::hours kMaxDuration{24};

void check_duration(std::string_view name, std::chrono::milliseconds value) {
    if (value < std::chrono::milliseconds{1} || value > kMaxDuration) {
        throw Error({.code = ErrorCode::invalid_configuration},
                    fmt::format("{} is {} ms; it must be 1 ms to 24 h", name, value.count()));
    }
}

/// Of what 0 switches off.
void check_time_limit(std::string_view name, std::chrono::milliseconds value) {
    if (value.count() != 0) {
        check_duration(name, value);
    }
}

Config checked(Config config) {
    if (!is_valid_name(config.node, kMaxNodeLength)) {
        throw Error(
            {.code = ErrorCode::invalid_configuration},
            fmt::format("node name \"{}\" can't be part of an xid: use 1 to {} characters of "
                        "A-Z a-z 0-9 . _ -",
                        config.node, kMaxNodeLength));
    }
    check_duration("answer_timeout", config.answer_timeout);
    check_duration("recovery_interval", config.recovery_interval);
    check_time_limit("transaction_timeout", config.transaction_timeout);
    return config;
}

std::unique_ptr<recovery_log::RecoveryLog> open_log(const Config& config) {
    return translate_log_errors([&] {
        return recovery_log::RecoveryLog::open(
            {.directory = config.log_directory,
             .node = config.node,
             .create = config.create_log,
             .segment_size_bytes = config.log_segment_size_bytes,
             .copies = config.log_copies,
             .allow_volatile_file_system = config.allow_volatile_log,
             .allow_network_file_system = config.allow_network_log});
    });
}

void note_opening(const recovery_log::RecoveryLog& log, std::size_t decisions) {
    const auto status = log.status();
    log_message(
        LogChannel::log, LogLevel::info, "Recovery log opened.",
        {.detail = fmt::format("node {}, log {}, incarnation {}, {} decisions pending", log.node(),
                               log.id().to_string(), log.incarnation(), decisions)});
    if (status.torn_pages_at_open > 0) {
        log_message(LogChannel::log, LogLevel::info,
                    "The last flush of the recovery log had been cut off by a crash; nobody was "
                    "told of what it missed, so nothing is lost.",
                    {.detail = fmt::format("{} torn pages", status.torn_pages_at_open)});
    }
    if (status.degraded_pages_at_open > 0) {
        log_message(LogChannel::log, LogLevel::warning,
                    "Pages of the recovery log were bad in one copy and good in the other one; "
                    "all are whole again, but the disk should be checked.",
                    {.detail = fmt::format("{} pages", status.degraded_pages_at_open)});
    }
    if (log.quarantined_through() > 0) {
        log_message(LogChannel::log, LogLevel::warning,
                    "The recovery log lost pages that a person gave up; branches without a "
                    "decision of the incarnations concerned wait for a person.",
                    {.detail = fmt::format("incarnations up to {}", log.quarantined_through())});
    }
}

/// Takes over what earlier passes have finished, so that the report tells everything that was done.
void keep_finished(ResourcePass& now, const ResourcePass& before) {
    const auto is_still_there = [&](const PlannedBranch& branch) {
        return std::ranges::any_of(now.planned, [&](const PlannedBranch& other) {
            return other.listed.xid == branch.listed.xid;
        });
    };
    for (std::size_t i = 0; i < before.planned.size(); ++i) {
        const auto state = before.states[i];
        const bool is_finished = state == RecoveredState::committed ||
                                 state == RecoveredState::rolled_back ||
                                 state == RecoveredState::finished;
        if (is_finished && !is_still_there(before.planned[i])) {
            now.planned.push_back(before.planned[i]);
            now.states.push_back(state);
        }
    }
}

/// What recover() has done so far, told to whoever waits for it.
class Progress {
public:
    Progress(const RecoverOptions& options, const std::vector<ResourcePass>& survey)
        : options_{options} {
        for (const auto& pass : survey) {
            known_ += static_cast<std::size_t>(
                std::ranges::count_if(pass.planned, [](const PlannedBranch& planned) {
                    return planned.action != RecoveryAction::none;
                }));
        }
    }

    [[nodiscard]] PassLimits limits_for(const std::string& resource) {
        PassLimits limits{.on_finished = [this] { add_finished(); }};
        if (options_.approve) {
            limits.approve = [this, &resource](const PlannedBranch& planned) {
                return options_.approve(resource, *planned.listed.xid, planned.action);
            };
        }
        return limits;
    }

private:
    void add_finished() {
        const std::scoped_lock lock{mutex_};
        ++finished_;
        if (options_.on_progress) {
            options_.on_progress(finished_, std::max(known_, finished_));
        }
    }

    const RecoverOptions& options_;
    std::mutex mutex_;
    std::size_t known_ = 0;
    std::size_t finished_ = 0;
};

/// Does something with every resource at the same time.
template <class Act>
void for_each_at_once(std::vector<ResourceRecovery>& recoveries, const Act& act) {
    std::vector<std::future<void>> running;
    for (std::size_t i = 0; i < recoveries.size(); ++i) {
        running.push_back(std::async(std::launch::async, [&, i] { act(recoveries[i], i); }));
    }
    for (auto& one : running) {
        one.get();
    }
}

/// Looks at every resource at the same time, before anything is done at one: what one server tells
/// of the log, or proves of a transaction, counts at all of them.
std::vector<ResourcePass> survey(TransactionManagerState& state,
                                 std::vector<ResourceRecovery>& recoveries) {
    std::vector<ResourcePass> passes(recoveries.size());
    for_each_at_once(recoveries, [&](ResourceRecovery& recovery, std::size_t i) {
        passes[i] = recovery.survey([&state] { return state.known(); }, state.table, state.log);
    });
    std::ignore = agree(passes);  // the table has its doubt about the log
    return passes;
}

/// Does what the surveys found to be done.
void carry_out(TransactionManagerState& state, std::vector<ResourceRecovery>& recoveries,
               std::vector<ResourcePass>& passes, Progress& progress) {
    for_each_at_once(recoveries, [&](ResourceRecovery& recovery, std::size_t i) {
        passes[i] = recovery.carry_out(std::move(passes[i]), state.table, state.log,
                                       progress.limits_for(recovery.datasource().name()));
    });
}

/// One pass over every resource, which keeps what earlier ones have finished.
void pass_over(TransactionManagerState& state, std::vector<ResourceRecovery>& recoveries,
               std::vector<ResourcePass>& passes, Progress& progress) {
    for_each_at_once(recoveries, [&](ResourceRecovery& recovery, std::size_t i) {
        auto pass = recovery.recover([&state] { return state.known(); }, state.table, state.log,
                                     progress.limits_for(recovery.datasource().name()));
        keep_finished(pass, passes[i]);
        passes[i] = std::move(pass);
    });
}

/// Where decisions may lie as rows.
std::vector<Datasource*> last_resources_of(const TransactionManagerState& state) {
    auto all = state.datasource_pointers();
    std::erase_if(all, [](const Datasource* one) { return !one->options().keeps_decisions(); });
    return all;
}

/// The log has to say where decisions may lie before one does, or a later incarnation that is not
/// told of the resource would presume abort. Throws Error when it can't.
void keep_last_resources(TransactionManagerState& state) {
    const auto last_resources = last_resources_of(state);
    if (last_resources.empty()) {
        return;
    }
    // The log itself is asked: the table also knows of what only recover() has looked at.
    const auto noted = state.log.live_state().last_resources;
    for (const auto* datasource : last_resources) {
        std::ignore = state.table.add_last_resource(datasource->name());
        const bool is_noted = std::ranges::any_of(noted, [&](const Kept<LastResource>& one) {
            return one.record.resource == datasource->name();
        });
        if (!is_noted && !state.log.record(LastResource{datasource->name()})) {
            throw Error({.code = ErrorCode::log_refuses_decisions, .resource = datasource->name()},
                        fmt::format("resource {} can't become a last resource, because the "
                                    "recovery log can't note that: {}",
                                    datasource->name(), state.log.log().status().reason));
        }
    }
}

/// Throws Error when the log that was opened can't be the one that knows what the servers hold.
void check_log(const TransactionManagerState& state, const std::vector<ResourcePass>& passes) {
    const auto known = state.known();
    if (!known.log.doubt.empty()) {
        throw Error(
            {.code = ErrorCode::log_outdated},
            fmt::format("the log in {} is an old copy of itself: {}; restore its newest copy. If "
                        "there is none, finish by `xa-recover resolve` what it still knows, move "
                        "it away and start with a new log: branches that only the lost one could "
                        "decide are then shown by `xa-recover list` and left to a person",
                        known.log.path.string(), known.log.doubt));
    }
    for (const auto& pass : passes) {
        const auto lost =
            std::ranges::find(pass.planned, TransactionState::lost_log, &PlannedBranch::state);
        if (lost != pass.planned.end() && !state.config.allow_lost_log) {
            throw Error(
                {.code = ErrorCode::log_lost, .resource = pass.resource.name},
                fmt::format("resource {} holds {}, {}; if the log in {} is the wrong one, start "
                            "with the right one; if that is lost, finish its branches by "
                            "`xa-recover commit` or `rollback` after comparing the data, or set "
                            "allow_lost_log to start beside them",
                            pass.resource.name, lost->listed.xid->gtrid, lost->reason,
                            known.log.path.string()));
        }
    }
}

}  // namespace

TransactionManagerState::TransactionManagerState(Config wanted)
    : TransactionManagerState{wanted, open_log(checked(wanted))} {}

TransactionManagerState::TransactionManagerState(Config wanted,
                                                 std::unique_ptr<recovery_log::RecoveryLog> opened)
    : config{checked(std::move(wanted))},
      log{std::move(opened)},
      coordinator{log, table, config.answer_timeout,
                  [this](std::string_view resource) { wake_recovery(resource); }},
      session_mark_{session_mark_of(log.log().id(), log.log().incarnation(), config.node)} {
    auto logged = log.live_state();
    note_opening(log.log(), logged.decisions.size());
    for (const auto replaced : table.load(std::move(logged))) {
        log.forget(replaced);
    }
}

TransactionManagerState::~TransactionManagerState() {
    completion_service.reset();  // it leaves what it could not finish to recovery
    deadline_keeper.reset();
    recovery_service.reset();
    log_keeper.reset();
    for (auto& datasource : datasources) {
        datasource->pool().clear();
    }
}

void TransactionManagerState::wake_recovery(std::string_view resource) const {
    if (recovery_service != nullptr) {
        recovery_service->wake(resource);
    }
}

Enlistments::Environment TransactionManagerState::enlistment_environment() {
    return {.gtrid = next_gtrid(),
            .mark = &session_mark_,
            .answer_timeout = config.answer_timeout,
            .log = log.log().id(),
            .wake_recovery = [this](std::string_view resource) { wake_recovery(resource); }};
}

std::string TransactionManagerState::next_gtrid() {
    return to_gtrid({.node = config.node,
                     .log = log.log().id(),
                     .incarnation = log.log().incarnation(),
                     .sequence = ++sequence_});
}

KnownTransactions TransactionManagerState::known() const {
    // In this order: a transaction that begins in between is in the live set.
    const std::uint64_t issued = sequence_;
    auto transactions = table.snapshot();
    auto doubt = transactions.log_doubt;
    return {.view = LogView::owner,
            .log = {.path = config.log_directory,
                    .node = config.node,
                    .id = log.log().id(),
                    .incarnation = log.log().incarnation(),
                    .quarantined_through = log.log().quarantined_through(),
                    .owner = std::nullopt,
                    .doubt = std::move(doubt)},
            .sequences_issued = issued,
            .transactions = std::move(transactions)};
}

std::vector<Datasource*> TransactionManagerState::datasource_pointers() const {
    std::vector<Datasource*> pointers;
    for (const auto& datasource : datasources) {
        pointers.push_back(datasource.get());
    }
    return pointers;
}

std::vector<ResourceRecovery> TransactionManagerState::resource_recoveries() const {
    std::vector<ResourceRecovery> recoveries;
    const auto names = names_of(datasource_pointers());
    for (const auto& datasource : datasources) {
        recoveries.emplace_back(*datasource, names, session_mark(), config.answer_timeout);
    }
    return recoveries;
}

void TransactionManagerState::check_may_begin(const TransactionOptions& options) {
    if (recovery_service == nullptr) {
        throw Error({.code = ErrorCode::invalid_state},
                    "the transaction manager is not started; call start() first");
    }
    if (is_draining) {
        throw Error({.code = ErrorCode::invalid_state},
                    "the transaction manager is being drained; nothing begins any more");
    }
    if (table.has_log_doubt()) {
        throw Error({.code = ErrorCode::log_outdated},
                    fmt::format("no transaction can be decided: the log is an old copy of itself "
                                "({}); restore its newest copy and start again",
                                table.log_doubt()));
    }
    if (!log.takes_decisions()) {
        throw Error({.code = ErrorCode::log_refuses_decisions},
                    fmt::format("no transaction can be decided: {}", log.log().status().reason));
    }
    check_time_limit("timeout", options.timeout.value_or(config.transaction_timeout));
    check_time_limit("lock_hold_budget", options.lock_hold_budget);
}

std::size_t TransactionManagerState::place_of(const Datasource& datasource) const {
    const auto found =
        std::ranges::find(datasources, &datasource, [](const auto& added) { return added.get(); });
    if (found == datasources.end()) {
        throw Error(
            {.code = ErrorCode::invalid_configuration, .resource = datasource.name()},
            fmt::format("resource {} was not added to this transaction manager, so recovery "
                        "would not know it; add it before start()",
                        datasource.name()));
    }
    return static_cast<std::size_t>(found - datasources.begin());
}

TransactionManager::TransactionManager(Config config)
    : TransactionManager{std::make_unique<TransactionManagerState>(std::move(config))} {}

TransactionManager::TransactionManager(std::unique_ptr<TransactionManagerState> state) noexcept
    : state_{std::move(state)} {}

TransactionManager::~TransactionManager() = default;

void TransactionManager::adopt(std::unique_ptr<Datasource> datasource) {
    const auto& name = datasource->name();
    if (state_->recovery_service != nullptr) {
        throw Error(
            {.code = ErrorCode::invalid_state, .resource = name},
            fmt::format("resource {} is added after start(); add every resource before it", name));
    }
    const auto has_same_name = [&](const auto& other) { return other->name() == name; };
    if (std::ranges::any_of(state_->datasources, has_same_name)) {
        throw Error(
            {.code = ErrorCode::invalid_configuration, .resource = name},
            fmt::format("two resources are named {}; branches are found again by that name, so "
                        "give each its own",
                        name));
    }
    if (datasource->options().has_witness) {
        state_->table.add_witness_resource(name);
    }
    state_->datasources.push_back(std::move(datasource));
}

void TransactionManager::start() {
    if (state_->recovery_service != nullptr) {
        throw Error({.code = ErrorCode::invalid_state},
                    "the transaction manager is started already");
    }
    keep_last_resources(*state_);
    auto recoveries = state_->resource_recoveries();
    check_log(*state_, survey(*state_, recoveries));
    auto log_keeper = std::make_unique<LogKeeper>(state_->log.log());
    auto deadline_keeper = std::make_unique<DeadlineKeeper>(
        state_->table, [this](std::string_view resource) { state_->wake_recovery(resource); });
    auto completion_service = std::make_unique<CompletionService>();
    state_->recovery_service = std::make_unique<RecoveryService>(
        std::move(recoveries),
        RecoveryService::Parameters{.known = [this] { return state_->known(); },
                                    .table = state_->table,
                                    .log = state_->log,
                                    .interval = state_->config.recovery_interval,
                                    .mark = state_->session_mark()});
    state_->log_keeper = std::move(log_keeper);
    state_->deadline_keeper = std::move(deadline_keeper);
    state_->completion_service = std::move(completion_service);
    state_->recovery_service->wait_for_first_passes();
}

Transaction TransactionManager::begin(const TransactionOptions& options) {
    state_->check_may_begin(options);
    return Transaction{*state_, options};
}

RunReport TransactionManager::run(std::vector<Statement> statements, const RunOptions& options) {
    state_->check_may_begin({.timeout = options.timeout});
    check_time_limit("lock_wait_timeout", options.lock_wait_timeout);
    if (options.combine) {
        check_duration("combine.time_max", options.combine->time_max);
        if (options.combine->members_max == 0) {
            throw Error({.code = ErrorCode::invalid_configuration},
                        "combine.members_max is 0; it must be at least 1, the transaction itself");
        }
    }
    if (statements.empty()) {
        throw Error({.code = ErrorCode::invalid_configuration},
                    "a one-shot transaction needs at least one statement; give it one");
    }
    return run_one_shot(*state_, statements, options);
}

RecoveryReport TransactionManager::recover(const RecoverOptions& options) {
    if (state_->recovery_service != nullptr) {
        throw Error({.code = ErrorCode::invalid_state},
                    "recovery runs in the background already; recover() goes instead of start()");
    }
    const auto deadline = std::chrono::steady_clock::now() +
                          std::min<std::chrono::milliseconds>(options.timeout, kMaxDuration);
    for (const auto* datasource : last_resources_of(*state_)) {
        std::ignore = state_->table.add_last_resource(datasource->name());
    }
    auto recoveries = state_->resource_recoveries();
    auto passes = survey(*state_, recoveries);
    Progress progress{options, passes};
    carry_out(*state_, recoveries, passes, progress);
    for (int left_for_rows = kPassesForRows;;) {
        const auto next = std::chrono::steady_clock::now() + kPauseBetweenPasses;
        const bool is_done = std::ranges::all_of(passes, &ResourcePass::is_done);
        const bool is_tidy = left_for_rows == 0 || !state_->table.has_rows_left();
        if ((is_done && is_tidy) || next >= deadline) {
            return make_report(state_->known(), passes);
        }
        left_for_rows -= is_done ? 1 : 0;
        std::this_thread::sleep_until(next);
        pass_over(*state_, recoveries, passes, progress);
    }
}

DrainReport TransactionManager::drain(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() +
                          std::min<std::chrono::milliseconds>(timeout, kMaxDuration);
    state_->is_draining = true;
    const bool have_all_ended = state_->table.wait_until_none_is_live(deadline);
    if (state_->recovery_service == nullptr) {
        return {.is_drained = have_all_ended && !has_work_left(), .left = recovery_status()};
    }
    bool is_idle = state_->recovery_service->wait_until_idle(deadline);
    for (int pass = 0; is_idle && pass < kPassesForRows && state_->table.has_rows_left(); ++pass) {
        is_idle = state_->recovery_service->wait_until_idle(deadline);
    }
    return {.is_drained = have_all_ended && is_idle, .left = recovery_status()};
}

bool TransactionManager::has_work_left() const {
    const auto counts = state_->table.counts();
    return counts.live + counts.open_decisions + counts.waiting_for_row > 0 ||
           (state_->recovery_service != nullptr && state_->recovery_service->has_work_left());
}

RecoveryStatus TransactionManager::recovery_status() const {
    const auto counts = state_->table.counts();
    RecoveryStatus status{.resources = {},
                          .live_transactions = counts.live,
                          .open_decisions = counts.open_decisions,
                          .heuristics = counts.heuristics,
                          .log_doubt = state_->table.log_doubt(),
                          .log = log_status()};
    if (state_->recovery_service != nullptr) {
        status.resources = state_->recovery_service->status();
    }
    status.alarm = alarm_of(0, counts.heuristics, {});
    for (const auto& resource : status.resources) {
        status.alarm = std::max(status.alarm, resource.alarm);
    }
    if (!status.log_doubt.empty()) {
        status.alarm = AlarmLevel::critical;
    }
    return status;
}

RecoveryLogSummary TransactionManager::log_summary() const {
    return state_->known().log;
}

recovery_log::LogStatus TransactionManager::log_status() const {
    return state_->log.log().status();
}

}  // namespace xa_tm
