#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "xa_tm/connection.h"

namespace xa_tm {

class ConnectionPool;

/// How a datasource connects, whatever its server.
struct DatasourceOptions {
    /// Connections in use at once, idle ones included.
    std::size_t pool_size_max = 64;
    /// How long enlist() waits for a free connection before it throws pool_exhausted.
    std::chrono::milliseconds pool_timeout{5000};
    /// How long one attempt to connect may take; whole seconds.
    std::chrono::seconds connect_timeout{5};
    /// How long one statement of the application may run before the server ends it; 0: as long as
    /// the server's own settings allow.
    std::chrono::milliseconds statement_timeout{0};
    /// Whose locks go first: of a transaction's branches, the one with the greatest value is
    /// prepared last and committed first. Equal ones in the order of enlistment.
    int release_priority = 0;
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

    /// A new connection outside the pool. Throws Error; the message says what to change.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect(const SessionMark& mark) = 0;

    /// Asks the server, over a session of its own, how it is set and what its user may do there,
    /// and judges that for global transactions, their recovery, and a pool of
    /// options().pool_size_max. Changes nothing. Also answers for a server that connect() refuses
    /// because of its settings; throws Error when it can't be reached or asked.
    [[nodiscard]] virtual ServerDescription describe() { return {}; }

    [[nodiscard]] ConnectionPool& pool() noexcept { return *pool_; }

private:
    std::string name_;
    DatasourceOptions options_;
    std::unique_ptr<ConnectionPool> pool_;
};

}  // namespace xa_tm
