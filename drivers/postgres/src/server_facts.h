#pragma once

#include <optional>
#include <string>

#include "libpq.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// What a server says of itself and of the session, asked once when a connection is made.
///
/// Ownership: a value.
/// Thread safety: const members may be used from several threads at once.
struct ServerFacts {
    int version = 0;  ///< server_version_num
    int max_prepared_transactions = 0;
    bool is_in_recovery = false;
    std::string role;
    /// The cluster's system identifier and the database's oid.
    std::string identity;
    /// Eight hex digits; another one once a replica or a backup has taken over. Empty when unknown.
    std::string timeline;
    /// The session at the server, which is not the connection's own where a pooler is in between.
    SessionId session;
    bool is_pooled = false;
};

/// One statement; its reply is for facts_from().
[[nodiscard]] std::string facts_statement();

/// `backend_pid` is what the other end of the connection has named as its process. Throws
/// std::out_of_range when the reply lacks something.
[[nodiscard]] ServerFacts facts_from(const Reply& reply, int backend_pid);

/// Older than what branches need: pg_current_xact_id_if_assigned() and its like.
[[nodiscard]] bool is_too_old(const ServerFacts& facts);

/// Why nothing can be written there by a branch, with what to change; nothing when it can.
[[nodiscard]] std::optional<std::string> obstacle_to_writing(const ServerFacts& facts);
/// Why no branch can be prepared there, with what to change; nothing when it can.
[[nodiscard]] std::optional<std::string> obstacle_to_two_phase(const ServerFacts& facts);

}  // namespace xa_tm::postgres
