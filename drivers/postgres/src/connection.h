#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libpq.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// One connection to PostgreSQL that answers XA verbs. A branch is a transaction block until it is
/// prepared; from then on it belongs to the server, and any session of the same role and database
/// may finish it.
///
/// Ownership: owns its session.
/// Thread safety: one thread at a time.
class Connection final : public xa_tm::Connection {
public:
    /// Connects. Throws ConnectError.
    Connection(std::string resource, const std::string& canonical_uri);

    /// Asks who the server is and whether it can prepare transactions. Throws Error
    /// (two_phase_unavailable, resource_unreachable). Before any verb.
    void set_up(std::chrono::seconds timeout);

    [[nodiscard]] std::string server_identity() const override { return server_identity_; }
    using xa_tm::Connection::send;
    void send(std::vector<Request> batch) noexcept override;
    [[nodiscard]] std::optional<Answer> receive() noexcept override;
    [[nodiscard]] Readiness readiness() const noexcept override;
    void close() noexcept override;
    [[nodiscard]] bool is_reusable() const noexcept override;
    [[nodiscard]] bool is_open_to_application() const noexcept override { return is_open_; }

    // What Branch gives to the application; both throw Error (invalid_state) unless the branch is
    // open.
    [[nodiscard]] soci::session& sql();
    [[nodiscard]] PGconn* native_handle();

private:
    void check_open() const;
    /// An answer that needs no server, if there is one.
    [[nodiscard]] std::optional<Answer> answer_at_once(const Xid& xid);
    [[nodiscard]] std::vector<std::string> statements() const;
    /// Nothing when the verb needs a second trip, which has been sent then.
    [[nodiscard]] std::optional<Answer> answer_from(const std::vector<Reply>& replies);
    [[nodiscard]] std::optional<Answer> vote_from(const Reply& probe, const Reply& prepare);
    [[nodiscard]] Answer second_answer_from(const Reply& reply);
    [[nodiscard]] Answer success(const Reply& reply);
    [[nodiscard]] Answer failure(const Reply& reply);

    std::string resource_;
    /// The cluster's system identifier and the database's oid.
    std::string server_identity_;
    Session session_;
    bool is_open_ = false;    ///< lent to the application
    bool is_certain_ = true;  ///< false once an answer left the session's state unclear
    std::string
        branch_gid_;  ///< of the transaction block that is open here; empty when there is none

    // The verb in progress.
    bool is_outstanding_ = false;
    Verb verb_ = Verb::start;
    std::string gid_;
    /// Set when nothing was sent: the answer to give.
    std::optional<Answer> answer_at_once_;
    /// Set during a second trip: what the first one found.
    std::optional<Answer> first_answer_;
};

}  // namespace xa_tm::postgres
