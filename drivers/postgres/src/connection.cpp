// Invariants:
// - branch() is set exactly while a transaction block of ours is open on the session: once
// prepared,
//   the branch belongs to the server and no longer to this connection;
// - replies_expected_ has one number for each request in flight, and replies_ are those to the
// first.

#include "connection.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "ending_session.h"
#include "prepared_gid.h"
#include "sqlstate_map.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::postgres {
namespace {

/// Statements prepared through SOCI and destroyed after the branch's end stay behind at the server;
/// a session that may hold this many of them is closed rather than used again.
constexpr int kSociStatementsMax = 1000;

constexpr std::string_view kXactIdIfAssigned = "select pg_catalog.pg_current_xact_id_if_assigned()";
/// Gives the branch an id, and with it evidence, even if it has written nothing.
constexpr std::string_view kXactId = "select pg_catalog.pg_current_xact_id()";
/// Whether the branch may be committed before the others: it has no id, so it wrote nothing here;
/// no cursor WITH HOLD that would stay behind; and it can't have written anywhere else, because a
/// foreign table leaves no trace but in the other server.
constexpr std::string_view kProbe =
    "select pg_catalog.pg_current_xact_id_if_assigned(), "
    "not exists (select from pg_catalog.pg_cursors where is_holdable and creation_time >= now()) "
    "and not exists (select from pg_catalog.pg_foreign_server)";

constexpr std::string_view kListPrepared =
    "select gid, owner, (extract(epoch from prepared) * 1000000)::bigint "
    "from pg_catalog.pg_prepared_xacts where database = current_database() order by prepared, gid";

/// Prepared in any database and by anyone, or being worked on right now by a session of the same
/// role.
std::string locate_statement(std::string_view gid) {
    return fmt::format(
        "select 1 from pg_catalog.pg_prepared_xacts where gid = '{0}' union all "
        "select 1 from pg_catalog.pg_stat_activity where pid <> pg_backend_pid() "
        "and state = 'active' and strpos(query, '{0}') > 0",
        gid);
}

std::string owner_statement(std::string_view gid) {
    return fmt::format("select owner from pg_catalog.pg_prepared_xacts where gid = '{}'", gid);
}

std::string prepare_statement(std::string_view gid) {
    return fmt::format("prepare transaction '{}'", gid);
}

std::optional<std::chrono::system_clock::time_point> time_from(const std::string& microseconds) {
    std::int64_t count = 0;
    const auto* end = microseconds.data() + microseconds.size();
    if (std::from_chars(microseconds.data(), end, count).ptr != end) {
        return std::nullopt;
    }
    return std::chrono::system_clock::time_point{std::chrono::microseconds{count}};
}

std::vector<ListedBranch> branches_from(const Reply& reply) {
    std::vector<ListedBranch> branches;
    for (const auto& row : reply.rows) {
        const auto gid = row.at(0).value_or("");
        branches.push_back({.xid = decode_gid(gid),
                            .name = gid,
                            .prepared_at = time_from(row.at(2).value_or("")),
                            .owner = row.at(1).value_or("")});
    }
    return branches;
}

/// The single value of a query that has one.
std::optional<std::string> value_of(const Reply& reply) {
    return reply.rows.empty() ? std::nullopt : reply.rows.front().at(0);
}

Answer refused(XaCode code, std::string_view why) {
    return {.code = code, .message = std::string{why}};
}

std::string gid_of(const Request& request) {
    const bool concerns_branch = request.verb != Verb::recover && request.verb != Verb::end_session;
    return concerns_branch ? encode_gid(request.xid) : std::string{};
}

/// Why the application's text can't be sent, whatever the branch's state is.
std::optional<Answer> fault_of(const Request& request) {
    if (request.statement.find('\0') != std::string::npos) {
        return refused(XaCode::inval,
                       "a statement holds no zero byte: what follows it would be lost");
    }
    if (request.verb == Verb::execute && controls_transaction(request.statement)) {
        return refused(XaCode::rmerr,
                       "the branch's transaction is begun and ended by the global transaction, not "
                       "by a statement; call commit() or rollback() of that");
    }
    return std::nullopt;
}

}  // namespace

