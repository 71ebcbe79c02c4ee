// Invariants:
// - the application may have the session (is_open_) only between the answer to start and the next
//   verb that is not execute, and has it (Session::is_lent) from its first use until the next
//   request of any kind;
// - in_flight_ requests from the front of pending_ are at the server, and none when answers_ holds
//   the answer to all that were sent;
// - at most one of branch_ and prepared_ is set. While prepared_ is, the connection is never pooled
//   or reset: MariaDB answers mysql_reset_connection with OK then, and a later XA COMMIT with an OK
//   that is not true;
// - once is_certain_ is false, the connection is good for nothing but closing, which rolls an
//   unprepared branch back.

#include "connection.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

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
using std::chrono::steady_clock;

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

/// A descriptor that poll() always reports, for an answer that is there before anything was sent.
int always_ready_descriptor() noexcept {
    static const int descriptor = ::eventfd(1, EFD_CLOEXEC);
    return descriptor;
}

bool is_valid(const Xid& xid) {
    return !xid.gtrid.empty() && xid.gtrid.size() <= kMaxGtridBytes &&
           xid.bqual.size() <= kMaxBqualBytes && xid.format_id >= 0 &&
           xid.format_id <= kMaxFormatId;
}

std::vector<ListedBranch> branches_from(const Reply& reply) {
    std::vector<ListedBranch> branches;
    for (const auto& row : reply.rows) {
        branches.push_back(listed_branch(row.at(0).value_or(""), row.at(1).value_or(""),
                                         row.at(2).value_or(""), row.at(3).value_or("")));
    }
    return branches;
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
    : resource_{std::move(resource)},
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
            {.code = ErrorCode::two_phase_unavailable, .resource = resource_},
            fmt::format("resource {}: the server is part of a Galera cluster (wsrep_on=ON), "
                        "which can't prepare transactions; connect to a server outside a "
                        "cluster",
                        resource_));
    }
}

std::vector<Reply> Connection::replies_to(std::vector<std::string> statements,
                                          std::chrono::seconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    session_.send(std::move(statements), Packing::own_verbs);
    auto replies = session_.receive();
    while (!replies) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            throw Error({.code = ErrorCode::resource_unreachable, .resource = resource_},
                        fmt::format("resource {}: connected, but no answer within {} s; look what "
                                    "keeps the server busy",
                                    resource_, timeout.count()));
        }
        pollfd waiting{session_.readiness().descriptor, POLLIN, 0};
        static_cast<void>(::poll(&waiting, 1, static_cast<int>(left.count())));
        replies = session_.receive();
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
         .resource = resource_,
         .sqlstate = reply.sqlstate,
         .native_error = reply.error},
        fmt::format("resource {}: the session can't be set up: {}", resource_, reply.message));
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
    if (!is_open_ || is_outstanding()) {
        throw Error(
            {.code = ErrorCode::invalid_state, .resource = resource_},
            fmt::format("resource {}: the branch has ended, so its connection takes no more "
                        "statements; begin a new transaction",
                        resource_));
    }
    if (!session_.is_lent() && !session_.lend()) {
        is_certain_ = false;
        throw Error({.code = ErrorCode::resource_unreachable, .resource = resource_},
                    fmt::format("resource {}: the branch's session is lost; roll back and begin a "
                                "new transaction",
                                resource_));
    }
}

bool Connection::take_back() {
    if (!session_.is_lent()) {
        return true;
    }
    if (!session_.take_back()) {
        is_certain_ = false;
        branch_.clear();
        answer({.code = XaCode::rbproto,
                .message = "the application closed or reconnected the branch's session, or left a "
                           "result unread on it; closing the connection rolls the branch back"});
        return false;
    }
    if (session_.last_error() == kNotInGlobalTransaction && rollback_only_.empty()) {
        rollback_only_ = kEndsTransaction;
    }
    has_changed_for_good_ =
        has_changed_for_good_ || has_changed_for_good(session_.last_transaction_state());
    return true;
}

