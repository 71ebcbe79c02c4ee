// Invariants:
// - at most one of branch() and prepared_ is set. While prepared_ is, the connection is never
//   pooled or reset: MariaDB answers mysql_reset_connection with OK then, and a later XA COMMIT
//   with an OK that is not true;
// - at most one of the second trips is under way: search_, fence_, unknown_, is_ending_read_only_
// or
//   first_answer_.

#include "connection.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "chain.h"
#include "errno_map.h"
#include "session_mark.h"
#include "statement_text.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

using std::chrono::duration;

/// Larger ones are refused by MariaDB, and lost by MySQL when it crashes.
constexpr std::int64_t kMaxFormatId = 2147483647;

/// ER_XAER_RMFAIL, which answers a statement that can't be run in a branch's state.
constexpr int kNotInGlobalTransaction = 1399;
constexpr std::string_view kChangedForGood =
    "a table whose engine is not transactional was changed; that change can't be rolled back: use "
    "InnoDB";
constexpr std::string_view kEndsTransaction =
    "DDL, LOCK TABLES and statements that begin or end a transaction can't be run inside a global "
    "transaction; the branch can only be rolled back";

std::vector<ListedBranch> branches_from(const Reply& reply) {
    std::vector<ListedBranch> branches;
    for (const auto& row : reply.rows) {
        branches.push_back(listed_branch(row.at(0).value_or(""), row.at(1).value_or(""),
                                         row.at(2).value_or(""), row.at(3).value_or("")));
    }
    return branches;
}

bool has_valid_format(const Xid& xid) {
    return xid.format_id >= 0 && xid.format_id <= kMaxFormatId;
}

std::string random_marker() {
    std::random_device random;
    return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

/// XA END fails where the server has given the branch up; XA ROLLBACK works all the same.
std::vector<std::string> end_and_roll_back(const std::string& xid) {
    return {fmt::format("xa end {}", xid), fmt::format("xa rollback {}", xid)};
}

/// The rows that a statement gave, or else has written.
std::uint64_t rows_of(std::span<const Reply> results) {
    std::uint64_t given = 0;
    std::uint64_t written = 0;
    for (const auto& result : results) {
        given += result.rows.size();
        written += result.affected_rows;
    }
    return given > 0 ? given : written;
}

}  // namespace

Connection::Connection(std::string resource, const std::string& soci_connect_string, bool needs_tls,
                       std::shared_ptr<EndingSessions> ending_sessions)
    : BatchedConnection{std::move(resource)},
      ending_sessions_{std::move(ending_sessions)},
      marker_{random_marker()},
      session_{soci_connect_string, needs_tls} {}

Connection::~Connection() {
    remember_ending_session();
}

void Connection::set_up(const SessionMark& mark, const DatasourceOptions& options) {
    auto statements = ServerFacts::questions();
    const auto questions = statements.size();
    if (options.statement_timeout.count() > 0) {
        statements.push_back(
            session_.is_mariadb()
                ? fmt::format("set max_statement_time = {:.3f}",
                              duration<double>{options.statement_timeout}.count())
                : fmt::format("set max_execution_time = {}", options.statement_timeout.count()));
    }
    if (!mark.text.empty()) {
        marks_ = mark.ended;
        marks_.push_back(mark.text);
        ended_marks_ = mark.ended;
        lock_name_ = lock_name(mark.text, session_.thread_id());
        statements.push_back(fmt::format("select get_lock({}, 0)", text_literal(lock_name_)));
    }
    const auto replies = replies_to(std::move(statements), options.connect_timeout);
    for (std::size_t at = 0; at < replies.size(); ++at) {
        // What a server does not tell of itself is left out, unless it is who it is.
        if (at == 0 || at >= questions || session_.is_broken()) {
            check_set_up(replies[at]);
        }
    }
    if (!lock_name_.empty()) {
        session_serial_ = ending_sessions_->begin(lock_name_);
    }
    facts_ = ServerFacts{std::span{replies}.first(questions)};
    if (facts_.is_galera()) {
        throw Error(
            {.code = ErrorCode::two_phase_unavailable, .resource = resource()},
            fmt::format("resource {}: the server is part of a Galera cluster (wsrep_on=ON), "
                        "which can't prepare transactions; connect to a server outside a "
                        "cluster",
                        resource()));
    }
}

