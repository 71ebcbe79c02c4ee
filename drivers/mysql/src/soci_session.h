#pragma once

#include <mysql.h>
#include <soci/soci.h>

namespace xa_tm::mysql {

// SOCI's session over a branch's connection. It is SOCI's own but for one thing: the branch's
// transaction is the global one's, so begin(), commit() and rollback() throw soci::soci_error and
// reach no server. Statements that would do the same are refused by the server (errno 1399).

/// Makes the sessions whose transactions are not the application's; for soci::session::open().
[[nodiscard]] const soci::backend_factory& branch_sessions() noexcept;

/// The connection that a SOCI session works on, or has given away; null for a session that is
/// closed, or was opened anew over something else than MySQL or MariaDB.
///
/// Ownership: borrows the session; valid until that is closed or opened anew.
/// Thread safety: one thread at a time.
class SociConnection {
public:
    explicit SociConnection(soci::session& session) noexcept;

    [[nodiscard]] bool is_there() const noexcept { return backend_ != nullptr; }
    [[nodiscard]] MYSQL* get() const noexcept;
    void set(MYSQL* connection) noexcept;

private:
    soci::details::session_backend* backend_;
};

}  // namespace xa_tm::mysql
