// Invariants:
// - sessions_ has no session that is gone;
// - a branch is active in one session, or in prepared_, or finished;
// - holder is set exactly while a session's `attached` is this branch.

#include "simulated_server.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "xa_tm/decision_table.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kEvidence = "pg_xid=";

Answer unknown_xid() {
    return {.code = XaCode::nota, .message = "unknown xid"};
}

Answer wrong_state() {
    return {.code = XaCode::proto, .message = "the verb does not fit the session's state"};
}

}  // namespace

std::string_view to_string(ServerKind kind) noexcept {
    switch (kind) {
        case ServerKind::postgres: return "postgres";
        case ServerKind::mysql: return "mysql";
        case ServerKind::mariadb: return "mariadb";
    }
    return "?";
}

SimulatedServer::SimulatedServer(std::string name, ServerKind kind, VirtualMachine& machine,
                                 Random& random, ServerWatcher* watcher)
    : name_{std::move(name)}, kind_{kind}, machine_{machine}, random_{random}, watcher_{watcher} {}

std::string SimulatedServer::identity() const {
    return "server of " + name_;
}

std::string SimulatedServer::life_name(std::uint32_t life) const {
    return fmt::format("life {}", life);
}

std::shared_ptr<ServerSession> SimulatedServer::connect(std::string mark) {
    if (!is_up_) {
        return nullptr;
    }
    auto session = std::make_shared<ServerSession>();
    session->number = ++last_number_;
    session->life = life_;
    session->mark = std::move(mark);
    sessions_.push_back(session);
    return session;
}

Answer SimulatedServer::carry_out(ServerSession& session, const std::vector<std::string>& ended,
                                  const Request& request) {
    XA_TM_CHECK(session.state == ServerSession::State::alive,
                "a session that has ended runs nothing");
    switch (request.verb) {
        case Verb::start: return start(session, request.xid);
        case Verb::execute: return execute(session, request);
        case Verb::prepare: return prepare(session, request.xid);
        case Verb::commit_one_phase: return commit_one_phase(session, request.xid);
        case Verb::commit_with_decision: return commit_with_decision(session, request);
        case Verb::list_decisions: return list_decisions(session, request.log);
        case Verb::forget_decisions: return forget_decisions(session, request.gtrids);
        case Verb::list_witnesses:
        case Verb::forget_witnesses:
            return {.code = XaCode::rmerr, .message = "no simulated branch leaves a witness row"};
        case Verb::commit: return commit(session, request);
        case Verb::rollback: return roll_back(session, request.xid);
        case Verb::recover: return list();
        case Verb::locate: return locate(request);
        case Verb::end_session: return end_session(request.session);
        case Verb::end_ended_sessions: return end_ended_sessions(ended);
        case Verb::examine: return examine(request.xid);
    }
    XA_TM_CHECK(false, "every verb is simulated");
}

Answer SimulatedServer::start(ServerSession& session, const Xid& xid) {
    if (xid.gtrid.empty() || xid.gtrid.size() > kMaxGtridBytes ||
        xid.bqual.size() > kMaxBqualBytes) {
        return {.code = XaCode::inval, .message = "the xid is too long or too short"};
    }
    if (session.active || session.attached) {
        return wrong_state();
    }
    if (kind_ != ServerKind::postgres && is_named(xid)) {
        return {.code = XaCode::dupid, .message = "the xid is in use"};
    }
    session.active = ServerSession::Branch{.xid = xid};
    return {};
}

