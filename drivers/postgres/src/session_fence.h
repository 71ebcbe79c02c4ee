#pragma once

#include <span>
#include <string>
#include <vector>

#include "libpq.h"
#include "server_facts.h"
#include "xa_tm/connection.h"

namespace xa_tm::postgres {

/// Ends one session at the server, but only the one that is meant: its number may belong to
/// somebody else's session by now, so when it began and its mark (application_name) have to be
/// right as well. The reply is for answer_to_end().
[[nodiscard]] std::string end_statement(const SessionId& session, const SessionMark& mark,
                                        const ServerFacts& facts);

[[nodiscard]] Answer answer_to_end(const Reply& reply, const SessionId& session,
                                   const ServerFacts& facts);

/// Ends every session whose mark is that of a process that has ended: tells all of them first, then
/// waits for them. Behind a pooler a session may already serve somebody else, so there it is only
/// asked whether one is at work. The replies are for answer_to_end_ended(). Not without such marks.
[[nodiscard]] std::vector<Statement> end_ended_statements(const SessionMark& mark,
                                                          const ServerFacts& facts);

[[nodiscard]] Answer answer_to_end_ended(std::span<const Reply> replies, const ServerFacts& facts);

}  // namespace xa_tm::postgres