std::vector<Reply> Connection::replies_to(std::vector<std::string> statements,
                                          std::chrono::seconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    session_.send(std::move(statements), Packing::own_verbs);
    auto replies = session_.receive();
    for (; !replies; replies = session_.receive()) {
        wait_for_server(deadline);
    }
    return *std::move(replies);
}

void Connection::check_set_up(const Reply& reply) const {
    if (reply.is_ok) {
        return;
    }
    const bool is_lost = meaning_of(Verb::start, reply.error, reply.message).code == XaCode::rmfail;
    throw Error(
        {.code = is_lost ? ErrorCode::resource_unreachable : ErrorCode::resource_refused,
         .resource = resource(),
         .sqlstate = reply.sqlstate,
         .native_error = reply.error},
        fmt::format("resource {}: the session can't be set up: {}", resource(), reply.message));
}

soci::session& Connection::sql() {
    lend();
    return session_.sql();
}

MYSQL* Connection::native_handle() {
    lend();
    return session_.native_handle();
}

void Connection::lend() {
    check_is_open();
    if (!session_.is_lent() && !session_.lend()) {
        lose_certainty();
        throw Error({.code = ErrorCode::resource_unreachable, .resource = resource()},
                    fmt::format("resource {}: the branch's session is lost; roll back and begin a "
                                "new transaction",
                                resource()));
    }
}

bool Connection::take_back() noexcept {
    if (!session_.is_lent()) {
        return true;
    }
    if (!session_.take_back()) {
        return false;
    }
    if (session_.last_error() == kNotInGlobalTransaction && rollback_only_.empty()) {
        rollback_only_ = kEndsTransaction;
    }
    has_changed_for_good_ =
        has_changed_for_good_ || has_changed_for_good(session_.last_transaction_state());
    return true;
}

std::optional<Answer> Connection::answer_at_once() {
    const auto& request = front();
    if (request.verb == Verb::end_session) {
        // A session of an earlier life of the server has ended with that.
        const bool is_there = request.session.number != 0 &&
                              may_be_same_life(request.session.since, facts_.started());
        return is_there ? std::nullopt : std::optional{Answer{}};
    }
    if (!has_valid_format(request.xid)) {
        return Answer{.code = XaCode::inval,
                      .message = "an xid has a formatID of 0 to 2147483647 here"};
    }
    if (request.verb == Verb::start && !session_.can_be_lent()) {
        return Answer{.code = XaCode::rmfail,
                      .message = "the application closed or reconnected a session that had ended"};
    }
    return std::nullopt;
}

bool Connection::may_share_trip(const Request& request) const {
    switch (request.verb) {
        case Verb::start: return has_valid_format(request.xid);
        case Verb::commit: return true;
        case Verb::execute: return is_surely_one(request.statement);
        case Verb::prepare: return rollback_only_.empty();
        case Verb::commit_one_phase:
        case Verb::rollback:
        case Verb::recover:
        case Verb::locate:
        case Verb::end_session: break;
    }
    return false;
}

std::size_t Connection::carry() {
    const auto verb = front().verb;
    const bool commits = verb == Verb::prepare || verb == Verb::commit_one_phase;
    if (commits && !rollback_only_.empty()) {
        roll_back_behind({.code = XaCode::rbrollback, .message = rollback_only_});
        return 1;
    }
    if (verb == Verb::end_session) {
        begin_fence();
        return 1;
    }
    if (must_look_for_sessions()) {
        session_.send(look_for_sessions(), Packing::own_verbs);
        return 1;
    }
    const auto trip = one_trip();
    may_be_preparing_ = trip.back().verb == Verb::prepare;
    if (trip.size() > 1) {
        session_.send({chain_of(trip, marker_)}, Packing::many_statements);
    } else {
        session_.send(statements(),
                      verb == Verb::execute ? Packing::one_statement : Packing::own_verbs);
    }
    return trip.size();
}

std::vector<std::string> Connection::statements() const {
    const auto xid = xid_literal(front().xid);
    switch (front().verb) {
        case Verb::start:
        case Verb::locate: return {fmt::format("xa start {}", xid)};
        case Verb::execute: return {front().statement};
        // In one trip, and safe without multi-statements: the second can only succeed when the
        // first has, because it demands the state IDLE of the same xid on the same session.
        case Verb::prepare:
            return {fmt::format("xa end {}", xid), fmt::format("xa prepare {}", xid)};
        case Verb::commit_one_phase:
            return {fmt::format("xa end {}", xid), fmt::format("xa commit {} one phase", xid)};
        case Verb::commit: return {fmt::format("xa commit {}", xid)};
        case Verb::rollback:
            return branch() ? end_and_roll_back(xid)
                            : std::vector{fmt::format("xa rollback {}", xid)};
        case Verb::end_session: break;
        case Verb::recover: return {"xa recover"};
    }
    XA_TM_CHECK(false, "every verb has its statements");
}