Connection::Connection(std::string resource, const std::string& canonical_uri, SessionMark mark,
                       std::chrono::milliseconds statement_timeout)
    : BatchedConnection{std::move(resource)},
      mark_{std::move(mark)},
      statement_timeout_{statement_timeout},
      session_{canonical_uri} {}

void Connection::set_up(std::chrono::seconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const auto reply = ask({{facts_statement()}}, deadline).front();
    if (!reply.is_ok) {
        throw Error({.code = ErrorCode::resource_unreachable,
                     .resource = resource(),
                     .sqlstate = reply.sqlstate},
                    fmt::format("resource {}: {}", resource(), reply.message));
    }
    facts_ = facts_from(reply, session_.backend_pid());
    if (const auto obstacle = obstacle_to_two_phase(facts_)) {
        throw Error({.code = ErrorCode::two_phase_unavailable, .resource = resource()},
                    fmt::format("resource {}: {}", resource(), *obstacle));
    }
    if (facts_.is_pooled) {
        check_pooler(deadline);
    }
}

std::vector<Reply> Connection::ask(std::vector<Statement> statements,
                                   std::chrono::steady_clock::time_point deadline) {
    const auto count = statements.size();
    session_.send(std::move(statements));
    std::vector<Reply> replies;
    while (replies.size() < count) {
        if (auto reply = session_.receive()) {
            replies.push_back(*std::move(reply));
        } else {
            wait_for_server(deadline);
        }
    }
    return replies;
}

void Connection::check_pooler(std::chrono::steady_clock::time_point deadline) {
    // In two trips, since a pooler in statement mode minds only what stays open between them.
    for (const auto* statement : {"begin", "rollback"}) {
        const auto reply = ask({{statement}}, deadline).front();
        if (!reply.is_ok) {
            throw Error({.code = ErrorCode::two_phase_unavailable,
                         .resource = resource(),
                         .sqlstate = reply.sqlstate},
                        fmt::format("resource {}: the connection pooler in between takes no "
                                    "transactions of several statements ({}); set its pool_mode to "
                                    "transaction or session, or connect to PostgreSQL itself",
                                    resource(), reply.message));
        }
    }
}

SessionId Connection::session_id() const {
    return facts_.is_pooled ? SessionId{} : facts_.session;
}

ServerDescription Connection::describe() const {
    return postgres::describe(facts_);
}

soci::session& Connection::sql() {
    lend();
    return session_.sql();
}

PGconn* Connection::native_handle() {
    lend();
    return session_.native_handle();
}

void Connection::lend() {
    check_is_open();
    if (session_.is_lent()) {
        return;
    }
    if (!session_.can_lend()) {
        lose_certainty();
        throw Error({.code = ErrorCode::invalid_state, .resource = resource()},
                    fmt::format("resource {}: the application has closed or reconnected the "
                                "branch's session; roll back and begin a new transaction",
                                resource()));
    }
    session_.lend();
}

bool Connection::take_back() noexcept {
    return !session_.is_lent() || session_.take_back();
}

std::optional<Answer> Connection::answer_at_once() {
    const auto& request = front();
    if (request.verb == Verb::start && !session_.can_lend()) {
        return refused(XaCode::rmfail,
                       "the application closed or reconnected a session that had ended");
    }
    if (auto fault = fault_of(request)) {
        return fault;
    }
    // Idle although a branch is open; or another transaction has been begun in its place.
    const bool is_gone =
        branch() && (session_.is_idle() || session_.history().has_ended_transaction());
    const bool concerns_branch = request.verb != Verb::recover && request.verb != Verb::end_session;
    if (!is_gone || !concerns_branch) {
        return std::nullopt;
    }
    constexpr std::string_view kWhy =
        "the application ended the branch's transaction itself, with COMMIT or ROLLBACK; work that "
        "it committed so is not undone";
    if (request.verb == Verb::execute) {
        return refused(XaCode::rmerr, kWhy);
    }
    end_branch();
    if (!session_.is_idle()) {
        lose_certainty();
    }
    return refused(XaCode::heurhaz, kWhy);
}