/// What a statement does is its text:
/// - `fail` and `deadlock` do that;
/// - `read` and `select` read;
/// - `insert` writes a row, which is its argument, and `update N` another one, as N rows;
/// - `savepoint` and `rollback to savepoint` are SQL's;
/// - whatever else there is is a row itself, which is written.
Answer SimulatedServer::execute(ServerSession& session, const Request& request) {
    constexpr std::string_view kGoBack = "rollback to savepoint ";
    constexpr std::string_view kSavepoint = "savepoint ";
    constexpr std::string_view kUpdate = "update ";
    if (!session.active) {
        return wrong_state();
    }
    auto& branch = *session.active;
    const std::string_view statement{request.statement};
    if (statement.starts_with(kGoBack)) {
        return go_back(branch, statement.substr(kGoBack.size()));
    }
    if (branch.rollback_only) {
        return {.code = XaCode::rmerr, .message = "the transaction is aborted", .native_error = 1};
    }
    if (statement.starts_with(kSavepoint)) {
        branch.savepoints.emplace_back(statement.substr(kSavepoint.size()), branch.rows.size());
        return {};
    }
    const bool is_insert = statement == "insert";
    const bool is_update = statement.starts_with(kUpdate);
    const bool takes_too_many = request.arguments.size() > (is_insert || is_update ? 1 : 0);
    if (statement == "fail" || (is_insert && request.arguments.empty()) || takes_too_many) {
        return fail(branch);
    }
    if (statement.starts_with("deadlock") || statement == "delete deadlock") {
        branch.rollback_only = XaCode::rbdeadlock;
        return {.code = kind_ == ServerKind::postgres ? XaCode::rmerr : XaCode::rbdeadlock,
                .message = "deadlock found",
                .native_error = 1,
                .is_conflict = true};
    }
    if (statement.starts_with("read") || statement.starts_with("select")) {
        return {.rows = 1};
    }
    for (const auto& argument : request.arguments) {
        write(branch, std::to_string(std::get<std::uint64_t>(argument)));
    }
    if (is_update) {
        return {.rows = std::stoull(request.statement.substr(kUpdate.size()))};
    }
    if (request.arguments.empty()) {
        write(branch, request.statement);
    }
    return {.rows = 1};
}

Answer SimulatedServer::go_back(ServerSession::Branch& branch, std::string_view savepoint) const {
    const auto found = std::find_if(branch.savepoints.rbegin(), branch.savepoints.rend(),
                                    [&](const auto& one) { return one.first == savepoint; });
    const bool is_beyond_repair = branch.rollback_only && kind_ != ServerKind::postgres;
    if (is_beyond_repair || found == branch.savepoints.rend()) {
        return fail(branch);
    }
    branch.rows.resize(found->second);
    branch.savepoints.erase(found.base(), branch.savepoints.end());
    branch.rollback_only.reset();
    return {};
}

Answer SimulatedServer::fail(ServerSession::Branch& branch) const {
    if (kind_ == ServerKind::postgres) {
        branch.rollback_only = branch.rollback_only.value_or(XaCode::rbrollback);
    }
    return {.code = XaCode::rmerr, .message = "the statement can't be run", .native_error = 1};
}

void SimulatedServer::write(ServerSession::Branch& branch, std::string row) {
    branch.rows.push_back(std::move(row));
    if (kind_ == ServerKind::postgres && branch.transaction_id == 0) {
        branch.transaction_id = fates_.size();
        fates_.push_back(Fate::in_progress);
    }
}

std::optional<Answer> SimulatedServer::refusal_of_end(ServerSession& session, const Xid& xid) {
    if (!session.active || session.active->xid != xid) {
        return wrong_state();
    }
    if (!session.active->rollback_only) {
        return std::nullopt;
    }
    const auto code = *session.active->rollback_only;
    undo(session);
    return Answer{.code = code, .message = "the branch can only be rolled back"};
}

Answer SimulatedServer::prepare(ServerSession& session, const Xid& xid) {
    if (auto refusal = refusal_of_end(session, xid)) {
        return *std::move(refusal);
    }
    if (prepared_.contains(xid)) {
        undo(session);
        return {.code = XaCode::rbother, .message = "the identifier is in use"};
    }
    const bool has_written = !session.active->rows.empty();
    if (!has_written && kind_ != ServerKind::mariadb) {
        session.active.reset();  // MySQL: its driver commits what was prepared empty, in one go
        return {.code = XaCode::rdonly};
    }
    auto branch = *std::exchange(session.active, std::nullopt);
    const bool is_kept = kind_ == ServerKind::mariadb;
    prepared_.emplace(xid, Prepared{.holder = is_kept ? &session : nullptr,
                                    .rows = std::move(branch.rows),
                                    .transaction_id = branch.transaction_id});
    if (is_kept) {
        session.attached = xid;
    }
    if (has_written) {
        sync();
    }
    return {.evidence = branch.transaction_id > 0
                            ? fmt::format("{}{}", kEvidence, branch.transaction_id)
                            : std::string{}};
}