void Connection::begin_fence() {
    fence_.emplace(front().session.number, marks_, facts_);
    session_.send(fence_->look(), Packing::own_verbs);
}

std::optional<Answer> Connection::fence_answer_from(std::span<const Reply> replies) {
    const auto lost = std::ranges::find_if(replies, [](const Reply& reply) {
        return !reply.is_ok &&
               meaning_of(Verb::end_session, reply.error, reply.message).code == XaCode::rmfail;
    });
    if (lost != replies.end()) {
        fence_.reset();
        return failure(*lost);
    }
    auto step = fence_->take(replies);
    if (auto* statements = std::get_if<std::vector<std::string>>(&step)) {
        session_.send(std::move(*statements), Packing::own_verbs);
        return std::nullopt;
    }
    fence_.reset();
    return std::get<Answer>(std::move(step));
}

bool Connection::must_look_for_sessions() const {
    const auto verb = front().verb;
    const bool finishes_anothers_branch =
        (verb == Verb::commit || verb == Verb::rollback) && !branch() && prepared_ != front().xid;
    return finishes_anothers_branch && !facts_.detaches_prepared_branches() &&
           (!ended_marks_.empty() || !ending_sessions_->lock_names().empty());
}

/// How many of the sessions of this process that may have prepared the branch still hold their
/// named locks, and which sessions there are of processes that have ended.
std::vector<std::string> Connection::look_for_sessions() {
    looked_for_ = ending_sessions_->lock_names();
    std::string held = "0";
    for (const auto& lock_name : *looked_for_) {
        held += fmt::format(" + (is_used_lock({}) is not null)", text_literal(lock_name));
    }
    std::string has_ended_mark = "false";
    for (const auto& mark : ended_marks_) {
        has_ended_mark +=
            fmt::format(" or is_used_lock(concat({}, id)) = id", text_literal(lock_prefix(mark)));
    }
    return {fmt::format("select {}", held),
            fmt::format("select id from information_schema.processlist where {}", has_ended_mark)};
}

std::optional<Answer> Connection::looked_answer_from(std::span<const Reply> replies) {
    const auto looked_for = *std::exchange(looked_for_, std::nullopt);
    for (const auto& reply : replies) {
        if (!reply.is_ok) {
            return failure(reply);
        }
    }
    const auto& ended = replies.back().rows;
    if (replies.front().rows.at(0).at(0) != "0" || !ended.empty()) {
        retry_when_ended(ended);
        return std::nullopt;
    }
    ended_marks_.clear();
    ending_sessions_->remove(looked_for);
    auto with_pause = statements();
    with_pause.insert(with_pause.begin(), "do sleep(0.5)");
    session_.send(std::move(with_pause), Packing::own_verbs);
    return std::nullopt;
}

/// The process of these sessions has ended, but the server may not notice that for hours when its
/// host has vanished with it.
void Connection::retry_when_ended(const std::vector<Row>& session_numbers) {
    is_ending_sessions_ = true;
    std::vector<std::string> statements{"do 0"};
    for (const auto& row : session_numbers) {
        statements.push_back(fmt::format("kill connection {}", row.at(0).value_or("0")));
    }
    session_.send(std::move(statements), Packing::own_verbs);
}

void Connection::remember_ending_session() {
    const bool may_be_prepared = prepared_ || may_be_preparing_;
    if (may_be_prepared && !lock_name_.empty()) {
        ending_sessions_->add(std::exchange(lock_name_, {}), session_serial_);
    }
}

bool Connection::take_replies() {
    const auto replies = session_.receive();
    if (replies) {
        take(*replies);
    }
    return replies.has_value();
}

