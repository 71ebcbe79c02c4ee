#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <mysql.h>
#include <soci/soci.h>

#include "xa_tm/connection.h"

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

/// The result of one statement.
struct Reply {
    bool is_ok = false;
    /// errno of the server or the client library.
    int error = 0;
    std::string sqlstate = {};
    std::string message = {};
    std::vector<std::vector<std::optional<std::string>>> rows = {};
};

/// One session at the server, used by turns: the application works with it through SOCI or the C
/// client while it is lent, and verbs are sent while it is not.
///
/// Ownership: owns the connection at all times, also against a soci::session that wants to close
/// it.
/// Thread safety: one thread at a time.
class Session {
public:
    /// Connects, for as long as the connect string allows. Throws ConnectError.
    explicit Session(const std::string& soci_connect_string);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// Gives the connection to the SOCI session. False when the application has closed or
    /// reconnected that.
    [[nodiscard]] bool lend() noexcept;
    /// Takes it back: SOCI statements fail from now on. False when it can't be used for verbs any
    /// more, because the application has closed or reconnected it, or left a result unread.
    [[nodiscard]] bool take_back() noexcept;
    /// Valid while lent.
    [[nodiscard]] soci::session& sql() noexcept { return sql_; }
    /// Valid while lent; the application may have reconnected, so it is read anew each time.
    [[nodiscard]] MYSQL* native_handle() noexcept;

    /// Sends statements in one trip; an error of one does not keep the server from running the
    /// next.
    void send(std::vector<std::string> statements) noexcept;
    /// Takes what has arrived without waiting; one reply a statement once all are there. After a
    /// broken connection the replies that are missing carry the client library's error.
    [[nodiscard]] std::optional<std::vector<Reply>> receive() noexcept;
    [[nodiscard]] xa_tm::Connection::Readiness readiness() const noexcept;

    /// Ends the session at once; the handle stays valid memory until this is destroyed.
    void disconnect() noexcept;
    /// The server's number for this session.
    [[nodiscard]] unsigned long thread_id() const noexcept { return thread_id_; }
    /// True when the server is MariaDB, and not MySQL.
    [[nodiscard]] bool is_mariadb() const noexcept { return is_mariadb_; }
    /// True when nothing more can be sent on it.
    [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }

private:
    /// The exchange is: all statements are sent, then for each its result is read and its rows are
    /// stored.
    enum class Step { send, read, store };

    void run(int ready);
    [[nodiscard]] int start_step();
    [[nodiscard]] int continue_step(int ready);
    void finish_step();
    void take_rows(MYSQL_RES& result);
    void take_error();
    void next_reply();
    void give_up(int error, const std::string& why);

    soci::session sql_;
    /// Null once the application has closed or replaced it.
    MYSQL* mysql_ = nullptr;
    /// Never connected; what SOCI has in its place.
    MYSQL* placeholder_ = nullptr;
    unsigned long thread_id_ = 0;
    bool is_mariadb_ = false;
    bool is_lent_ = false;

    // The exchange in progress.
    std::vector<std::string> statements_;
    std::vector<Reply> replies_;
    Step step_ = Step::send;
    std::size_t sent_ = 0;
    int waiting_for_ = 0;  ///< MYSQL_WAIT_... of the step that was started, 0 when none is
    int send_result_ = 0;
    my_bool read_result_ = 0;
    MYSQL_RES* stored_ = nullptr;
    bool is_broken_ = false;
};

}  // namespace xa_tm::mysql
