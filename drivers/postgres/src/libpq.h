#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-events.h>
#include <libpq-fe.h>
#include <soci/soci.h>

#include "branch_history.h"
#include "soci_session.h"
#include "xa_tm/connection.h"
#include "xa_tm/postgres/datasource.h"
#include "xa_tm/value.h"

namespace xa_tm::postgres {

/// A URI or libpq's keyword=value string as a URI whose values are all percent-encoded, so that it
/// holds no whitespace, which SOCI would split it at. What it leaves open, libpq takes from a
/// service file, the environment and the password file when it connects. Throws
/// std::invalid_argument, whose text holds no value.
[[nodiscard]] std::string canonical_uri(const std::string& uri,
                                        std::chrono::seconds connect_timeout);

/// As canonical_uri() writes values.
[[nodiscard]] std::string percent_encode(std::string_view value);

/// A connection could not be made. what() is libpq's or the server's words, as one line.
class ConnectError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Whether a server answers there and accepts connections; tries for at most the URI's
/// connect_timeout.
[[nodiscard]] bool is_server_up(const std::string& canonical_uri) noexcept;

/// PostgreSQL: Message Formats, Bind: their number has 16 bits.
inline constexpr std::size_t kArgumentsMax = 65535;

/// One statement of an exchange.
struct Statement {
    std::string text;
    /// For $1, $2 and so on; at most kArgumentsMax, and no text of them holds a zero byte.
    std::vector<Value> arguments = {};
    /// The application's: its result becomes part of the branch's history, and its rows are only
    /// counted unless they are wanted.
    bool is_application = false;
    bool wants_result = false;
    /// Its answer is wanted as soon as it is there, and not only with the last one's.
    bool is_flushed = false;
};

/// The result of one statement.
struct Reply {
    bool is_ok = false;
    /// Of an error; empty also when the connection broke before the result was there, or when the
    /// statement was not carried out because one before it had failed.
    std::string sqlstate = {};
    /// Error or warnings, without details, since those may quote rows.
    std::string message = {};
    /// Such as "PREPARE TRANSACTION".
    std::string command_tag = {};
    std::vector<std::string> columns = {};  ///< if the result was wanted
    std::vector<std::vector<std::optional<std::string>>> rows = {};
    /// Written or given.
    std::uint64_t row_count = 0;
};

/// One session at the server, used by turns: the application works with it through SOCI or libpq
/// while it is lent, and verbs are sent while it is not.
///
/// Ownership: owns the connection at all times, also against a soci::session that wants to close
/// it; one that the application has lent is the application's again in the end, as it was.
/// Thread safety: one thread at a time.
class Session {
public:
    /// Connects, for as long as the URI's connect_timeout allows. Throws ConnectError.
    explicit Session(const std::string& canonical_uri);
    /// Over a connection of the application's, which outlives this. Throws std::invalid_argument
    /// when it is not fit for that.
    explicit Session(const Lent& lent);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// False when the application has closed or reconnected the SOCI session, so that nothing can
    /// be lent to it any more.
    [[nodiscard]] bool can_lend() const noexcept;
    /// Gives the connection to the SOCI session, if can_lend().
    void lend() noexcept;
    /// Takes it back: SOCI statements fail from now on. False when it can't be used for verbs any
    /// more, because the application has closed or reconnected it, or left something running on it.
    [[nodiscard]] bool take_back() noexcept;
    [[nodiscard]] bool is_lent() const noexcept { return is_lent_; }
    /// False where the application has lent a bare handle.
    [[nodiscard]] bool has_sql() const noexcept { return sql_ != nullptr; }
    /// Valid while lent, and where has_sql().
    [[nodiscard]] soci::session& sql() noexcept { return *sql_; }
    /// Valid while lent; the application may have reconnected, so it is read anew each time.
    [[nodiscard]] PGconn* native_handle() noexcept;

    /// Sends statements in one trip; those behind one that fails are not carried out (PostgreSQL:
    /// Message Flow, Pipelining: there is one Sync at the end).
    void send(std::vector<Statement> statements) noexcept;
    /// Takes what has arrived without waiting: the reply to the next statement. That of one that
    /// failed comes when the server has done with the exchange, so another one may follow. After a
    /// broken connection the replies that are missing are errors without SQLSTATE.
    [[nodiscard]] std::optional<Reply> receive() noexcept;
    [[nodiscard]] xa_tm::Connection::Readiness readiness() const noexcept;

    /// What the application's statements have told since forget_history().
    [[nodiscard]] const BranchHistory& history() const noexcept { return history_; }
    void forget_history() noexcept { history_ = {}; }

    /// True between transactions, with the connection sound.
    [[nodiscard]] bool is_idle() const noexcept;
    /// True when a statement has failed, so that the transaction can only be rolled back.
    [[nodiscard]] bool is_in_failed_transaction() const noexcept;
    /// The process at the server, as the other end of this connection has named it.
    [[nodiscard]] int backend_pid() const noexcept { return backend_pid_; }
    /// Ends the session at once; the handle stays valid memory until this is destroyed.
    void disconnect() noexcept;
    /// True when the connection is the application's own.
    [[nodiscard]] bool is_borrowed() const noexcept { return is_borrowed_; }
    /// As the server has told it last.
    [[nodiscard]] std::string application_name() const;
    [[nodiscard]] std::string user() const;
    /// As a literal of SQL. Throws std::bad_alloc.
    [[nodiscard]] std::string quoted(const std::string& text) const;
    /// True when nothing more can be sent on it.
    [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }
    /// Statements that the application prepared through SOCI since the session began. Those it
    /// destroyed after the session was taken back are still held by the server.
    [[nodiscard]] int soci_statements() const noexcept;

private:
    void borrow();
    void give_back() noexcept;
    [[nodiscard]] bool watch_results() noexcept;
    static void take_notice(void* self, const PGresult* notice);
    static int take_event(PGEventId event, void* info, void* unused) noexcept;
    void add_to_history(const PGresult& result);
    void send_all() noexcept;
    void take_result(const PGresult& result);
    [[nodiscard]] Reply reply_from(const PGresult& result);
    /// Takes results until the next one has not arrived. False when there will be no more.
    [[nodiscard]] bool take_results();
    void give_up(std::string why) noexcept;
    void finish();

    std::optional<soci::session> own_sql_;
    soci::session* sql_ = nullptr;  ///< own_sql_, or the application's; null over a bare handle
    bool is_borrowed_ = false;
    bool was_nonblocking_ = false;
    /// Null once the application has closed or replaced it.
    PGconn* conn_ = nullptr;
    int backend_pid_ = 0;
    PQnoticeReceiver default_notice_receiver_ = nullptr;
    bool is_lent_ = false;
    BranchHistory history_;
    /// The server has warned that a transaction was open already.
    bool found_transaction_ = false;

    // The exchange in progress.
    std::vector<Statement> statements_;
    std::vector<Reply> replies_;
    std::size_t complete_ = 0;  ///< replies that nothing will be added to
    std::size_t given_ = 0;
    bool is_synced_ = false;
    bool is_finished_ = false;
    bool is_flushing_ = false;
    bool is_broken_ = false;
    std::string why_broken_;
    std::string warnings_;
};

}  // namespace xa_tm::postgres
