// Invariants:
// - branch() is set exactly while a transaction block of ours is open on the session: once
//   prepared, the branch belongs to the server and no longer to this connection;
// - replies_expected_ has a number for each request in flight; replies_ are those to the front.

#include "connection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "answers.h"
#include "decision_facts.h"
#include "holdings.h"
#include "prepared_gid.h"
#include "server_checkup.h"
#include "session_fence.h"
#include "sqlstate_map.h"
#include "verb_statements.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::postgres {
namespace {

/// Statements prepared through SOCI and destroyed after the branch's end stay behind at the server;
/// a session that may hold this many of them is closed rather than used again.
constexpr int kSociStatementsMax = 1000;

constexpr std::string_view kPoolerHidesSessions =
    "a connection pooler is in between, so a lost session can't be ended, and a decision that is "
    "not in the table might still get there";

Answer refused(XaCode code, std::string_view why) {
    return {.code = code, .message = std::string{why}};
}

bool is_text_with_zero_byte(const Value& argument) {
    const auto* text = std::get_if<std::string>(&argument);
    return text != nullptr && text->find('\0') != std::string::npos;
}

/// Why the application's text can't be sent, whatever the branch's state is.
std::optional<Answer> fault_of(const Request& request) {
    if (request.statement.find('\0') != std::string::npos) {
        return refused(XaCode::inval,
                       "a statement holds no zero byte: what follows it would be lost");
    }
    if (std::ranges::any_of(request.arguments, &is_text_with_zero_byte)) {
        return refused(XaCode::inval,
                       "PostgreSQL has no zero byte in text; give binary data as xa_tm::Bytes");
    }
    if (request.arguments.size() > kArgumentsMax) {
        return refused(
            XaCode::inval,
            fmt::format("a statement takes {} arguments at most; split it", kArgumentsMax));
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

Connection::Connection(std::string resource, const Lent& lent, SessionMark mark,
                       const DatasourceOptions& options)
    : BatchedConnection{std::move(resource)},
      mark_{std::move(mark)},
      statement_timeout_{options.statement_timeout},
      session_{lent},
      former_name_{session_.application_name()},
      give_back_timeout_{options.connect_timeout} {}

Connection::~Connection() {
    if (session_.is_borrowed() && !give_back()) {
        session_.disconnect();
    }
}

/// False when the session can't go on as it was.
bool Connection::give_back() noexcept {
    if (!is_at_rest() || !session_.is_idle()) {
        return false;
    }
    try {
        const auto deadline = std::chrono::steady_clock::now() + give_back_timeout_;
        return ask({{"set application_name = " + session_.quoted(former_name_)}}, deadline)
            .front()
            .is_ok;
    } catch (const std::exception&) {
        return false;
    }
}

void Connection::set_up(const DatasourceOptions& options) {
    const auto deadline = std::chrono::steady_clock::now() + options.connect_timeout;
    std::vector<Statement> statements{{facts_statement()}};
    if (session_.is_borrowed() && !mark_.text.empty()) {
        // Outside of the branch, so that the mark is there until the connection is given back.
        statements.push_back({"set application_name = " + session_.quoted(mark_.text)});
    }
    const auto replies = ask(std::move(statements), deadline);
    std::ranges::for_each(replies, [this](const Reply& one) { check_was_asked(one); });
    const auto& reply = replies.front();
    facts_ = understood([&] { return facts_from(reply, session_.backend_pid()); });
    if (const auto obstacle = options.is_last_resource ? obstacle_to_writing(facts_)
                                                       : obstacle_to_two_phase(facts_)) {
        throw Error({.code = ErrorCode::two_phase_unavailable, .resource = resource()},
                    fmt::format("resource {}: {}", resource(), *obstacle));
    }
    if (options.keeps_decisions()) {
        set_up_last_resource(deadline);
    }
    if (!facts_.is_pooled) {
        return;
    }
    if (const auto refusal = pooler_refusal(deadline)) {
        throw Error({.code = ErrorCode::two_phase_unavailable,
                     .resource = resource(),
                     .sqlstate = refusal->sqlstate},
                    fmt::format("resource {}: the connection pooler in between takes no "
                                "transactions of several statements ({}); set its pool_mode to "
                                "transaction or session, or connect to PostgreSQL itself",
                                resource(), refusal->message));
    }
}

ServerDescription Connection::describe(const DatasourceOptions& options) {
    const auto deadline = std::chrono::steady_clock::now() + options.connect_timeout;
    const auto replies = ask(checkup_questions(), deadline);
    // The replies to what stands behind one that failed say nothing.
    std::ranges::for_each(replies, [this](const Reply& reply) { check_was_asked(reply); });
    auto checkup = understood([&] { return checkup_from(replies, session_.backend_pid()); });
    if (checkup.facts.is_pooled) {
        const auto refusal = pooler_refusal(deadline);
        checkup.pooler_refusal = refusal ? refusal->message : "";
    }
    auto description = judged(checkup, options.is_last_resource ? 0 : options.pool_size_max);
    if (options.keeps_decisions()) {
        description.last_resource = describe_last_resource(checkup.facts.is_pooled, deadline);
    }
    return description;
}

std::vector<ServerFact> Connection::describe_last_resource(
    bool is_pooled, std::chrono::steady_clock::time_point deadline) {
    auto state = decision_table_state(deadline);
    if (state.exists) {
        const DecisionTable table{state.name};
        const auto ask_one = [&](std::string statement) {
            return ask({{std::move(statement)}}, deadline).front();
        };
        state.insert_refusal = ask_one(table.insertion_probe()).message;
        state.delete_refusal = ask_one(table.deletion_probe()).message;
        const auto rows = ask_one(decision_rows_question(table));
        state.select_refusal = rows.message;
        if (rows.is_ok) {
            state.rows = rows.rows.at(0).at(0).value_or("");
            state.oldest_age_seconds = rows.rows.at(0).at(1).value_or("");
        }
    }
    auto facts = facts_of(state, resource());
    if (is_pooled) {
        facts.push_back({.name = "pooler before the last resource",
                         .value = "yes",
                         .meaning = std::string{kPoolerHidesSessions},
                         .severity = Severity::bad,
                         .remedy = "connect to PostgreSQL itself"});
    }
    return facts;
}

DecisionTableState Connection::decision_table_state(
    std::chrono::steady_clock::time_point deadline) {
    const auto reply = ask({{decision_table_question()}}, deadline).front();
    check_was_asked(reply);
    auto state = understood([&] { return decision_table_from(reply); });
    if (state.name.empty()) {
        throw Error({.code = ErrorCode::resource_refused, .resource = resource()},
                    fmt::format("resource {}: the decision table has no place, since no schema of "
                                "search_path exists; set the search_path of the user or in the URI",
                                resource()));
    }
    return state;
}

void Connection::set_up_last_resource(std::chrono::steady_clock::time_point deadline) {
    if (facts_.is_pooled) {
        throw Error({.code = ErrorCode::two_phase_unavailable, .resource = resource()},
                    fmt::format("resource {}: {}; connect to PostgreSQL itself", resource(),
                                kPoolerHidesSessions));
    }
    const auto state = decision_table_state(deadline);
    check_is_trustworthy(state, resource());
    decision_table_.emplace(state.name);
}

void Connection::set_up_decision_table(std::chrono::seconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    auto state = decision_table_state(deadline);
    if (!state.exists) {
        const auto definition = decision_table_definition(DecisionTable{state.name});
        const auto reply = ask({{definition}}, deadline).front();
        if (!reply.is_ok) {
            throw Error({.code = is_lost(Verb::start, reply) ? ErrorCode::resource_unreachable
                                                             : ErrorCode::resource_refused,
                         .resource = resource(),
                         .sqlstate = reply.sqlstate},
                        fmt::format("resource {}: the decision table can't be created: {}; let a "
                                    "user that may run: {}",
                                    resource(), reply.message, definition));
        }
        state = decision_table_state(deadline);
    }
    check_is_trustworthy(state, resource());
}

void Connection::check_was_asked(const Reply& reply) const {
    if (!reply.is_ok) {
        throw Error({.code = ErrorCode::resource_unreachable,
                     .resource = resource(),
                     .sqlstate = reply.sqlstate},
                    fmt::format("resource {}: {}", resource(), reply.message));
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

std::optional<Reply> Connection::pooler_refusal(std::chrono::steady_clock::time_point deadline) {
    // In two trips, since a pooler in statement mode minds only what stays open between them.
    for (const auto* statement : {"begin", "rollback"}) {
        auto reply = ask({{statement}}, deadline).front();
        if (!reply.is_ok) {
            return reply;
        }
    }
    return std::nullopt;
}

SessionId Connection::session_id() const {
    return facts_.is_pooled ? SessionId{} : facts_.session;
}

soci::session& Connection::sql() {
    if (!session_.has_sql()) {
        throw Error({.code = ErrorCode::invalid_state, .resource = resource()},
                    fmt::format("resource {}: the branch works on a lent PGconn, which has no SOCI "
                                "session; use the handle, or lend a soci::session",
                                resource()));
    }
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
    if (request.verb == Verb::end_ended_sessions && mark_.ended.empty()) {
        return Answer{};
    }
    if (request.verb == Verb::list_witnesses || request.verb == Verb::forget_witnesses) {
        return Answer{};  // its transaction ids prove as much, and leave nothing behind
    }
    if (uses_decision_table(request.verb) && !decision_table_) {
        return refused(XaCode::rmerr, kNoLastResource);
    }
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
    const bool concerns_branch = request.verb != Verb::recover &&
                                 request.verb != Verb::end_session &&
                                 request.verb != Verb::end_ended_sessions;
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
    const Circumstances circumstances{
        .voting = voting_,
        .is_alone = is_alone,
        .is_own_branch = branch().has_value(),
        .statement_timeout = statement_timeout_,
        .decision_table = decision_table_ ? &*decision_table_ : nullptr};
    replies_.clear();
    replies_expected_.clear();
    std::vector<Statement> statements;
    for (const auto& request : trip) {
        auto own = statements_for(request, circumstances);
        replies_expected_.push_back(own.size());
        std::ranges::move(own, std::back_inserter(statements));
    }
    session_.send(std::move(statements));
    return trip.size();
}

std::vector<Statement> Connection::statements_for(const Request& request,
                                                  const Circumstances& circumstances) const {
    if (request.verb == Verb::end_session) {
        return {{end_statement(request.session, mark_, facts_)}};
    }
    if (request.verb == Verb::end_ended_sessions) {
        return end_ended_statements(mark_, facts_);
    }
    return statements_of(request, circumstances);
}

Voting Connection::voting_of(bool is_alone) const {
    if (!is_alone) {
        return Voting::with_last_work;
    }
    if (session_.is_in_failed_transaction()) {
        return Voting::undo;
    }
    return session_.history().has_writing_statement() ? Voting::probe_and_prepare
                                                      : Voting::probe_first;
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
    auto answer = follow_up_ == FollowUp::none ? first_answer() : further_answer();
    replies_.clear();
    if (!answer) {
        replies_expected_.front() = 1;
        return true;
    }
    replies_expected_.pop_front();
    settle(*std::move(answer));
    return true;
}

std::optional<Answer> Connection::first_answer() {
    const auto verb = front().verb;
    if (verb == Verb::prepare) {
        return vote();
    }
    if (verb == Verb::end_session) {
        return answer_to_end(replies_.front(), front().session, facts_);
    }
    if (verb == Verb::end_ended_sessions) {
        return answer_to_end_ended(replies_, facts_);
    }
    if (verb == Verb::examine) {
        return answer_to_examine(replies_, facts_);
    }
    if (verb == Verb::commit_with_decision && voting_ != Voting::undo) {
        return commit_with_decision();
    }
    if (verb == Verb::commit_one_phase || verb == Verb::commit_with_decision ||
        verb == Verb::rollback) {
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
    auto answer = failure_of(verb, *failed);
    answer.message += uses_decision_table(verb) ? decision_advice(*failed) : "";
    return answer;
}

std::optional<Answer> Connection::commit_with_decision() {
    const auto failed = std::ranges::find(replies_, false, &Reply::is_ok);
    const auto& commit = replies_.back();
    const bool was_commit_reached = failed == replies_.end() || &*failed == &commit;
    if (was_commit_reached) {
        end_branch();
        if (failed != replies_.end()) {
            return failure_of(Verb::commit_with_decision, *failed);
        }
        return commit.command_tag == "COMMIT" ? Answer{.message = commit.message}
                                              : vote_of_failed_branch();
    }
    auto answer = failure_of(Verb::commit_with_decision, *failed);
    if (answer.code == XaCode::rmfail) {
        return answer;
    }
    // The commit behind it was not carried out, and the transaction is still open.
    answer.message += decision_advice(*failed);
    follow_up(FollowUp::undo, std::move(answer), "rollback");
    return std::nullopt;
}

/// What follows the server's words when a statement on the decision table has failed.
std::string Connection::decision_advice(const Reply& failed) const {
    // Class 42 without the rest: no such schema, table or column.
    const bool is_missing =
        failed.sqlstate == "42P01" || failed.sqlstate == "42703" || failed.sqlstate == "3F000";
    if (is_missing) {
        return "; " + advice_to_set_up(resource());
    }
    return failed.sqlstate == "42501" ? fmt::format("; {}", advice_to_grant()) : std::string{};
}

Answer Connection::success() {
    auto& reply = replies_.front();
    switch (front().verb) {
        case Verb::start: begin_branch(front().xid); return {};
        case Verb::execute:
            return {.rows = reply.row_count,
                    .result = {std::move(reply.columns), std::move(reply.rows)}};
        case Verb::commit_with_decision: return vote_of_failed_branch();
        case Verb::commit_one_phase:
            return reply.command_tag == "COMMIT" ? Answer{.message = reply.message}
                                                 : vote_of_failed_branch();
        case Verb::commit:
        case Verb::rollback: return {.message = reply.message};
        case Verb::recover:
            return {.listed = branches_from(replies_.back()),
                    .position = position_from(reply, facts_.timeline)};
        case Verb::locate: return location();
        case Verb::list_decisions:
            return {.position = position_from(reply, facts_.timeline),
                    .decisions = decisions_from(replies_.back())};
        case Verb::forget_decisions: return {};
        case Verb::prepare:
        case Verb::end_session:
        case Verb::end_ended_sessions:
        case Verb::examine:
        case Verb::list_witnesses:
        case Verb::forget_witnesses: break;
    }
    XA_TM_CHECK(false, "every other verb has its own answer");
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
    if (is_lost(Verb::locate, reply)) {
        return failure_of(Verb::locate, reply);
    }
    const auto fate = fate_from(*evidence, facts_.timeline, reply);
    return answer_from(fate, Verb::locate).value_or(Answer{.code = XaCode::nota});
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
                return failure_of(Verb::prepare, replies_.front());
            }
            return vote_from_prepare(last, value_of(replies_.front()));
        case Voting::undo:
            end_branch();
            return last.is_ok ? vote_of_failed_branch() : failure_of(Verb::prepare, last);
    }
    return std::nullopt;
}

std::optional<Answer> Connection::vote_from_probe(const Reply& probe) {
    if (!probe.is_ok) {
        lose_certainty();
        return failure_of(Verb::prepare, probe);
    }
    const bool may_be_committed = probe.rows.at(0).at(1) == "t";
    if (const auto xact_id = value_of(probe); xact_id || !may_be_committed) {
        follow_up(FollowUp::prepare, {.evidence = evidence_of(xact_id)},
                  prepare_statement(encode_gid(front().xid)));
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
        return failure_of(Verb::prepare, prepare);
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
    follow_up(FollowUp::commit_empty, {}, commit_statement(encode_gid(front().xid)));
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
    auto answer = failure_of(front().verb, reply);
    if (in_flight().size() > 1) {
        return answer;  // what a second trip finds must not let those behind it count as sent
    }
    if (reply.sqlstate == "42501") {
        follow_up(FollowUp::name_owner, std::move(answer),
                  owner_statement(encode_gid(front().xid)));
        return std::nullopt;
    }
    const auto evidence = evidence_from(front().evidence);
    if (answer.code == XaCode::nota && front().verb == Verb::commit && evidence) {
        follow_up(FollowUp::tell_fate, std::move(answer), fate_statement(*evidence));
        return std::nullopt;
    }
    return answer;
}

void Connection::follow_up(FollowUp what, Answer found, std::string statement) {
    follow_up_ = what;
    found_ = std::move(found);
    session_.send({{std::move(statement)}});
}

std::optional<Answer> Connection::further_answer() {
    const auto& reply = replies_.front();
    switch (follow_up_) {
        case FollowUp::none: break;
        case FollowUp::prepare: return after_prepare(reply);
        case FollowUp::commit_unprepared: return after_unprepared_commit(reply);
        case FollowUp::commit_empty: return after_empty_commit(reply);
        case FollowUp::undo: return after_undo(reply);
        case FollowUp::name_owner: return after_owner(reply);
        case FollowUp::tell_fate: return after_fate(reply);
    }
    XA_TM_CHECK(false, "a further trip has its reason");
}

std::optional<Answer> Connection::after_prepare(const Reply& prepare) {
    auto answer = vote_from_prepare(prepare, std::nullopt);
    if (answer && answer->code == XaCode::ok) {
        answer->evidence = found_.evidence;
    }
    return answer;
}

Answer Connection::after_unprepared_commit(const Reply& commit) {
    end_branch();
    if (!commit.is_ok) {
        return failure_of(Verb::prepare, commit);
    }
    return commit.command_tag == "COMMIT" ? Answer{.code = XaCode::rdonly}
                                          : vote_of_failed_branch();
}

Answer Connection::after_empty_commit(const Reply& commit) const {
    if (is_lost(Verb::commit, commit)) {
        return failure_of(Verb::commit, commit);  // nobody knows
    }
    // When refused: it is prepared and can be finished like any other.
    return {.code = commit.is_ok ? XaCode::rdonly : XaCode::ok};
}

Answer Connection::after_undo(const Reply& rollback) {
    end_branch();
    if (!rollback.is_ok) {
        lose_certainty();  // closing the connection is what rolls the branch back
    }
    return found_;
}

Answer Connection::after_owner(const Reply& reply) const {
    auto answer = found_;
    if (const auto owner = value_of(reply); reply.is_ok && owner) {
        answer.message += fmt::format("; it was prepared by the role {}", *owner);
    }
    return answer;
}

Answer Connection::after_fate(const Reply& reply) const {
    if (is_lost(Verb::commit, reply)) {
        return failure_of(Verb::commit, reply);
    }
    const auto evidence = evidence_from(front().evidence);
    const auto fate = fate_from(evidence.value(), facts_.timeline, reply);
    return answer_from(fate, Verb::commit).value_or(found_);
}

std::string Connection::evidence_of(const std::optional<std::string>& xact_id) const {
    return xact_id ? to_string(Evidence{*xact_id, facts_.timeline}) : std::string{};
}

std::optional<Connection::Readiness> Connection::session_readiness() const noexcept {
    return session_.is_broken() ? std::nullopt : std::optional{session_.readiness()};
}

void Connection::disconnect() noexcept {
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return !session_.is_borrowed() && is_at_rest() && session_.is_idle() &&
           session_.soci_statements() < kSociStatementsMax;
}

}  // namespace xa_tm::postgres
