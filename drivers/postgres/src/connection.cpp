// Invariants:
// - the application has the connection (is_open_) only between the answer to start and the next
//   verb;
// - branch_gid_ is set exactly while a transaction block of ours is open on the session: once
//   prepared, the branch belongs to the server and no longer to this connection;
// - once is_certain_ is false, the connection is good for nothing but closing.

#include "connection.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

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

}  // namespace

Connection::Connection(std::string resource, const std::string& canonical_uri)
    : resource_{std::move(resource)}, session_{canonical_uri} {}

void Connection::set_up(std::chrono::seconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    session_.send(
        {"select current_setting('max_prepared_transactions'), "
         "current_setting('server_version_num')::int < 130000, "
         "(select system_identifier from pg_catalog.pg_control_system()) || '/' || "
         "(select oid from pg_catalog.pg_database where datname = current_database())"});
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
    const auto& reply = replies->front();
    if (!reply.is_ok) {
        throw Error({.code = ErrorCode::resource_unreachable,
                     .resource = resource_,
                     .sqlstate = reply.sqlstate},
                    fmt::format("resource {}: {}", resource_, reply.message));
    }
    const auto& settings = reply.rows.at(0);
    if (settings.at(1) == "t") {
        throw Error({.code = ErrorCode::two_phase_unavailable, .resource = resource_},
                    fmt::format("resource {}: the server is older than PostgreSQL 13; upgrade it",
                                resource_));
    }
    if (settings.at(0) == "0") {
        throw Error({.code = ErrorCode::two_phase_unavailable, .resource = resource_},
                    fmt::format("resource {}: PostgreSQL can't prepare transactions, because "
                                "max_prepared_transactions is 0; set it to at least "
                                "max_connections in postgresql.conf and restart the server",
                                resource_));
    }
    server_identity_ = settings.at(2).value_or("");
}

soci::session& Connection::sql() {
    check_open();
    return session_.sql();
}

PGconn* Connection::native_handle() {
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
        gid_ = verb == Verb::recover ? std::string{} : encode_gid(xid);
        session_.send(statements());
    }
}

std::optional<Answer> Connection::answer_at_once(const Xid& xid) {
    const bool was_open = std::exchange(is_open_, false);
    const auto refuse = [](XaCode code, std::string_view why) {
        return Answer{.code = code, .message = std::string{why}};
    };
    if (was_open && !session_.take_back()) {
        is_certain_ = false;
        branch_gid_.clear();
        return refuse(XaCode::rbproto,
                      "the application closed or reconnected the branch's session, or left a "
                      "statement running on it; closing the connection rolls the branch back");
    }
    if (!is_certain_) {
        return refuse(XaCode::rmfail, "the connection is no longer usable");
    }
    if (verb_ == Verb::recover) {
        return std::nullopt;
    }
    if (!is_valid(xid)) {
        return refuse(XaCode::inval, "an xid has 1 to 64 bytes of gtrid and at most 64 of bqual");
    }
    const bool ends_own_branch = verb_ == Verb::prepare || verb_ == Verb::commit_one_phase ||
                                 (verb_ == Verb::rollback && !branch_gid_.empty());
    if (!ends_own_branch) {
        return branch_gid_.empty()
                   ? std::nullopt
                   : std::optional{refuse(XaCode::proto, "another branch is open on the session")};
    }
    if (branch_gid_ != encode_gid(xid)) {
        return refuse(XaCode::proto, "this branch is not open on the session");
    }
    if (was_open && session_.is_idle()) {
        branch_gid_.clear();
        return refuse(XaCode::heurhaz,
                      "the application ended the branch's transaction itself, with COMMIT or "
                      "ROLLBACK; work that it committed so is not undone");
    }
    return std::nullopt;
}

std::vector<std::string> Connection::statements() const {
    switch (verb_) {
        case Verb::start: return {"begin"};
        case Verb::prepare:
            return {"select pg_catalog.pg_current_xact_id_if_assigned()",
                    fmt::format("prepare transaction '{}'", gid_)};
        case Verb::commit_one_phase: return {"commit"};
        case Verb::commit: return {fmt::format("commit prepared '{}'", gid_)};
        case Verb::rollback:
            return {branch_gid_.empty() ? fmt::format("rollback prepared '{}'", gid_) : "rollback"};
        case Verb::execute:
        case Verb::end_session: break;
        case Verb::recover: return {std::string{kListPrepared}};
        case Verb::locate: return {locate_statement(gid_)};
    }
    XA_TM_CHECK(false, "every verb has its statements");
}

