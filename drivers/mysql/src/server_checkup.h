#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client_api.h"
#include "grants.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

/// What a server says when it is asked how it is set and what its user may do there. Nothing in
/// what it refused to tell.
///
/// Ownership: a value.
/// Thread safety: const members may be used from several threads at once.
struct ServerCheckup {
    /// As the session has them, without those that this server has not got.
    std::map<std::string, std::string, std::less<>> variables;
    Grants grants;
    /// USER@HOST, as the server knows it.
    std::string account;
    /// How many branches XA RECOVER lists.
    std::optional<std::size_t> prepared;
    std::string why_not_listed;
    /// Tables of the database that take no part in a branch, as "TABLE (ENGINE)".
    std::vector<std::string> tables_without_xa;
    std::int64_t replicas = 0;  ///< that are connected now, of those that this user can see
    std::optional<bool> is_replica;
    /// performance_schema.data_locks can be read.
    bool shows_locks = false;
};

/// For checkup_from(); each is a statement that the server may refuse.
[[nodiscard]] std::vector<std::string> checkup_questions();

/// From one reply a question.
[[nodiscard]] ServerCheckup checkup_from(std::span<const Reply> replies);

/// Pure: what follows from it.
[[nodiscard]] ServerDescription judged(const ServerCheckup& checkup);

}  // namespace xa_tm::mysql
