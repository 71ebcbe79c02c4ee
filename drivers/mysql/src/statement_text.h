#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace xa_tm::mysql {

// What a statement's text tells by itself, before a server has seen it. One scanner takes it apart,
// and where two servers, sql_modes or versions could take it apart differently it answers that it
// is not certain.

/// What the bytes of a text are in the connection's character set.
enum class Bytewise {
    yes,  ///< a byte of ASCII is that character
    no,   ///< or the second half of another one, as in gbk and sjis: then it may be \ or `
};

/// The text without the white space and semicolons that end it.
[[nodiscard]] std::string_view without_end(std::string_view statement) noexcept;

/// Where the question marks stand that arguments take the place of: those outside of strings,
/// quoted names and comments. Nothing unless the server can find no more than one statement in the
/// text, whatever its sql_mode is, and what follows the text in the same packet begins outside of
/// strings and comments; nothing when in doubt: for a backslash in a string, which
/// NO_BACKSLASH_ESCAPES makes a plain character, and for a comment that the server carries out.
[[nodiscard]] std::optional<std::vector<std::size_t>> placeholders_in(std::string_view statement,
                                                                      Bytewise is_bytewise);
/// Whether placeholders_in() is certain.
[[nodiscard]] bool is_surely_one(std::string_view statement, Bytewise is_bytewise);

/// True for a text of nothing but characters that begin no string, quoted name or comment in any
/// sql_mode, character set or version, and end none either: what follows it begins outside of
/// them, and no scanner has to be right for that.
[[nodiscard]] bool is_plain(std::string_view statement) noexcept;

/// What a statement is, by its first word.
enum class Kind {
    one_result,  ///< changes nothing of the session, and has exactly one result
    call,        ///< changes nothing of the session that its routine does not put back
    other,       ///< may change how the server reads the next text, as SET does
};
[[nodiscard]] Kind kind_of(std::string_view statement);

}  // namespace xa_tm::mysql
