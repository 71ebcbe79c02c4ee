#pragma once

#include <string>
#include <string_view>

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

}  // namespace xa_tm::postgres
