#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xa_tm/value.h"
#include "xa_tm/xa_code.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// What the transaction manager asks of one branch. Each is one round trip, unless it says
/// otherwise.
enum class Verb {
    /// xa_start: opens the branch on this connection; statements of the application then belong to
    /// it.
    start,
    /// One statement of the application in the branch that is open on this connection. XA_OK: it
    /// was carried out. XAER_RMERR: the server refused it; whether the branch can go on is told by
    /// its vote. XA_RB...: the whole branch is rolled back.
    execute,
    /// xa_end and xa_prepare. A branch that wrote nothing may answer XA_RDONLY: it is finished
    /// then.
    prepare,
    /// xa_end and xa_commit(TMONEPHASE), for the only branch of a transaction.
    commit_one_phase,
    /// As commit_one_phase, for a last resource: Request::decision becomes a row of its decision
    /// table in the same local transaction, so both are durable or neither is. XA_RB...: neither
    /// is, also when the row could not be written; the message says what to do then. XAER_RMFAIL:
    /// nobody knows; once the session has ended, list_decisions tells.
    commit_with_decision,
    /// xa_commit of a prepared branch, of this connection or of an earlier session.
    commit,
    /// xa_end if need be, and xa_rollback: of this connection's branch, else of a prepared one.
    rollback,
    /// xa_recover: the answer's `listed` holds every prepared branch that this resource can finish.
    recover,
    /// Whether the server still knows the xid, or a session may still be working on it:
    /// XA_RETRY if so, XAER_NOTA when neither: whatever was to happen to the branch has happened.
    locate,
    /// Ends a session, whosever connection it was, so that nothing it still does can prepare or
    /// commit a branch any more. XA_OK: that session is not there, and what it had in hand has been
    /// carried out or undone. XA_RETRY: it has not ended yet. XAER_RMERR: this user must not end
    /// it; the message names the missing grant.
    end_session,
    /// Ends every session that carries one of SessionMark::ended, and no other. XA_OK: none is
    /// there any more, and what they had in hand has been carried out or undone. XA_RETRY: one has
    /// not ended yet. XAER_RMERR: one is there that this user must not end, or it can't be seen
    /// whether one is; the message names the missing grant.
    end_ended_sessions,
    /// What a prepared branch holds and whom it blocks: the answer's `holdings`. Touches nothing.
    examine,
    /// The answer's `decisions` holds the committed rows of the decision table that belong to
    /// Request::log. XAER_RMERR: there is no such table, or this user must not read it; the message
    /// says what to do.
    list_decisions,
    /// Deletes the rows of Request::gtrids from the decision table, for good and by itself. XA_OK
    /// also when some are not there.
    forget_decisions,
    /// The answer's `witnesses` holds the committed witness rows that belong to Request::log.
    /// XAER_RMERR as with list_decisions.
    list_witnesses,
    /// Deletes the witness rows of Request::witnesses, for good and by itself, after it has kept
    /// that these prove nothing any more by not being there. XA_OK also when some are not there.
    forget_witnesses,
};

[[nodiscard]] std::string_view to_string(Verb verb) noexcept;

/// One session at a server, so named that no later session can be mistaken for it.
struct SessionId {
    /// The server's number for it: a connection id or a backend's pid.
    std::uint64_t number = 0;
    /// When it, or the server's present life, began, in the server's own words; numbers are used
    /// again.
    std::string since = {};

    friend bool operator==(const SessionId&, const SessionId&) = default;
};

/// One verb with what it needs.
struct Request {
    Verb verb = Verb::start;
    /// Only for verbs of one branch.
    Xid xid = {};
    /// Of execute.
    std::string statement = {};
    /// Of execute: what the statement's placeholders stand for, in their order: $1, $2 and so on,
    /// or question marks, as the server's own clients write them. They are values and nothing else,
    /// whatever they hold. Another number of them than there are placeholders: XAER_RMERR.
    std::vector<Value> arguments = {};
    /// Of execute: the answer has the rows themselves in `result`.
    bool wants_result = false;
    /// Of commit and locate: what the answer to prepare gave as evidence, or empty.
    std::string evidence = {};
    /// Of end_session.
    SessionId session = {};
    // Of the verbs of the decision table and of witness rows. Empty in all others, and then they
    // take no memory of their own. Names are of [A-Za-z0-9._:-].
    /// Of commit_with_decision, list_decisions and list_witnesses, and of prepare where the
    /// datasource has witness rows: whose log the row belongs to; at most kMaxLogNameBytes.
    std::string log = {};
    /// Of commit_with_decision: any bytes.
    std::string decision = {};
    /// Of forget_decisions.
    std::vector<std::string> gtrids = {};
    /// Of forget_witnesses: what the answers to prepare gave as evidence.
    std::vector<std::string> witnesses = {};

