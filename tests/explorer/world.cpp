#include "world.h"

#include <algorithm>
#include <span>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coordinator.h"
#include "global_id.h"
#include "transaction_table.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::explorer {
namespace {

using Progress = PendingDecision::Progress;

constexpr recovery_log::LogId kLog{1};
constexpr recovery_log::LogId kOtherLog{2};
constexpr const char* kNode = "explorer";
constexpr std::uint64_t kEntry = 1;

std::string resource_of(std::size_t branch) {
    return fmt::format("r{}", branch + 1);
}

std::string gtrid() {
    return to_gtrid({kNode, kLog, 1, 1});
}

std::string bqual_of(std::size_t branch, const Setup& setup) {
    return to_bqual(
        {resource_of(branch), static_cast<std::uint32_t>(branch + 1), setup.has_last_resource});
}

std::string last_resource_of(const Setup& setup) {
    return resource_of(setup.branches - 1);
}

/// One step from one world. What breaks a law is written to `violation`.
class Step {
public:
    Step(const World& world, const Setup& setup) : world_{world}, setup_{setup} {}

    [[nodiscard]] World take() { return std::move(world_); }
    [[nodiscard]] std::string violation() { return std::move(violation_); }

    void begin();
    void do_members(std::size_t i, const Course& course);
    void lose_members(std::size_t i);
    void vote_early(std::size_t i, EventKind how);
    void ask(EventKind what);
    void serve(std::size_t i, EventKind how);
    void deliver(std::size_t i);
    void lose(std::size_t i);
    void end_session(std::size_t i);
    void force(EventKind how);
    void crash_manager(EventKind how);
    void crash_server(std::size_t i);
    void count_crash() { ++world_.crashes; }
    void end_sessions(std::size_t i, EventKind how);
    void list(std::size_t i);
    void know(std::size_t i);
    void list_again(std::size_t i);
    void settle_by_rows(std::size_t i);
    void remove_row();
    void act(std::size_t i, EventKind how);

    void check_laws();

private:
    [[nodiscard]] std::span<Branch> branches() { return {world_.branches.data(), setup_.branches}; }
    [[nodiscard]] bool is_attached(std::size_t i) const {
        return i >= setup_.first_attaching && world_.branches[i].has_session;
    }
    [[nodiscard]] Xid xid_of(std::size_t branch) const {
        return {kFormatId, gtrid(), bqual_of(branch, setup_)};
    }
    [[nodiscard]] Decision row() const;
    [[nodiscard]] PendingDecision pending();
    void write(std::size_t i, std::size_t member, Fate fate);
    void take(std::size_t member, CombinedWork::Verdict verdict);
    void take_broken();
    void end_trip(std::size_t i);
    void check_members();
    void drive(const CommitProtocol::Step& step);
    void settle();
    void forget();
    void finish(std::size_t i);
    [[nodiscard]] RecoveryAction planned(std::size_t i, bool is_listed);
    void break_law(std::string what) {
        violation_ = violation_.empty() ? std::move(what) : violation_;
    }

