#pragma once

#include <string>
#include <string_view>

namespace xa_tm::mysql {

/// The text without the white space and semicolons that end it.
[[nodiscard]] std::string_view without_end(std::string_view statement) noexcept;

/// True only if the server can find no more than one statement in the text, whatever its sql_mode
/// is, and what follows the text in the same packet begins outside of strings and comments. False
/// when in doubt: for a backslash in a string, which NO_BACKSLASH_ESCAPES makes a plain character,
/// and for a comment that the server carries out.
[[nodiscard]] bool is_surely_one(std::string_view statement) noexcept;

}  // namespace xa_tm::mysql
