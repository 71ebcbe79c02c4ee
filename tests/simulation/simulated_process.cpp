// Invariants:
// - once life_->is_over, nothing that still runs here reaches a server, the disk, or the oracle;
// - a flow waits only inside of the machine, and finds out when it goes on that its process is
// dead.

#include "simulated_process.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "commit_run.h"
#include "crash_points.h"
#include "global_id.h"
#include "one_shot_run.h"
#include "xa_tm/error.h"
#include "xa_tm/session_mark.h"

namespace xa_tm::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kAnswerTimeout{200};
constexpr std::chrono::milliseconds kRecoveryInterval{1000};
constexpr std::chrono::milliseconds kFirstRetry{100};
constexpr std::chrono::milliseconds kTransactionTimeout{2000};
constexpr std::size_t kHotKeys = 2;

constexpr std::array kBreakages{
    Breakage::commits_before_durable,
    Breakage::rolls_back_after_decision,
    Breakage::ignores_live_set,
    Breakage::uses_old_snapshot,
    Breakage::forgets_too_early,
    Breakage::takes_nota_for_finished,
    Breakage::commits_over_held_session,
    Breakage::ends_no_session,
    Breakage::forgets_log,
    Breakage::takes_others_branches,
    Breakage::notes_no_last_resource,
    Breakage::takes_rows_for_read,
    Breakage::reads_rows_too_early,
    Breakage::keeps_failed_members,
    Breakage::loses_rows,
};

std::optional<Decision> decision_from(std::span<const std::byte> body) {
    const auto record = decode(body);
    const auto* decision = record ? std::get_if<Decision>(&*record) : nullptr;
    return decision == nullptr ? std::nullopt : std::optional{*decision};
}

std::unique_ptr<SimulatedLog> open_log(const SimulatedProcess::Environment& environment,
                                       std::shared_ptr<const ProcessLife> life,
                                       std::function<void(std::function<void()>)> run) {
    auto& machine = environment.network.machine();
    return std::make_unique<SimulatedLog>(
        environment.disk,
        SimulatedLog::Environment{
            .machine = machine,
            .random = environment.network.random(),
            .faults = environment.log_faults,
            .life = std::move(life),
            .on_durable =
                [&oracle = environment.oracle,
                 listener = environment.listener](std::span<const std::byte> body) {
                    if (const auto decision = decision_from(body)) {
                        listener->noted(decision->gtrid, "the log holds the decision");
                        oracle.keeps(*decision);
                    }
                },
            .on_forget =
                [&oracle = environment.oracle,
                 listener = environment.listener](std::span<const std::byte> body) {
                    if (const auto decision = decision_from(body)) {
                        listener->noted(decision->gtrid, "the log forgets the decision");
                        oracle.forgot(*decision);
                    }
                },
            .run = std::move(run),
            .acknowledges_too_early = environment.breakage == Breakage::commits_before_durable,
            .hides_entries = environment.breakage == Breakage::forgets_log});
}

Enlistments::Work work_of(std::size_t branch, std::string statement, bool is_last) {
    Enlistments::Work work{.branch = branch, .statements = {}, .is_last = is_last};
    work.statements.push_back({.verb = Verb::execute, .statement = std::move(statement)});
    return work;
}

}  // namespace

std::span<const Breakage> breakages() noexcept {
    return kBreakages;
}

std::string_view to_string(Breakage breakage) noexcept {
    switch (breakage) {
        case Breakage::none: return "none";
        case Breakage::commits_before_durable: return "commits_before_durable";
        case Breakage::rolls_back_after_decision: return "rolls_back_after_decision";
        case Breakage::ignores_live_set: return "ignores_live_set";
        case Breakage::uses_old_snapshot: return "uses_old_snapshot";
        case Breakage::forgets_too_early: return "forgets_too_early";
        case Breakage::takes_nota_for_finished: return "takes_nota_for_finished";
        case Breakage::commits_over_held_session: return "commits_over_held_session";
        case Breakage::ends_no_session: return "ends_no_session";
        case Breakage::forgets_log: return "forgets_log";
        case Breakage::takes_others_branches: return "takes_others_branches";
        case Breakage::notes_no_last_resource: return "notes_no_last_resource";
        case Breakage::takes_rows_for_read: return "takes_rows_for_read";
        case Breakage::reads_rows_too_early: return "reads_rows_too_early";
        case Breakage::keeps_failed_members: return "keeps_failed_members";
        case Breakage::loses_rows: return "loses_rows";
    }
    return "?";
}