    World world_;
    const Setup& setup_;
    std::string violation_;
};

void Step::begin() {
    world_.is_begun = true;
    world_.is_live = true;
    world_.protocol.emplace(setup_.branches, setup_.has_last_resource
                                                 ? std::optional{setup_.branches - 1}
                                                 : std::nullopt);
    for (auto& branch : branches()) {
        branch.data = Data::open;
        branch.has_session = true;
        branch.is_connected = true;
    }
    if (setup_.members > 0) {
        world_.batch.emplace(setup_.members);
    }
}

/// As CombinedRun: what it sends, and what it makes of the answers.
void Step::do_members(std::size_t i, const Course& course) {
    const auto trip = world_.batch->next();
    const bool has_to_undo = trip.undo && (setup_.undoes_in_every_branch || i == 0);
    if (course.is_undo_refused || (has_to_undo && !world_.branches[i].work.undo(*trip.undo))) {
        take_broken();
    } else {
        for (auto member = trip.begin; member < trip.end; ++member) {
            write(i, member, course.fates.at(member));
        }
    }
    end_trip(i);
}

void Step::write(std::size_t i, std::size_t member, Fate fate) {
    using Verdict = CombinedWork::Verdict;
    auto& work = world_.branches[i].work;
    if (fate == Fate::none) {
        take(member, Verdict::not_reached);
        return;
    }
    work.set_savepoint(member);
    if (fate == Fate::broken) {
        work.lose();
        take(member, Verdict::broken);
        return;
    }
    if (fate != Fate::refused && !work.write(member, fate == Fate::unexpected_rows)) {
        break_law("law 11: a member's work is done twice");
    }
    take(member, fate == Fate::done ? Verdict::done : Verdict::failed);
}

/// Cut off, or without an answer in time.
void Step::lose_members(std::size_t i) {
    world_.branches[i].is_connected = false;
    world_.protocol->vote(i, XaCode::rmfail);
    if (const auto trip = world_.batch->next(); trip.undo) {
        take_broken();
    } else {
        take(trip.begin, CombinedWork::Verdict::broken);
    }
    end_trip(i);
}

void Step::take(std::size_t member, CombinedWork::Verdict verdict) {
    using Verdict = CombinedWork::Verdict;
    world_.batch->take(member, verdict);
    world_.is_branch_broken = world_.is_branch_broken || verdict == Verdict::broken;
    world_.failed_members |=
        static_cast<std::uint8_t>((verdict == Verdict::failed ? 1U : 0U) << member);
}

void Step::take_broken() {
    world_.batch->take_broken();
    world_.is_branch_broken = true;
}

/// In this branch; and in all when it is the last one.
void Step::end_trip(std::size_t i) {
    world_.branches[i].has_made_trip = true;
    if (!std::ranges::all_of(branches(), &Branch::has_made_trip)) {
        return;
    }
    world_.batch->end_trip();
    world_.failed_members = 0;
    world_.is_branch_broken = false;
    for (auto& branch : branches()) {
        branch.has_made_trip = false;
        if (world_.batch->state() != CombinedWork::State::working) {
            branch.work.release_savepoints();
        }
    }
}

/// Prepared with its last statement.
void Step::vote_early(std::size_t i, EventKind how) {
    auto& branch = world_.branches[i];
    if (how == EventKind::vote_early) {
        branch.data = Data::prepared;
        world_.protocol->vote(i, XaCode::ok);
    } else if (how == EventKind::refuse_early) {
        branch.data = Data::rolled_back;
        world_.protocol->vote(i, XaCode::rbrollback);
    } else {
        branch.request = Verb::prepare;
        branch.is_connected = false;
        world_.protocol->vote(i, XaCode::rmfail);
    }
}

void Step::ask(EventKind what) {
    world_.is_outcome_asked_for = true;
    drive(what == EventKind::ask_commit ? world_.protocol->commit() : world_.protocol->rollback());
}

/// What the coordinator does with a step.
void Step::drive(const CommitProtocol::Step& step) {
    auto& protocol = *world_.protocol;
    if (step.force_decision) {
        world_.is_forcing = true;
        for (std::size_t i = 0; i < setup_.branches; ++i) {
            world_.branches[i].is_named = protocol.state(i) != BranchState::read_only;
            if (world_.branches[i].is_named && world_.branches[i].data != Data::prepared &&
                world_.branches[i].data != Data::rolled_back) {
                break_law("law 3: a decision is forced before every vote is in");
            }
        }
        if (!setup_.waits_for_force) {
            drive(protocol.decision(recovery_log::ForceResult::durable));
        }
    }
    for (const auto& send : step.sends) {
        auto& branch = world_.branches[send.branch];
        branch.request = branch.has_session ? std::optional{send.verb} : std::nullopt;
        branch.reply = Reply::none;
        if (send.verb == Verb::commit && protocol.count_of_writers() > 1 &&
            world_.log != Log::forced && world_.row != Row::there) {
            break_law("law 2: a commit is sent before the decision is durable");
        }
    }
    if (protocol.is_finished()) {
        settle();
    }
}

/// As CommitRun::settle().
void Step::settle() {
    const auto& protocol = *world_.protocol;
    world_.told = protocol.outcome();
    for (std::size_t i = 0; i < setup_.branches; ++i) {
        const auto state = protocol.state(i);
        if (state == BranchState::unknown || state == BranchState::prepared) {
            world_.branches[i].is_connected = false;
        }
    }
    switch (protocol.ending()) {
        case CommitProtocol::Ending::stays_live: return;
        case CommitProtocol::Ending::leaves: world_.is_live = false; return;
        case CommitProtocol::Ending::waits_for_row:
            world_.is_live = false;
            world_.is_waiting_for_row = true;
            return;
        case CommitProtocol::Ending::is_decided: break;
    }
    world_.is_live = false;
    for (std::size_t i = 0; i < setup_.branches; ++i) {
        world_.branches[i].is_named =
            protocol.state(i) != BranchState::read_only && !setup_.is_last_resource(i);
        world_.branches[i].progress = progress_of(protocol.state(i));
    }
    world_.has_entry = protocol.is_decision_logged() && !setup_.has_last_resource;
    world_.has_row = protocol.is_decision_logged() && setup_.has_last_resource;
    world_.is_decided = !pending().is_finished();
    const bool is_kept = world_.has_entry || world_.has_row;
    if (!setup_.forgets_last && is_kept) {
        world_.is_decided = false;
    }
    if (!world_.is_decided && is_kept) {
        forget();
    }
}

Decision Step::row() const {
    Decision decision{.gtrid = gtrid(), .decided_at = {}, .branches = {}};
    for (std::size_t i = 0; i < setup_.branches; ++i) {
        if (world_.branches[i].is_named) {
            decision.branches.push_back({resource_of(i), bqual_of(i, setup_), "", ""});
        }
    }
    return decision;
}

PendingDecision Step::pending() {
    PendingDecision pending{.decision = {.gtrid = gtrid(), .decided_at = {}, .branches = {}},
                            .entry = std::nullopt,
                            .progress = {}};
    if (world_.has_entry) {
        pending.entry = recovery_log::EntryId{kEntry};
    }
    if (world_.has_row) {
        pending.row_at = last_resource_of(setup_);
    }
    for (std::size_t i = 0; i < setup_.branches; ++i) {
        if (world_.branches[i].is_named) {
            pending.decision.branches.push_back({resource_of(i), bqual_of(i, setup_), "", ""});
            pending.progress.push_back(world_.branches[i].progress);
        }
    }
    return pending;
}

/// The log, or whoever removes rows, is told that the decision is needless.
void Step::forget() {
    world_.is_forgotten = world_.has_entry;
    world_.is_row_needless = world_.has_row;
    for (const auto& branch : branches()) {
        if (branch.is_named && branch.data != Data::committed) {
            break_law("law 6: the decision is forgotten before every branch is committed");
        }
    }
}

void Step::finish(std::size_t i) {
    TransactionTable table;
    table.hand_over(pending());
    auto needless = table.finish(gtrid(), bqual_of(i, setup_)).size();
    needless += table.take_needless_rows(last_resource_of(setup_), 1).size();
    world_.branches[i].progress = Progress::finished;
    world_.is_decided = table.counts().open_decisions > 0;
    if (needless > 0) {
        forget();
    }
}

void Step::serve(std::size_t i, EventKind how) {
    auto& branch = world_.branches[i];
    const auto verb = *std::exchange(branch.request, std::nullopt);
    auto reply = Reply::ok;
    if (branch.data != Data::open && branch.data != Data::prepared) {
        return;  // recovery was there before, and nobody waits for the answer any more
    }
    if (how == EventKind::refuse_to_serve) {
        reply = Reply::refused;
    } else if (how == EventKind::vote_no) {
        branch.data = Data::rolled_back;
        reply = Reply::rolled_back;
    } else if (how == EventKind::vote_read_only) {
        branch.data = Data::read_only;
        reply = Reply::read_only;
    } else if (verb == Verb::prepare) {
        branch.data = Data::prepared;
    } else if (verb == Verb::rollback) {
        branch.data = Data::rolled_back;
    } else {
        branch.data = Data::committed;
        if (verb == Verb::commit_with_decision) {
            world_.row = Row::there;
            for (std::size_t other = 0; other < setup_.branches; ++other) {
                world_.branches[other].is_named = world_.branches[other].data == Data::prepared;
            }
        }
    }
    branch.reply = branch.is_connected ? reply : Reply::none;
}

XaCode code_of(Reply reply) {
    switch (reply) {
        case Reply::ok: return XaCode::ok;
        case Reply::read_only: return XaCode::rdonly;
        case Reply::rolled_back: return XaCode::rbrollback;
        case Reply::refused: return XaCode::rmerr;
        case Reply::none: break;
    }
    XA_TM_CHECK(false, "only called for a reply");
}

void Step::deliver(std::size_t i) {
    const auto reply = std::exchange(world_.branches[i].reply, Reply::none);
    drive(world_.protocol->answer(i, code_of(reply)));
}

/// The deadline has passed, or the connection broke: a request may still be on its way.
void Step::lose(std::size_t i) {
    auto& branch = world_.branches[i];
    branch.is_connected = false;
    branch.reply = Reply::none;
    drive(
        world_.protocol->answer(i, setup_.takes_silence_for_unknown ? XaCode::rmfail : XaCode::ok));
}

void Step::end_session(std::size_t i) {
    auto& branch = world_.branches[i];
    branch.has_session = false;
    branch.request.reset();
    branch.data = branch.data == Data::open ? Data::rolled_back : branch.data;
}

void Step::force(EventKind how) {
    world_.is_forcing = false;
    auto result = recovery_log::ForceResult::durable;
    if (how == EventKind::force) {
        world_.log = Log::forced;
    } else if (how == EventKind::refuse_force) {
        result = recovery_log::ForceResult::refused;
    } else {
        world_.log = Log::maybe_forced;
        result = setup_.stops_after_failed_force ? recovery_log::ForceResult::unknown
                                                 : recovery_log::ForceResult::refused;
    }
    if (setup_.waits_for_force) {
        drive(world_.protocol->decision(result));
    }
}

/// The process dies, and the next incarnation has read the log.
void Step::crash_manager(EventKind how) {
    const bool is_decided = how == EventKind::crash_manager_with_record ||
                            (world_.log == Log::forced && how == EventKind::crash_manager);
    world_.log = is_decided ? Log::forced : Log::empty;
    world_.is_forgotten = false;
    for (auto& branch : branches()) {
        branch.is_connected = false;
        branch.reply = Reply::none;
        branch.progress = Progress::open;
        branch.is_named = branch.is_named && (is_decided || world_.row == Row::there);
        branch.pass = {};
        branch.has_made_trip = false;
    }
    world_.has_row = false;
    world_.is_waiting_for_row = false;
    world_.are_rows_read = false;
    world_.is_row_needless = false;
    world_.protocol.reset();
    if (world_.batch && world_.batch->state() == CombinedWork::State::working) {
        world_.batch.reset();
    }
    world_.failed_members = 0;
    world_.is_branch_broken = false;
    world_.is_forcing = false;
    world_.is_live = false;
    world_.is_decided = is_decided;
    world_.has_entry = is_decided;
    ++world_.incarnation;
}

void Step::crash_server(std::size_t i) {
    end_session(i);
    world_.branches[i].pass = {};
}

void Step::end_sessions(std::size_t i, EventKind how) {
    auto& branch = world_.branches[i];
    branch.pass = {.phase = PassPhase::sessions_ended,
                   .is_row_waited_for = setup_.is_last_resource(i) && world_.is_waiting_for_row};
    if (branch.is_connected || !branch.has_session) {
        return;
    }
    if (how == EventKind::end_sessions) {
        end_session(i);
    } else {
        branch.pass.is_session_left = true;
    }
}

void Step::list(std::size_t i) {
    auto& branch = world_.branches[i];
    branch.pass.phase = PassPhase::listed;
    branch.pass.is_listed_before = branch.data == Data::prepared;
}

void Step::know(std::size_t i) {
    auto& branch = world_.branches[i];
    auto& pass = branch.pass;
    pass.phase = PassPhase::known;
    pass.is_begun = world_.is_begun;
    pass.is_live = world_.is_live && setup_.reads_live_set;
    pass.is_decided = world_.is_decided && setup_.reads_decisions;
    pass.is_named = pass.is_decided && branch.is_named;
    pass.progress = pass.is_decided ? branch.progress : Progress::open;
    pass.is_waiting_for_row = world_.is_waiting_for_row && setup_.waits_for_rows;
    pass.are_rows_read = world_.are_rows_read || !setup_.waits_for_rows;
}

/// plan_recovery() for this resource; it depends on nothing but what the key holds, and takes long.
RecoveryAction Step::planned(std::size_t i, bool is_listed) {
    const auto& pass = world_.branches[i].pass;
    const bool is_before = pass.is_listed_before || !setup_.judges_by_both_lists;
    const std::uint32_t key =
        (is_listed ? 1U : 0U) | (is_before ? 2U : 0U) | (pass.is_live ? 4U : 0U) |
        (pass.is_decided ? 8U : 0U) | (pass.is_named ? 16U : 0U) | (pass.is_begun ? 32U : 0U) |
        (pass.is_session_left ? 64U : 0U) | (static_cast<std::uint32_t>(pass.progress) << 7U) |
        (static_cast<std::uint32_t>(i) << 9U) | (setup_.judges_by_both_lists ? 0U : 1U << 11U) |
        (static_cast<std::uint32_t>(setup_.branches) << 12U) |
        (std::uint32_t{world_.incarnation} << 14U) | (setup_.has_last_resource ? 1U << 17U : 0U) |
        (pass.is_waiting_for_row ? 1U << 18U : 0U) | (pass.are_rows_read ? 1U << 19U : 0U);
    static std::unordered_map<std::uint32_t, RecoveryAction> memory;
    if (const auto found = memory.find(key); found != memory.end()) {
        return found->second;
    }
    const ListedBranch foreign{.xid = Xid{kFormatId + 1, gtrid(), bqual_of(0, setup_)},
                               .name = "foreign"};
    const ListedBranch of_other_log{
        .xid = Xid{kFormatId, to_gtrid({kNode, kOtherLog, 1, 1}), bqual_of(i, setup_)},
        .name = "of another log"};
    PlanInput input{.view = LogView::owner,
                    .node = kNode,
                    .log = kLog,
                    .incarnation = world_.incarnation,
                    .sequences_issued = world_.incarnation == 1 && pass.is_begun ? 1U : 0U,
                    .resource = resource_of(i),
                    .resources = {},
                    .server = "",
                    .before = {foreign, of_other_log},
                    .known = {},
                    .after = {foreign, of_other_log}};
    if (!setup_.judges_by_both_lists) {
        input.sequences_issued = 1;  // the second guard of the same thing
    }
    for (std::size_t other = 0; other < setup_.branches; ++other) {
        input.resources.insert(resource_of(other));
    }
    const ListedBranch ours{.xid = xid_of(i), .name = "ours"};
    if (is_before) {
        input.before.push_back(ours);
    }
    if (is_listed) {
        input.after.push_back(ours);
    }
    if (pass.is_session_left) {
        input.unended_session = "one is left";
    }
    TransactionTable table;
    if (pass.is_live) {
        table.enter(gtrid());
    }
    if (pass.is_decided) {
        PendingDecision pending{.decision = {.gtrid = gtrid(), .decided_at = {}, .branches = {}},
                                .entry = recovery_log::EntryId{kEntry},
                                .progress = {}};
        if (pass.is_named) {
            pending.decision.branches.push_back({resource_of(i), bqual_of(i, setup_), "", ""});
            pending.progress.push_back(pass.progress);
        }
        table.hand_over(std::move(pending));
    }
    if (setup_.has_last_resource) {
        std::ignore = table.add_last_resource(last_resource_of(setup_));
        if (pass.are_rows_read) {
            table.settle_by_rows(last_resource_of(setup_), {}, {}, world_.incarnation);
        }
        if (pass.is_waiting_for_row) {
            table.wait_for_row(gtrid(), last_resource_of(setup_));
        }
    }
    input.known = table.snapshot();
    auto action = RecoveryAction::none;
    for (const auto& branch : plan_recovery(input)) {
        const bool is_ours = branch.listed.xid == ours.xid;
        if (!is_ours && branch.action != RecoveryAction::none) {
            break_law("law 4: recovery touches a branch that is not ours");
        }
        action = is_ours ? branch.action : action;
    }
    memory.emplace(key, action);
    return action;
}

void Step::list_again(std::size_t i) {
    auto& branch = world_.branches[i];
    const auto action = planned(i, branch.data == Data::prepared);
    const bool is_conclusive = !branch.pass.is_session_left || !setup_.ends_sessions_before_rows;
    if (setup_.is_last_resource(i) && is_conclusive) {
        branch.pass = {.phase = PassPhase::rows_read,
                       .is_row_waited_for = branch.pass.is_row_waited_for,
                       .is_row_seen = world_.row == Row::there};
        return;
    }
    branch.pass = action == RecoveryAction::none
                      ? Pass{}
                      : Pass{.phase = PassPhase::acting, .action = action};
}

void Step::settle_by_rows(std::size_t i) {
    const auto pass = std::exchange(world_.branches[i].pass, {});
    TransactionTable table;
    if (world_.are_rows_read) {
        table.settle_by_rows(last_resource_of(setup_), {}, {}, world_.incarnation);
    }
    if (world_.is_live) {
        table.enter(gtrid());
    }
    if (world_.is_decided) {
        table.hand_over(pending());
    }
    if (world_.is_waiting_for_row) {
        table.wait_for_row(gtrid(), last_resource_of(setup_));
    }
    table.settle_by_rows(last_resource_of(setup_),
                         pass.is_row_seen ? std::vector{row()} : std::vector<Decision>{},
                         pass.is_row_waited_for ? std::vector{gtrid()} : std::vector<std::string>{},
                         world_.incarnation);
    const auto known = table.snapshot();
    world_.are_rows_read = true;
    world_.is_waiting_for_row = !known.waiting_for_row.empty();
    const bool is_learnt = !world_.is_decided && known.decisions.contains(gtrid());
    world_.is_decided = known.decisions.contains(gtrid());
    world_.has_row = world_.has_row || is_learnt;
    for (auto& branch : branches()) {
        branch.progress = is_learnt ? Progress::open : branch.progress;
    }
}

void Step::remove_row() {
    world_.row = Row::removed;
    world_.is_row_needless = false;
}

void Step::act(std::size_t i, EventKind how) {
    auto& branch = world_.branches[i];
    const auto pass = std::exchange(branch.pass, {});
    if (how == EventKind::give_up_acting) {
        return;
    }
    auto code = XaCode::nota;
    if (branch.data == Data::prepared) {
        const bool is_refused = is_attached(i) || pass.action == RecoveryAction::confirm;
        code = is_refused ? XaCode::retry : XaCode::ok;
    }
    if (code == XaCode::ok && pass.action == RecoveryAction::commit) {
        branch.data = Data::committed;
    } else if (code == XaCode::ok && pass.action == RecoveryAction::rollback) {
        branch.data = Data::rolled_back;
        if (world_.is_live || world_.is_decided || world_.row == Row::there) {
            break_law("law 5: recovery rolls back what can still commit");
        }
    }
    if (how == EventKind::act_unheard) {
        return;
    }
    const auto end = end_of_branch(pass.action, code);
    if (end && *end != RecoveredState::rolled_back && world_.is_decided &&
        branch.progress == Progress::open) {
        finish(i);
    }
}

void Step::check_laws() {
    const auto has = [this](Data data) {
        return std::ranges::find(branches(), data, &Branch::data) != branches().end();
    };
    if (has(Data::committed) && has(Data::rolled_back)) {
        break_law("law 1: one branch has committed and another one is rolled back");
    }
    if (world_.told == Outcome::committed && has(Data::rolled_back)) {
        break_law("law 9: the application was told committed, and a branch is rolled back");
    }
    if (world_.told == Outcome::rolled_back && has(Data::committed)) {
        break_law("law 9: the application was told rolled back, and a branch has committed");
    }
    if (setup_.members > 0 && has(Data::committed)) {
        check_members();
    }
}

/// Where a branch has committed, it has done so with the work of all that have not failed, who are
/// told what became of it, and with nobody else's.
void Step::check_members() {
    const bool is_complete = world_.batch && world_.batch->state() == CombinedWork::State::complete;
    if (!is_complete || (world_.told && world_.batch->is_in_vain(*world_.told))) {
        break_law("law 11: members run again although they may be committed");
        return;
    }
    std::vector<std::size_t> expected;
    for (std::size_t member = 0; member < setup_.members; ++member) {
        if (!world_.batch->has_failed(member)) {
            expected.push_back(member);
        }
    }
    for (const auto& branch : branches()) {
        if (branch.data != Data::committed) {
            continue;
        }
        if (branch.work.has_unexpected_rows()) {
            break_law("law 11: a branch has committed work that had unexpected rows");
        }
        if (branch.work.members() != expected) {
            break_law(
                "law 11: a branch has committed without a member's work, or with that of one "
                "that has failed");
        }
    }
}

/// What the transaction manager waits for.
bool is_outstanding(const World& world, std::size_t i) {
    if (!world.protocol) {
        return false;
    }
    const auto state = world.protocol->state(i);
    return state == BranchState::preparing || state == BranchState::committing ||
           state == BranchState::rolling_back;
}

bool is_left_to_next_incarnation(const World& world) {
    return world.protocol && world.protocol->is_finished() && world.is_live;
}

class Walk {
public:
    Walk(const World& world, const Setup& setup, const Visit& visit)
        : world_{world}, setup_{setup}, visit_{visit} {}