    friend bool operator==(const Request&, const Request&) = default;
};

/// Of Request::log.
inline constexpr std::size_t kMaxLogNameBytes = 64;
/// The same where it goes into a witness row's evidence.
inline constexpr std::size_t kMaxWitnessLogNameBytes = 24;

/// One row of a last resource's decision table: the transaction of this gtrid is committed.
struct DecisionRow {
    std::string gtrid;
    std::string decision;  ///< as commit_with_decision was given it

    friend bool operator==(const DecisionRow&, const DecisionRow&) = default;
};

/// One witness row: a branch of this transaction has committed.
struct WitnessRow {
    std::string gtrid;
    std::string evidence;  ///< as the answer to prepare gave it

    friend bool operator==(const WitnessRow&, const WitnessRow&) = default;
};

/// How far a server has come. Kept and compared, it shows that a server was put back to an old
/// copy, or that a former replica answers in its place.
struct ServerPosition {
    /// Which history the server is living, where it has a name for it: PostgreSQL's timeline. A
    /// promoted replica and a backup restored by archive recovery begin another one.
    std::string history = {};
    /// Bytes of its write-ahead or redo log that are durable; on one history of one server it is
    /// never smaller later. 0 where the server does not tell.
    std::uint64_t flushed = 0;

    friend bool operator==(const ServerPosition&, const ServerPosition&) = default;
};

/// One lock that a prepared branch holds, in the server's words.
struct HeldLock {
    std::string object;  ///< such as "table public.users"; empty where the server does not tell
    std::string mode;
    std::uint64_t count = 1;  ///< how many of this kind on this object
};

/// One session that waits for what a prepared branch holds.
struct BlockedSession {
    std::uint64_t number = 0;  ///< the server's number for it
    std::string user = {};
    std::chrono::seconds waiting{0};
    /// What it waits to do: the first 200 characters of its statement.
    std::string statement = {};
};

/// What a prepared branch keeps from others.
struct Holdings {
    std::vector<HeldLock> locks = {};
    std::vector<BlockedSession> blocked = {};
    /// What could not be told, and which grant or setting would tell it; empty when all was.
    std::string caveat = {};
};

/// One prepared branch, as a server lists it.
struct ListedBranch {
    /// Nothing when what the server holds is no xid at all, such as another program's free-form
    /// name.
    std::optional<Xid> xid;
    /// The server's own name for it, as a person would write it in a statement.
    std::string name;
    /// When it was prepared, by the server's clock; for display only. Not every server tells.
    std::optional<std::chrono::system_clock::time_point> prepared_at = std::nullopt;
    /// Who may finish it, where the server restricts that; for display only.
    std::string owner = {};

    friend bool operator==(const ListedBranch&, const ListedBranch&) = default;
};

/// A resource manager's answer to one verb.
struct Answer {
    XaCode code = XaCode::ok;
    /// The server's own words, with what to do about them where the driver knows; empty on plain
    /// success.
    std::string message = {};
    std::string sqlstate = {};
    /// errno of MySQL or MariaDB, else 0.
    int native_error = 0;
    /// What later proves the branch's fate, such as PostgreSQL's transaction id; empty where there
    /// is nothing.
    std::string evidence = {};
    /// The answer to Verb::recover; complete whenever code is XA_OK.
    std::vector<ListedBranch> listed = {};
    /// The answer to Verb::recover and Verb::list_decisions: how far the server had come before it
    /// listed.
    ServerPosition position = {};
    /// The answer to Verb::examine.
    Holdings holdings = {};
    /// The answer to Verb::list_decisions; complete whenever code is XA_OK.
    std::vector<DecisionRow> decisions = {};
    /// The answer to Verb::list_witnesses; complete whenever code is XA_OK.
    std::vector<WitnessRow> witnesses = {};
    /// The answer to Verb::commit and Verb::locate for a branch that is not there any more: the
    /// server keeps proof that it has committed.
    bool is_proven = false;
    /// The answer to Verb::execute: rows that the statement wrote, or gave.
    std::uint64_t rows = 0;
    /// The answer to Verb::execute with Request::wants_result.
    ResultSet result = {};
    /// The answer to Verb::execute: another transaction's locks or changes stood in the way, so
    /// that the same work may succeed in a new transaction.
    bool is_conflict = false;
};

