#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client_api.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

// What ending a session by its number and ending sessions by their marks have in common.

[[nodiscard]] std::string kill_statement(std::uint64_t number);
/// Why the session may not be ended, with the grant that is missing; nothing when it was told to
/// end, or is not there any more.
[[nodiscard]] std::optional<Answer> refusal_of_kill(const Reply& reply, std::uint64_t number,
                                                    const ServerFacts& facts);
/// The server lets go of a session a little before its engine lets go of the session's branch.
/// Lasts whatever the session's time limit for statements is.
[[nodiscard]] std::string pause_behind_session(const ServerFacts& facts);
/// XA_OK: no such session is there, as far as this user can see.
[[nodiscard]] Answer sessions_gone(const ServerFacts& facts);

}  // namespace xa_tm::mysql
