#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "libpq.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// One setting as the session has it, whether by the server, its database, its role or its URI.
struct Setting {
    std::string shown;        ///< with its unit, such as "5s"
    std::int64_t number = 0;  ///< in the server's unit: milliseconds, for times
};

/// Prepared transactions of one role in one database.
struct PreparedShare {
    std::string owner;
    bool is_in_this_database = false;
    bool is_of_ours = false;  ///< their names are those that a transaction manager of ours gives
    std::int64_t count = 0;
};

/// What a server says when it is asked how it is set and what its user may do there.
///
/// Ownership: a value.
/// Thread safety: const members may be used from several threads at once.
struct ServerCheckup {
    ServerFacts facts;
    std::string version_text;
    bool is_superuser = false;
    bool may_signal_backends = false;
    bool may_read_all_stats = false;
    std::int64_t standbys = 0;  ///< that are connected now
    /// Without those that this server has not got.
    std::map<std::string, Setting, std::less<>> settings;
    std::vector<PreparedShare> prepared;
    /// What a pooler in between says against transactions; empty when it takes them.
    std::string pooler_refusal;
};

/// For checkup_from().
[[nodiscard]] std::vector<Statement> checkup_questions();

/// From one reply a question, all of them successful; `backend_pid` as in facts_from().
[[nodiscard]] ServerCheckup checkup_from(std::span<const Reply> replies, int backend_pid);

/// Pure: what follows from it, for an application that has so many branches prepared at once at
/// most; 0 where it prepares none.
[[nodiscard]] ServerDescription judged(const ServerCheckup& checkup,
                                       std::size_t prepared_at_once_max);

}  // namespace xa_tm::postgres