void Connection::send(std::vector<Request> batch) noexcept {
    XA_TM_CHECK(!is_outstanding(), "the answers to the batch before have been received");
    XA_TM_CHECK(!batch.empty(), "a batch holds something");
    pending_.assign(std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    first_answer_.reset();
    look_at_front();
    if (take_back()) {
        carry_next();
    }
}

bool Connection::is_outstanding() const noexcept {
    return !pending_.empty() || !answers_.empty();
}

void Connection::look_at_front() {
    verb_ = pending_.front().verb;
    const bool has_xid = verb_ != Verb::recover && verb_ != Verb::end_session;
    xid_ = has_xid ? xid_literal(pending_.front().xid) : std::string{};
}

/// Sends the request at the front, with as many of those behind it as one packet may hold.
void Connection::carry_next() {
    look_at_front();
    in_flight_ = 1;
    if (verb_ == Verb::start && !session_.can_be_lent()) {
        is_certain_ = false;
        settle({.code = XaCode::rmfail,
                .message = "the application closed or reconnected a session that had ended"});
        return;
    }
    if (auto refusal = answer_at_once()) {
        settle(*std::move(refusal));
        return;
    }
    is_open_ = is_open_ && verb_ == Verb::execute;
    const bool commits = verb_ == Verb::prepare || verb_ == Verb::commit_one_phase;
    if (commits && !rollback_only_.empty()) {
        roll_back_behind({.code = XaCode::rbrollback, .message = rollback_only_});
        return;
    }
    if (verb_ == Verb::end_session) {
        begin_fence();
        return;
    }
    if (must_look_for_sessions()) {
        session_.send(look_for_sessions(), Packing::own_verbs);
        return;
    }
    in_flight_ = count_chained();
    may_be_preparing_ = pending_[in_flight_ - 1].verb == Verb::prepare;
    if (in_flight_ == 1) {
        const bool is_foreign_text = verb_ == Verb::execute;
        session_.send(statements(), is_foreign_text ? Packing::one_statement : Packing::own_verbs);
        return;
    }
    const std::vector<Request> chained{pending_.begin(),
                                       pending_.begin() + static_cast<std::ptrdiff_t>(in_flight_)};
    if (verb_ == Verb::commit) {
        // What follows may wait for locks; this branch's outcome must not.
        session_.send_first_and_others(chain_of(chained, marker_));
    } else {
        session_.send({chain_of(chained, marker_)}, Packing::many_statements);
    }
}

std::optional<Answer> Connection::answer_at_once() const {
    const auto refuse = [](XaCode code, std::string_view why) {
        return std::optional{Answer{.code = code, .message = std::string{why}}};
    };
    if (!is_certain_) {
        return refuse(XaCode::rmfail, "the connection is no longer usable");
    }
    if (verb_ == Verb::end_session) {
        const auto& session = pending_.front().session;
        // A session of an earlier life of the server has ended with that.
        const bool is_there =
            session.number != 0 && may_be_same_life(session.since, facts_.started());
        return is_there ? std::nullopt : std::optional{Answer{}};
    }
    if (verb_ == Verb::recover) {
        return std::nullopt;
    }
    if (!is_valid(pending_.front().xid)) {
        return refuse(
            XaCode::inval,
            "an xid has 1 to 64 bytes of gtrid, at most 64 of bqual, and here a formatID of "
            "0 to 2147483647");
    }
    const bool needs_own_branch = verb_ == Verb::execute || verb_ == Verb::prepare ||
                                  verb_ == Verb::commit_one_phase ||
                                  (verb_ == Verb::rollback && !branch_.empty());
    if (!needs_own_branch && !branch_.empty()) {
        return refuse(XaCode::proto, "another branch is open on the session");
    }
    // MySQL would take XA COMMIT ... ONE PHASE also for a branch that is prepared.
    if (needs_own_branch && branch_ != xid_) {
        return refuse(XaCode::proto, "this branch is not open on the session");
    }
    return std::nullopt;
}

std::size_t Connection::count_chained() const {
    auto open = branch_;
    std::size_t count = 0;
    for (const auto& request : pending_) {
        const auto xid = xid_literal(request.xid);
        bool fits = false;
        if (request.verb == Verb::commit) {
            fits = open.empty();
        } else if (request.verb == Verb::start) {
            fits = open.empty() && is_valid(request.xid);
            open = xid;
        } else if (request.verb == Verb::execute) {
            fits = open == xid && is_surely_one(request.statement);
        } else if (request.verb == Verb::prepare) {
            fits = open == xid && rollback_only_.empty();
        }
        if (!fits) {
            break;
        }
        ++count;
    }
    return std::max<std::size_t>(count, 1);
}

std::vector<std::string> Connection::statements() const {
    switch (verb_) {
        case Verb::start:
        case Verb::locate: return {fmt::format("xa start {}", xid_)};
        case Verb::execute: return {pending_.front().statement};
        // In one trip, and safe without multi-statements: the second can only succeed when the
        // first has, because it demands the state IDLE of the same xid on the same session.
        case Verb::prepare:
            return {fmt::format("xa end {}", xid_), fmt::format("xa prepare {}", xid_)};
        case Verb::commit_one_phase:
            return {fmt::format("xa end {}", xid_), fmt::format("xa commit {} one phase", xid_)};
        case Verb::commit: return {fmt::format("xa commit {}", xid_)};
        case Verb::rollback:
            return branch_.empty() ? std::vector{fmt::format("xa rollback {}", xid_)}
                                   : end_and_roll_back(xid_);
        case Verb::end_session: break;
        case Verb::recover: return {"xa recover"};
    }
    XA_TM_CHECK(false, "every verb has its statements");
}

void Connection::begin_fence() {
    fence_.emplace(pending_.front().session.number, marks_, facts_);
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
    const bool finishes_anothers_branch =
        (verb_ == Verb::commit || verb_ == Verb::rollback) && branch_.empty() && prepared_ != xid_;
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
    const bool may_be_prepared = !prepared_.empty() || may_be_preparing_;
    if (may_be_prepared && !lock_name_.empty()) {
        ending_sessions_->add(std::exchange(lock_name_, {}), session_serial_);
    }
}

std::optional<Answer> Connection::receive() noexcept {
    XA_TM_CHECK(is_outstanding(), "a batch has been sent");
    while (answers_.empty()) {
        if (const auto first = session_.receive_first()) {
            look_at_front();
            settle(*answer_from({&*first, 1}));
            continue;
        }
        const auto replies = session_.receive();
        if (!replies) {
            return std::nullopt;
        }
        take(*replies);
    }
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
}

void Connection::take(std::span<const Reply> replies) {
    if (looked_for_) {
        if (auto found = looked_answer_from(replies)) {
            settle(*std::move(found));
        }
        return;
    }
    if (fence_) {
        if (auto found = fence_answer_from(replies)) {
            settle(*std::move(found));
        }
        return;
    }
    if (unknown_) {
        settle(searched_answer_from(replies.back()));
        return;
    }
    if (std::exchange(is_ending_read_only_, false)) {
        settle(read_only_answer_from(replies.back()));
        return;
    }
    if (std::exchange(is_ending_sessions_, false)) {
        settle({.code = XaCode::retry,
                .message = "the session that prepared the branch has not ended yet"});
        return;
    }
    if (first_answer_) {
        settle(second_answer_from(replies.back()));
        return;
    }
    const std::vector<Request> carried{pending_.begin(),
                                       pending_.begin() + static_cast<std::ptrdiff_t>(in_flight_)};
    // An answer other than XA_OK answers the rest as well, and a second trip is the last request's.
    for (std::span<const Request> rest{carried}; !rest.empty() && in_flight_ > 0;
         rest = rest.subspan(1)) {
        look_at_front();
        const auto own = take_results(rest, replies, marker_);
        // Only with its own: what an earlier request of the packet did may be another branch's.
        has_changed_for_good_ =
            has_changed_for_good_ || std::ranges::any_of(own, [](const Reply& reply) {
                return has_changed_for_good(reply.transaction_state);
            });
        auto found = answer_from(own);
        if (!found) {
            return;
        }
        settle(*std::move(found));
    }
}

/// Gives the front its answer, and goes on with what has not been sent yet.
void Connection::settle(Answer found) {
    answer(std::move(found));
    if (in_flight_ == 0 && !pending_.empty()) {
        carry_next();
    }
}

void Connection::answer(Answer answer) {
    const auto code = answer.code;
    answers_.push_back(std::move(answer));
    pending_.pop_front();
    in_flight_ = in_flight_ > 0 ? in_flight_ - 1 : 0;
    if (code == XaCode::rmfail) {
        // The server may be carrying out the rest of the packet right now.
        for (; in_flight_ > 0; --in_flight_, pending_.pop_front()) {
            answers_.push_back(answers_.back());
        }
    } else if (in_flight_ == 0 || code != XaCode::ok) {
        may_be_preparing_ = false;
    }
    if (code != XaCode::ok) {
        in_flight_ = 0;
        for (; !pending_.empty(); pending_.pop_front()) {
            answers_.push_back(not_carried_out());
        }
    }
}

std::optional<Answer> Connection::answer_from(std::span<const Reply> replies) {
    if (replies.empty()) {
        return misunderstood();
    }
    const auto& reply = replies.back();
    switch (verb_) {
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
    is_certain_ = false;
    return {.code = XaCode::rmfail,
            .message = "the server gave another number of results than it was sent statements"};
}

Answer Connection::start_answer_from(const Reply& reply) {
    if (!reply.is_ok) {
        auto answer = failure(reply);
        is_certain_ = is_certain_ && answer.code == XaCode::dupid;
        return answer;
    }
    is_open_ = true;
    branch_ = xid_;
    rollback_only_.clear();
    has_changed_for_good_ = false;
    return {};
}

std::optional<Answer> Connection::execute_answer_from(std::span<const Reply> results) {
    const auto& last = results.back();
    if (last.is_ok) {
        // in_flight_ counts this request, too.
        const bool must_have_marker = in_flight_ > 1;
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
    is_open_ = false;
    if (reply.is_ok) {
        if (replies.size() != 2) {
            return misunderstood();
        }
        branch_.clear();
        if (verb_ == Verb::commit_one_phase) {
            return success();
        }
        prepared_ = xid_;
        if (facts_.tells_whether_written() && has_written_nothing(end.transaction_state)) {
            is_ending_read_only_ = true;
            session_.send({fmt::format("xa commit {}", xid_)}, Packing::own_verbs);
            return std::nullopt;
        }
        return success();
    }
    // XA END tells the reason first; what follows it is refused because of the branch's state.
    const bool is_lost = meaning_of(verb_, reply.error, reply.message).code == XaCode::rmfail;
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
    is_certain_ = !is_lost;
    prepared_.clear();
    return {.code = XaCode::rdonly};
}

Answer Connection::success() const {
    return {.message = has_changed_for_good_ ? std::string{kChangedForGood} : std::string{}};
}

/// The branch may still be there, marked "rollback only"; the answer promises that it is not.
void Connection::roll_back_behind(Answer answer) {
    first_answer_ = std::move(answer);
    session_.send(end_and_roll_back(xid_), Packing::own_verbs);
}

Answer Connection::second_answer_from(const Reply& rollback) {
    auto answer = *std::exchange(first_answer_, std::nullopt);
    if (verb_ == Verb::locate) {
        if (!rollback.is_ok) {
            is_certain_ = false;
            return failure(rollback);
        }
        answer.code = XaCode::nota;
        return answer;
    }
    branch_.clear();
    is_open_ = false;
    const auto code = meaning_of(Verb::rollback, rollback.error, rollback.message).code;
    // Otherwise closing the connection is what rolls the branch back.
    is_certain_ = is_certain_ && (rollback.is_ok || code == XaCode::nota);
    return answer;
}

std::optional<Answer> Connection::finish_answer_from(const Reply& reply) {
    const bool is_own_branch = !branch_.empty();
    const bool was_prepared_here = prepared_ == xid_;
    auto answer = reply.is_ok ? Answer{} : failure(reply);
    // It is the one thing that the server warns of here (1196).
    if (verb_ == Verb::rollback && reply.is_ok && reply.warnings > 0) {
        answer.message = kChangedForGood;
    }
    const bool is_finished =
        reply.is_ok || is_rolled_back(answer.code) || answer.code == XaCode::rdonly;
    if (is_finished || answer.code == XaCode::nota) {
        branch_.clear();
        if (was_prepared_here) {
            prepared_.clear();
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
        is_certain_ = false;
    }
    return answer;
}

/// A server that ties prepared branches to their sessions says "unknown xid" to all others.
Answer Connection::searched_answer_from(const Reply& recover) {
    auto answer = *std::exchange(unknown_, std::nullopt);
    if (!recover.is_ok) {
        return failure(recover);
    }
    const auto is_asked_for = [this](const ListedBranch& branch) { return branch.name == xid_; };
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

Answer Connection::failure(const Reply& reply) {
    const auto meaning = meaning_of(verb_, reply.error, reply.message);
    is_certain_ = is_certain_ && meaning.code != XaCode::rmfail;
    Answer answer{.code = meaning.code,
                  .message = reply.message,
                  .sqlstate = reply.sqlstate,
                  .native_error = reply.error};
    if (!meaning.advice.empty()) {
        answer.message += fmt::format("; {}", meaning.advice);
    }
    return answer;
}

Connection::Readiness Connection::readiness() const noexcept {
    if (!answers_.empty() || session_.is_broken()) {
        return {always_ready_descriptor(), true, false};
    }
    return session_.readiness();
}

void Connection::close() noexcept {
    if (session_.is_lent()) {
        static_cast<void>(session_.take_back());
    }
    is_open_ = false;
    is_certain_ = false;
    remember_ending_session();
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return is_certain_ && !is_outstanding() && branch_.empty() && prepared_.empty() &&
           !session_.is_broken();
}

}  // namespace xa_tm::mysql
