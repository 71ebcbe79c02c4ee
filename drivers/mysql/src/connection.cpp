// Invariants:
// - the application has the connection (is_open_) only between the answer to start and the next
//   verb;
// - at most one of branch_ and prepared_ is set. While prepared_ is, the connection is never pooled
//   or reset: MariaDB answers mysql_reset_connection with OK then, and a later XA COMMIT with an OK
//   that is not true;
// - once is_certain_ is false, the connection is good for nothing but closing, which rolls an
//   unprepared branch back.

#include "connection.h"

#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "errno_map.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

using std::chrono::steady_clock;

/// Larger ones are refused by MariaDB, and lost by MySQL when it crashes.
constexpr std::int64_t kMaxFormatId = 2147483647;

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

std::string text_literal(std::string_view text) {
    return fmt::format("_utf8mb4 x'{}'", to_hex(text));
}

std::vector<ListedBranch> branches_from(const Reply& reply) {
    std::vector<ListedBranch> branches;
    for (const auto& row : reply.rows) {
        branches.push_back(listed_branch(row.at(0).value_or(""), row.at(1).value_or(""),
                                         row.at(2).value_or(""), row.at(3).value_or("")));
    }
    return branches;
}

}  // namespace

Connection::Connection(std::string resource, const std::string& soci_connect_string,
                       std::shared_ptr<EndingSessions> ending_sessions)
    : resource_{std::move(resource)},
      ending_sessions_{std::move(ending_sessions)},
      session_{soci_connect_string} {}

Connection::~Connection() {
    remember_ending_session();
}

void Connection::set_up(const SessionMark& mark, std::chrono::seconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    // MySQL has the one variable, MariaDB since 10.5 the other; SHOW minds neither's absence.
    std::vector<std::string> statements{
        "show global variables where variable_name in ('server_uuid', 'server_uid')"};
    if (!mark.text.empty()) {
        lock_name_ = fmt::format("{}/{}", mark.text, session_.thread_id());
        ended_marks_ = mark.ended;
        statements.push_back(fmt::format("select get_lock({}, 0)", text_literal(lock_name_)));
    }
    session_.send(std::move(statements));
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
    for (const auto& reply : *replies) {
        check_set_up(reply);
    }
    for (const auto& row : replies->front().rows) {
        server_identity_ = row.at(1).value_or("");
    }
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
    check_open();
    return session_.sql();
}

MYSQL* Connection::native_handle() {
    check_open();
    return session_.native_handle();
}

void Connection::check_open() const {
    if (!is_open_) {
        throw Error(
            {.code = ErrorCode::invalid_state, .resource = resource_},
            fmt::format("resource {}: the branch has ended, so its connection takes no more "
                        "statements; begin a new transaction",
                        resource_));
    }
}

void Connection::send(std::vector<Request> batch) noexcept {
    XA_TM_CHECK(batch.size() == 1, "larger batches are still to come");
    const auto verb = batch.front().verb;
    const auto& xid = batch.front().xid;
    XA_TM_CHECK(!is_outstanding_, "the answer to the verb before has been received");
    is_outstanding_ = true;
    verb_ = verb;
    first_answer_.reset();
    answer_at_once_ = answer_at_once(xid);
    if (!answer_at_once_) {
        xid_ = verb == Verb::recover ? std::string{} : xid_literal(xid);
        session_.send(must_look_for_sessions() ? std::vector{look_for_sessions()} : statements());
    }
}