Answer SimulatedServer::commit_one_phase(ServerSession& session, const Xid& xid) {
    if (auto refusal = refusal_of_end(session, xid)) {
        return *std::move(refusal);
    }
    const auto branch = *std::exchange(session.active, std::nullopt);
    keep(xid, branch.rows, branch.transaction_id);
    return {};
}

Answer SimulatedServer::commit_with_decision(ServerSession& session, const Request& request) {
    if (auto refusal = refusal_of_end(session, request.xid)) {
        return *std::move(refusal);
    }
    if (!has_decision_table_) {
        undo(session);
        auto answer = no_decision_table();
        answer.code = XaCode::rbrollback;
        return answer;
    }
    if (decisions_.contains(request.xid.gtrid)) {
        undo(session);
        return {.code = XaCode::rbintegrity, .message = "the gtrid has a decision already"};
    }
    decisions_.emplace(request.xid.gtrid, Decided{request.log, request.decision});
    if (watcher_ != nullptr) {
        watcher_->wrote_decision(name_, request.xid.gtrid);
    }
    sync();
    return commit_one_phase(session, request.xid);
}

void SimulatedServer::drop_decision_table() {
    has_decision_table_ = false;
    decisions_.clear();
}

void SimulatedServer::lose_decisions_of(const std::string& log) {
    std::erase_if(decisions_, [&log](const auto& row) { return row.second.log == log; });
}

Answer SimulatedServer::no_decision_table() const {
    return {.code = XaCode::rmerr, .message = advice_to_set_up(name_)};
}

Answer SimulatedServer::list_decisions(const ServerSession& session, const std::string& log) const {
    if (session.active || !has_decision_table_) {
        return session.active ? wrong_state() : no_decision_table();
    }
    return {.position = {.history = "1", .flushed = flushed_}, .decisions = decisions_of(log)};
}

std::vector<DecisionRow> SimulatedServer::decisions_of(const std::string& log) const {
    std::vector<DecisionRow> rows;
    for (const auto& [gtrid, row] : decisions_) {
        if (row.log == log) {
            rows.push_back({gtrid, row.decision});
        }
    }
    return rows;
}

Answer SimulatedServer::forget_decisions(const ServerSession& session,
                                         const std::vector<std::string>& gtrids) {
    if (session.active || !has_decision_table_) {
        return session.active ? wrong_state() : no_decision_table();
    }
    for (const auto& gtrid : gtrids) {
        if (decisions_.erase(gtrid) > 0 && watcher_ != nullptr) {
            watcher_->removed_decision(name_, gtrid);
        }
    }
    return {};
}

std::optional<Answer> SimulatedServer::refusal_to_finish(const ServerSession& session,
                                                         const Xid& xid) const {
    if (session.active || (session.attached && session.attached != xid)) {
        return wrong_state();
    }
    const auto found = prepared_.find(xid);
    if (found == prepared_.end()) {
        return unknown_xid();
    }
    if (found->second.holder != nullptr && found->second.holder != &session) {
        return Answer{.code = XaCode::retry,
                      .message =
                          "unknown xid; but it is listed: the session that prepared it has "
                          "not ended yet"};
    }
    return std::nullopt;
}

