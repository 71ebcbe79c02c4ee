#pragma once

#include <span>
#include <string>
#include <string_view>

#include "arguments.h"
#include "client_api.h"
#include "witness_table.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

// Several requests in one packet of many statements. The server carries out one statement after the
// other and stops at the first that fails, so nothing is prepared after a failed statement, and no
// statement runs outside the branch.
//
// Behind a statement of the application stands a query for a marker, a text that nobody can know
// before and that is this statement's alone. Whatever the statement's text does to the packet, what
// follows counts only behind the marker: a statement that swallows another one, or XA END and XA
// PREPARE, or puts results of its own in their place, swallows the marker as well. Without its
// marker it has failed, and all results to the packet's end are its own, so that no other statement
// is taken for done and no branch for prepared because of them.
//
// A marker costs the server and the network a result, so two statements have none:
// - one that is plain, arguments included, and begins with a word that promises exactly one result.
//   In such a text no character begins or ends a string, a quoted name or a comment, whatever the
//   server's version, sql_mode and character set, so the semicolon that follows ends it and it has
//   swallowed nothing; nor does it hold a semicolon, so it has added nothing. Its one result is
//   found by counting, from where the one before it ended: behind a marker, or behind a count of
//   the same kind. `savepoint s` is one, and `update t set n = n + ? where id = ?`;
// - the last one of a packet: nothing stands behind it.
//
// A literal of text with a quote, a backslash or a character beyond ASCII is not plain, nor is a
// quoted text of the application's, even though the client library and the scanner are sure of it.

/// The packet. `marker` is in hexadecimal. A prepare has its witness row in front, if it is to
/// have one; null: none.
[[nodiscard]] std::string chain_of(std::span<const Request> requests, std::string_view marker,
                                   const TextRules& rules, const WitnessTable* witnesses = nullptr);

/// What belongs to the first of `requests`, which are the packet's from some one on, is taken from
/// `results`. An execute that needs a marker gets it as its last result, unless there is none.
[[nodiscard]] std::span<const Reply> take_results(std::span<const Request> requests,
                                                  std::span<const Reply>& results,
                                                  std::string_view marker);

/// Whether there is a marker behind the request at the front.
[[nodiscard]] bool needs_marker(std::span<const Request> requests);
/// Whether this result is the marker's of the request at the front.
[[nodiscard]] bool is_marker(const Reply& reply, std::span<const Request> requests,
                             std::string_view marker);

}  // namespace xa_tm::mysql