std::optional<Answer> Connection::answer_at_once(const Xid& xid) {
    const bool was_open = std::exchange(is_open_, false);
    const auto refuse = [](XaCode code, std::string_view why) {
        return Answer{.code = code, .message = std::string{why}};
    };
    if (was_open && !session_.take_back()) {
        is_certain_ = false;
        branch_.clear();
        return refuse(XaCode::rbproto,
                      "the application closed or reconnected the branch's session, or left a "
                      "result unread on it; closing the connection rolls the branch back");
    }
    if (!is_certain_) {
        return refuse(XaCode::rmfail, "the connection is no longer usable");
    }
    if (verb_ == Verb::recover) {
        return std::nullopt;
    }
    if (!is_valid(xid)) {
        return refuse(
            XaCode::inval,
            "an xid has 1 to 64 bytes of gtrid, at most 64 of bqual, and here a formatID of "
            "0 to 2147483647");
    }
    const bool ends_own_branch = verb_ == Verb::prepare || verb_ == Verb::commit_one_phase ||
                                 (verb_ == Verb::rollback && !branch_.empty());
    if (!ends_own_branch) {
        return branch_.empty()
                   ? std::nullopt
                   : std::optional{refuse(XaCode::proto, "another branch is open on the session")};
    }
    // MySQL would take XA COMMIT ... ONE PHASE also for a branch that is prepared.
    if (branch_ != xid_literal(xid)) {
        return refuse(XaCode::proto, "this branch is not open on the session");
    }
    return std::nullopt;
}

std::vector<std::string> Connection::statements() const {
    switch (verb_) {
        case Verb::start:
        case Verb::locate: return {fmt::format("xa start {}", xid_)};
        // In one trip, and safe without multi-statements: the second can only succeed when the
        // first has, because it demands the state IDLE of the same xid on the same session.
        case Verb::prepare:
            return {fmt::format("xa end {}", xid_), fmt::format("xa prepare {}", xid_)};
        case Verb::commit_one_phase:
            return {fmt::format("xa end {}", xid_), fmt::format("xa commit {} one phase", xid_)};
        case Verb::commit: return {fmt::format("xa commit {}", xid_)};
        case Verb::rollback:
            return branch_.empty() ? std::vector{fmt::format("xa rollback {}", xid_)}
                                   : end_and_roll_back();
        case Verb::execute:
        case Verb::end_session: break;
        case Verb::recover: return {"xa recover"};
    }
    XA_TM_CHECK(false, "every verb has its statements");
}

bool Connection::must_look_for_sessions() const {
    const bool finishes_anothers_branch =
        (verb_ == Verb::commit || verb_ == Verb::rollback) && branch_.empty() && prepared_ != xid_;
    return finishes_anothers_branch && session_.is_mariadb() &&
           (!ended_marks_.empty() || !ending_sessions_->lock_names().empty());
}

/// How many of the sessions that may have prepared the branch still hold their named locks.
std::string Connection::look_for_sessions() {
    looked_for_ = ending_sessions_->lock_names();
    std::string held = "0";
    for (const auto& lock_name : *looked_for_) {
        held += fmt::format(" + (is_used_lock({}) is not null)", text_literal(lock_name));
    }
    std::string has_ended_mark = "false";
    for (const auto& mark : ended_marks_) {
        has_ended_mark += fmt::format(" or is_used_lock(concat({}, id)) = id",
                                      text_literal(fmt::format("{}/", mark)));
    }
    return fmt::format("select {} + (select count(*) from information_schema.processlist where {})",
                       held, has_ended_mark);
}

std::optional<Answer> Connection::looked_answer_from(const Reply& reply) {
    const auto looked_for = *std::exchange(looked_for_, std::nullopt);
    if (!reply.is_ok) {
        return failure(reply);
    }
    if (reply.rows.at(0).at(0) != "0") {
        return Answer{.code = XaCode::retry,
                      .message = "the session that prepared the branch has not ended yet"};
    }
    ended_marks_.clear();
    ending_sessions_->remove(looked_for);
    auto with_pause = statements();
    with_pause.insert(with_pause.begin(), "do sleep(0.5)");
    session_.send(std::move(with_pause));
    return std::nullopt;
}

void Connection::remember_ending_session() {
    const bool may_be_prepared =
        !prepared_.empty() || (verb_ == Verb::prepare && (is_outstanding_ || !is_certain_));
    if (may_be_prepared && !lock_name_.empty()) {
        ending_sessions_->add(std::exchange(lock_name_, {}));
    }
}

/// XA END fails where the server has given the branch up; XA ROLLBACK works all the same.
std::vector<std::string> Connection::end_and_roll_back() const {
    return {fmt::format("xa end {}", xid_), fmt::format("xa rollback {}", xid_)};
}

