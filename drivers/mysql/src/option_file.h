#pragma once

#include <string>
#include <string_view>

#include "uri.h"

namespace xa_tm::mysql {

/// What the group [client], and after it `group`, say in the text of an option file such as
/// ~/.my.cnf: user, password, host, port, socket, database and the ssl- options. Options for other
/// programs are passed over, and so are !include lines. Throws std::invalid_argument, whose text
/// names a line and nothing of what stands in it.
[[nodiscard]] ServerAddress parse_option_file(std::string_view text, std::string_view group);

/// The address with what it leaves out taken from its option file, if it names one or a group; the
/// file is ~/.my.cnf unless it names another. Throws std::invalid_argument.
[[nodiscard]] ServerAddress with_option_file(ServerAddress address);

}  // namespace xa_tm::mysql