    void all() {
        if (!world_.is_begun) {
            go({EventKind::begin}, [](Step& step) { step.begin(); });
        }
        application();
        for (std::size_t i = 0; i < setup_.branches; ++i) {
            server(i);
            connection(i);
            recovery(i);
        }
        log();
        crashes();
    }

private:
    template <class Change>
    void go(Event event, Change change) {
        Step step{world_, setup_};
        change(step);
        step.check_laws();
        auto violation = step.violation();
        visit_(event, step.take(), std::move(violation));
    }
    static Event of(EventKind kind, std::size_t branch) {
        return {kind, static_cast<std::uint8_t>(branch)};
    }

    void application() {
        if (!world_.protocol || world_.is_outcome_asked_for) {
            return;
        }
        if (world_.batch) {
            combined_application();
            return;
        }
        for (const auto what : {EventKind::ask_commit, EventKind::ask_rollback}) {
            go({what}, [&](Step& step) { step.ask(what); });
        }
        for (std::size_t i = 0; i < setup_.branches; ++i) {
            const auto& branch = world_.branches[i];
            if (world_.protocol->state(i) != BranchState::active || branch.data != Data::open) {
                continue;
            }
            for (const auto how :
                 {EventKind::vote_early, EventKind::lose_early_vote, EventKind::refuse_early}) {
                if (setup_.is_last_resource(i) && how != EventKind::refuse_early) {
                    continue;  // it is never asked to prepare
                }
                go(of(how, i), [&](Step& step) { step.vote_early(i, how); });
            }
        }
    }

