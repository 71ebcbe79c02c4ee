// Invariants:
// - at most one of branch() and prepared_ is set. While prepared_ is, the connection is never
//   pooled or reset: MariaDB answers mysql_reset_connection with OK then, and a later XA COMMIT
//   with an OK that is not true;
// - while follow_up_ is not none, the server is on a further trip for the front; what was in its
//   first trip behind it was not carried out.

#include "connection.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "answers.h"
#include "chain.h"
#include "decision_facts.h"
#include "errno_map.h"
#include "server_checkup.h"
#include "statement_text.h"
#include "verb_statements.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xid_literal.h"

namespace xa_tm::mysql {
namespace {

using std::chrono::duration;

/// The answer when one of the replies is that the session is lost.
std::optional<Answer> loss_among(Verb verb, std::span<const Reply> replies) {
    const auto lost =
        std::ranges::find_if(replies, [verb](const Reply& reply) { return is_lost(verb, reply); });
    return lost == replies.end() ? std::nullopt : std::optional{failure_of(verb, *lost)};
}

/// Why a request about witness rows can't be put into statements; nothing when it can, or is about
/// something else.
std::optional<Answer> fault_of_witness_request(const Request& request, bool has_table) {
    const bool is_about_rows =
        request.verb == Verb::list_witnesses || request.verb == Verb::forget_witnesses;
    if (is_about_rows && !has_table) {
        return Answer{.code = XaCode::rmerr,
                      .message = "witness rows are kept only with has_witness for this datasource"};
    }
    if (request.verb == Verb::prepare && has_table &&
        !evidence_from(to_string(Evidence{.row = 1, .log = request.log}))) {
        return Answer{.code = XaCode::inval,
                      .message =
                          "a log's name is at most 24 characters of A-Z a-z 0-9 . _ : - "
                          "where branches leave witness rows"};
    }
    if (request.verb == Verb::forget_witnesses) {
        std::optional<std::string> log;
        for (const auto& witness : request.witnesses) {
            const auto evidence = evidence_from(witness);
            if (!evidence || log.value_or(evidence->log) != evidence->log) {
                return Answer{
                    .code = XaCode::inval,
                    .message = "forget_witnesses takes evidence of witness rows of one log"};
            }
            log = evidence->log;
        }
        if (!log) {
            return Answer{.code = XaCode::inval,
                          .message = "forget_witnesses takes at least one witness row"};
        }
    }
    return std::nullopt;
}

}  // namespace

Connection::Connection(std::string resource, const std::string& soci_connect_string, bool needs_tls,
                       std::shared_ptr<EndingSessions> ending_sessions)
    : BatchedConnection{std::move(resource)},
      ending_sessions_{std::move(ending_sessions)},
      marker_{random_digits()},
      session_{soci_connect_string, needs_tls} {}

Connection::Connection(std::string resource, const Lent& lent,
                       std::chrono::seconds give_back_timeout,
                       std::shared_ptr<EndingSessions> ending_sessions)
    : BatchedConnection{std::move(resource)},
      ending_sessions_{std::move(ending_sessions)},
      marker_{random_digits()},
      session_{lent},
      give_back_timeout_{give_back_timeout} {}

Connection::~Connection() {
    remember_ending_session();
    if (session_.is_borrowed() && !give_back()) {
        session_.disconnect();
    }
}

/// False when the session can't go on as it was. A branch that is prepared here can be finished by
/// others only after that.
bool Connection::give_back() noexcept {
    if (!is_at_rest() || prepared_ || session_.is_broken()) {
        return false;
    }
    std::vector<std::string> statements;
    if (!own_lock_.empty()) {
        statements.push_back(fmt::format("select release_lock({}), release_lock({})",
                                         text_literal(own_lock_),
                                         text_literal(lock_name(mark_, session_.thread_id()))));
    }
    if (!former_tracking_.empty()) {
        statements.push_back(
            fmt::format("set session_track_transaction_info = {}", text_literal(former_tracking_)));
    }
    try {
        return statements.empty() ||
               std::ranges::all_of(replies_to(std::move(statements), give_back_timeout_),
                                   &Reply::is_ok);
    } catch (const std::exception&) {
        return false;
    }
}

/// What is put back in the end, as far as this changes it.
void Connection::learn_session_settings(std::chrono::seconds timeout) {
    const auto replies =
        replies_to({"select @@session_track_transaction_info", "do 0; do 0"}, timeout);
    check_set_up(session_.is_broken() ? replies.back() : Reply{.is_ok = true});
    const auto& tracking = replies.front();
    if (tracking.is_ok && !tracking.rows.empty()) {
        former_tracking_ = understood([&] { return tracking.rows.front().at(0).value_or(""); });
    }
    session_.learn_packing(replies.back().is_ok);
}

void Connection::set_up(const SessionMark& mark, const DatasourceOptions& options) {
    if (session_.is_borrowed()) {
        learn_session_settings(options.connect_timeout);
    }
    auto statements = ServerFacts::questions();
    const auto questions = statements.size();
    if (options.statement_timeout.count() > 0 && !session_.is_borrowed()) {
        statements.push_back(
            session_.is_mariadb()
                ? fmt::format("set max_statement_time = {:.3f}",
                              duration<double>{options.statement_timeout}.count())
                : fmt::format("set max_execution_time = {}", options.statement_timeout.count()));
    }
    if (!mark.text.empty()) {
        mark_ = mark.text;
        own_lock_ = unique_lock_name();
        statements.push_back(fmt::format("select get_lock({}, 0), get_lock({}, 0)",
                                         text_literal(own_lock_),
                                         text_literal(lock_name(mark.text, session_.thread_id()))));
    }
    const auto replies = replies_to(std::move(statements), options.connect_timeout);
    for (std::size_t at = 0; at < replies.size(); ++at) {
        // What a server does not tell of itself is left out, unless it is who it is.
        if (at == 0 || at >= questions || session_.is_broken()) {
            check_set_up(replies[at]);
        }
    }
    facts_ = understood([&] { return ServerFacts{std::span{replies}.first(questions)}; });
    search_.emplace(ending_sessions_, mark.ended, facts_);
    if (facts_.is_galera()) {
        throw Error(
            {.code = ErrorCode::two_phase_unavailable, .resource = resource()},
            fmt::format("resource {}: the server is part of a Galera cluster (wsrep_on=ON), "
                        "which can't prepare transactions; connect to a server outside a "
                        "cluster",
                        resource()));
    }
    if (options.keeps_decisions()) {
        const auto state = decision_table_state(options.connect_timeout);
        check_is_trustworthy(state, resource());
        decision_table_.emplace(state.name);
    }
    if (options.has_witness) {
        const auto state = witness_table_state(options.connect_timeout);
        if (!state.fault.empty()) {
            throw Error({.code = ErrorCode::resource_refused, .resource = resource()},
                        fmt::format("resource {}: {}; {}", resource(), state.fault, state.remedy));
        }
        witness_table_.emplace(state.table());
    }
}

ServerDescription Connection::describe(const DatasourceOptions& options) {
    const auto replies = replies_to(checkup_questions(), options.connect_timeout);
    // What a server does not tell of itself is left out, unless it is who it is.
    check_set_up(session_.is_broken() ? replies.back() : replies.front());
    auto description = judged(understood([&] { return checkup_from(replies); }));
    if (options.keeps_decisions()) {
        description.last_resource = describe_last_resource(options.connect_timeout);
    }
    if (options.has_witness) {
        std::ranges::move(describe_witness_table(options.connect_timeout),
                          std::back_inserter(description.last_resource));
    }
    return description;
}

std::vector<ServerFact> Connection::describe_witness_table(std::chrono::seconds timeout) {
    auto state = witness_table_state(timeout);
    if (state.exists) {
        auto questions = state.table().probes();
        questions.push_back(state.table().count_question());
        const auto replies = replies_to(std::move(questions), timeout);
        const auto refusal = std::ranges::find(replies, false, &Reply::is_ok);
        if (refusal != replies.end()) {
            state.refusal = refusal->message;
        } else {
            state.rows = replies.back().rows.at(0).at(0).value_or("");
        }
    }
    return facts_of(state, resource());
}

WitnessTableState Connection::witness_table_state(std::chrono::seconds timeout) {
    const auto reply = replies_to({witness_table_question()}, timeout).front();
    check_set_up(reply);
    auto state = understood([&] { return witness_table_from(reply); });
    if (state.database.empty()) {
        throw Error({.code = ErrorCode::resource_refused, .resource = resource()},
                    fmt::format("resource {}: the witness rows have no place, since the URI names "
                                "no database; add one: mysql://host/database",
                                resource()));
    }
    return state;
}

std::vector<ServerFact> Connection::describe_last_resource(std::chrono::seconds timeout) {
    auto state = decision_table_state(timeout);
    if (state.exists) {
        const DecisionTable table{state.name};
        const auto replies = replies_to(
            {table.insertion_probe(), table.deletion_probe(), decision_rows_question(table)},
            timeout);
        state.insert_refusal = replies.at(0).message;
        state.delete_refusal = replies.at(1).message;
        const auto& rows = replies.at(2);
        state.select_refusal = rows.message;
        if (rows.is_ok) {
            state.rows = rows.rows.at(0).at(0).value_or("");
            state.oldest_age_seconds = rows.rows.at(0).at(1).value_or("");
        }
    }
    return facts_of(state, resource());
}

DecisionTableState Connection::decision_table_state(std::chrono::seconds timeout) {
    const auto reply = replies_to({decision_table_question()}, timeout).front();
    check_set_up(reply);
    auto state = understood([&] { return decision_table_from(reply); });
    if (state.name.empty()) {
        throw Error({.code = ErrorCode::resource_refused, .resource = resource()},
                    fmt::format("resource {}: the decision table has no place, since the URI names "
                                "no database; add one: mysql://host/database",
                                resource()));
    }
    return state;
}

void Connection::set_up_decision_table(const DatasourceOptions& options) {
    const auto timeout = options.connect_timeout;
    auto state = decision_table_state(timeout);
    if (!state.exists) {
        create_table("decision table", decision_table_definition(DecisionTable{state.name}),
                     timeout);
        state = decision_table_state(timeout);
    }
    check_is_trustworthy(state, resource());
    if (options.has_witness) {
        set_up_witness_table(timeout);
    }
}

void Connection::set_up_witness_table(std::chrono::seconds timeout) {
    const auto state = witness_table_state(timeout);
    if (!state.exists) {
        for (const auto& definition : state.table().definitions()) {
            create_table("witness table", definition, timeout);
        }
    }
}

void Connection::create_table(std::string_view what, const std::string& definition,
                              std::chrono::seconds timeout) {
    const auto reply = replies_to({definition}, timeout).front();
    if (!reply.is_ok) {
        throw Error(
            {.code = is_lost(Verb::start, reply) ? ErrorCode::resource_unreachable
                                                 : ErrorCode::resource_refused,
             .resource = resource(),
             .sqlstate = reply.sqlstate,
             .native_error = reply.error},
            fmt::format("resource {}: the {} can't be created: {}; let a user that may run: {}",
                        resource(), what, reply.message, definition));
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
    throw Error(
        {.code = is_lost(Verb::start, reply) ? ErrorCode::resource_unreachable
                                             : ErrorCode::resource_refused,
         .resource = resource(),
         .sqlstate = reply.sqlstate,
         .native_error = reply.error},
        fmt::format("resource {}: the session can't be set up: {}", resource(), reply.message));
}

soci::session& Connection::sql() {
    if (!session_.has_sql()) {
        throw Error({.code = ErrorCode::invalid_state, .resource = resource()},
                    fmt::format("resource {}: the branch works on a lent MYSQL, which has no SOCI "
                                "session; use the handle, or lend a soci::session",
                                resource()));
    }
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
    history_.add_lent_statement(session_.last_error());
    history_.add_state(session_.last_transaction_state());
    return true;
}

std::optional<Answer> Connection::answer_at_once() {
    const auto& request = front();
    if (request.verb == Verb::end_ended_sessions && !search_->has_marks()) {
        return Answer{};
    }
    if (request.verb == Verb::end_session) {
        // A session of an earlier life of the server has ended with that.
        const bool is_there =
            request.session.number != 0 &&
            may_be_same_life(SessionOrigin::of(request.session).server_started, facts_.started());
        return is_there ? std::nullopt : std::optional{Answer{}};
    }
    if (uses_decision_table(request.verb) && !decision_table_) {
        return Answer{.code = XaCode::rmerr, .message = std::string{kNoLastResource}};
    }
    if (auto fault = fault_of_witness_request(request, witness_table_.has_value())) {
        return fault;
    }
    if (!has_valid_format(request.xid)) {
        return Answer{.code = XaCode::inval,
                      .message = "an xid has a formatID of 0 to 2147483647 here"};
    }
    if (request.verb == Verb::execute) {
        if (auto fault = fault_of_arguments(request, session_.text_rules().is_bytewise);
            !fault.empty()) {
            return Answer{.code = XaCode::rmerr, .message = std::move(fault)};
        }
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
        // What may change how the server reads the next text goes alone, so that its literals are
        // written when that is known.
        case Verb::execute:
            return kind_of(request.statement) != Kind::other &&
                   is_surely_one(request.statement, session_.text_rules().is_bytewise) &&
                   fault_of_arguments(request, session_.text_rules().is_bytewise).empty();
        case Verb::prepare: return history_.why_rollback_only().empty();
        case Verb::commit_one_phase:
        case Verb::commit_with_decision:
        case Verb::rollback:
        case Verb::recover:
        case Verb::locate:
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine:
        case Verb::list_decisions:
        case Verb::forget_decisions:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
    return false;
}

std::size_t Connection::carry() {
    const auto& request = front();
    const bool commits = request.verb == Verb::prepare || request.verb == Verb::commit_one_phase ||
                         request.verb == Verb::commit_with_decision;
    if (commits && !history_.why_rollback_only().empty()) {
        undo({.code = XaCode::rbrollback, .message = history_.why_rollback_only()});
        return 1;
    }
    if (request.verb == Verb::end_session) {
        fence_.emplace(request.session, mark_, facts_);
        if (auto lock = SessionOrigin::of(request.session).own_lock; !lock.empty()) {
            ending_sessions_->add(lock);  // what it has prepared is free only when it has ended
        }
        follow_up(FollowUp::fence, {}, fence_->look());
        return 1;
    }
    if (request.verb == Verb::examine) {
        examination_.emplace(request.xid, facts_);
        follow_up(FollowUp::examine, {}, examination_->look());
        return 1;
    }
    if (request.verb == Verb::end_ended_sessions) {
        follow_up(FollowUp::search_sessions, {},
                  search_->begin(SessionSearch::Aim::end_ended_sessions));
        return 1;
    }
    if (may_be_tied_to_another_session(request)) {
        follow_up(FollowUp::search_sessions, {}, search_->begin(SessionSearch::Aim::free_branch));
        return 1;
    }
    if (request.verb == Verb::commit_with_decision) {
        // Nothing may be committed behind an insert that has failed.
        session_.send({fmt::format("{}", fmt::join(statements_of(request, *decision_table_), ";"))},
                      Packing::many_statements);
        return 1;
    }
    if (uses_decision_table(request.verb)) {
        session_.send(statements_of(request, *decision_table_), Packing::own_verbs);
        return 1;
    }
    if (request.verb == Verb::list_witnesses || request.verb == Verb::forget_witnesses) {
        session_.send(statements_of(request, *witness_table_), Packing::own_verbs);
        return 1;
    }
    const auto* witnesses = witness_table_ ? &*witness_table_ : nullptr;
    const auto trip = one_trip();
    may_be_preparing_ = trip.back().verb == Verb::prepare;
    if (trip.size() > 1 && request.verb == Verb::commit) {
        // What follows may wait for locks; this branch's outcome must not.
        session_.send_first_and_others(chain_of(trip, marker_, session_.text_rules(), witnesses));
    } else if (trip.size() > 1) {
        session_.send({chain_of(trip, marker_, session_.text_rules(), witnesses)},
                      Packing::many_statements);
    } else if (request.verb == Verb::prepare) {
        session_.send(prepare_statements(request, witnesses), Packing::own_verbs);
    } else if (request.verb == Verb::execute) {
        session_.send(
            {with_arguments(request, session_.text_rules())},
            is_plain_with_arguments(request) ? Packing::own_verbs : Packing::one_statement);
    } else {
        session_.send(statements_of(request, branch().has_value()), Packing::own_verbs);
    }
    return trip.size();
}

bool Connection::may_be_tied_to_another_session(const Request& request) const {
    const bool finishes_anothers_branch =
        (request.verb == Verb::commit || request.verb == Verb::rollback) && !branch() &&
        prepared_ != request.xid;
    return finishes_anothers_branch && search_->is_needed_to_free_branch();
}

bool Connection::take_replies() {
    if (const auto first = session_.receive_first()) {
        give(first_answer({&*first, 1}).value());
        return true;
    }
    const auto replies = session_.receive();
    if (!replies) {
        return false;
    }
    if (follow_up_ == FollowUp::none) {
        take(*replies);
    } else if (auto answer = further_answer(*replies)) {
        give(*std::move(answer));
    }
    return true;
}

void Connection::take(std::span<const Reply> replies) {
    // An answer other than XA_OK answers the rest as well.
    for (auto rest = in_flight(); !rest.empty() && !in_flight().empty(); rest = rest.subspan(1)) {
        const auto own = take_results(rest, replies, marker_);
        // Only with its own: what an earlier request of the packet did may be another branch's.
        for (const auto& reply : own) {
            history_.add_state(reply.transaction_state);
        }
        auto answer = first_answer(own);
        if (!answer) {
            return;
        }
        give(*std::move(answer));
    }
}

void Connection::give(Answer answer) {
    // A lost connection may be preparing still.
    may_be_preparing_ =
        may_be_preparing_ &&
        (answer.code == XaCode::rmfail || (answer.code == XaCode::ok && in_flight().size() > 1));
    settle(std::move(answer));
}

std::optional<Answer> Connection::first_answer(std::span<const Reply> replies) {
    if (replies.empty()) {
        return misunderstood();
    }
    const auto& reply = replies.back();
    switch (front().verb) {
        case Verb::start: return start_answer(reply);
        case Verb::execute: return execute_answer(replies);
        case Verb::prepare: return prepare_answer(replies);
        case Verb::commit_one_phase: return vote(replies);
        case Verb::commit_with_decision: return vote_behind_row(replies);
        case Verb::list_decisions: return list_answer(replies);
        case Verb::list_witnesses: return list_witnesses_answer(replies);
        case Verb::forget_decisions:
        case Verb::forget_witnesses: return forget_answer(replies);
        case Verb::commit:
        case Verb::rollback: return finish_answer(reply);
        case Verb::recover:
            return reply.is_ok ? Answer{.listed = branches_from(reply),
                                        .position = position_from(replies.front())}
                               : failure_of(Verb::recover, reply);
        case Verb::locate: return locate_answer(reply);
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine: break;
    }
    XA_TM_CHECK(false, "every other verb has its answer");
}

Answer Connection::misunderstood() {
    lose_certainty();
    return {.code = XaCode::rmfail,
            .message = "the server gave another number of results than it was sent statements"};
}

Answer Connection::start_answer(const Reply& reply) {
    if (reply.is_ok) {
        begin_branch(front().xid);
        history_ = {};
        return {};
    }
    auto answer = failure_of(Verb::start, reply);
    if (answer.code != XaCode::dupid) {
        lose_certainty();
    }
    return answer;
}

std::optional<Answer> Connection::execute_answer(std::span<const Reply> results) {
    const auto& last = results.back();
    if (last.is_ok) {
        const bool must_have_marker = needs_marker(in_flight());
        if (!must_have_marker || is_marker(last, in_flight(), marker_)) {
            const auto own = results.first(results.size() - (must_have_marker ? 1 : 0));
            return Answer{.rows = rows_of(own),
                          .result = front().wants_result ? result_set_of(own) : ResultSet{}};
        }
        history_.add_swallowing();
        return Answer{.code = XaCode::rmerr,
                      .message = fmt::format("{}; send one statement at a time, with its strings "
                                             "and comments closed",
                                             history_.why_rollback_only())};
    }
    auto answer = failure_of(Verb::execute, last);
    if (is_rolled_back(answer.code)) {
        undo(std::move(answer));
        return std::nullopt;
    }
    history_.add_refused(results);
    return answer;
}

std::optional<Answer> Connection::prepare_answer(std::span<const Reply> replies) {
    if (!witness_table_) {
        return vote(replies);
    }
    const Evidence evidence{.row = replies.front().inserted_id, .log = front().log};
    auto answer = vote_behind_row(replies);
    if (answer && answer->code == XaCode::ok) {
        answer->evidence = to_string(evidence);
    }
    return answer;
}

/// The first of the replies is that to the insert of a decision's or a witness's row.
std::optional<Answer> Connection::vote_behind_row(std::span<const Reply> replies) {
    const auto& row = replies.front();
    if (!row.is_ok && !is_lost(front().verb, row)) {
        auto answer = failure_of_table(row);
        answer.code = is_rolled_back(answer.code) ? answer.code : XaCode::rbrollback;
        undo(std::move(answer));
        return std::nullopt;
    }
    return row.is_ok && replies.size() > 1 ? vote(replies.subspan(1)) : vote(replies);
}

/// A table's refusal, with what to do about it.
Answer Connection::failure_of_table(const Reply& failed) const {
    const bool is_decision = uses_decision_table(front().verb);
    auto answer = failure_of(
        is_decision || front().verb == Verb::prepare ? front().verb : Verb::list_witnesses, failed);
    constexpr int kNoSuchTable = 1146;
    constexpr int kUnknownColumn = 1054;
    constexpr int kTableAccessDenied = 1142;
    if (failed.error == kNoSuchTable || failed.error == kUnknownColumn) {
        answer.message += "; " + (is_decision ? advice_to_set_up(resource())
                                              : advice_to_set_up_witness(resource()));
    } else if (failed.error == kTableAccessDenied) {
        answer.message +=
            fmt::format("; {}", is_decision ? advice_to_grant() : advice_to_grant_witness());
    }
    return answer;
}

Answer Connection::list_answer(std::span<const Reply> replies) const {
    // The position may be missing, see position_from(); nothing else.
    const auto list = replies.subspan(1);
    const auto failed = std::ranges::find(list, false, &Reply::is_ok);
    return failed == list.end() ? Answer{.position = position_from(replies.front()),
                                         .decisions = decisions_from(replies.end()[-2])}
                                : failure_of_table(*failed);
}

Answer Connection::list_witnesses_answer(std::span<const Reply> replies) const {
    const auto failed = std::ranges::find(replies, false, &Reply::is_ok);
    return failed == replies.end()
               ? Answer{.witnesses = witnesses_from(replies.end()[-2], front().log)}
               : failure_of_table(*failed);
}

Answer Connection::forget_answer(std::span<const Reply> replies) const {
    const auto failed = std::ranges::find(replies, false, &Reply::is_ok);
    return failed == replies.end() ? Answer{} : failure_of_table(*failed);
}

std::optional<Answer> Connection::vote(std::span<const Reply> replies) {
    const auto verb = front().verb;
    const auto& end = replies.front();
    const auto& reply = replies.back();
    if (!reply.is_ok) {
        // XA END tells the reason first; what follows it is refused because of the branch's state.
        auto answer = failure_of(verb, !end.is_ok && !is_lost(verb, reply) ? end : reply);
        if (!is_rolled_back(answer.code)) {
            return answer;
        }
        undo(std::move(answer));
        return std::nullopt;
    }
    if (replies.size() != 2) {
        return misunderstood();
    }
    end_branch();
    Answer success{.message = std::string{history_.caveat()}};
    if (verb != Verb::prepare) {
        return success;
    }
    prepared_ = front().xid;
    if (facts_.tells_whether_written() && has_written_nothing(end.transaction_state)) {
        follow_up(FollowUp::commit_empty, std::move(success), {commit_statement(front().xid)});
        return std::nullopt;
    }
    return success;
}

std::optional<Answer> Connection::finish_answer(const Reply& reply) {
    const auto& request = front();
    const bool was_open_here = branch().has_value();
    const bool was_prepared_here = prepared_ == request.xid;
    auto answer = reply.is_ok ? Answer{} : failure_of(request.verb, reply);
    // It is the one thing that the server warns of here (1196).
    if (request.verb == Verb::rollback && reply.is_ok && reply.warnings > 0) {
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
    // A server that does not know a branch of this very session is not understood.
    if (!is_finished && (was_open_here || (was_prepared_here && answer.code == XaCode::nota))) {
        lose_certainty();
    }
    if (answer.code != XaCode::nota) {
        return answer;
    }
    if (const auto evidence = evidence_of_front()) {
        look_for_witness(*evidence, std::move(answer));
        return std::nullopt;
    }
    return was_open_here || was_prepared_here ? answer : look_in_list(std::move(answer));
}

/// A server that ties prepared branches to their sessions says "unknown xid" to all others.
std::optional<Answer> Connection::look_in_list(Answer found) {
    if (facts_.detaches_prepared_branches()) {
        return found;
    }
    follow_up(FollowUp::look_in_list, std::move(found), {list_statement()});
    return std::nullopt;
}

/// Of a branch that is to be committed, or was, and left a witness row.
std::optional<Evidence> Connection::evidence_of_front() const {
    return witness_table_ ? evidence_from(front().evidence) : std::nullopt;
}

void Connection::look_for_witness(const Evidence& evidence, Answer found) {
    follow_up(FollowUp::look_for_witness, std::move(found),
              witness_table_->fate_statements(evidence, front().xid));
}

std::optional<Answer> Connection::after_witness(std::span<const Reply> replies) {
    if (auto lost = loss_among(front().verb, replies)) {
        return lost;
    }
    const auto fate = fate_from(evidence_of_front().value(), replies);
    if (fate == Fate::untold) {
        return failure_of_table(refusal_among(replies));
    }
    if (auto answer = answer_from(fate, front().verb)) {
        return answer;
    }
    return front().verb == Verb::commit ? look_in_list(found_) : std::optional{found_};
}

std::optional<Answer> Connection::locate_answer(const Reply& reply) {
    if (!reply.is_ok) {
        auto answer = failure_of(Verb::locate, reply);
        // Taken: prepared, or open in some session.
        answer.code = answer.code == XaCode::dupid ? XaCode::retry : answer.code;
        return answer;
    }
    // Free, so it could be opened.
    undo({.code = XaCode::nota});
    return std::nullopt;
}

void Connection::follow_up(FollowUp what, Answer found, std::vector<std::string> statements) {
    follow_up_ = what;
    found_ = std::move(found);
    session_.send(std::move(statements), Packing::own_verbs);
}

/// The branch may still be there, marked "rollback only"; the answer promises that it is not.
void Connection::undo(Answer found) {
    follow_up(FollowUp::undo, std::move(found), end_and_roll_back(front().xid));
}

std::optional<Answer> Connection::further_answer(std::span<const Reply> replies) {
    const auto& reply = replies.back();
    switch (std::exchange(follow_up_, FollowUp::none)) {
        case FollowUp::none: break;
        case FollowUp::search_sessions: return after_search(replies);
        case FollowUp::fence: return after_fence(replies);
        case FollowUp::examine: return after_examination(replies);
        case FollowUp::look_in_list: return after_list(reply);
        case FollowUp::look_for_witness: return after_witness(replies);
        case FollowUp::commit_empty: return after_empty_commit(reply);
        case FollowUp::undo: return after_undo(reply);
    }
    XA_TM_CHECK(false, "a further trip has its reason");
}

std::optional<Answer> Connection::after_search(std::span<const Reply> replies) {
    if (auto lost = loss_among(front().verb, replies)) {
        return lost;
    }
    auto step = search_->take(replies);
    if (auto* statements = std::get_if<std::vector<std::string>>(&step)) {
        follow_up(FollowUp::search_sessions, {}, std::move(*statements));
        return std::nullopt;
    }
    auto& answer = std::get<Answer>(step);
    if (answer.code != XaCode::ok || front().verb == Verb::end_ended_sessions) {
        return std::move(answer);
    }
    session_.send(statements_of(front(), branch().has_value()), Packing::own_verbs);
    return std::nullopt;
}

std::optional<Answer> Connection::after_fence(std::span<const Reply> replies) {
    if (auto lost = loss_among(front().verb, replies)) {
        return lost;
    }
    auto step = fence_->take(replies);
    if (auto* statements = std::get_if<std::vector<std::string>>(&step)) {
        follow_up(FollowUp::fence, {}, std::move(*statements));
        return std::nullopt;
    }
    auto& answer = std::get<Answer>(step);
    if (answer.code == XaCode::ok) {
        ending_sessions_->remove({SessionOrigin::of(front().session).own_lock});
    }
    return std::move(answer);
}

std::optional<Answer> Connection::after_examination(std::span<const Reply> replies) {
    if (auto lost = loss_among(front().verb, replies)) {
        return lost;
    }
    auto step = examination_->take(replies);
    if (auto* statements = std::get_if<std::vector<std::string>>(&step)) {
        follow_up(FollowUp::examine, {}, std::move(*statements));
        return std::nullopt;
    }
    return std::get<Answer>(std::move(step));
}

Answer Connection::after_list(const Reply& list) const {
    if (!list.is_ok) {
        return failure_of(front().verb, list);
    }
    auto answer = found_;
    const auto branches = branches_from(list);
    if (std::ranges::find(branches, xid_literal(front().xid), &ListedBranch::name) !=
        branches.end()) {
        answer.code = XaCode::retry;
        answer.message += "; but it is listed: the session that prepared it has not ended yet";
    }
    return answer;
}

Answer Connection::after_empty_commit(const Reply& commit) {
    const bool is_unknown = is_lost(Verb::commit, commit);
    if (!commit.is_ok && !is_unknown) {
        return found_;  // it stays prepared, and phase two commits it
    }
    // Committed, rolled back or found by recovery: all the same for a branch that wrote nothing.
    if (is_unknown) {
        lose_certainty();
    }
    prepared_.reset();
    return {.code = XaCode::rdonly};
}

std::optional<Answer> Connection::after_undo(const Reply& rollback) {
    if (front().verb == Verb::locate) {
        if (!rollback.is_ok) {
            lose_certainty();
            return failure_of(Verb::locate, rollback);
        }
        if (const auto evidence = evidence_of_front()) {
            look_for_witness(*evidence, found_);
            return std::nullopt;
        }
        return found_;
    }
    end_branch();
    const auto code = meaning_of(Verb::rollback, rollback.error, rollback.message).code;
    // Otherwise closing the connection is what rolls the branch back.
    if (!rollback.is_ok && code != XaCode::nota) {
        lose_certainty();
    }
    return found_;
}

std::optional<Connection::Readiness> Connection::session_readiness() const noexcept {
    return session_.is_broken() ? std::nullopt : std::optional{session_.readiness()};
}

void Connection::disconnect() noexcept {
    remember_ending_session();
    session_.disconnect();
}

void Connection::remember_ending_session() {
    const bool may_be_prepared = prepared_ || may_be_preparing_;
    if (may_be_prepared && !own_lock_.empty() && !std::exchange(is_end_remembered_, true)) {
        ending_sessions_->add(own_lock_);
    }
}

bool Connection::is_reusable() const noexcept {
    return !session_.is_borrowed() && is_at_rest() && !prepared_ && !session_.is_broken();
}

}  // namespace xa_tm::mysql