bool Connection::may_share_trip(const Request& request) const {
    return !fault_of(request) && (request.verb != Verb::start || session_.can_lend());
}

std::size_t Connection::carry() {
    const auto trip = one_trip();
    const bool is_alone = trip.size() == 1;
    if (std::ranges::find(trip, Verb::start, &Request::verb) != trip.end()) {
        session_.forget_history();
    }
    follow_up_ = FollowUp::none;
    voting_ = voting_of(is_alone);
    replies_.clear();
    replies_expected_.clear();
    std::vector<Statement> statements;
    for (const auto& request : trip) {
        auto own = statements_of(request, is_alone);
        replies_expected_.push_back(own.size());
        std::ranges::move(own, std::back_inserter(statements));
    }
    session_.send(std::move(statements));
    return trip.size();
}

Connection::Voting Connection::voting_of(bool is_alone) const {
    if (!is_alone) {
        return Voting::with_last_work;
    }
    if (session_.is_in_failed_transaction()) {
        return Voting::undo;
    }
    return session_.history().has_writing_statement() ? Voting::probe_and_prepare
                                                      : Voting::probe_first;
}

std::vector<Statement> Connection::statements_of(const Request& request, bool is_alone) const {
    const auto gid = gid_of(request);
    switch (request.verb) {
        case Verb::start:
            if (statement_timeout_.count() > 0) {
                return {
                    {"begin"},
                    {fmt::format("set local statement_timeout = {}", statement_timeout_.count())}};
            }
            return {{"begin"}};
        case Verb::execute: return {{.text = request.statement, .is_application = true}};
        case Verb::prepare:
            switch (voting_) {
                case Voting::probe_first: return {{std::string{kProbe}}};
                case Voting::probe_and_prepare:
                    return {{std::string{kXactIdIfAssigned}}, {prepare_statement(gid)}};
                case Voting::with_last_work:
                    return {{std::string{kXactId}}, {prepare_statement(gid)}};
                case Voting::undo: return {{"rollback"}};
            }
            break;
        case Verb::commit_one_phase: return {{"commit"}};
        case Verb::commit:
            // What follows in the batch may wait for locks; this branch's outcome must not.
            return {{.text = fmt::format("commit prepared '{}'", gid), .is_flushed = !is_alone}};
        case Verb::rollback:
            return {
                {branch() ? std::string{"rollback"} : fmt::format("rollback prepared '{}'", gid)}};
        case Verb::recover: return {{std::string{kListPrepared}}};
        case Verb::locate:
            if (const auto evidence = evidence_from(request.evidence)) {
                return {{locate_statement(gid)}, {fate_statement(*evidence)}};
            }
            return {{locate_statement(gid)}};
        case Verb::end_session: return {{end_statement(request.session, mark_, facts_)}};
    }
    XA_TM_CHECK(false, "every verb has its statements");
}

bool Connection::take_replies() {
    auto reply = session_.receive();
    if (!reply) {
        return false;
    }
    replies_.push_back(*std::move(reply));
    if (replies_.size() < replies_expected_.front()) {
        return true;
    }
    auto answer = follow_up_ == FollowUp::none ? answer_from_replies() : second_answer();
    replies_.clear();
    if (!answer) {
        replies_expected_.front() = 1;
        return true;
    }
    replies_expected_.pop_front();
    settle(*std::move(answer));
    return true;
}

std::optional<Answer> Connection::answer_from_replies() {
    const auto verb = front().verb;
    if (verb == Verb::prepare) {
        return vote();
    }
    if (verb == Verb::end_session) {
        return answer_to_end(replies_.front(), front().session, facts_);
    }
    if (verb == Verb::commit_one_phase || verb == Verb::rollback) {
        end_branch();
    }
    // The second reply to locate is judged with the first one's: see location().
    const auto count = verb == Verb::locate ? 1 : static_cast<std::ptrdiff_t>(replies_.size());
    const auto failed = std::find_if(replies_.begin(), replies_.begin() + count,
                                     [](const Reply& reply) { return !reply.is_ok; });
    if (failed == replies_.begin() + count) {
        return success();
    }
    if (verb == Verb::commit || verb == Verb::rollback) {
        return failure_of_finishing(*failed);
    }
    return failure(verb, *failed);
}