std::optional<Answer> Connection::receive() noexcept {
    XA_TM_CHECK(is_outstanding_, "a verb has been sent");
    auto answer = std::exchange(answer_at_once_, std::nullopt);
    while (!answer) {
        const auto replies = session_.receive();
        if (!replies) {
            return std::nullopt;
        }
        answer = first_answer_ ? second_answer_from(replies->front()) : answer_from(*replies);
    }
    is_outstanding_ = false;
    return answer;
}

std::optional<Answer> Connection::answer_from(const std::vector<Reply>& replies) {
    const auto& reply = replies.back();
    switch (verb_) {
        case Verb::start:
        case Verb::execute:
        case Verb::end_session: break;
        case Verb::prepare: return vote_from(replies.front(), reply);
        case Verb::commit_one_phase:
        case Verb::rollback: branch_gid_.clear(); break;
        case Verb::commit:
        case Verb::recover:
        case Verb::locate: break;
    }
    if (reply.is_ok) {
        return success(reply);
    }
    auto answer = failure(reply);
    if (reply.sqlstate == "42501" && (verb_ == Verb::commit || verb_ == Verb::rollback)) {
        first_answer_ = std::move(answer);
        session_.send({owner_statement(gid_)});
        return std::nullopt;
    }
    return answer;
}

Answer Connection::success(const Reply& reply) {
    switch (verb_) {
        case Verb::start:
            if (!session_.lend()) {
                is_certain_ = false;
                return {
                    .code = XaCode::rmfail,
                    .message = "the application closed or reconnected a session that had ended"};
            }
            is_open_ = true;
            branch_gid_ = gid_;
            return {};
        case Verb::commit_one_phase:
            if (reply.command_tag != "COMMIT") {
                return {.code = XaCode::rbrollback,
                        .message =
                            "a statement of the branch had failed, so PostgreSQL rolled it back"};
            }
            return {.message = reply.message};
        case Verb::commit:
        case Verb::rollback: return {.message = reply.message};
        case Verb::recover: return {.listed = branches_from(reply)};
        case Verb::locate: return {.code = reply.rows.empty() ? XaCode::nota : XaCode::retry};
        case Verb::execute:
        case Verb::end_session:
        case Verb::prepare: break;
    }
    XA_TM_CHECK(false, "prepare is answered by its vote");
}

std::optional<Answer> Connection::vote_from(const Reply& probe, const Reply& prepare) {
    branch_gid_.clear();
    if (!prepare.is_ok) {
        return failure(prepare);
    }
    if (prepare.command_tag != "PREPARE TRANSACTION") {
        // PostgreSQL: PREPARE TRANSACTION, Description: in a failed transaction it acts like
        // ROLLBACK, and that is no error.
        return Answer{
            .code = XaCode::rbrollback,
            .message = "a statement of the branch had failed, so PostgreSQL rolled it back",
            .sqlstate = probe.sqlstate};
    }
    const auto transaction_id = value_of(probe);
    if (transaction_id) {
        return Answer{.evidence = fmt::format("pg_xid={}", *transaction_id)};
    }
    // Nothing was written, so nothing can differ whatever the others decide: finish it now.
    first_answer_ = Answer{};
    session_.send({fmt::format("commit prepared '{}'", gid_)});
    return std::nullopt;
}

Answer Connection::second_answer_from(const Reply& reply) {
    auto answer = *std::exchange(first_answer_, std::nullopt);
    if (verb_ == Verb::prepare) {
        if (reply.is_ok) {
            answer.code = XaCode::rdonly;
            return answer;
        }
        // Refused, so it is prepared and can be finished like any other; or lost, so nobody knows.
        auto refusal = failure(reply);
        return refusal.code == XaCode::rmfail ? refusal : answer;
    }
    if (const auto owner = value_of(reply); reply.is_ok && owner) {
        answer.message = fmt::format("{}; it was prepared by the role {}", answer.message, *owner);
    }
    return answer;
}

Answer Connection::failure(const Reply& reply) {
    const auto meaning = meaning_of(verb_, reply.sqlstate);
    is_certain_ = is_certain_ && meaning.code != XaCode::rmfail;
    Answer answer{.code = meaning.code, .message = reply.message, .sqlstate = reply.sqlstate};
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
    session_.disconnect();
}

bool Connection::is_reusable() const noexcept {
    return is_certain_ && !is_outstanding_ && !is_open_ && branch_gid_.empty() &&
           session_.is_idle() && session_.soci_statements() < kSociStatementsMax;
}

}  // namespace xa_tm::postgres
