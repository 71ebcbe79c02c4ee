// Invariants:
// - the application may use the session (is_open_) only between the answers to start and execute
//   and the next verb; it is lent to it only once it asks for it;
// - branch_gid_ is set exactly while a transaction block of ours is open on the session: once
//   prepared, the branch belongs to the server and no longer to this connection;
// - outstanding_ == answers_.size() + tasks_.size() + refusals_.size(), in that order;
// - once is_certain_ is false, the connection is good for nothing but closing.

#include "connection.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "ending_session.h"
#include "prepared_gid.h"
#include "sqlstate_map.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::postgres {
namespace {

using std::chrono::steady_clock;

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

/// A descriptor that poll() always reports, for an answer that is there before anything was sent.
int always_ready_descriptor() noexcept {
    static const int descriptor = ::eventfd(1, EFD_CLOEXEC);
    return descriptor;
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

bool is_valid(const Xid& xid) {
    return !xid.gtrid.empty() && xid.gtrid.size() <= kMaxGtridBytes &&
           xid.bqual.size() <= kMaxBqualBytes;
}

Answer refused(XaCode code, std::string_view why) {
    return {.code = code, .message = std::string{why}};
}

bool concerns_branch(Verb verb) {
    return verb != Verb::recover && verb != Verb::end_session;
}

/// The branch stays open to the application after these.
bool keeps_branch_open(Verb verb) {
    return verb == Verb::commit || verb == Verb::start || verb == Verb::execute;
}

}  // namespace

Connection::Connection(std::string resource, const std::string& canonical_uri, SessionMark mark,
                       std::chrono::milliseconds statement_timeout)
    : resource_{std::move(resource)},
      mark_{std::move(mark)},
      statement_timeout_{statement_timeout},
      session_{canonical_uri} {}

void Connection::set_up(std::chrono::seconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    const auto reply = ask({{facts_statement()}}, deadline).front();
    if (!reply.is_ok) {
        throw Error({.code = ErrorCode::resource_unreachable,
                     .resource = resource_,
                     .sqlstate = reply.sqlstate},
                    fmt::format("resource {}: {}", resource_, reply.message));
    }
    facts_ = facts_from(reply, session_.backend_pid());
    if (const auto obstacle = obstacle_to_two_phase(facts_)) {
        throw Error({.code = ErrorCode::two_phase_unavailable, .resource = resource_},
                    fmt::format("resource {}: {}", resource_, *obstacle));
    }
    if (facts_.is_pooled) {
        check_pooler(deadline);
    }
}

std::vector<Reply> Connection::ask(std::vector<Statement> statements,
                                   steady_clock::time_point deadline) {
    const auto count = statements.size();
    session_.send(std::move(statements));
    std::vector<Reply> replies;
    while (replies.size() < count) {
        if (auto reply = session_.receive()) {
            replies.push_back(*std::move(reply));
            continue;
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            throw Error(
                {.code = ErrorCode::resource_unreachable, .resource = resource_},
                fmt::format("resource {}: connected, but the server has not answered within "
                            "connect_timeout; look what keeps it busy",
                            resource_));
        }
        pollfd waiting{session_.readiness().descriptor, POLLIN, 0};
        static_cast<void>(::poll(&waiting, 1, static_cast<int>(left.count())));
    }
    return replies;
}

void Connection::check_pooler(steady_clock::time_point deadline) {
    for (const auto& reply : ask({{"begin"}, {"rollback"}}, deadline)) {
        if (!reply.is_ok) {
            throw Error({.code = ErrorCode::two_phase_unavailable,
                         .resource = resource_,
                         .sqlstate = reply.sqlstate},
                        fmt::format("resource {}: the connection pooler in between takes no "
                                    "transactions of several statements ({}); set its pool_mode to "
                                    "transaction or session, or connect to PostgreSQL itself",
                                    resource_, reply.message));
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
    if (!is_open_) {
        throw Error(
            {.code = ErrorCode::invalid_state, .resource = resource_},
            fmt::format("resource {}: the branch has ended, so its connection takes no more "
                        "statements; begin a new transaction",
                        resource_));
    }
    if (session_.is_lent()) {
        return;
    }
    if (!session_.can_lend()) {
        is_certain_ = false;
        is_open_ = false;
        throw Error({.code = ErrorCode::invalid_state, .resource = resource_},
                    fmt::format("resource {}: the application has closed or reconnected the "
                                "branch's session; roll back and begin a new transaction",
                                resource_));
    }
    session_.lend();
}

void Connection::send(std::vector<Request> batch) noexcept {
    XA_TM_CHECK(outstanding_ == 0, "all answers to the batch before have been received");
    XA_TM_CHECK(!batch.empty(), "there is something to send");
    outstanding_ = batch.size();
    follow_up_ = FollowUp::none;
    is_open_ = false;
    keeps_branch_open_ = std::ranges::all_of(batch, keeps_branch_open, &Request::verb);
    const bool is_alone = batch.size() == 1;
    auto refusal = take_back();
    auto open_gid = branch_gid_;
    std::vector<Statement> statements;
    for (auto& request : batch) {
        if (!refusals_.empty()) {
            refusals_.push_back(not_carried_out());
            continue;
        }
        refusal = refusal ? std::move(refusal) : refusal_of(request, open_gid);
        if (refusal) {
            refusals_.push_back(*std::move(refusal));
            continue;
        }
        Task task{.request = std::move(request)};
        const auto verb = task.request.verb;
        task.gid = concerns_branch(verb) ? encode_gid(task.request.xid) : std::string{};
        if (verb == Verb::start) {
            session_.forget_history();
            open_gid = task.gid;
        }
        task.voting = voting_of(is_alone);
        auto own = statements_of(task, is_alone);
        task.replies_expected = own.size();
        std::ranges::move(own, std::back_inserter(statements));
        tasks_.push_back(std::move(task));
    }
    if (tasks_.empty()) {
        answers_.swap(refusals_);
        is_open_ = keeps_branch_open_ && is_certain_ && !branch_gid_.empty();
    } else {
        session_.send(std::move(statements));
    }
}

std::optional<Answer> Connection::take_back() {
    if (session_.is_lent() && !session_.take_back()) {
        is_certain_ = false;
        branch_gid_.clear();
        return refused(XaCode::rbproto,
                       "the application closed or reconnected the branch's session, or left a "
                       "statement running on it; closing the connection rolls the branch back");
    }
    if (!is_certain_) {
        return refused(XaCode::rmfail, "the connection is no longer usable");
    }
    return std::nullopt;
}

std::optional<Answer> Connection::refusal_of(const Request& request, const std::string& open_gid) {
    const auto verb = request.verb;
    if (!concerns_branch(verb)) {
        return std::nullopt;
    }
    if (!is_valid(request.xid)) {
        return refused(XaCode::inval, "an xid has 1 to 64 bytes of gtrid and at most 64 of bqual");
    }
    const bool is_for_open_branch = verb == Verb::execute || verb == Verb::prepare ||
                                    verb == Verb::commit_one_phase ||
                                    (verb == Verb::rollback && !open_gid.empty());
    if (is_for_open_branch) {
        return open_gid == encode_gid(request.xid)
                   ? refusal_of_own(request)
                   : refused(XaCode::proto, "this branch is not open on the session");
    }
    if (!open_gid.empty()) {
        return refused(XaCode::proto, "another branch is open on the session");
    }
    if (verb == Verb::start && !session_.can_lend()) {
        is_certain_ = false;
        return refused(XaCode::rmfail,
                       "the application closed or reconnected a session that had ended");
    }
    return std::nullopt;
}

std::optional<Answer> Connection::refusal_of_own(const Request& request) {
    if (request.verb == Verb::execute && controls_transaction(request.statement)) {
        return refused(XaCode::rmerr,
                       "the branch's transaction is begun and ended by the global transaction, not "
                       "by a statement; call commit() or rollback() of that");
    }
    // Idle although a branch is open; or another transaction has been begun in its place.
    const bool is_gone =
        !branch_gid_.empty() && (session_.is_idle() || session_.history().has_ended_transaction());
    if (!is_gone) {
        return std::nullopt;
    }
    constexpr std::string_view kWhy =
        "the application ended the branch's transaction itself, with COMMIT or ROLLBACK; work that "
        "it committed so is not undone";
    if (request.verb == Verb::execute) {
        return refused(XaCode::rmerr, kWhy);
    }
    branch_gid_.clear();
    is_certain_ = session_.is_idle();
    return refused(XaCode::heurhaz, kWhy);
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

std::vector<Statement> Connection::statements_of(const Task& task, bool is_alone) const {
    const auto& gid = task.gid;
    switch (task.request.verb) {
        case Verb::start:
            if (statement_timeout_.count() > 0) {
                return {
                    {"begin"},
                    {fmt::format("set local statement_timeout = {}", statement_timeout_.count())}};
            }
            return {{"begin"}};
        case Verb::execute: return {{.text = task.request.statement, .is_application = true}};
        case Verb::prepare:
            switch (task.voting) {
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
            return {{branch_gid_.empty() ? fmt::format("rollback prepared '{}'", gid)
                                         : std::string{"rollback"}}};
        case Verb::recover: return {{std::string{kListPrepared}}};
        case Verb::locate:
            if (const auto evidence = evidence_from(task.request.evidence)) {
                return {{locate_statement(gid)}, {fate_statement(*evidence)}};
            }
            return {{locate_statement(gid)}};
        case Verb::end_session: return {{end_statement(task.request.session, mark_, facts_)}};
    }
    XA_TM_CHECK(false, "every verb has its statements");
}

std::optional<Answer> Connection::receive() noexcept {
    XA_TM_CHECK(outstanding_ > 0, "a verb has been sent");
    while (!tasks_.empty()) {
        auto reply = session_.receive();
        if (!reply) {
            break;
        }
        replies_.push_back(*std::move(reply));
        if (replies_.size() == tasks_.front().replies_expected) {
            take_replies();
        }
    }
    if (answers_.empty()) {
        return std::nullopt;
    }
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    --outstanding_;
    return answer;
}

void Connection::take_replies() {
    auto& task = tasks_.front();
    auto answer = follow_up_ == FollowUp::none ? answer_from(task) : second_answer_from(task);
    replies_.clear();
    if (!answer) {
        task.replies_expected = 1;
        return;
    }
    answers_.push_back(*std::move(answer));
    tasks_.pop_front();
    if (!tasks_.empty()) {
        return;
    }
    const bool is_carried_out = answers_.back().code == XaCode::ok;
    for (auto& refusal : refusals_) {
        answers_.push_back(is_carried_out ? std::move(refusal) : not_carried_out());
    }
    refusals_.clear();
    is_open_ = keeps_branch_open_ && is_certain_ && !branch_gid_.empty();
}

std::optional<Answer> Connection::answer_from(const Task& task) {
    if (replies_.front().is_skipped) {
        return not_carried_out();
    }
    const auto verb = task.request.verb;
    if (verb == Verb::prepare) {
        return vote_from(task);
    }
    if (verb == Verb::end_session) {
        auto answer = answer_to_end(replies_.front(), task.request.session, facts_);
        is_certain_ = is_certain_ && answer.code != XaCode::rmfail;
        return answer;
    }
    if (verb == Verb::commit_one_phase || verb == Verb::rollback) {
        branch_gid_.clear();
    }
    // The second reply to locate is judged with the first one's: see location().
    const auto count = verb == Verb::locate ? 1 : static_cast<std::ptrdiff_t>(replies_.size());
    const auto failed = std::find_if(replies_.begin(), replies_.begin() + count,
                                     [](const Reply& reply) { return !reply.is_ok; });
    if (failed == replies_.begin() + count) {
        return success(task);
    }
    if (verb == Verb::commit || verb == Verb::rollback) {
        return failure_of_finishing(task, *failed);
    }
    return failure(verb, *failed);
}

Answer Connection::success(const Task& task) {
    const auto& reply = replies_.front();
    switch (task.request.verb) {
        case Verb::start: branch_gid_ = task.gid; return {};
        case Verb::execute: return {.rows = reply.row_count};
        case Verb::commit_one_phase:
            return reply.command_tag == "COMMIT" ? Answer{.message = reply.message}
                                                 : vote_of_failed_branch();
        case Verb::commit:
        case Verb::rollback: return {.message = reply.message};
        case Verb::recover: return {.listed = branches_from(reply)};
        case Verb::locate: return location(task);
        case Verb::prepare:
        case Verb::end_session: break;
    }
    XA_TM_CHECK(false, "prepare and end_session have their own answers");
}

Answer Connection::location(const Task& task) {
    if (!replies_.front().rows.empty()) {
        return {.code = XaCode::retry};
    }
    const auto evidence = evidence_from(task.request.evidence);
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

std::optional<Answer> Connection::vote_from(const Task& task) {
    const auto& last = replies_.back();
    switch (task.voting) {
        case Voting::probe_first: return vote_from_probe(task, last);
        case Voting::probe_and_prepare:
        case Voting::with_last_work:
            if (!replies_.front().is_ok) {
                // Nothing was prepared behind it. Closing the connection rolls back what is open.
                is_certain_ = false;
                return failure(Verb::prepare, replies_.front());
            }
            return vote_from_prepare(task, last, value_of(replies_.front()));
        case Voting::undo:
            branch_gid_.clear();
            return last.is_ok ? vote_of_failed_branch() : failure(Verb::prepare, last);
    }
    return std::nullopt;
}

std::optional<Answer> Connection::vote_from_probe(const Task& task, const Reply& probe) {
    if (!probe.is_ok) {
        is_certain_ = false;
        return failure(Verb::prepare, probe);
    }
    const bool may_be_committed = probe.rows.front().at(1) == "t";
    if (const auto xact_id = value_of(probe); xact_id || !may_be_committed) {
        follow_up(FollowUp::prepare, {.evidence = evidence_of(xact_id)},
                  prepare_statement(task.gid));
    } else {
        // Nothing was written, so nothing can differ whatever the others decide: finish it now.
        follow_up(FollowUp::commit_unprepared, {}, "commit");
    }
    return std::nullopt;
}

std::optional<Answer> Connection::vote_from_prepare(const Task& task, const Reply& prepare,
                                                    std::optional<std::string> xact_id) {
    branch_gid_.clear();
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
    follow_up(FollowUp::commit_empty, {}, fmt::format("commit prepared '{}'", task.gid));
    return std::nullopt;
}

Answer Connection::vote_of_failed_branch() {
    const auto& sqlstate = session_.history().last_failure();
    const auto code =
        sqlstate.empty() ? XaCode::rbrollback : meaning_of(Verb::prepare, sqlstate).code;
    const bool is_telling =
        code == XaCode::rbdeadlock || code == XaCode::rbintegrity || code == XaCode::rbtimeout;
    return {.code = is_telling ? code : XaCode::rbrollback,
            .message = "a statement of the branch had failed, so PostgreSQL rolled it back",
            .sqlstate = sqlstate};
}

std::optional<Answer> Connection::failure_of_finishing(const Task& task, const Reply& reply) {
    auto answer = failure(task.request.verb, reply);
    if (tasks_.size() > 1) {
        return answer;  // the session still has to answer for those behind it
    }
    if (reply.sqlstate == "42501") {
        follow_up(FollowUp::name_owner, std::move(answer), owner_statement(task.gid));
        return std::nullopt;
    }
    const auto evidence = evidence_from(task.request.evidence);
    if (answer.code == XaCode::nota && task.request.verb == Verb::commit && evidence) {
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

std::optional<Answer> Connection::second_answer_from(const Task& task) {
    const auto& reply = replies_.front();
    auto answer = std::move(first_answer_);
    switch (follow_up_) {
        case FollowUp::none: break;
        case FollowUp::prepare: {
            auto vote = vote_from_prepare(task, reply, std::nullopt);
            if (vote && vote->code == XaCode::ok) {
                vote->evidence = std::move(answer.evidence);
            }
            return vote;
        }
        case FollowUp::commit_unprepared:
            branch_gid_.clear();
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
            const auto evidence = evidence_from(task.request.evidence);
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

Answer Connection::failure(Verb verb, const Reply& reply) {
    const auto meaning = meaning_of(verb, reply.sqlstate);
    is_certain_ = is_certain_ && meaning.code != XaCode::rmfail;
    Answer answer{.code = meaning.code, .message = reply.message, .sqlstate = reply.sqlstate};
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
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return is_certain_ && outstanding_ == 0 && !is_open_ && branch_gid_.empty() &&
           session_.is_idle() && session_.soci_statements() < kSociStatementsMax;
}

}  // namespace xa_tm::postgres
