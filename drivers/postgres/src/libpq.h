#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>
#include <soci/soci.h>

#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// The same URI in a form without defaults left open: every value percent-encoded, so that it holds
/// no whitespace, which SOCI would split it at. Throws std::invalid_argument, whose text holds no
/// value.
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

/// The result of one statement.
struct Reply {
    bool is_ok = false;
    /// Of an error; empty also when the connection broke before the result was there.
    std::string sqlstate = {};
    /// Error or warnings, without details, since those may quote rows.
    std::string message = {};
    /// Such as "PREPARE TRANSACTION".
    std::string command_tag = {};
    std::vector<std::vector<std::optional<std::string>>> rows = {};
};

/// One session at the server, used by turns: the application works with it through SOCI or libpq
/// while it is lent, and verbs are sent while it is not.
///
/// Ownership: owns the connection at all times, also against a soci::session that wants to close
/// it.
/// Thread safety: one thread at a time.
class Session {
public:
    /// Connects, for as long as the URI's connect_timeout allows. Throws ConnectError.
    explicit Session(const std::string& canonical_uri);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// Gives the connection to the SOCI session. False when the application has closed or
    /// reconnected that.
    [[nodiscard]] bool lend() noexcept;
    /// Takes it back: SOCI statements fail from now on. False when it can't be used for verbs any
    /// more, because the application has closed or reconnected it, or left something running on it.
    [[nodiscard]] bool take_back() noexcept;
    /// Valid while lent.
    [[nodiscard]] soci::session& sql() noexcept { return sql_; }
    /// Valid while lent; the application may have reconnected, so it is read anew each time.
    [[nodiscard]] PGconn* native_handle() noexcept;

    /// Sends statements in one trip, each committed or failed by itself (a Sync follows each).
    void send(const std::vector<std::string>& statements) noexcept;
    /// Takes what has arrived without waiting; one reply a statement once all are there. After a
    /// broken connection the replies that are missing are errors without SQLSTATE.
    [[nodiscard]] std::optional<std::vector<Reply>> receive() noexcept;
    [[nodiscard]] xa_tm::Connection::Readiness readiness() const noexcept;

    /// True between transactions, with the connection sound.
    [[nodiscard]] bool is_idle() const noexcept;
    /// Ends the session at once; the handle stays valid memory until this is destroyed.
    void disconnect() noexcept;
    /// True when nothing more can be sent on it.
    [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }
    /// Statements that the application prepared through SOCI since the session began. Those it
    /// destroyed after the session was taken back are still held by the server.
    [[nodiscard]] int soci_statements() const noexcept;

private:
    static void take_notice(void* self, const PGresult* notice);
    void send_all(const std::vector<std::string>& statements) noexcept;
    void take_result(const PGresult& result);
    /// Takes results until the next one has not arrived. False when there will be no more.
    [[nodiscard]] bool take_results();
    void give_up(std::string why) noexcept;
    [[nodiscard]] std::vector<Reply> finish();

    soci::session sql_;
    /// Null once the application has closed or replaced it.
    PGconn* conn_ = nullptr;
    int backend_pid_ = 0;
    PQnoticeReceiver default_notice_receiver_ = nullptr;
    bool is_lent_ = false;

    // The exchange in progress.
    std::vector<Reply> replies_;
    std::size_t replies_expected_ = 0;
    std::size_t syncs_seen_ = 0;
    bool is_flushing_ = false;
    bool is_broken_ = false;
    std::string why_broken_;
    std::string warnings_;
};

}  // namespace xa_tm::postgres