/// The answer to a request that was not carried out, because one before it in its batch was not
/// answered with XA_OK.
[[nodiscard]] Answer not_carried_out();

/// How a fact weighs for global transactions and their recovery.
enum class Severity {
    good,
    notice,  ///< works, at a cost that a person should know of
    bad,     ///< loses transactions, or keeps recovery from its work
};

/// "good", "notice" or "bad".
[[nodiscard]] std::string_view to_string(Severity severity) noexcept;

/// One thing that was found out about a server.
struct ServerFact {
    std::string name;
    std::string value;
    /// What follows from it for global transactions; empty where nothing does.
    std::string meaning = {};
    Severity severity = Severity::good;
    /// The statement or setting that mends it; empty where there is nothing to mend.
    std::string remedy = {};

    friend bool operator==(const ServerFact&, const ServerFact&) = default;
};

/// How a server is set, and what its user may do there.
struct ServerDescription {
    /// Such as "PostgreSQL 15.20" or "MariaDB 10.11.19".
    std::string product = {};
    std::vector<ServerFact> facts = {};
    /// The same of the tables that a last resource and witness rows need beside; empty for every
    /// other datasource.
    std::vector<ServerFact> last_resource = {};
};

/// How our sessions show at the server, so that a person or recovery can tell whose they are.
struct SessionMark {
    std::string text;
    /// The marks of sessions whose processes have ended, newest first.
    std::vector<std::string> ended = {};
};

/// One connection to a resource manager: it is given one verb at a time and then asked until the
/// answer has come. Drivers implement it, one class a kind of server; they translate and decide
/// nothing.
///
/// Ownership: owns its connection; closing it is the destructor's, and it does not wait for the
/// server. Thread safety: one thread at a time.
class Connection {
public:
    /// The file descriptor to poll before the next receive(), and for what.
    struct Readiness {
        int descriptor;
        bool for_reading;
        bool for_writing;
    };

    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    virtual ~Connection() = default;

    /// Sends requests in one trip without waiting for their answers; a failure to send is told by
    /// receive(). Each is carried out only if all before it were answered with XA_OK; else its
    /// answer is not_carried_out(), or XAER_RMFAIL when the connection was lost: then the server
    /// may have carried out, or may still carry out, all of it. A batch is any one request, or, in
    /// this order and with any of them left out: commit of the branch that was prepared on this
    /// connection; start, execute as often as wanted, prepare of one other branch. All answers to
    /// the batch before have been received.
    virtual void send(std::vector<Request> batch) noexcept = 0;
    /// One request.
    void send(Verb verb, const Xid& xid) noexcept {
        std::vector<Request> batch(1);  // an initializer list would copy the xid once more
        batch.front().verb = verb;
        batch.front().xid = xid;
        send(std::move(batch));
    }
    /// Takes what has arrived without waiting; the next answer of the batch once it is complete.
    [[nodiscard]] virtual std::optional<Answer> receive() noexcept = 0;
    /// Valid between send() and the last answer.
    [[nodiscard]] virtual Readiness readiness() const noexcept = 0;

    /// Ends the session at once, without waiting for the server: a branch that is still open there
    /// is rolled back, a prepared one is free for other sessions. The object stays, since the
    /// application may still hold its handle, and is only asked is_open_to_application() any more:
    /// false. Where a driver does not override it, the destructor closes.
    virtual void close() noexcept {}

    /// The session at the server, for Verb::end_session over another connection. The number is 0
    /// where the driver has none.
    [[nodiscard]] virtual SessionId session_id() const { return {}; }

    /// Which server, and which database of it, is at the other end; the same text as long as it is
    /// the same data. Recovery takes silence for an answer only from the server that has prepared
    /// the branch. Empty where the server has no such name.
    [[nodiscard]] virtual std::string server_identity() const { return {}; }

    /// Who owns what is prepared over this session, where only the owner may finish it; else empty.
    [[nodiscard]] virtual std::string owner_of_branches() const { return {}; }

    /// False when the state of the session is not certain: then it is closed, never used again.
    [[nodiscard]] virtual bool is_reusable() const noexcept = 0;
    /// False when the server has closed the idle session meanwhile, or has sent something that
    /// nobody asked for: found out without asking it. Between batches.
    [[nodiscard]] virtual bool is_silent() const noexcept { return true; }
    /// True while a branch is open that has been asked for nothing but start and execute: only then
    /// may the application use the session.
    [[nodiscard]] virtual bool is_open_to_application() const noexcept = 0;
};

}  // namespace xa_tm