    /// As CombinedRun::run().
    void combined_application() {
        switch (world_.batch->state()) {
            case CombinedWork::State::working:
                for (std::size_t i = 0; i < setup_.branches; ++i) {
                    members(i);
                }
                return;
            case CombinedWork::State::complete:
                go({EventKind::ask_commit}, [](Step& step) { step.ask(EventKind::ask_commit); });
                break;  // its time may be over, too
            case CombinedWork::State::empty:
            case CombinedWork::State::dissolved: break;
        }
        go({EventKind::ask_rollback}, [](Step& step) { step.ask(EventKind::ask_rollback); });
    }

    void members(std::size_t i) {
        const auto& branch = world_.branches[i];
        if (branch.has_made_trip) {
            return;
        }
        go(of(EventKind::lose_members, i), [&](Step& step) { step.lose_members(i); });
        if (!branch.is_connected || !branch.has_session) {
            return;
        }
        for (const auto& course : courses_of(world_.batch->next())) {
            go({EventKind::do_members, static_cast<std::uint8_t>(i), course},
               [&](Step& step) { step.do_members(i, course); });
        }
    }

    void server(std::size_t i) {
        const auto& branch = world_.branches[i];
        if (!branch.has_session) {
            return;
        }
        if (!branch.request) {
            if (!branch.is_connected) {
                go(of(EventKind::notice_closed_session, i),
                   [&](Step& step) { step.end_session(i); });
            }
            return;
        }
        std::vector<EventKind> ways{EventKind::serve, EventKind::refuse_to_serve};
        if (branch.request == Verb::prepare) {
            ways.push_back(EventKind::vote_no);
            if (branch.work.members().empty()) {
                ways.push_back(EventKind::vote_read_only);
            }
        } else if (branch.request == Verb::commit_one_phase ||
                   branch.request == Verb::commit_with_decision) {
            ways.push_back(EventKind::vote_no);
        }
        for (const auto how : ways) {
            go(of(how, i), [&](Step& step) { step.serve(i, how); });
        }
    }

