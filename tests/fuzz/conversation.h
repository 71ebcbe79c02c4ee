#pragma once

#include <string_view>

#include "fuzz_input.h"
#include "hostile_server.h"
#include "xa_tm/datasource.h"

namespace xa_tm::test {

/// A part of a protocol that gives each message of a script its frame.
using Framer =
    std::function<std::string(std::uint8_t type, std::string body, std::string_view said)>;

/// Reads the rest of an input as a script: each step is a byte, 0 for the end of what is said to
/// one request, 1 for bytes that are said as they are, another one for a message of that type; but
/// for the first, length (2 bytes) and bytes follow. `said` is what was said to the same request
/// before.
[[nodiscard]] Script script_from(Input& input, const Framer& frame);

/// Lets a driver talk with a server that may say anything: connects, describes it or sends it the
/// verbs of the program, one byte each, and checks what the driver promises whatever the server
/// says: an answer to every verb, in time; only Error, in one line; nothing more of a connection
/// whose state is not certain.
void converse(Datasource& datasource, std::string_view program);

}  // namespace xa_tm::test