Answer Connection::success() {
    const auto& reply = replies_.front();
    switch (front().verb) {
        case Verb::start: begin_branch(front().xid); return {};
        case Verb::execute: return {.rows = reply.row_count};
        case Verb::commit_one_phase:
            return reply.command_tag == "COMMIT" ? Answer{.message = reply.message}
                                                 : vote_of_failed_branch();
        case Verb::commit:
        case Verb::rollback: return {.message = reply.message};
        case Verb::recover: return {.listed = branches_from(reply)};
        case Verb::locate: return location();
        case Verb::prepare:
        case Verb::end_session: break;
    }
    XA_TM_CHECK(false, "prepare and end_session have their own answers");
}

Answer Connection::location() const {
    if (!replies_.front().rows.empty()) {
        return {.code = XaCode::retry};
    }
    const auto evidence = evidence_from(front().evidence);
    if (!evidence) {
        return {.code = XaCode::nota};
    }
    const auto& reply = replies_.back();
    if (!reply.is_ok) {
        if (auto lost = failure(Verb::locate, reply); lost.code == XaCode::rmfail) {
            return lost;
        }
    }
    const auto fate = fate_from(*evidence, facts_.timeline, reply);
    return postgres::answer_from(fate, Verb::locate).value_or(Answer{.code = XaCode::nota});
}

std::optional<Answer> Connection::vote() {
    const auto& last = replies_.back();
    switch (voting_) {
        case Voting::probe_first: return vote_from_probe(last);
        case Voting::probe_and_prepare:
        case Voting::with_last_work:
            if (!replies_.front().is_ok) {
                // Nothing was prepared behind it. Closing the connection rolls back what is open.
                lose_certainty();
                return failure(Verb::prepare, replies_.front());
            }
            return vote_from_prepare(last, value_of(replies_.front()));
        case Voting::undo:
            end_branch();
            return last.is_ok ? vote_of_failed_branch() : failure(Verb::prepare, last);
    }
    return std::nullopt;
}

std::optional<Answer> Connection::vote_from_probe(const Reply& probe) {
    if (!probe.is_ok) {
        lose_certainty();
        return failure(Verb::prepare, probe);
    }
    const bool may_be_committed = probe.rows.front().at(1) == "t";
    if (const auto xact_id = value_of(probe); xact_id || !may_be_committed) {
        follow_up(FollowUp::prepare, {.evidence = evidence_of(xact_id)},
                  prepare_statement(gid_of(front())));
    } else {
        // Nothing was written, so nothing can differ whatever the others decide: finish it now.
        follow_up(FollowUp::commit_unprepared, {}, "commit");
    }
    return std::nullopt;
}

std::optional<Answer> Connection::vote_from_prepare(const Reply& prepare,
                                                    std::optional<std::string> xact_id) {
    end_branch();
    if (!prepare.is_ok) {
        return failure(Verb::prepare, prepare);
    }
    if (prepare.command_tag != "PREPARE TRANSACTION") {
        // PostgreSQL: PREPARE TRANSACTION, Description: in a failed transaction it acts like
        // ROLLBACK, and that is no error.
        return vote_of_failed_branch();
    }
    if (xact_id || follow_up_ == FollowUp::prepare) {
        return Answer{.evidence = evidence_of(xact_id)};
    }
    // It wrote nothing after all; it is prepared, but need not wait for the others.
    follow_up(FollowUp::commit_empty, {}, fmt::format("commit prepared '{}'", gid_of(front())));
    return std::nullopt;
}