void Connection::take(std::span<const Reply> replies) {
    for (const auto& reply : replies) {
        has_changed_for_good_ =
            has_changed_for_good_ || has_changed_for_good(reply.transaction_state);
    }
    if (looked_for_) {
        if (auto found = looked_answer_from(replies)) {
            give(*std::move(found));
        }
        return;
    }
    if (fence_) {
        if (auto found = fence_answer_from(replies)) {
            give(*std::move(found));
        }
        return;
    }
    if (unknown_) {
        give(searched_answer_from(replies.back()));
        return;
    }
    if (std::exchange(is_ending_read_only_, false)) {
        give(read_only_answer_from(replies.back()));
        return;
    }
    if (std::exchange(is_ending_sessions_, false)) {
        give({.code = XaCode::retry,
              .message = "the session that prepared the branch has not ended yet"});
        return;
    }
    if (first_answer_) {
        give(second_answer_from(replies.back()));
        return;
    }
    // An answer other than XA_OK answers the rest as well, and a second trip is the last request's.
    for (auto rest = in_flight(); !rest.empty() && !in_flight().empty(); rest = rest.subspan(1)) {
        auto found = answer_from(take_results(rest, replies, marker_));
        if (!found) {
            return;
        }
        give(*std::move(found));
    }
}

void Connection::give(Answer answer) {
    // A lost connection may be preparing still.
    may_be_preparing_ =
        may_be_preparing_ &&
        (answer.code == XaCode::rmfail || (answer.code == XaCode::ok && in_flight().size() > 1));
    settle(std::move(answer));
}

std::optional<Answer> Connection::answer_from(std::span<const Reply> replies) {
    if (replies.empty()) {
        return misunderstood();
    }
    const auto& reply = replies.back();
    switch (front().verb) {
        case Verb::start: return start_answer_from(reply);
        case Verb::execute: return execute_answer_from(replies);
        case Verb::prepare:
        case Verb::commit_one_phase: return end_answer_from(replies);
        case Verb::commit:
        case Verb::rollback: return finish_answer_from(reply);
        case Verb::recover:
            return reply.is_ok ? Answer{.listed = branches_from(reply)} : failure(reply);
        case Verb::locate: return locate_answer_from(reply);
        case Verb::end_session: break;
    }
    XA_TM_CHECK(false, "every verb has its answer");
}

Answer Connection::misunderstood() {
    lose_certainty();
    return {.code = XaCode::rmfail,
            .message = "the server gave another number of results than it was sent statements"};
}

Answer Connection::start_answer_from(const Reply& reply) {
    if (!reply.is_ok) {
        auto answer = failure(reply);
        if (answer.code != XaCode::dupid) {
            lose_certainty();
        }
        return answer;
    }
    begin_branch(front().xid);
    rollback_only_.clear();
    has_changed_for_good_ = false;
    return {};
}

std::optional<Answer> Connection::execute_answer_from(std::span<const Reply> results) {
    const auto& last = results.back();
    if (last.is_ok) {
        const bool must_have_marker = needs_marker(in_flight());
        if (!must_have_marker || is_marker(last, marker_)) {
            return Answer{.rows =
                              rows_of(results.first(results.size() - (must_have_marker ? 1 : 0)))};
        }
        rollback_only_ = "a statement's text has swallowed what was sent behind it";
        return Answer{.code = XaCode::rmerr,
                      .message = fmt::format("{}; send one statement at a time, with its strings "
                                             "and comments closed",
                                             rollback_only_)};
    }
    auto answer = failure(last);
    if (is_rolled_back(answer.code)) {
        roll_back_behind(std::move(answer));
        return std::nullopt;
    }
    if (last.error == kNotInGlobalTransaction) {
        rollback_only_ = kEndsTransaction;
    } else if (results.size() > 1) {
        rollback_only_ = "a statement failed after a part of it had been carried out";
    }
    return answer;
}

std::optional<Answer> Connection::end_answer_from(std::span<const Reply> replies) {
    const auto& end = replies.front();
    const auto& reply = replies.back();
    if (reply.is_ok) {
        if (replies.size() != 2) {
            return misunderstood();
        }
        end_branch();
        if (front().verb == Verb::commit_one_phase) {
            return success();
        }
        prepared_ = front().xid;
        if (facts_.tells_whether_written() && has_written_nothing(end.transaction_state)) {
            is_ending_read_only_ = true;
            session_.send({fmt::format("xa commit {}", xid_literal(front().xid))},
                          Packing::own_verbs);
            return std::nullopt;
        }
        return success();
    }
    // XA END tells the reason first; what follows it is refused because of the branch's state.
    const bool is_lost =
        meaning_of(front().verb, reply.error, reply.message).code == XaCode::rmfail;
    auto answer = failure(!end.is_ok && !is_lost ? end : reply);
    if (!is_rolled_back(answer.code)) {
        return answer;
    }
    roll_back_behind(std::move(answer));
    return std::nullopt;
}