std::optional<Answer> Connection::receive() noexcept {
    XA_TM_CHECK(is_outstanding_, "a verb has been sent");
    auto answer = std::exchange(answer_at_once_, std::nullopt);
    while (!answer) {
        const auto replies = session_.receive();
        if (!replies) {
            return std::nullopt;
        }
        answer = looked_for_     ? looked_answer_from(replies->front())
                 : first_answer_ ? second_answer_from(replies->back())
                                 : answer_from(*replies);
    }
    is_outstanding_ = false;
    return answer;
}

std::optional<Answer> Connection::answer_from(const std::vector<Reply>& replies) {
    const auto& reply = replies.back();
    switch (verb_) {
        case Verb::execute:
        case Verb::end_session: break;
        case Verb::start: return start_answer_from(reply);
        case Verb::prepare:
        case Verb::commit_one_phase: return end_answer_from(replies.front(), reply);
        case Verb::commit:
        case Verb::rollback: return finish_answer_from(reply);
        case Verb::recover:
            return reply.is_ok ? Answer{.listed = branches_from(reply)} : failure(reply);
        case Verb::locate: return locate_answer_from(reply);
    }
    XA_TM_CHECK(false, "every verb has its answer");
}

Answer Connection::start_answer_from(const Reply& reply) {
    if (!reply.is_ok) {
        auto answer = failure(reply);
        is_certain_ = is_certain_ && answer.code == XaCode::dupid;
        return answer;
    }
    if (!session_.lend()) {
        is_certain_ = false;
        return {.code = XaCode::rmfail,
                .message = "the application closed or reconnected a session that had ended"};
    }
    is_open_ = true;
    branch_ = xid_;
    return {};
}

std::optional<Answer> Connection::end_answer_from(const Reply& end, const Reply& reply) {
    if (reply.is_ok) {
        branch_.clear();
        if (verb_ == Verb::prepare) {
            prepared_ = xid_;
        }
        return Answer{};
    }
    // XA END tells the reason first; what follows it is refused because of the branch's state.
    const bool is_lost = meaning_of(verb_, reply.error, reply.message).code == XaCode::rmfail;
    auto answer = failure(!end.is_ok && !is_lost ? end : reply);
    if (!is_rolled_back(answer.code)) {
        return answer;
    }
    // The branch may still be there, marked "rollback only"; the answer promises that it is not.
    first_answer_ = std::move(answer);
    session_.send(end_and_roll_back());
    return std::nullopt;
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
    const auto code = meaning_of(Verb::rollback, rollback.error, rollback.message).code;
    // Otherwise closing the connection is what rolls the branch back.
    is_certain_ = is_certain_ && (rollback.is_ok || code == XaCode::nota);
    return answer;
}

Answer Connection::finish_answer_from(const Reply& reply) {
    const bool is_own_branch = !branch_.empty();
    const bool was_prepared_here = prepared_ == xid_;
    auto answer = reply.is_ok ? Answer{} : failure(reply);
    const bool is_finished =
        reply.is_ok || is_rolled_back(answer.code) || answer.code == XaCode::rdonly;
    if (is_finished || answer.code == XaCode::nota) {
        branch_.clear();
        if (was_prepared_here) {
            prepared_.clear();
        }
    }
    // A server that does not know a branch of this very session is not understood.
    if (!is_finished && (is_own_branch || (was_prepared_here && answer.code == XaCode::nota))) {
        is_certain_ = false;
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
    first_answer_ = Answer{};
    session_.send(end_and_roll_back());
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
    if (answer_at_once_ || session_.is_broken()) {
        return {always_ready_descriptor(), true, false};
    }
    return session_.readiness();
}

void Connection::close() noexcept {
    if (std::exchange(is_open_, false)) {
        static_cast<void>(session_.take_back());
    }
    is_certain_ = false;
    remember_ending_session();
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return is_certain_ && !is_outstanding_ && !is_open_ && branch_.empty() && prepared_.empty() &&
           !session_.is_broken();
}

}  // namespace xa_tm::mysql