void reach(std::string_view point) noexcept {
    const auto* machine = VirtualMachine::current();
    if (machine != nullptr && machine->owner() != nullptr) {
        static_cast<SimulatedProcess*>(machine->owner())->reach(point);
    }
}

void end_flow_of_dead_process() {
    const auto* machine = VirtualMachine::current();
    if (machine->owner() != nullptr &&
        static_cast<const SimulatedProcess*>(machine->owner())->ends_running_flow()) {
        throw ProcessDied{};
    }
}

SimulatedProcess::SimulatedProcess(Environment environment, std::size_t workers)
    : environment_{std::move(environment)},
      state_{{.node = environment_.disk.node,
              .log_directory = {},
              .answer_timeout = kAnswerTimeout,
              .transaction_timeout = kTransactionTimeout},
             [this] {
                 auto log = open_log(environment_, life_,
                                     [this](std::function<void()> flow) { run(std::move(flow)); });
                 simulated_log_ = log.get();
                 return log;
             }()},
      log_{state_.log},
      table_{state_.table},
      coordinator_{log_, table_, kAnswerTimeout,
                   [this](std::string_view resource) { wake_recovery(resource); }} {
    for (const auto& pending : log_.live_state().decisions) {
        environment_.oracle.keeps(pending.decision);  // also if no answer had told of that
    }
    std::set<std::string, std::less<>> names;
    for (const auto& server : environment_.servers) {
        if (server->name() != environment_.left_out) {
            names.insert(server->name());
            auto datasource = std::make_unique<SimulatedDatasource>(
                environment_.network, *server, life_, environment_.listener,
                DriverState{driver_fault(), server->decisions_of(log_.log().id().to_string())},
                environment_.last_resources.contains(server->name()));
            datasources_.push_back(datasource.get());
            state_.datasources.push_back(std::move(datasource));
        }
    }
    for (auto* datasource : datasources_) {
        recoveries_.push_back(std::make_unique<RecoveryWorker>(
            ResourceRecovery{*datasource, names, state_.session_mark(), kAnswerTimeout}));
    }
    // Fibers do what its threads would.
    state_.deadline_keeper = std::make_unique<DeadlineKeeper>(
        table_, [this](std::string_view resource) { wake_recovery(resource); },
        DeadlineKeeper::DrivenBy::caller);
    state_.recovery_service = std::make_unique<RecoveryService>(
        std::vector<ResourceRecovery>{},
        RecoveryService::Parameters{[this] { return state_.known(); }, table_, log_,
                                    kRecoveryInterval, state_.session_mark()});
    run([this] { keep_deadlines(); });
    run([this, workers] { start(workers); });
}

DriverFault SimulatedProcess::driver_fault() const noexcept {
    switch (environment_.breakage) {
        case Breakage::rolls_back_after_decision: return DriverFault::rolls_back_decided;
        case Breakage::takes_nota_for_finished: return DriverFault::takes_nota_for_finished;
        case Breakage::commits_over_held_session: return DriverFault::takes_retry_for_finished;
        case Breakage::ends_no_session: return DriverFault::ends_no_session;
        case Breakage::reads_rows_too_early: return DriverFault::lists_rows_of_last_pass;
        case Breakage::keeps_failed_members: return DriverFault::goes_back_to_no_savepoint;
        case Breakage::none:
        case Breakage::commits_before_durable:
        case Breakage::ignores_live_set:
        case Breakage::uses_old_snapshot:
        case Breakage::forgets_too_early:
        case Breakage::forgets_log:
        case Breakage::takes_others_branches:
        case Breakage::notes_no_last_resource:
        case Breakage::takes_rows_for_read:
        case Breakage::loses_rows: break;
    }
    return DriverFault::none;
}