Answer SimulatedServer::commit(ServerSession& session, const Request& request) {
    if (auto refusal = refusal_to_finish(session, request.xid)) {
        const auto fate =
            refusal->code == XaCode::nota ? fate_from(request.evidence) : std::nullopt;
        if (!fate) {
            return *std::move(refusal);
        }
        switch (*fate) {
            case Fate::in_progress: return {.code = XaCode::retry};
            case Fate::committed: return {};
            case Fate::rolled_back:
                return {.code = XaCode::heurrb, .message = "the branch was rolled back by hand"};
        }
    }
    const auto found = prepared_.find(request.xid);
    const auto branch = std::move(found->second);
    prepared_.erase(found);
    session.attached.reset();
    if (branch.is_husk) {
        return {.code = XaCode::rdonly};
    }
    keep(request.xid, branch.rows, branch.transaction_id);
    return {};
}

Answer SimulatedServer::roll_back(ServerSession& session, const Xid& xid) {
    if (session.active && session.active->xid == xid) {
        undo(session);
        return {};
    }
    if (auto refusal = refusal_to_finish(session, xid)) {
        return *std::move(refusal);
    }
    const auto found = prepared_.find(xid);
    auto branch = std::move(found->second);
    prepared_.erase(found);
    session.attached.reset();
    set_fate(branch.transaction_id, Fate::rolled_back);
    if (watcher_ != nullptr) {
        watcher_->rolled_back(name_, xid, branch.rows, true);
    }
    if (kind_ == ServerKind::mariadb && !branch.rows.empty()) {
        unsynced_rollbacks_.emplace_back(xid, std::move(branch.rows));
    }
    return {};
}

Answer SimulatedServer::list() const {
    Answer answer{.position = {.history = "1", .flushed = flushed_}};
    for (const auto& [xid, branch] : prepared_) {
        answer.listed.push_back({.xid = xid, .name = xid.gtrid + "," + xid.bqual});
    }
    for (const auto& stranger : strangers_) {
        answer.listed.push_back({.xid = std::nullopt, .name = stranger});
    }
    return answer;
}

Answer SimulatedServer::locate(const Request& request) const {
    if (is_named(request.xid)) {
        return {.code = XaCode::retry};
    }
    const auto fate = fate_from(request.evidence);
    if (!fate) {
        return {.code = XaCode::nota};
    }
    switch (*fate) {
        case Fate::in_progress: return {.code = XaCode::retry};
        case Fate::committed: return {.code = XaCode::nota};
        case Fate::rolled_back:
            return {.code = XaCode::heurrb, .message = "the branch was rolled back by hand"};
    }
    return {.code = XaCode::nota};
}

Answer SimulatedServer::end_session(const SessionId& id) {
    for (const auto& session : std::vector{sessions_}) {
        if (session->number == id.number && life_name(session->life) == id.since) {
            kill(*session);
            return {
                .code = session->state == ServerSession::State::gone ? XaCode::ok : XaCode::retry,
                .message = "the session has not ended yet"};
        }
    }
    return {};
}

Answer SimulatedServer::end_ended_sessions(const std::vector<std::string>& ended) {
    Answer answer;
    for (const auto& session : std::vector{sessions_}) {
        if (std::ranges::find(ended, session->mark) == ended.end()) {
            continue;
        }
        kill(*session);
        if (session->state != ServerSession::State::gone) {
            answer = {.code = XaCode::retry, .message = "a session has not ended yet"};
        }
    }
    return answer;
}

Answer SimulatedServer::examine(const Xid& xid) const {
    const auto found = prepared_.find(xid);
    if (found == prepared_.end()) {
        return unknown_xid();
    }
    Answer answer;
    for (const auto& row : found->second.rows) {
        answer.holdings.locks.push_back(
            {.object = fmt::format("row {}", row), .mode = "exclusive"});
    }
    answer.holdings.blocked = found->second.blocked;
    return answer;
}

void SimulatedServer::kill(ServerSession& session) {
    if (session.state == ServerSession::State::alive) {
        end(session);
        if (session.on_killed) {
            session.on_killed();
        }
    }
}

void SimulatedServer::end(ServerSession& session) {
    if (session.state != ServerSession::State::alive) {
        return;
    }
    session.state = ServerSession::State::ending;
    if (session.active) {
        undo(session);
    }
    if (kind_ != ServerKind::mariadb) {
        let_go(session);
        return;
    }
    // The thread lives on for a moment.
    const auto found = std::ranges::find_if(
        sessions_, [&session](const auto& other) { return other.get() == &session; });
    XA_TM_CHECK(found != sessions_.end(), "a session that is not gone is known");
    machine_.after(random_.between(10us, 60ms), [this, kept = *found] {
        if (kept->state == ServerSession::State::ending) {
            let_go(*kept);
        }
    });
}

