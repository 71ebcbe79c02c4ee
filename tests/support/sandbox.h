#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace soci {
class session;
}

/// The private servers of scripts/sandbox, by the names that its help gives. They are found through
/// the environment variable XA_TM_SANDBOX_DIR. Every function throws std::runtime_error
/// with the script's own words when there is no such server, so that a test which needs it fails
/// and says why.
namespace xa_tm::test::sandbox {

/// The pair of servers that integration and crash tests work on: a PostgreSQL and a MariaDB or
/// MySQL, by default postgres and mariadb, else those that XA_TM_TEST_SERVERS names with a comma
/// between them.
[[nodiscard]] const std::string& postgres_server();
[[nodiscard]] const std::string& mysql_server();

/// The URI of the database xa_tm_test for its ordinary user, over a Unix socket.
[[nodiscard]] std::string uri(const std::string& server);
/// The same over TCP, with the password.
[[nodiscard]] std::string tcp_uri(const std::string& server);
/// The same for the server's superuser, over a Unix socket.
[[nodiscard]] std::string admin_uri(const std::string& server);

/// The server's processes.
[[nodiscard]] std::vector<pid_t> pids(const std::string& server);

/// SIGKILL; returns when the server is gone.
void kill(const std::string& server);
/// Starts it again on the same port and socket, also after kill(); returns when it answers.
void restart(const std::string& server);
/// Keeps a copy of the server's files as they are, in place of an earlier one; the server is down
/// meanwhile.
void snapshot(const std::string& server);
/// Puts that copy in place of the server's files; returns when the server answers.
void restore(const std::string& server);
void drop_snapshot(const std::string& server);

/// A session of the test's own, in autocommit, for a URI of either kind.
[[nodiscard]] std::unique_ptr<soci::session> open_session(const std::string& uri);

}  // namespace xa_tm::test::sandbox