    void connection(std::size_t i) {
        const auto& branch = world_.branches[i];
        if (!branch.is_connected || !is_outstanding(world_, i)) {
            return;
        }
        if (branch.reply != Reply::none) {
            go(of(EventKind::deliver, i), [&](Step& step) { step.deliver(i); });
        }
        go(of(EventKind::lose, i), [&](Step& step) { step.lose(i); });
    }

    void log() {
        if (!world_.is_forcing) {
            return;
        }
        for (const auto how : {EventKind::force, EventKind::fail_force, EventKind::refuse_force}) {
            go({how}, [&](Step& step) { step.force(how); });
        }
    }

    void crashes() {
        if (!world_.is_begun) {
            return;
        }
        const bool is_allowed = world_.crashes < setup_.crashes;
        if (is_allowed) {
            for (std::size_t i = 0; i < setup_.branches; ++i) {
                if (world_.branches[i].has_session) {
                    go(of(EventKind::crash_server, i), [&](Step& step) {
                        step.crash_server(i);
                        step.count_crash();
                    });
                }
            }
        }
        // Such a process decides nothing more, so that someone restarts it.
        if (!is_allowed && !is_left_to_next_incarnation(world_)) {
            return;
        }
        std::vector<EventKind> ways{EventKind::crash_manager};
        if (world_.is_forcing || world_.log == Log::maybe_forced) {
            ways.push_back(EventKind::crash_manager_with_record);
        }
        if (world_.is_forgotten && world_.log == Log::forced) {
            ways.push_back(EventKind::crash_manager_forgotten);
        }
        for (const auto how : ways) {
            go({how}, [&](Step& step) {
                step.crash_manager(how);
                if (is_allowed) {
                    step.count_crash();
                }
            });
        }
    }

