#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "xa_tm/branch.h"
#include "xa_tm/datasource.h"

namespace soci {
class session;
}
// What mysql.h says, which only those need who use the handle: the two client libraries differ.
#ifdef XA_TM_MYSQL_CLIENT_OF_MYSQL
struct MYSQL;
#else
struct st_mysql;
using MYSQL = st_mysql;
#endif

namespace xa_tm::mysql {

class Connection;
class EndingSessions;

/// A connection of the application's own, for Transaction::enlist(). It has to be open and in no
/// transaction, with every result read, and not set to reconnect by itself.
///
/// Over a bare handle, Branch::sql() throws Error (invalid_state). As long as the branch is open
/// the server takes one statement a packet, and the session holds two named locks more. The
/// statement timeout is the application's own.
struct Lent {
    Lent(MYSQL* connection) noexcept : handle{connection} {}
    Lent(soci::session& connection) noexcept : session{&connection} {}

    MYSQL* handle = nullptr;
    soci::session* session = nullptr;
};

/// The application's way into one branch: both views of the connection that the branch runs on.
///
/// The server refuses statements that would end the transaction by themselves (COMMIT, DDL) with
/// errno 1399.
///
/// Ownership: a light handle, valid until the Transaction that gave it has ended its scope.
/// Thread safety: one thread at a time, the one that uses the Transaction.
class Branch : public xa_tm::Branch {
public:
    explicit Branch(const xa_tm::Branch& branch) noexcept : xa_tm::Branch{branch} {}

    /// A SOCI session over the branch's connection. It refuses work (soci::soci_error) once the
    /// branch has ended, and at any time begin(), commit() and rollback(). Throws Error
    /// (invalid_state) when the branch has ended already.
    [[nodiscard]] soci::session& sql() const;
    /// The C client's handle of the same connection. Before the Transaction's next call every
    /// result must have been read; it must not be closed, nor used after the branch has ended.
    /// Throws like sql().
    [[nodiscard]] MYSQL* native_handle() const;
};

/// A MySQL or MariaDB database that takes part in global transactions.
///
/// Ownership: as xa_tm::Datasource.
/// Thread safety: all members may be called from several threads at once.
class Datasource final : public xa_tm::Datasource {
public:
    using Branch = mysql::Branch;
    using Lent = mysql::Lent;

    /// The URI is mysql://user:password@host:port/database?parameter=value, or mariadb://…; every
    /// part may be left out, then the C client's default counts. The parameters are socket;
    /// charset, by default utf8mb4; ssl-mode, which is disabled, preferred, required, verify-ca or
    /// verify-identity, with ssl-ca, ssl-cert and ssl-key; default-file and default-group, an
    /// option file, by default ~/.my.cnf, whose groups [client] and that one give what the URI
    /// leaves out. Nothing is connected yet. Throws Error (invalid_configuration) when the URI, the
    /// name or an option can't be.
    Datasource(std::string name, const std::string& uri, DatasourceOptions options = {});
    ~Datasource() override;

    [[nodiscard]] std::string_view kind() const noexcept override { return "mysql"; }
    [[nodiscard]] bool has_savepoints() const noexcept override { return true; }

    /// Throws Error: resource_unreachable, authentication_failed, resource_refused, and
    /// two_phase_unavailable for a member of a Galera cluster.
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
    [[nodiscard]] static MYSQL* native_handle_of(xa_tm::Connection& connection);

private:
    struct Target;
    Datasource(std::string name, Target target, DatasourceOptions options);
    /// Connected, and nothing more. Throws Error.
    [[nodiscard]] std::unique_ptr<Connection> open() const;

    /// SOCI's form of the URI; holds the password.
    std::string connect_string_;
    bool needs_tls_;
    std::shared_ptr<EndingSessions> ending_sessions_;
};

}  // namespace xa_tm::mysql