Answer Connection::vote_of_failed_branch() const {
    const auto& sqlstate = session_.history().last_failure();
    const auto code =
        sqlstate.empty() ? XaCode::rbrollback : meaning_of(Verb::prepare, sqlstate).code;
    const bool is_telling =
        code == XaCode::rbdeadlock || code == XaCode::rbintegrity || code == XaCode::rbtimeout;
    return {.code = is_telling ? code : XaCode::rbrollback,
            .message = "a statement of the branch had failed, so PostgreSQL rolled it back",
            .sqlstate = sqlstate};
}

std::optional<Answer> Connection::failure_of_finishing(const Reply& reply) {
    auto answer = failure(front().verb, reply);
    if (in_flight().size() > 1) {
        return answer;  // what a second trip finds must not let those behind it count as sent
    }
    if (reply.sqlstate == "42501") {
        follow_up(FollowUp::name_owner, std::move(answer), owner_statement(gid_of(front())));
        return std::nullopt;
    }
    const auto evidence = evidence_from(front().evidence);
    if (answer.code == XaCode::nota && front().verb == Verb::commit && evidence) {
        follow_up(FollowUp::tell_fate, std::move(answer), fate_statement(*evidence));
        return std::nullopt;
    }
    return answer;
}

void Connection::follow_up(FollowUp what, Answer first_answer, std::string statement) {
    follow_up_ = what;
    first_answer_ = std::move(first_answer);
    session_.send({{std::move(statement)}});
}

std::optional<Answer> Connection::second_answer() {
    const auto& reply = replies_.front();
    auto answer = std::move(first_answer_);
    switch (follow_up_) {
        case FollowUp::none: break;
        case FollowUp::prepare: {
            auto vote = vote_from_prepare(reply, std::nullopt);
            if (vote && vote->code == XaCode::ok) {
                vote->evidence = std::move(answer.evidence);
            }
            return vote;
        }
        case FollowUp::commit_unprepared:
            end_branch();
            if (!reply.is_ok) {
                return failure(Verb::prepare, reply);
            }
            answer.code = XaCode::rdonly;
            return reply.command_tag == "COMMIT" ? answer : vote_of_failed_branch();
        case FollowUp::commit_empty:
            if (reply.is_ok) {
                answer.code = XaCode::rdonly;
            } else if (auto refusal = failure(Verb::commit, reply);
                       refusal.code == XaCode::rmfail) {
                return refusal;  // lost, so nobody knows
            }
            return answer;  // when refused: it is prepared and can be finished like any other
        case FollowUp::name_owner:
            if (const auto owner = value_of(reply); reply.is_ok && owner) {
                answer.message += fmt::format("; it was prepared by the role {}", *owner);
            }
            return answer;
        case FollowUp::tell_fate: {
            const auto evidence = evidence_from(front().evidence);
            if (!reply.is_ok) {
                if (auto lost = failure(Verb::commit, reply); lost.code == XaCode::rmfail) {
                    return lost;
                }
            }
            const auto fate = fate_from(evidence.value(), facts_.timeline, reply);
            return postgres::answer_from(fate, Verb::commit).value_or(answer);
        }
    }
    XA_TM_CHECK(false, "a second trip has its reason");
}

std::string Connection::evidence_of(const std::optional<std::string>& xact_id) const {
    return xact_id ? to_string(Evidence{*xact_id, facts_.timeline}) : std::string{};
}

Answer Connection::failure(Verb verb, const Reply& reply) const {
    const auto meaning = meaning_of(verb, reply.sqlstate);
    Answer answer{.code = meaning.code, .message = reply.message, .sqlstate = reply.sqlstate};
    if (!meaning.advice.empty()) {
        answer.message += fmt::format("; {}", meaning.advice);
    }
    return answer;
}

std::optional<Connection::Readiness> Connection::session_readiness() const noexcept {
    return session_.is_broken() ? std::nullopt : std::optional{session_.readiness()};
}

void Connection::disconnect() noexcept {
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return is_at_rest() && session_.is_idle() && session_.soci_statements() < kSociStatementsMax;
}

}  // namespace xa_tm::postgres