Answer Connection::read_only_answer_from(const Reply& commit) {
    const bool is_lost =
        !commit.is_ok &&
        meaning_of(Verb::commit, commit.error, commit.message).code == XaCode::rmfail;
    if (!commit.is_ok && !is_lost) {
        return success();  // it stays prepared, and phase two commits it
    }
    // Committed, rolled back or found by recovery: all the same for a branch that wrote nothing.
    if (is_lost) {
        lose_certainty();
    }
    prepared_.reset();
    return {.code = XaCode::rdonly};
}

Answer Connection::success() const {
    return {.message = has_changed_for_good_ ? std::string{kChangedForGood} : std::string{}};
}

/// The branch may still be there, marked "rollback only"; the answer promises that it is not.
void Connection::roll_back_behind(Answer answer) {
    first_answer_ = std::move(answer);
    session_.send(end_and_roll_back(xid_literal(front().xid)), Packing::own_verbs);
}

Answer Connection::second_answer_from(const Reply& rollback) {
    auto answer = *std::exchange(first_answer_, std::nullopt);
    if (front().verb == Verb::locate) {
        if (!rollback.is_ok) {
            lose_certainty();
            return failure(rollback);
        }
        answer.code = XaCode::nota;
        return answer;
    }
    end_branch();
    const auto code = meaning_of(Verb::rollback, rollback.error, rollback.message).code;
    // Otherwise closing the connection is what rolls the branch back.
    if (!rollback.is_ok && code != XaCode::nota) {
        lose_certainty();
    }
    return answer;
}

std::optional<Answer> Connection::finish_answer_from(const Reply& reply) {
    const bool is_own_branch = branch().has_value();
    const bool was_prepared_here = prepared_ == front().xid;
    auto answer = reply.is_ok ? Answer{} : failure(reply);
    // It is the one thing that the server warns of here (1196).
    if (front().verb == Verb::rollback && reply.is_ok && reply.warnings > 0) {
        answer.message = kChangedForGood;
    }
    const bool is_finished =
        reply.is_ok || is_rolled_back(answer.code) || answer.code == XaCode::rdonly;
    if (is_finished || answer.code == XaCode::nota) {
        end_branch();
        if (was_prepared_here) {
            prepared_.reset();
        }
    }
    const bool may_be_anothers = !is_own_branch && !was_prepared_here;
    if (answer.code == XaCode::nota && may_be_anothers && !facts_.detaches_prepared_branches()) {
        unknown_ = std::move(answer);
        session_.send({"xa recover"}, Packing::own_verbs);
        return std::nullopt;
    }
    // A server that does not know a branch of this very session is not understood.
    if (!is_finished && (is_own_branch || (was_prepared_here && answer.code == XaCode::nota))) {
        lose_certainty();
    }
    return answer;
}

/// A server that ties prepared branches to their sessions says "unknown xid" to all others.
Answer Connection::searched_answer_from(const Reply& recover) {
    auto answer = *std::exchange(unknown_, std::nullopt);
    if (!recover.is_ok) {
        return failure(recover);
    }
    const auto is_asked_for = [name = xid_literal(front().xid)](const ListedBranch& branch) {
        return branch.name == name;
    };
    if (std::ranges::any_of(branches_from(recover), is_asked_for)) {
        answer.code = XaCode::retry;
        answer.message += "; but it is listed: the session that prepared it has not ended yet";
    }
    return answer;
}

std::optional<Answer> Connection::locate_answer_from(const Reply& reply) {
    if (!reply.is_ok) {
        auto answer = failure(reply);
        // Taken: prepared, or open in some session.
        answer.code = answer.code == XaCode::dupid ? XaCode::retry : answer.code;
        return answer;
    }
    roll_back_behind({});
    return std::nullopt;
}

Answer Connection::failure(const Reply& reply) const {
    const auto meaning = meaning_of(front().verb, reply.error, reply.message);
    Answer answer{.code = meaning.code,
                  .message = reply.message,
                  .sqlstate = reply.sqlstate,
                  .native_error = reply.error};
    if (!meaning.advice.empty()) {
        answer.message += fmt::format("; {}", meaning.advice);
    }
    return answer;
}

std::optional<Connection::Readiness> Connection::session_readiness() const noexcept {
    return session_.is_broken() ? std::nullopt : std::optional{session_.readiness()};
}

void Connection::disconnect() noexcept {
    remember_ending_session();
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return is_at_rest() && !prepared_ && !session_.is_broken();
}

}  // namespace xa_tm::mysql
