#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client_api.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// What a server said of itself, of the session and of its user when the connection was made.
/// Behaviour follows what it says and not its version.
///
/// Ownership: a value. Thread safety: const members may be called from several threads at once.
class ServerFacts {
public:
    /// The questions, each a statement; a server that refuses one of them leaves that fact out.
    [[nodiscard]] static std::vector<std::string> questions();

    ServerFacts() = default;
    /// From one reply a question.
    explicit ServerFacts(std::span<const Reply> replies);

    [[nodiscard]] bool is_mariadb() const;
    /// A prepared branch leaves its session at once, and any session may finish it. False where the
    /// server has no such setting: the session keeps the branch then.
    [[nodiscard]] bool detaches_prepared_branches() const;
    /// The cluster replicates by certification (Galera), which can't prepare.
    [[nodiscard]] bool is_galera() const;
    /// XA END tells whether the branch has written.
    [[nodiscard]] bool tells_whether_written() const;
    /// Sessions of other users can be seen in the processlist.
    [[nodiscard]] bool sees_every_session() const;
    /// server_uuid of MySQL, server_uid of MariaDB, which is made of its host and port.
    [[nodiscard]] std::string identity() const;
    /// When the server's present life began, in seconds since 1970 by its own clock, give or take
    /// a second; empty when it did not tell.
    [[nodiscard]] std::string started() const;

private:
    [[nodiscard]] std::string variable(const std::string& name) const;
    [[nodiscard]] bool is_on(const std::string& name) const;

    std::map<std::string, std::string> variables_;
    bool sees_every_session_ = false;
    bool tracks_transactions_ = false;
    std::int64_t uptime_ = 0;
    std::int64_t now_ = 0;
};

/// False only when the two answers of ServerFacts::started() are of different lives of a server.
[[nodiscard]] bool may_be_same_life(const std::string& one, const std::string& other);

/// Whether session tracking says that the transaction has changed or locked no row. The state comes
/// with XA END.
[[nodiscard]] bool has_written_nothing(std::string_view transaction_state) noexcept;
/// Whether it says that a table was changed whose engine is not transactional.
[[nodiscard]] bool has_changed_for_good(std::string_view transaction_state) noexcept;

/// Whether this is a version of MariaDB, and not of MySQL.
[[nodiscard]] bool names_mariadb(std::string_view version) noexcept;

/// The privilege that is needed to end another user's session, as this server writes it.
[[nodiscard]] std::string_view privilege_to_end_sessions(bool is_mariadb) noexcept;

}  // namespace xa_tm::mysql