Fiber& SimulatedProcess::run(std::function<void()> flow) {
    ++flows_;
    auto& machine = environment_.network.machine();
    auto& fiber = machine.spawn(
        [this, flow = std::move(flow)] {
            try {
                flow();
            } catch (const ProcessDied&) {
                // Its stack is taken down; what that has run reached nobody.
            }
            std::erase(fibers_, environment_.network.machine().running());
            --flows_;
        },
        this);
    fibers_.push_back(&fiber);
    return fiber;
}

/// As TransactionManager::start(); where that throws, the application ends.
void SimulatedProcess::start(std::size_t workers) {
    keep_last_resources();
    std::vector<ResourcePass> passes;
    for (auto& worker : recoveries_) {
        passes.push_back(worker->recovery.survey(
            [this, &worker = *worker] { return known(worker); }, table_, log_));
    }
    std::ignore = agree(passes);
    for (auto& worker : recoveries_) {
        worker->fiber = &run([this, &worker = *worker] { recover(worker); });
    }
    while (
        std::ranges::any_of(recoveries_, [](const auto& worker) { return worker->passes == 0; })) {
        sleep(1ms);
    }
    is_started_ = true;
    work(workers);
}

void SimulatedProcess::keep_last_resources() {
    for (const auto& datasource : datasources_) {
        const bool is_new =
            datasource->options().is_last_resource && table_.add_last_resource(datasource->name());
        if (is_new && environment_.breakage != Breakage::notes_no_last_resource &&
            !log_.record(LastResource{datasource->name()})) {
            die("its start, because its log can't note a last resource");
        }
        end_flow_of_dead_process();
    }
}

/// As a worker of RecoveryService.
void SimulatedProcess::recover(RecoveryWorker& worker) {
    auto retry = kFirstRetry;
    for (;;) {
        worker.is_woken = false;
        const auto pass =
            worker.recovery.recover([this, &worker] { return known(worker); }, table_, log_);
        end_flow_of_dead_process();
        ++worker.passes;
        environment_.waits_for_rows += static_cast<std::uint64_t>(std::ranges::count(
            pass.planned, TransactionState::at_last_resource, &PlannedBranch::state));
        worker.is_idle =
            !worker.is_woken && pass.is_done() && table_.waiting_for(pass.resource.name).empty();
        retry = worker.is_idle ? kFirstRetry : std::min(retry * 2, kRecoveryInterval);
        if (!worker.is_woken) {
            worker.is_pausing = true;
            sleep(worker.is_idle ? kRecoveryInterval : retry);
            worker.is_pausing = false;
        }
    }
}

void SimulatedProcess::wake_recovery(std::string_view resource) {
    for (auto& worker : recoveries_) {
        if (worker->recovery.datasource().name() == resource) {
            worker->is_woken = true;
            worker->is_idle = false;
            if (worker->is_pausing) {
                environment_.network.machine().wake(*worker->fiber);
            }
        }
    }
}

KnownTransactions SimulatedProcess::known(RecoveryWorker& worker) {
    auto known = state_.known();
    if (environment_.breakage == Breakage::ignores_live_set) {
        known.transactions.live.clear();
    } else if (environment_.breakage == Breakage::takes_rows_for_read) {
        for (auto& [resource, is_read] : known.transactions.last_resources) {
            is_read = true;
        }
    } else if (environment_.breakage == Breakage::takes_others_branches && is_started_) {
        known.log.id = kOtherLog;
    } else if (environment_.breakage == Breakage::uses_old_snapshot) {
        auto before = std::exchange(worker.known_before, known).value_or(known);
        before.sequences_issued = worker.known_before->sequences_issued;
        return before;
    }
    return known;
}

void SimulatedProcess::work(std::size_t workers) {
    for (std::size_t i = 0; i < workers; ++i) {
        ++workers_;
        run([this] { application(); });
    }
}

/// One thread of the application.
void SimulatedProcess::application() {
    while (environment_.begins_another()) {
        transact();
        end_flow_of_dead_process();
        sleep(environment_.network.random().between(10us, 500us));
    }
    --workers_;
}

