#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "xa_tm/connection.h"
#include "xa_tm/statement.h"

namespace xa_tm {

class ConnectionPool;

/// How a datasource connects, whatever its server.
struct DatasourceOptions {
    /// Connections in use at once, idle ones included.
    std::size_t pool_size_max = 64;
    /// Connections that TransactionManager::start() opens, and that are kept open and opened anew
    /// in the background while the server can be reached, used or not.
    std::size_t pool_size_min = 0;
    /// How long a branch waits for a free connection before it throws pool_exhausted.
    std::chrono::milliseconds pool_timeout{5000};
    /// A connection that is older is closed when it comes back, or while it is idle; 0: never.
    std::chrono::milliseconds connection_lifetime_max{std::chrono::minutes{30}};
    /// A connection that was idle for longer is closed, unless it is one of pool_size_min; 0:
    /// never. Looked at once in Config::recovery_interval.
    std::chrono::milliseconds idle_timeout{std::chrono::minutes{10}};
    /// How long one attempt to connect may take; whole seconds.
    std::chrono::seconds connect_timeout{5};
    /// How long one statement of the application may run before the server ends it; 0: as long as
    /// the server's own settings allow.
    std::chrono::milliseconds statement_timeout{0};
    /// Its branches are never prepared. When all others of a transaction have voted yes, its branch
    /// is committed in one phase, with the decision as a row in the same local transaction: that
    /// row decides. The database needs the decision table, see set_up_decision_table(). A
    /// transaction has at most one last resource.
    bool is_last_resource = false;
    /// Each of its branches leaves a row, written in the trip of its prepare and as a part of it,
    /// by which the server can prove afterwards what became of the branch: without one, MySQL and
    /// MariaDB keep no proof, and that a branch which is gone had committed is inferred. A
    /// transaction's only branch, which commits in one phase, leaves its row in the decision table:
    /// should the reply be lost, that tells whether it has committed. It costs one insert a branch,
    /// one that only read included, and the database needs the tables of set_up_decision_table().
    /// PostgreSQL proves prepared branches without it; there it serves the only branch alone.
    bool has_witness = false;
    /// Whose locks go first: of a transaction's branches, the one with the greatest value is
    /// prepared last and committed first. Equal ones in the order of enlistment.
    int release_priority = 0;

    /// Whether decisions may lie there as rows.
    [[nodiscard]] bool keeps_decisions() const noexcept { return is_last_resource || has_witness; }
};

/// What a datasource's pool does now and has done since the datasource was made. The connections
/// that recovery uses don't count: they are not the pool's. Nor do lent ones.
struct PoolStatus {
    std::size_t in_use = 0;   ///< places taken, those included whose connection is being opened
    std::size_t idle = 0;     ///< open connections that wait for work
    std::size_t waiting = 0;  ///< threads that wait for a place
    std::size_t size_min = 0;
    std::size_t size_max = 0;
    std::uint64_t acquired = 0;   ///< times that a place was given out
    std::uint64_t timed_out = 0;  ///< times that pool_exhausted was thrown
    std::uint64_t opened = 0;     ///< connections opened
    std::uint64_t failed_to_open = 0;
    std::uint64_t closed = 0;      ///< connections closed, for whatever reason
    std::uint64_t found_dead = 0;  ///< of those, by their server while they were idle
    /// By those who had to wait, whether or not they got a connection in the end.
    std::chrono::microseconds waited_total{0};
    std::chrono::microseconds waited_longest{0};
    /// From when connections were given out until they came back.
    std::chrono::microseconds used_total{0};
};

/// One database that takes part in global transactions, and the pool of connections to it. Its name
/// is written into the xid of every branch, so it stays the same for as long as the log lives.
///
/// Ownership: owns its pool; outlives every transaction that enlisted it.
/// Thread safety: all members may be called from several threads at once.
class Datasource {
public:
    static constexpr std::size_t kMaxNameLength = 48;

    /// Throws Error (invalid_configuration) when the name is not 1 to 48 of [A-Za-z0-9._-].
    Datasource(std::string name, DatasourceOptions options);
    Datasource(const Datasource&) = delete;
    Datasource& operator=(const Datasource&) = delete;
    virtual ~Datasource();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const DatasourceOptions& options() const noexcept { return options_; }
    /// "postgresql" or "mysql", as in the scheme of a URI.
    [[nodiscard]] virtual std::string_view kind() const noexcept = 0;
    /// Whether its branches take the statements SAVEPOINT and ROLLBACK TO SAVEPOINT, so that
    /// transactions may be combined there.
    [[nodiscard]] virtual bool has_savepoints() const noexcept { return false; }

    /// A new connection outside the pool. Throws Error; the message says what to change.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect(const SessionMark& mark) = 0;

    /// Asks the server, over a session of its own, how it is set and what its user may do there,
    /// and judges that for global transactions, their recovery, and a pool of
    /// options().pool_size_max. Changes nothing. Also answers for a server that connect() refuses
    /// because of its settings; throws Error when it can't be reached or asked.
    [[nodiscard]] virtual ServerDescription describe() { return {}; }

    /// Creates the table for a last resource's decisions, xa_tm_decision, in the schema or database
    /// that its connections begin in, unless it is there; with options().has_witness also those of
    /// its witness rows. May be repeated. Throws Error when the server can't be reached or refuses;
    /// the message says what to change.
    virtual void set_up_decision_table();

    /// One statement here, with its arguments, for TransactionManager::run() and
    /// Transaction::finish_with(). Its placeholders are those of the server's own clients: $1, $2
    /// and so on for PostgreSQL, question marks for MySQL and MariaDB. Arguments are integers,
    /// floating point numbers, bool, text, Bytes, nullptr for NULL, and optionals of these.
    template <class... Arguments>
    [[nodiscard]] Statement statement(std::string text, const Arguments&... arguments) {
        return {*this, std::move(text), std::vector<Value>{to_value(arguments)...}};
    }

    /// A consistent look at the pool; it waits for no server.
    [[nodiscard]] PoolStatus pool_status() const;

    [[nodiscard]] ConnectionPool& pool() noexcept { return *pool_; }

private:
    void check_duration(std::string_view option, std::chrono::milliseconds value,
                        std::chrono::hours max) const;

    std::string name_;
    DatasourceOptions options_;
    std::unique_ptr<ConnectionPool> pool_;
};

}  // namespace xa_tm
