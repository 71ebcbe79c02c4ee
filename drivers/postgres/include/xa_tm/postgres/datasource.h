#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "xa_tm/branch.h"
#include "xa_tm/datasource.h"

namespace soci {
class session;
}
struct pg_conn;
using PGconn = pg_conn;

namespace xa_tm::postgres {

class Connection;

/// A connection of the application's own, for Transaction::enlist(). It has to be open, idle, in no
/// transaction and not in pipeline mode.
///
/// Over a bare handle, Branch::sql() throws Error (invalid_state). Over a SOCI session, begin() and
/// commit() on that are SOCI's own and can't be refused: a branch that they have ended is reported
/// as a hazard. The connection's application_name is the transaction's for that long.
struct Lent {
    Lent(PGconn* connection) noexcept : handle{connection} {}
    Lent(soci::session& connection) noexcept : session{&connection} {}

    PGconn* handle = nullptr;
    soci::session* session = nullptr;
};

/// The application's way into one branch: both views of the connection that the branch runs on.
///
/// Statements must not end the transaction by themselves (COMMIT, ROLLBACK), or what they did is no
/// longer part of the global transaction: XA §2.3.
///
/// Ownership: a light handle, valid until the Transaction that gave it has ended its scope.
/// Thread safety: one thread at a time, the one that uses the Transaction.
class Branch : public xa_tm::Branch {
public:
    explicit Branch(const xa_tm::Branch& branch) noexcept : xa_tm::Branch{branch} {}

    /// A SOCI session over the branch's connection. It refuses work (soci::soci_error) once the
    /// branch has ended, and at any time begin(), commit(), rollback() and statements that do the
    /// same. Throws Error (invalid_state) when the branch has ended already.
    [[nodiscard]] soci::session& sql() const;
    /// libpq's handle of the same connection, in blocking mode and with nothing outstanding. It
    /// must not be closed, nor used after the branch has ended. Throws like sql().
    [[nodiscard]] PGconn* native_handle() const;
};

/// A PostgreSQL database that takes part in global transactions.
///
/// Ownership: as xa_tm::Datasource.
/// Thread safety: all members may be called from several threads at once.
class Datasource final : public xa_tm::Datasource {
public:
    using Branch = postgres::Branch;
    using Lent = postgres::Lent;

    /// The URI is libpq's: postgresql://user:password@host:port/database?parameter=value, where
    /// ?host= may name the folder of a Unix socket; or it is libpq's keyword=value string. What it
    /// leaves open comes from where libpq always looks: service=NAME and the service file, PGHOST
    /// and its like, the password file. Nothing is connected yet. Throws Error
    /// (invalid_configuration) when the URI, the name or an option can't be.
    Datasource(std::string name, const std::string& uri, DatasourceOptions options = {});
    ~Datasource() override;

    [[nodiscard]] std::string_view kind() const noexcept override { return "postgresql"; }
    [[nodiscard]] bool has_savepoints() const noexcept override { return true; }

    /// Throws Error: resource_unreachable, authentication_failed, two_phase_unavailable,
    /// resource_refused.
    [[nodiscard]] std::unique_ptr<xa_tm::Connection> connect(const SessionMark& mark) override;
    /// A connection over one that the application has lent. Throws Error as connect() does, and
    /// invalid_state when it is not fit to be lent.
    [[nodiscard]] std::unique_ptr<xa_tm::Connection> adopt(const Lent& lent,
                                                           const SessionMark& mark) const;
    /// Throws Error: resource_unreachable, authentication_failed, resource_refused.
    [[nodiscard]] ServerDescription describe() override;
    /// Throws Error: resource_unreachable, authentication_failed, resource_refused.
    void set_up_decision_table() override;

    /// What Branch gives of the branch that is open on a connection which this class has made.
    [[nodiscard]] static soci::session& sql_of(xa_tm::Connection& connection);
    [[nodiscard]] static PGconn* native_handle_of(xa_tm::Connection& connection);

private:
    /// Connected, and nothing more. Throws Error.
    [[nodiscard]] std::unique_ptr<Connection> open(const SessionMark& mark) const;

    /// Complete but for the session's mark; holds the password.
    std::string connect_uri_;
};

}  // namespace xa_tm::postgres