void SimulatedProcess::transact() {
    if (table_.has_log_doubt() || !log_.takes_decisions()) {
        sleep(10ms);  // TransactionManager::begin() refuses
        return;
    }
    auto& random = environment_.network.random();
    if (random.chance(1, 2)) {
        run_one_shot();
        return;
    }
    auto environment = state_.enlistment_environment();
    environment.wake_recovery = [this](std::string_view resource) { wake_recovery(resource); };
    const auto gtrid = environment.gtrid;
    table_.enter(gtrid);
    auto transaction = std::make_shared<OpenTransaction>(gtrid, environment_.oracle.begin(gtrid),
                                                         Enlistments{std::move(environment)});
    bool commits = true;
    try {
        work_in(transaction->enlistments, transaction->number);
        commits = !random.chance(1, 20);
    } catch (const Error&) {
        commits = false;
    }
    if (commits) {
        commit(std::move(transaction));
    } else {
        const auto report =
            coordinator_.rollback(transaction->gtrid, transaction->enlistments.branches());
        tell(*transaction, report.outcome(), false);
    }
}

/// Behind the gate, or by conflict keys, or combined with others that have the same one.
void SimulatedProcess::run_one_shot() {
    auto& random = environment_.network.random();
    const auto key = random.chance(3, 4) ? 0 : random.below(kHotKeys);
    const auto options = draw_run_options(key);
    const auto datasources =
        options.conflict_keys.empty() ? draw_datasources() : hot_datasources(key);
    std::vector<std::string> written;
    for (const auto* datasource : datasources) {
        written.push_back(datasource->name());
    }
    const auto number = environment_.oracle.begin_one_shot(written);
    const auto statements = draw_statements(datasources, number);
    std::string gtrid;
    auto outcome = Outcome::rolled_back;
    auto* const fiber = environment_.network.machine().running();
    enduring_fibers_.insert(fiber);
    try {
        const auto report = xa_tm::run_one_shot(state_, statements, options);
        outcome = report.outcome();
        gtrid = report.commit().gtrid();
    } catch (const Error&) {
        // It was not let begin.
    }
    enduring_fibers_.erase(fiber);
    end_flow_of_dead_process();
    environment_.listener->noted(
        gtrid, fmt::format("one-shot transaction {} is told {}", number, to_string(outcome)));
    environment_.oracle.told_one_shot(number, gtrid, outcome);
    if (outcome != Outcome::committed) {
        for (const auto* datasource : datasources) {
            wake_recovery(datasource->name());
        }
    }
}

RunOptions SimulatedProcess::draw_run_options(std::size_t key) {
    auto& random = environment_.network.random();
    RunOptions options;
    if (random.chance(1, 5)) {
        return options;
    }
    options.conflict_keys = {fmt::format("hot:{}", key)};
    if (random.chance(1, 8)) {
        options.conflict_keys.push_back(fmt::format("hot:{}", random.below(kHotKeys)));
    }
    if (random.chance(3, 4)) {
        options.combine = CombineOptions{.members_max = 1 + random.below(8)};
        if (random.chance(1, 10)) {
            options.combine->time_max = std::chrono::milliseconds{1 + random.below(3)};
        }
    }
    if (random.chance(1, 6)) {
        options.timeout = std::chrono::milliseconds{1 + random.below(20)};
    }
    if (random.chance(1, 6)) {
        options.lock_wait_timeout = std::chrono::milliseconds{1 + random.below(20)};
    }
    if (random.chance(1, 8)) {
        std::stop_source source;
        options.cancel = source.get_token();
        environment_.network.machine().after(random.between(10us, 5ms),
                                             [source]() mutable { source.request_stop(); });
    }
    return options;
}

/// The same for the same key, so that those who want it can be combined.
std::vector<SimulatedDatasource*> SimulatedProcess::hot_datasources(std::size_t key) const {
    std::vector<SimulatedDatasource*> hot;
    bool has_last_resource = false;
    const auto wanted = std::min<std::size_t>(datasources_.size(), 2 + key % 2);
    for (std::size_t i = 0; i < datasources_.size() && hot.size() < wanted; ++i) {
        auto* datasource = datasources_[(key + i) % datasources_.size()];
        const bool is_last = datasource->options().is_last_resource;
        if (!is_last || !std::exchange(has_last_resource, true)) {
            hot.push_back(datasource);
        }
    }
    return hot;
}