    void recovery(std::size_t i) {
        const auto& branch = world_.branches[i];
        switch (branch.pass.phase) {
            case PassPhase::idle: begin_recovery(i); return;
            case PassPhase::sessions_ended:
                go(of(EventKind::list, i), [&](Step& step) { step.list(i); });
                return;
            case PassPhase::listed:
                go(of(EventKind::know, i), [&](Step& step) { step.know(i); });
                return;
            case PassPhase::known:
                go(of(EventKind::list_again, i), [&](Step& step) { step.list_again(i); });
                return;
            case PassPhase::rows_read:
                go(of(EventKind::settle_by_rows, i), [&](Step& step) { step.settle_by_rows(i); });
                return;
            case PassPhase::acting:
                for (const auto how :
                     {EventKind::act, EventKind::act_unheard, EventKind::give_up_acting}) {
                    go(of(how, i), [&](Step& step) { step.act(i, how); });
                }
                return;
        }
    }
    void begin_recovery(std::size_t i) {
        const bool is_elsewhere = std::ranges::any_of(world_.branches, [](const Branch& branch) {
            return branch.pass.phase != PassPhase::idle;
        });
        if (is_elsewhere && !setup_.recovers_side_by_side) {
            return;
        }
        std::vector<EventKind> ways{EventKind::end_sessions};
        if (!world_.branches[i].is_connected && world_.branches[i].has_session) {
            ways.push_back(EventKind::fail_to_end_sessions);
        }
        for (const auto how : ways) {
            go(of(how, i), [&](Step& step) { step.end_sessions(i, how); });
        }
        const bool may_remove =
            world_.is_row_needless || (!setup_.keeps_rows_to_the_end && world_.has_row);
        if (setup_.is_last_resource(i) && may_remove && world_.row == Row::there) {
            go(of(EventKind::remove_row, i), [&](Step& step) { step.remove_row(); });
        }
    }

