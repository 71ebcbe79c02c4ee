#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <mysql.h>
#include <soci/soci.h>

#include "arguments.h"
#include "client_library.h"
#include "soci_session.h"
#include "xa_tm/connection.h"
#include "xa_tm/mysql/datasource.h"

namespace xa_tm::mysql {

/// A connection could not be made. what() is the server's or the client library's words, as one
/// line.
class ConnectError : public std::runtime_error {
public:
    ConnectError(const std::string& message, int error)
        : std::runtime_error(message), error_{error} {}
    /// errno, or 0 when SOCI refused by itself.
    [[nodiscard]] int error() const noexcept { return error_; }

private:
    int error_;
};

using Row = std::vector<std::optional<std::string>>;

/// One result. A statement gives one, a procedure's call may give several.
struct Reply {
    bool is_ok = false;
    /// errno of the server or the client library.
    int error = 0;
    std::string sqlstate = {};
    std::string message = {};               ///< one line
    std::vector<std::string> columns = {};  ///< empty where the statement gives no rows
    std::vector<Row> rows = {};
    /// What a statement without rows has written, as the server counts it.
    std::uint64_t affected_rows = 0;
    std::uint64_t inserted_id = 0;  ///< that the server has given to a row of its own counting
    unsigned warnings = 0;
    /// What session tracking says of the transaction, whole, if that has changed; else empty.
    std::string transaction_state = {};
};

/// What a packet may hold.
enum class Packing {
    one_statement,    ///< the server refuses a second one
    many_statements,  ///< separated by semicolons; the server stops at the first that fails
    own_verbs,        ///< one that is known to be one, whatever the server would take
};

/// One session at the server, used by turns: the application works with it through SOCI or the C
/// client while it is lent, and verbs are sent while it is not.
///
/// Ownership: owns the connection at all times, also against a soci::session that wants to close
/// it; one that the application has lent is the application's again in the end, as it was.
/// Thread safety: one thread at a time.
class Session {
public:
    /// Connects, for as long as the connect string allows. Throws ConnectError, also when the
    /// connection has to be encrypted and is not.
    Session(const std::string& soci_connect_string, bool needs_tls);
    /// Over a connection of the application's, which outlives this. Throws std::invalid_argument
    /// when it is not fit for that. Before anything else, learn_packing() has to be called.
    explicit Session(const Lent& lent);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// False when the application has closed or reconnected the SOCI session while it was not
    /// lent.
    [[nodiscard]] bool can_be_lent() noexcept;
    /// Gives the connection to the SOCI session, with one statement a packet; waits for the server
    /// if that has to be switched. False when it can't be lent, or the connection is lost.
    [[nodiscard]] bool lend() noexcept;
    [[nodiscard]] bool is_lent() const noexcept { return is_lent_; }
    /// Takes it back: SOCI statements fail from now on. False when it can't be used for verbs any
    /// more, because the application has closed or reconnected it, or left a result unread.
    [[nodiscard]] bool take_back() noexcept;
    /// errno of the last statement; 0 when it succeeded.
    [[nodiscard]] int last_error() const noexcept;
    /// What session tracking said with the last statement, like Reply::transaction_state.
    [[nodiscard]] std::string last_transaction_state() const;
    /// False where the application has lent a bare handle.
    [[nodiscard]] bool has_sql() const noexcept { return sql_ != nullptr; }
    /// Valid while lent, and where has_sql().
    [[nodiscard]] soci::session& sql() noexcept { return *sql_; }
    /// Valid while lent; the application may have reconnected, so it is read anew each time.
    [[nodiscard]] MYSQL* native_handle() noexcept;

    /// How the server reads text now. Valid while *this is, for what is sent next.
    [[nodiscard]] TextRules text_rules() const noexcept;

    /// Sends packets in one trip; an error in one does not keep the server from running the next.
    /// To switch between one and many statements a packet takes one trip more.
    void send(std::vector<std::string> packets, Packing packing) noexcept;
    /// As send() with many statements; the result of the first can be had before the others.
    void send_first_and_others(std::string packet) noexcept;
    /// After that, takes what has arrived without waiting: the first result, as soon as it is there
    /// and is not the last one. Asked before each receive(), which gives the others.
    [[nodiscard]] std::optional<Reply> receive_first() noexcept;
    /// Takes what has arrived without waiting; all results of all packets once they are there, an
    /// error being the last of its packet. After a broken connection each packet that was not
    /// answered completely ends with the client library's error.
    [[nodiscard]] std::optional<std::vector<Reply>> receive() noexcept;
    [[nodiscard]] xa_tm::Connection::Readiness readiness() const noexcept;

    /// True when the connection is the application's own.
    [[nodiscard]] bool is_borrowed() const noexcept { return is_borrowed_; }
    /// How many statements a packet a connection of the application's takes, which no client can
    /// tell; it is given back so.
    void learn_packing(bool takes_many_statements) noexcept {
        takes_many_statements_ = takes_many_statements;
        took_many_statements_ = takes_many_statements;
    }
    /// Ends the session at once; the handle stays valid memory until this is destroyed.
    void disconnect() noexcept;
    /// The server's number for this session.
    [[nodiscard]] unsigned long thread_id() const noexcept { return thread_id_; }
    /// True when the server is MariaDB, and not MySQL.
    [[nodiscard]] bool is_mariadb() const noexcept { return is_mariadb_; }
    /// True when nothing more can be sent on it.
    [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }

private:
    using Step = client_library::Step;

    void set_up();
    void give_back() noexcept;
    void start(std::vector<std::string> packets, Packing packing);
    void advance();
    void run(short ready);
    [[nodiscard]] bool is_first_there() const noexcept;
    [[nodiscard]] bool is_before_first_reply() const noexcept;
    [[nodiscard]] short start_step();
    void finish_step();
    void take_result();
    void finish_result();
    void take_rows(MYSQL_RES& result);
    void take_error();
    void give_up(int error, const std::string& why);

    std::optional<soci::session> own_sql_;
    soci::session* sql_ = nullptr;  ///< own_sql_, or the application's; null over a bare handle
    bool is_borrowed_ = false;
    /// Null once the application has closed or replaced it.
    MYSQL* mysql_ = nullptr;
    /// Never connected; what SOCI has in its place, if there is a SOCI session.
    MYSQL* placeholder_ = nullptr;
    unsigned long thread_id_ = 0;
    bool is_mariadb_ = false;
    bool is_lent_ = false;

    bool takes_many_statements_ = false;  ///< what the server has been told last
    bool took_many_statements_ = false;   ///< of a connection of the application's, at first

    // The exchange in progress: the packing is switched if need be, all packets are sent, then for
    // each its first result and those that follow are read, and their rows are stored.
    std::vector<std::string> packets_;
    std::vector<Reply> replies_;
    client_library::StepCall call_ = {};
    std::size_t sent_ = 0;
    std::size_t answered_ = 0;
    bool is_first_awaited_ = false;
    short waiting_for_ = 0;  ///< events that the next step, or the rest of one, waits for, or 0
    bool is_suspended_ = false;
    bool is_broken_ = false;
};

}  // namespace xa_tm::mysql
