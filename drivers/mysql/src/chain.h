#pragma once

#include <span>
#include <string>
#include <string_view>

#include "client_api.h"
#include "witness_table.h"
#include "xa_tm/connection.h"

namespace xa_tm::mysql {

// Several requests in one packet of many statements. The server carries out one statement after the
// other and stops at the first that fails, so nothing is prepared after a failed statement, and no
// statement runs outside the branch.
//
// Between the application's statement and the end of its branch stands a query for a marker, a text
// that nobody can know before. Whatever the statement's text does to the packet, the vote counts
// only what comes after the marker: a statement that swallows XA END and XA PREPARE, or puts
// results of its own in their place, swallows the marker as well.

/// The packet. `marker` is in hexadecimal. A prepare has its witness row in front, if it is to
/// have one; null: none.
[[nodiscard]] std::string chain_of(std::span<const Request> requests, std::string_view marker,
                                   const WitnessTable* witnesses = nullptr);

/// What belongs to the first of `requests` is taken from `results`. An execute that a prepare
/// follows gets its marker as its last result, unless there is none.
[[nodiscard]] std::span<const Reply> take_results(std::span<const Request> requests,
                                                  std::span<const Reply>& results,
                                                  std::string_view marker);

/// Whether a prepare stands behind the execute at the front, so that there has to be a marker.
[[nodiscard]] bool needs_marker(std::span<const Request> requests) noexcept;
/// Whether this result is the marker's.
[[nodiscard]] bool is_marker(const Reply& reply, std::string_view marker);

}  // namespace xa_tm::mysql