    const World& world_;
    const Setup& setup_;
    const Visit& visit_;
};

/// Puts small numbers side by side.
class Packer {
public:
    template <class Number>
    void add(Number number, unsigned bits) {
        const auto value = static_cast<std::uint64_t>(number);
        XA_TM_CHECK(value < (std::uint64_t{1} << bits) && used_ + bits <= 64, "it has a place");
        word_ |= value << used_;
        used_ += bits;
    }
    [[nodiscard]] std::uint64_t word() const noexcept { return word_; }

private:
    std::uint64_t word_ = 0;
    unsigned used_ = 0;
};

std::uint64_t packed(const World& world, const Setup& setup, std::size_t i) {
    const auto& branch = world.branches[i];
    Packer packer;
    packer.add(branch.data, 3);
    packer.add(branch.has_session, 1);
    packer.add(branch.is_connected, 1);
    packer.add(branch.request ? static_cast<unsigned>(*branch.request) + 1 : 0U, 4);
    packer.add(branch.reply, 3);
    packer.add(world.protocol ? static_cast<unsigned>(world.protocol->state(i)) + 1 : 0U, 4);
    // What nobody reads any more would only tell equal worlds apart.
    packer.add(
        world.is_forcing || world.log != Log::empty || world.is_decided || world.row == Row::there
            ? branch.is_named
            : false,
        1);
    packer.add(world.is_decided && branch.progress == Progress::finished, 1);
    packer.add(i >= setup.first_attaching, 1);
    packer.add(setup.is_last_resource(i), 1);
    const auto& pass = branch.pass;
    packer.add(pass.phase, 3);
    packer.add(pass.is_session_left, 1);
    packer.add(pass.is_listed_before, 1);
    packer.add(pass.is_live, 1);
    packer.add(pass.is_decided, 1);
    packer.add(pass.is_begun, 1);
    packer.add(pass.is_named, 1);
    packer.add(pass.progress == Progress::finished, 1);
    packer.add(pass.is_waiting_for_row, 1);
    packer.add(pass.are_rows_read, 1);
    packer.add(pass.is_row_waited_for, 1);
    packer.add(pass.is_row_seen, 1);
    packer.add(pass.action, 2);
    const bool may_be_committed = world.batch &&
                                  world.batch->state() != CombinedWork::State::dissolved &&
                                  branch.data != Data::rolled_back;
    packer.add(may_be_committed ? branch.work.number() : 0U, BranchWork::kBits);
    packer.add(branch.has_made_trip, 1);
    return packer.word();
}

void add_batch(Packer& packer, const CombinedWork& batch, const Setup& setup) {
    packer.add(1, 1);
    packer.add(batch.state(), 2);
    for (std::size_t member = 0; member < setup.members; ++member) {
        packer.add(batch.has_failed(member), 1);
    }
    if (batch.state() == CombinedWork::State::working) {
        const auto trip = batch.next();
        packer.add(trip.undo ? *trip.undo + 1 : 0, 2);
        packer.add(trip.begin, 2);
    }
}

}  // namespace

Key key_of(const World& world, const Setup& setup) {
    std::array<std::uint64_t, kBranchesMax> parts{};
    for (std::size_t i = 0; i < setup.branches; ++i) {
        parts[i] = packed(world, setup, i);
    }
    std::ranges::sort(parts);
    Packer rest;
    rest.add(world.is_begun, 1);
    rest.add(world.is_outcome_asked_for, 1);
    rest.add(world.is_forcing, 1);
    rest.add(world.protocol && world.protocol->is_one_phase(), 1);
    rest.add(world.protocol && world.protocol->is_commit_decided(), 1);
    rest.add(world.protocol && world.protocol->is_decision_logged(), 1);
    rest.add(world.protocol && world.protocol->is_finished(), 1);
    rest.add(world.told ? static_cast<unsigned>(*world.told) + 1 : 0U, 3);
    rest.add(world.log, 2);
    rest.add(world.is_forgotten, 1);
    rest.add(world.is_live, 1);
    rest.add(world.is_decided, 1);
    rest.add(world.has_entry, 1);
    rest.add(world.has_row, 1);
    rest.add(world.is_waiting_for_row, 1);
    rest.add(world.are_rows_read, 1);
    rest.add(world.is_row_needless, 1);
    rest.add(world.row, 2);
    rest.add(world.incarnation, 3);
    rest.add(world.crashes, 3);
    if (world.batch) {
        add_batch(rest, *world.batch, setup);
        rest.add(world.failed_members, kMembersMax);
        rest.add(world.is_branch_broken, 1);
    }
    return {parts[0], parts[1], parts[2], rest.word()};
}