/// A row in each branch, and perhaps something that fails behind it.
std::vector<Statement> SimulatedProcess::draw_statements(
    const std::vector<SimulatedDatasource*>& datasources, TransactionNumber number) {
    auto& random = environment_.network.random();
    std::vector<Statement> statements;
    for (auto* datasource : datasources) {
        if (random.chance(1, 4)) {
            statements.push_back(datasource->statement("select"));
        }
        if (random.chance(1, 12)) {
            statements.push_back(datasource->statement("update 2", number).expect_rows(1));
        } else {
            statements.push_back(datasource->statement("insert", number).expect_rows(1));
        }
        if (random.chance(1, 12)) {
            statements.push_back(datasource->statement("insert"));
        } else if (random.chance(1, 50)) {
            statements.push_back(datasource->statement("delete deadlock"));
        }
    }
    return statements;
}

/// As the thread of DeadlineKeeper.
void SimulatedProcess::keep_deadlines() {
    for (;;) {
        state_.deadline_keeper->expire();
        sleep(2ms);
    }
}

/// In each way that an application can: as Transaction::commit() with either Return, or event by
/// event, as async_commit() does, which waits for no row.
void SimulatedProcess::commit(std::shared_ptr<OpenTransaction> transaction) {
    auto& random = environment_.network.random();
    const auto until = random.chance(1, 3) ? Return::when_decided : Return::when_finished;
    const bool is_async = random.chance(1, 4);
    const CommitOptions options{.row_patience = kAnswerTimeout};
    if (until == Return::when_finished && !is_async) {
        const auto report =
            coordinator_.commit(transaction->gtrid, transaction->enlistments.branches(), options);
        tell(*transaction, report.outcome(), false);
        return;
    }
    transaction->run =
        coordinator_.make_run(transaction->gtrid, transaction->enlistments.branches(), options);
    auto& run = *transaction->run;
    run.start_commit();
    if (is_async) {
        drive(run, until);
    } else {
        run.wait_until(until);
        if (run.is_finished()) {
            run.await_row();
        }
    }
    tell(*transaction, run.report().outcome(), !run.is_finished());
    if (!run.is_finished()) {
        ++workers_;
        this->run([this, transaction = std::move(transaction)] { complete(*transaction); });
    }
}

/// As whoever drives a CommitOperation, or CompletionService.
void SimulatedProcess::drive(CommitRun& run, Return until) {
    auto& machine = environment_.network.machine();
    for (;;) {
        if (run.has_to_force()) {
            run.force([&machine, fiber = machine.running()] { machine.wake(*fiber); });
        }
        if (run.has_reached(until)) {
            return;
        }
        std::vector<CommitOperation::Wait> waits;
        run.append_waits(waits);
        std::vector<pollfd> polled;
        for (const auto& wait : waits) {
            polled.push_back(to_pollfd(wait.readiness));
        }
        if (const auto deadline = run.deadline()) {
            std::ignore = ::poll(polled.data(), polled.size(), milliseconds_until(*deadline));
        } else {
            end_flow_of_dead_process();
            machine.suspend();  // until the log has answered
            end_flow_of_dead_process();
        }
        run.advance();
    }
}

/// As CompletionService.
void SimulatedProcess::complete(OpenTransaction& transaction) {
    drive(*transaction.run, Return::when_finished);
    const auto outcome = transaction.run->report().outcome();
    if (!is_dead()) {
        environment_.listener->noted(transaction.gtrid, "the early answer is carried through");
        environment_.oracle.completed(transaction.number, outcome);
    }
    --workers_;
}

void SimulatedProcess::tell(const OpenTransaction& transaction, Outcome outcome, bool is_early) {
    if (is_dead()) {
        return;
    }
    environment_.listener->noted(
        transaction.gtrid,
        fmt::format("the application is told {}{}", to_string(outcome), is_early ? ", early" : ""));
    environment_.oracle.told(transaction.number, outcome, is_early);
    if (environment_.breakage == Breakage::forgets_too_early) {
        const auto snapshot = table_.snapshot();
        const auto found = snapshot.decisions.find(transaction.gtrid);
        if (found != snapshot.decisions.end() && found->second.entry) {
            log_.forget(*found->second.entry);
        }
    }
}

