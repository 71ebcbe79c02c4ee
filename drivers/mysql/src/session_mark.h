#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace xa_tm::mysql {

/// The name of the lock that a session with this mark holds for as long as it lives, up to the
/// session's number that follows: "MARK/". A mark that is too long for MySQL's names of 64 bytes is
/// cut, and ends with a checksum of the whole.
[[nodiscard]] std::string lock_prefix(std::string_view mark);
[[nodiscard]] std::string lock_name(std::string_view mark, std::uint64_t session_number);

}  // namespace xa_tm::mysql