void for_each_next(const World& world, const Setup& setup, const Visit& visit) {
    Walk{world, setup, visit}.all();
}

bool is_settled(const World& world, const Setup& setup) {
    const bool is_at_rest = world.is_begun && !world.is_live && !world.is_decided &&
                            !world.is_forcing && (world.log == Log::empty || world.is_forgotten) &&
                            !world.is_waiting_for_row && world.row != Row::there;
    return is_at_rest &&
           std::all_of(world.branches.begin(),
                       world.branches.begin() + static_cast<std::ptrdiff_t>(setup.branches),
                       [](const Branch& branch) {
                           return branch.pass.phase == PassPhase::idle && !branch.request &&
                                  branch.data != Data::open && branch.data != Data::prepared;
                       });
}

std::string to_string(const Event& event) {
    const auto sentence = [&]() -> std::string_view {
        switch (event.kind) {
            case EventKind::begin: return "the transaction begins, every branch has written";
            case EventKind::do_members: return "{} does the members: {}";
            case EventKind::lose_members: return "{} is lost with the members' statements";
            case EventKind::vote_early: return "{} is prepared with its last statement";
            case EventKind::lose_early_vote: return "{}'s answer to its last statement is lost";
            case EventKind::refuse_early: return "{} is rolled back by its last statement";
            case EventKind::ask_commit: return "the application commits";
            case EventKind::ask_rollback: return "the application rolls back";
            case EventKind::serve: return "{} does what was sent";
            case EventKind::refuse_to_serve: return "{} refuses what was sent, and changes nothing";
            case EventKind::vote_no: return "{} rolls back instead";
            case EventKind::vote_read_only: return "{} has written nothing, and ends";
            case EventKind::deliver: return "{}'s answer arrives";
            case EventKind::lose: return "{}'s answer does not come";
            case EventKind::notice_closed_session: return "{} sees that its session is closed";
            case EventKind::force: return "the decision is durable";
            case EventKind::fail_force: return "the force fails, the decision may be in the log";
            case EventKind::refuse_force: return "the log refuses the decision";
            case EventKind::crash_manager: return "the transaction manager dies, and starts again";
            case EventKind::crash_manager_with_record:
                return "the transaction manager dies, and the next one finds the decision";
            case EventKind::crash_manager_forgotten:
                return "the transaction manager dies, and the next one finds the decision "
                       "forgotten";
            case EventKind::crash_server: return "{} dies, and starts again";
            case EventKind::end_sessions: return "recovery ends what is left of sessions at {}";
            case EventKind::fail_to_end_sessions: return "recovery can't end the old session at {}";
            case EventKind::list: return "recovery lists {}";
            case EventKind::know: return "recovery reads what is live and decided, for {}";
            case EventKind::list_again: return "recovery lists {} again, and judges";
            case EventKind::settle_by_rows:
                return "recovery learns from the rows of {} what was decided";
            case EventKind::remove_row: return "the needless row of {} is removed";
            case EventKind::act: return "recovery acts at {}";
            case EventKind::act_unheard: return "recovery acts at {}, and the answer is lost";
            case EventKind::give_up_acting: return "recovery does not reach {}";
        }
        XA_TM_CHECK(false, "every event is named");
    }();
    return fmt::format(fmt::runtime(sentence), resource_of(event.branch), to_string(event.course));
}

std::string to_string(const World& world, const Setup& setup) {
    constexpr std::array data{"-", "open", "prepared", "committed", "rolled back", "read only"};
    std::string text;
    for (std::size_t i = 0; i < setup.branches; ++i) {
        const auto& branch = world.branches[i];
        text += fmt::format("{}={}", resource_of(i), data[static_cast<std::size_t>(branch.data)]);
        if (branch.request) {
            text += fmt::format(" ({} on its way)", xa_tm::to_string(*branch.request));
        }
        text += "  ";
    }
    constexpr std::array logs{"empty", "decided", "decided or empty"};
    text += fmt::format("log={}{}  incarnation={}", logs[static_cast<std::size_t>(world.log)],
                        world.is_forgotten ? ", forgotten" : "", world.incarnation);
    if (setup.has_last_resource) {
        constexpr std::array rows{"none", "there", "removed"};
        text += fmt::format("  row={}", rows[static_cast<std::size_t>(world.row)]);
    }
    if (setup.members > 0) {
        for (std::size_t i = 0; i < setup.branches; ++i) {
            text += fmt::format("  of members at {}: {}", resource_of(i),
                                fmt::join(world.branches[i].work.members(), " "));
        }
    }
    if (world.told) {
        text += fmt::format("  told={}", xa_tm::to_string(*world.told));
    }
    return text;
}

}  // namespace xa_tm::explorer