/// One to four, in any order, of which one at most is a last resource.
std::vector<SimulatedDatasource*> SimulatedProcess::draw_datasources() {
    auto& random = environment_.network.random();
    std::vector<SimulatedDatasource*> drawn;
    for (auto* datasource : datasources_) {
        drawn.push_back(datasource);
        std::swap(drawn.back(), drawn[random.below(drawn.size())]);
    }
    const std::size_t wanted = random.chance(1, 8) ? 1 : 2 + random.below(3);
    drawn.resize(std::min(wanted, drawn.size()));
    const auto is_last = [](const auto* one) { return one->options().is_last_resource; };
    const auto first = std::ranges::find_if(drawn, is_last);
    if (first != drawn.end()) {
        drawn.erase(std::remove_if(first + 1, drawn.end(), is_last), drawn.end());
    }
    return drawn;
}

/// Statements in one to four branches, in every way that an application has. Throws Error where
/// one fails.
void SimulatedProcess::work_in(Enlistments& enlistments, TransactionNumber number) {
    auto& random = environment_.network.random();
    const auto datasources = draw_datasources();
    std::vector<std::size_t> indices;
    indices.reserve(datasources.size());
    for (auto* datasource : datasources) {
        indices.push_back(enlistments.add(*datasource));
    }
    if (random.chance(1, 4)) {
        std::ignore = enlistments.open(indices.front());
    }
    for (std::size_t i = 0; i < datasources.size(); ++i) {
        if (random.chance(1, 50)) {
            const std::string statement = random.chance(1, 2) ? "fail" : "deadlock";
            std::ignore = enlistments.execute(work_of(indices[i], statement, random.chance(1, 2)));
        }
        const bool is_last = random.chance(1, 3);
        if (random.chance(1, 10)) {
            std::ignore = enlistments.execute(work_of(indices[i], "read", is_last));
        } else {
            std::ignore = enlistments.execute(work_of(indices[i], std::to_string(number), is_last));
            environment_.oracle.wrote(number, datasources[i]->name());
        }
        if (random.chance(1, 10)) {
            sleep(random.between(10us, 2ms));
        }
    }
}

void SimulatedProcess::sleep(VirtualMachine::Duration duration) {
    end_flow_of_dead_process();
    environment_.network.machine().sleep(duration);
    end_flow_of_dead_process();
}

void SimulatedProcess::reach(std::string_view point) noexcept {
    auto& random = environment_.network.random();
    if (is_dead()) {
        return;
    }
    if (environment_.deaths > 0 && random.chance(environment_.deaths, 100'000)) {
        die(point);
    } else if (random.chance(1, 60)) {
        environment_.network.machine().sleep(random.between(1us, 3ms));
    }
}

void SimulatedProcess::die(std::string_view where) {
    if (is_dead()) {
        return;
    }
    for (const auto& datasource : datasources_) {
        datasource->close_all();
    }
    simulated_log_->crash();
    life_->is_over = true;
    for (auto* fiber : fibers_) {
        environment_.network.machine().wake(*fiber);
    }
    environment_.on_death(where);
}

bool SimulatedProcess::ends_running_flow() const {
    return is_dead() && !enduring_fibers_.contains(environment_.network.machine().running());
}

bool SimulatedProcess::is_settled() const {
    const auto counts = table_.counts();
    return is_at_rest() && counts.live + counts.open_decisions + counts.waiting_for_row == 0 &&
           std::ranges::all_of(recoveries_, [](const auto& worker) { return worker->is_idle; });
}

std::string SimulatedProcess::unsettled() const {
    const auto counts = table_.counts();
    const auto busy =
        std::ranges::count_if(recoveries_, [](const auto& worker) { return !worker->is_idle; });
    return fmt::format(
        "{} threads of the application at work, {} live transactions, {} open decisions, {} "
        "transactions that wait for a row, {} resources with recovery at work",
        workers_, counts.live, counts.open_decisions, counts.waiting_for_row, busy);
}

bool SimulatedProcess::needs_restart() const {
    return log_.log().status().health != recovery_log::Health::healthy || table_.has_log_doubt() ||
           environment_.left_out.has_value();
}

}  // namespace xa_tm::simulation