void SimulatedServer::let_go(ServerSession& session) {
    session.state = ServerSession::State::gone;
    if (session.attached) {
        auto& branch = prepared_.at(*session.attached);
        branch.holder = nullptr;
        branch.is_husk = branch.rows.empty();
        session.attached.reset();
    }
    std::erase_if(sessions_, [&session](const auto& other) { return other.get() == &session; });
}

void SimulatedServer::undo(ServerSession& session) {
    const auto branch = *std::exchange(session.active, std::nullopt);
    set_fate(branch.transaction_id, Fate::rolled_back);
    if (watcher_ != nullptr) {
        watcher_->rolled_back(name_, branch.xid, branch.rows, false);
    }
}

void SimulatedServer::keep(const Xid& xid, const std::vector<std::string>& rows,
                           std::uint64_t transaction_id) {
    set_fate(transaction_id, Fate::committed);
    if (are_rows_kept_) {
        for (const auto& row : rows) {
            rows_[row] = true;
        }
    }
    if (!rows.empty()) {
        sync();
    }
    if (watcher_ != nullptr) {
        watcher_->committed(name_, xid, rows);
    }
}

void SimulatedServer::set_fate(std::uint64_t transaction_id, Fate fate) {
    if (transaction_id > 0) {
        fates_.at(transaction_id) = fate;
    }
}

/// Everything before it is durable, too.
void SimulatedServer::sync() {
    ++flushed_;
    unsynced_rollbacks_.clear();
}

void SimulatedServer::crash() {
    is_up_ = false;
    ++life_;
    for (const auto& session : std::exchange(sessions_, {})) {
        if (session->active) {
            undo(*session);
        }
        session->attached.reset();
        session->state = ServerSession::State::gone;
        if (session->on_killed) {
            session->on_killed();
        }
    }
    std::erase_if(prepared_, [this](const auto& entry) {
        return kind_ != ServerKind::postgres && entry.second.rows.empty();
    });
    for (auto& [xid, branch] : prepared_) {
        branch.holder = nullptr;
    }
    // The log's tail is lost from some place on.
    while (!unsynced_rollbacks_.empty() && random_.chance(1, 2)) {
        auto& [xid, rows] = unsynced_rollbacks_.back();
        if (watcher_ != nullptr) {
            watcher_->came_back(name_, xid, rows);
        }
        prepared_.emplace(xid, Prepared{.rows = std::move(rows)});
        unsynced_rollbacks_.pop_back();
    }
    unsynced_rollbacks_.clear();
}

void SimulatedServer::plant(const Xid& xid) {
    prepared_.emplace(xid, Prepared{.rows = {"foreign"}});
}

std::size_t SimulatedServer::open_branches() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        sessions_, [](const auto& session) { return session->active.has_value(); }));
}

void SimulatedServer::block(const Xid& xid, BlockedSession session) {
    prepared_.at(xid).blocked.push_back(std::move(session));
}

/// Prepared, or, where the server has names for those, open.
bool SimulatedServer::is_named(const Xid& xid) const {
    return prepared_.contains(xid) || (kind_ != ServerKind::postgres &&
                                       std::ranges::any_of(sessions_, [&xid](const auto& session) {
                                           return session->active && session->active->xid == xid;
                                       }));
}

std::optional<SimulatedServer::Fate> SimulatedServer::fate_from(const std::string& evidence) const {
    if (!evidence.starts_with(kEvidence)) {
        return std::nullopt;
    }
    std::uint64_t transaction_id = 0;
    std::from_chars(evidence.data() + kEvidence.size(), evidence.data() + evidence.size(),
                    transaction_id);
    return fates_.at(transaction_id);
}

}  // namespace xa_tm::simulation
